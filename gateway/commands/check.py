"""weighbridge check: whether the configuration can be used, before anything is started with it."""

from typing import Annotated

import typer

from gateway.commands.opening import Json, settings_of
from gateway.commands.printing import as_json, cell, say


def check(
    ctx: typer.Context,
    *,
    schema: Annotated[
        bool, typer.Option("--schema", help="Write the JSON Schema of weighbridge.toml instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Check the configuration before anything starts.

    Exit code 0, or 78 with file, line and what to do.
    """
    if schema:
        from gateway.settings_schema import json_schema

        as_json(json_schema())
        return
    from gateway.prices.book import read_book
    from gateway.settings_names import described

    settings = settings_of(ctx, serving=True)
    read_book(settings.price_overrides)
    shown = described(settings)
    if json:
        as_json(shown)
        return
    width = max(len(name) for name in shown)
    for name, value in shown.items():
        say(f"{name:<{width}}  {cell(None if value is None else _words(value))}")
    say(f"\n{settings.config_file or 'These defaults'}: can be used.")


def _words(value: object) -> str:
    """Write a setting in one line."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
