"""The command line: its verbs, and how mistakes end. Other packages add verbs by entry point, so no import goes up."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.completion import completion_init  # type: ignore[attr-defined] # the way to completion without its options

from gateway.commands import application, initiative, journal, key, ledger, person, price, team
from gateway.commands.ask import ask
from gateway.commands.check import check
from gateway.commands.demo import demo
from gateway.commands.doctor import doctor
from gateway.commands.env import env
from gateway.commands.explain import explain
from gateway.commands.failed import BAD_SETTINGS, FAILED, Failed
from gateway.commands.opening import Options
from gateway.commands.spend import spend
from gateway.commands.up import up
from gateway.commands.version import completion, version

VERBS = "weighbridge.verbs"
"""Entry-point group: each names a function that is given the application and adds to it."""

app = typer.Typer(
    name="weighbridge",
    help="A gateway that weighs every AI request: exact tokens, exact money, a team and an initiative.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def weighbridge(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Option(help="weighbridge.toml; may stand after the verb too.")] = None,
) -> None:
    """Keep what was said before the verb."""
    ctx.obj = Options(config)


_VERBS: dict[str, Callable[..., None]] = {
    "demo": demo, "up": up, "check": check, "doctor": doctor, "env": env, "ask": ask, "spend": spend,
    "explain": explain, "version": version, "completion": completion,
}  # fmt: skip
_NOUNS = {
    "key": key, "team": team, "application": application, "person": person, "initiative": initiative,
    "price": price, "ledger": ledger, "journal": journal,
}  # fmt: skip
OURS = frozenset((*_VERBS, *_NOUNS))

for name, verb in _VERBS.items():
    app.command(name)(verb)
for name, noun in _NOUNS.items():
    app.add_typer(noun.app, name=name)


def main(arguments: list[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 refused or failed, 2 wrong usage, 78 wrong configuration."""
    said = _config_first(sys.argv[1:] if arguments is None else arguments)
    if not _is_ours(said):
        _add_others()
    completion_init()
    sys.exit(_run(said))


def _is_ours(arguments: list[str]) -> bool:
    """Say whether the verb is one of this package; looking for others takes a third of a start."""
    words = arguments[2:] if arguments[:1] == ["--config"] else arguments
    return bool(words) and words[0] in OURS


def _add_others() -> None:
    """Let other packages add their verbs."""
    from importlib.metadata import entry_points

    for verb in entry_points(group=VERBS):
        verb.load()(app)


def _run(arguments: list[str]) -> int:
    """Run one verb; a user's mistake is one sentence on standard error, never a traceback."""
    try:
        app(arguments, prog_name="weighbridge")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except BrokenPipeError:
        sys.stderr.close()  # Whoever read our output has left; there is nobody to tell.
        return FAILED
    except Failed as failed:
        return _told(str(failed), failed.code)
    except Exception as error:  # noqa: BLE001 - the process's edge
        return _known(error)
    return 0


def _known(error: Exception) -> int:
    """Say what went wrong, for everything that is not our own mistake."""
    from gateway.errors import Refused
    from gateway.journal.errors import JournalUnusable
    from gateway.ledger.errors import BadLedger, LedgerDown
    from gateway.settings import BadSettings

    match error:
        case Refused():
            return _told(error.refusal.message, FAILED)
        case BadSettings() | BadLedger() | JournalUnusable():
            return _told(str(error), BAD_SETTINGS)
        case LedgerDown():
            return _told(str(error), FAILED)
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return _told(f"{place}{error.strerror or error}.", FAILED)
        case _:
            raise error


def _told(text: str, code: int) -> int:
    typer.echo(f"weighbridge: {text}", err=True)
    return code


def _config_first(arguments: list[str]) -> list[str]:
    """Move --config to where it is read: people write it after the verb too."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for at, word in enumerate(arguments[:end]):
        if word == "--config" and at + 1 < end:
            return [*arguments[at : at + 2], *arguments[:at], *arguments[at + 2 :]]
        if word.startswith("--config="):
            return [word, *arguments[:at], *arguments[at + 1 :]]
    return arguments


if __name__ == "__main__":
    main()
