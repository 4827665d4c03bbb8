"""weighbridge price: what models cost, since when, by which source, and what overrides change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.failed import Failed
from gateway.commands.opening import Json, settings_of
from gateway.commands.printing import Column, as_json, note, say, table
from policies.money import to_usd

if TYPE_CHECKING:
    from gateway.prices.book import PriceBook
    from policies.pricing import Price, Rate

app = typer.Typer(help="Prices: what models cost, since when, and by which source.", no_args_is_help=True)

SHOWN_MAX = 40
"""Rows of a list for people; a program gets all."""


@app.command("list")
def list_(
    ctx: typer.Context,
    contains: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Part of a model's name.")] = None,
    *,
    provider: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    all_: Annotated[bool, typer.Option("--all", help=f"Show more than {SHOWN_MAX} rows.")] = False,
    json: Json = False,
) -> None:
    """List the prices in force, in dollars for a million tokens."""
    from gateway.prices.queries import list_prices

    book = _book(ctx)
    found = list_prices(book, provider=provider, contains=contains)
    if json:
        as_json([told(price) for price in found])
        return
    if not found:
        say("No price of that name. Add one to the file that [prices] overrides names.")
        return
    shown = found if all_ else found[:SHOWN_MAX]
    headings = [Column("PROVIDER"), Column("MODEL")]
    headings += [Column(name, right=True) for name in ("INPUT", "CACHED", "OUTPUT")]
    headings += [Column("SINCE"), Column("SOURCE")]
    rows = [
        (
            price.provider_name,
            price.model,
            _standard(price, "input"),
            _standard(price, "cache_read"),
            _standard(price, "output"),
            _since(price),
            price.source,
        )
        for price in shown
    ]
    table(headings, rows, title=f"USD for a million tokens, price list {book.version}")
    if len(found) > len(shown):
        note(f"{len(found) - len(shown):,} more: name a part of the model, or --all.")


@app.command("show")
def show(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="The model, with its provider before it: openai/gpt-4o.")],
    *,
    json: Json = False,
) -> None:
    """Show every rate of a model, newest price first."""
    from gateway import clock
    from gateway.prices.queries import show_price

    provider, _, name = model.partition("/")
    if not name:
        raise Failed(f"Name the provider too: openai/{model}. weighbridge price list {model} shows who has it.")
    found = show_price(_book(ctx), provider, name, clock.now())
    if json:
        as_json([told(price) for price in found])
        return
    if not found:
        raise Failed(f"No price is known for {name} at {provider}. weighbridge price list shows those that are.")
    headings = (Column("METER"), Column("USD", right=True), Column("FOR EACH", right=True), Column("TIER"),
                Column("PROMPT ABOVE", right=True))  # fmt: skip
    for price in found:
        rows = [
            (rate.meter, to_usd(rate.rate), f"{rate.per:,}", rate.tier,
             f"{rate.above_input_tokens:,} tokens" if rate.above_input_tokens else None)
            for rate in price.rates
        ]  # fmt: skip
        since = (_since(price) or "always") + (", in some hours of the week" if price.hours else "")
        about = f"{price.provider_name}/{price.model} since {since}; {price.source}; {price.version}"
        table(headings, rows, title=about)


@app.command("diff")
def diff(
    ctx: typer.Context,
    old: Annotated[Path | None, typer.Argument(help="A snapshot of prices; the bundled one if not said.")] = None,
    new: Annotated[
        Path | None, typer.Argument(help="Another; the bundled one with your overrides if not said.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Show what differs between two price lists: by default, what your overrides change."""
    from gateway.prices.book import read_book
    from gateway.prices.queries import diff_books

    before = read_book(None, old) if old else read_book(None)
    after = read_book(None, new) if new else _book(ctx)
    found = diff_books(before, after)
    if json:
        as_json(
            [
                {
                    "provider_name": one.provider_name,
                    "model": one.model,
                    "before": told(one.before) if one.before else None,
                    "after": told(one.after) if one.after else None,
                    "percent": one.percent,
                }
                for one in found
            ]
        )
        return
    if not found:
        say("The two price lists are the same.")
        return
    rows = [
        (one.provider_name, one.model, _both(one.before), _both(one.after), _change(one.before, one.after, one.percent))
        for one in found
    ]
    headings = [Column("PROVIDER"), Column("MODEL"), Column("BEFORE"), Column("AFTER"), Column("CHANGE", right=True)]
    table(headings, rows, title="USD for a million tokens, input / output")


@app.command("disagreements")
def disagreements(
    contains: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Part of a model's name.")] = None,
    *,
    provider: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    json: Json = False,
) -> None:
    """Show where a source of the price list charges something else, and why the list stands by its own."""
    import msgspec

    from gateway.prices.queries import read_disagreements

    found = [
        one
        for one in read_disagreements()
        if provider in {None, one.provider_name} and (contains or "").lower() in one.model.lower()
    ]
    if json:
        as_json([{**msgspec.structs.asdict(one), "explanation": one.explanation} for one in found])
        return
    if not found:
        say("The sources say the same.")
        return
    headings = [Column("PROVIDER"), Column("MODEL"), Column("RATE"), Column("LIST", right=True)]
    headings += [Column("SOURCE", right=True), Column("OF"), Column("WHY")]
    rows = [
        (one.provider_name, one.model, one.sku, one.ours, one.theirs, one.oracle, one.category)
        for one in found[:SHOWN_MAX]
    ]
    table(headings, rows, title="USD, by the price list and by one of its sources")
    for category, explanation in sorted({(one.category, one.explanation) for one in found[:SHOWN_MAX]}):
        note(f"{category}: {explanation}")
    if len(found) > SHOWN_MAX:
        note(f"{len(found) - SHOWN_MAX:,} more: name a part of the model, or --json.")


@app.command("import")
def import_(
    litellm: Annotated[Path, typer.Argument(help="litellm's map of models, a JSON file.")],
    genai: Annotated[Path, typer.Argument(help="genai-prices' data.py.")],
    *,
    litellm_version: Annotated[str, typer.Option(help="The release the map is from.")],
    genai_version: Annotated[str, typer.Option(help="The release data.py is from.")],
    accept: Annotated[bool, typer.Option("--accept", help="Yes to prices that move by more than half.")] = False,
) -> None:
    """Make the bundled price list anew from two files, for maintainers: nothing is fetched, what was in force stays."""
    from gateway import clock
    from gateway.prices.importer import import_prices
    from gateway.prices.sources import Sources

    day = clock.now().date()
    made = import_prices(Sources(litellm, litellm_version, genai, genai_version, day), accept=accept)
    say(f"{made.path}: {made.rows:,} rows, {len(made.added):,} of them new; {len(made.disagreements):,} disagreements.")
    note(f"{len(made.skipped):,} entries of the sources have no price by token. Look at `git diff` before you commit.")


def told(price: "Price") -> dict[str, Any]:
    """Give a price as plain values; rates are decimal dollars for each `per`."""
    return {
        "provider_name": price.provider_name,
        "model": price.model,
        "version": price.version,
        "source": price.source,
        "effective_from": price.effective_from,
        "currency": "USD",
        "max_input_tokens": price.max_input_tokens,
        "max_output_tokens": price.max_output_tokens,
        "hours": [list(span) for span in price.hours],
        "rates": [_rate(rate) for rate in price.rates],
    }


def _rate(rate: "Rate") -> dict[str, Any]:
    return {
        "meter": rate.meter,
        "rate": to_usd(rate.rate),
        "per": rate.per,
        "tier": rate.tier,
        "above_input_tokens": rate.above_input_tokens,
    }


def _book(ctx: typer.Context) -> "PriceBook":
    """Give the prices in force."""
    from gateway.prices.book import read_book

    return read_book(settings_of(ctx).price_overrides)


def _since(price: "Price") -> str | None:
    """Give the first day of a price, None where no source knows it."""
    return None if price.effective_from <= "1970-01-01" else price.effective_from


def _standard(price: "Price", meter: str) -> str | None:
    """Give the plain rate of a meter for a million."""
    for rate in price.rates:
        if (rate.meter, rate.tier, rate.above_input_tokens, rate.per) == (meter, "standard", 0, 1_000_000):
            return to_usd(rate.rate)
    return None


def _both(price: "Price | None") -> str | None:
    if price is None:
        return None
    return f"{_standard(price, 'input') or '-'} / {_standard(price, 'output') or '-'}"


def _change(before: "Price | None", after: "Price | None", percent: int | None) -> str:
    if before is None:
        return "new"
    if after is None:
        return "gone"
    return "-" if percent is None else f"{percent:+d} %"
