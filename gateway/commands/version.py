"""weighbridge version and completion: about the program itself."""

from typing import Annotated, Literal

import typer

from gateway.commands.opening import Json
from gateway.commands.printing import as_json, say


def version(*, json: Json = False) -> None:
    """Say which version this is."""
    import platform
    import sqlite3

    found = {"weighbridge": _own(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if json:
        as_json(found)
    else:
        say(f"weighbridge {found['weighbridge']} (Python {found['python']}, SQLite {found['sqlite']})")


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell"], typer.Argument(help="For which shell.")],
) -> None:
    """Print a script that completes verbs and options.

    For example: weighbridge completion bash >> ~/.bashrc
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # what --show-completion calls

    say(get_completion_script(prog_name="weighbridge", complete_var="_WEIGHBRIDGE_COMPLETE", shell=shell))


def _own() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("weighbridge")
    except PackageNotFoundError:
        return "of this checkout"
