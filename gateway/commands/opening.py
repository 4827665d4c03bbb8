"""What verbs open: the settings of this call, the book, and the registry with what may change it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.failed import BAD_SETTINGS, Failed
from gateway.commands.printing import note

if TYPE_CHECKING:
    from gateway.changes import Changes
    from gateway.ledger.entry import Ledger
    from gateway.records import By
    from gateway.registry import Registry
    from gateway.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]

ACTOR = "cli"
"""Whose changes these are in the book: whoever can open it."""


DEMO = Path("weighbridge-demo") / "weighbridge.toml"


@dataclass(frozen=True, slots=True)
class Options:
    """What was said before the verb."""

    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """An open registry: who there is, and what may change it."""

    settings: "Settings"
    ledger: "Ledger"
    registry: "Registry"
    changes: "Changes"
    by: "By"
    now: datetime


def settings_of(ctx: typer.Context, *, serving: bool = False) -> "Settings":
    """Give the settings this call is about; only who is `serving` needs the providers' keys. Raises BadSettings."""
    from gateway.settings_file import read_settings

    options = ctx.find_root().obj
    assert isinstance(options, Options)
    return read_settings(options.config, serving=serving)


def settings_to_read(ctx: typer.Context) -> "Settings":
    """Give the settings this call reads by: where nothing else has been started, those of a demo that has.

    Who has just seen the demo means it; the remark says so to everybody else.
    """
    from gateway.settings_file import read_settings

    settings = settings_of(ctx)
    if settings.config_file is None and not settings.data_dir.exists() and DEMO.is_file():
        note(f"(of the demo: {DEMO})")
        return read_settings(DEMO, serving=False)
    return settings


@contextlib.contextmanager
def book(ctx: typer.Context) -> "Iterator[Ledger]":
    """Open the ledger for reading, and close it; raises Failed where there is none yet."""
    settings = settings_to_read(ctx)
    _known(settings)
    from gateway.ledger.open import open_ledger

    with contextlib.closing(open_ledger(settings.ledger_url, settings.data_dir)) as ledger:
        yield ledger


@contextlib.contextmanager
def desk(ctx: typer.Context, *, create: bool = False) -> Iterator[Desk]:
    """Open the registry, and close it; with `create` a data folder that is not there yet is made."""
    settings = settings_of(ctx) if create else settings_to_read(ctx)
    if create and not settings.data_dir.exists():
        make_data_dir(settings)
        note(f"Made {settings.data_dir}, where the ledger and the journal are from now on.")
    _known(settings)
    with opened(settings) as found:
        yield found


def make_data_dir(settings: "Settings") -> None:
    """Make the data folder where it is not there yet; raises Failed."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(
            f"The data folder {settings.data_dir} cannot be made: {error.strerror}. "
            "Name another with [data] dir or WEIGHBRIDGE_DATA_DIR.",
            BAD_SETTINGS,
        ) from error


@contextlib.contextmanager
def opened(settings: "Settings") -> Iterator[Desk]:
    """Open the registry of these settings, up to date, and close it; raises Failed where its pepper is missing."""
    from gateway import clock
    from gateway.changes import Changes
    from gateway.keys import PEPPER_FILE, read_pepper
    from gateway.ledger.open import open_ledger
    from gateway.registry import Registry

    with contextlib.closing(open_ledger(settings.ledger_url, settings.data_dir)) as ledger:
        path = settings.data_dir / PEPPER_FILE
        if not path.exists() and ledger.entries(kinds=("key",), limit=1):
            # A new pepper would void every key in this book, and make other pseudonyms of the same people.
            raise Failed(
                f"The ledger has keys, but {path} is missing. Put back the file that belongs to them.", BAD_SETTINGS
            )
        pepper = read_pepper(settings.data_dir)
        registry = Registry(pepper)
        registry.refresh(ledger)
        changes = Changes(ledger, registry, pepper)
        yield Desk(settings, ledger, registry, changes, changes.by(ACTOR), clock.now())


def _known(settings: "Settings") -> None:
    """Raise Failed where the ledger's folder does not exist: more often a wrong folder than an empty company."""
    if settings.ledger_url == "sqlite" and not settings.data_dir.is_dir():
        raise Failed(
            f"There is no ledger at {settings.data_dir} yet. Start the gateway once (weighbridge up), "
            "or name its configuration with --config."
        )
