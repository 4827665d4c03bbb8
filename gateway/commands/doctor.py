"""weighbridge doctor: what keeps a gateway from working well here, one line each, with what to do."""

import errno
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from gateway.commands.failed import FAILED
from gateway.commands.opening import Json, opened, settings_of
from gateway.commands.printing import as_json, cell, say
from gateway.commands.starting import is_ready

if TYPE_CHECKING:
    from gateway.settings import Settings

State = Literal["ok", "look", "bad"]

FREE_BYTES_LOW = 2**30
"""Below this a busy gateway may fill the disk within a day, and then admits nothing."""

PRICES_DAYS_OLD = 60
"""Providers change prices every few weeks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and what to do where it is not well."""

    what: str
    state: State
    text: str


def doctor(ctx: typer.Context, *, json: Json = False) -> None:
    """Look at everything a gateway needs.

    One line each, with what to do; exit code 1 if something keeps it from working.
    """
    found = list(_findings(ctx))
    if json:
        as_json([{"what": one.what, "state": one.state, "text": one.text} for one in found])
    else:
        width = max(len(one.what) for one in found)
        for one in found:
            say(f"{one.state:<4}  {one.what:<{width}}  {cell(one.text)}")
    if any(one.state == "bad" for one in found):
        raise typer.Exit(FAILED)


def _findings(ctx: typer.Context) -> Iterator[Finding]:
    from gateway.settings import BadSettings

    try:
        settings = settings_of(ctx)
    except BadSettings as error:
        yield Finding("configuration", "bad", str(error))
        return
    try:
        settings = settings_of(ctx, serving=True)
    except BadSettings as error:
        yield Finding("secrets", "bad", str(error))
    source = settings.config_file or "none; defaults and the environment are used"
    yield Finding("configuration", "ok", str(source))
    for look in (_data, _disk, _ledger, _providers, _prices, _ports, _environment):
        yield from look(settings)


def _data(settings: "Settings") -> Iterator[Finding]:
    folder = settings.data_dir
    if not folder.exists():
        yield Finding("data", "look", f"{folder} is not there yet; the first start makes it.")
        return
    probe = folder / ".doctor"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield Finding("data", "bad", f"{folder} cannot be written: {error.strerror}. Give its owner the right.")
        return
    pepper = folder / "pepper"
    if pepper.exists() and pepper.stat().st_mode & 0o077:
        yield Finding("data", "look", f"{pepper} can be read by others. Run: chmod 600 {pepper}")
        return
    yield Finding("data", "ok", f"{folder} can be written")


def _disk(settings: "Settings") -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(settings.data_dir)).free
    said = f"{free / 2**30:,.1f} GiB free below {settings.data_dir}"
    if free < 4 * settings.segment_bytes:
        yield Finding("disk", "bad", f"{said}: the journal has no room, so no call is admitted. Make room.")
    elif free < FREE_BYTES_LOW:
        yield Finding("disk", "look", f"{said}: make room before it is needed.")
    else:
        yield Finding("disk", "ok", said)


def _existing(path: Path) -> Path:
    """Give the path, or the nearest folder above that exists."""
    return next(one for one in (path, *path.parents) if one.exists())


def _ledger(settings: "Settings") -> Iterator[Finding]:
    """Open the book, and see who could use this gateway and who could administer it."""
    from gateway.bind import bind_refusal
    from gateway.ledger.errors import BadLedger, LedgerDown

    if settings.ledger_url == "sqlite" and not settings.data_dir.exists():
        return
    try:
        with opened(settings) as desk:
            desk.ledger.ping()
            keys = [key for key in desk.registry.keys.values() if key.revoked_at is None]
            initiatives = len(desk.registry.initiatives)
    except (BadLedger, LedgerDown, OSError) as error:
        yield Finding("ledger", "bad", f"{error}")
        return
    yield Finding("ledger", "ok", f"{settings.ledger_url.partition(':')[0]} answers")
    callers = [key for key in keys if key.role in {"lead", "member", "service"}]
    admins = [key for key in keys if key.role == "admin"]
    refusal = bind_refusal(settings, has_admin_key=bool(admins))
    if refusal is not None:
        yield Finding("keys", "bad", refusal.message)
    elif not callers:
        yield Finding("keys", "look", "nobody can make calls yet: weighbridge key create --team TEAM")
    else:
        yield Finding("keys", "ok", f"{len(callers)} that make calls, {len(admins)} that administer")
    if not initiatives and settings.unknown_initiative != "allow":
        yield Finding("initiatives", "look", "none is known: weighbridge initiative create PROJ-42")


def _providers(settings: "Settings") -> Iterator[Finding]:
    for provider in settings.providers:
        speaks = ", ".join(provider.dialects)
        key = "key set" if provider.api_key else "no key is sent"
        local = provider.private_network or provider.api_key is not None
        state: State = "ok" if local else "look"
        yield Finding("provider", state, f"{provider.name}: {provider.base_url}, speaks {speaks}, {key}")
    if not settings.providers:
        yield Finding(
            "provider",
            "look",
            "none, so no model can be called. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY to a provider's "
            "own key, name providers in weighbridge.toml, or try: weighbridge up --with-local-model",
        )


def _prices(settings: "Settings") -> Iterator[Finding]:
    from datetime import UTC, datetime

    from gateway import clock
    from gateway.prices.book import read_book
    from gateway.settings import BadSettings

    try:
        book = read_book(settings.price_overrides)
    except BadSettings as error:
        yield Finding("prices", "bad", str(error))
        return
    said = f"price list {book.version}"
    try:
        made = datetime.fromisoformat(book.version[:10]).replace(tzinfo=UTC)
    except ValueError:
        yield Finding("prices", "ok", said)
        return
    days = (clock.now() - made).days
    if days > PRICES_DAYS_OLD:
        yield Finding("prices", "look", f"{said} is {days} days old: update Weighbridge, or override what changed.")
    else:
        yield Finding("prices", "ok", f"{said}, {max(0, days)} days old")


def _ports(settings: "Settings") -> Iterator[Finding]:
    """See whether the ports can be had, or whether a gateway has them already."""
    for what, port in (("port", settings.port), ("pages port", settings.pages_port)):
        if port == 0:
            continue
        with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                yield _taken(what, settings, port, error)
            else:
                yield Finding(what, "ok", f"{settings.host}:{port} is free")


def _taken(what: str, settings: "Settings", port: int, error: OSError) -> Finding:
    host = settings.host
    if error.errno == errno.EADDRINUSE:
        if is_ready(host, settings.port):
            return Finding(what, "ok", f"{host}:{port} is in use; a gateway is running here and is ready")
        return Finding(what, "look", f"{host}:{port} is in use by something that is no ready gateway. Set another one.")
    return Finding(what, "bad", f"{host}:{port} cannot be had: {error.strerror}. Set another [server] host or port.")


def _environment(_settings: "Settings") -> Iterator[Finding]:
    from gateway.settings_variables import odd_variables

    for text in odd_variables():
        yield Finding("environment", "look", text)
