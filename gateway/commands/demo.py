"""weighbridge demo: a made-up company of ninety days, the gateway, the pages and a provider that needs no key."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.failed import Failed
from gateway.commands.opening import DEMO
from gateway.commands.printing import cell, progress, say
from gateway.commands.starting import address, command, free_port, is_free, when_ready
from gateway.commands.up import PagesPort, Port

if TYPE_CHECKING:
    from gateway.demo.fill import DemoKey, Seeded
    from gateway.demo.plan import DemoPlan

HOST = "127.0.0.1"
PORT, PAGES_PORT = 8080, 8081


def demo(
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the demo's data, and nothing else.")] = False,
    port: Port = None,
    pages_port: PagesPort = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where the demo lives; ./weighbridge-demo if not said.")
    ] = None,
) -> None:
    """Start everything with made-up data, no key needed.

    The gateway, its pages and a built-in provider run until Ctrl-C, on data of their own.
    """
    from gateway.demo.plan import DIRECTORY_NAME, prepare

    where = directory or Path(DIRECTORY_NAME)
    _not_running(where)
    if clear:
        _clear(where)
        return
    _hold(where)
    plan = prepare(where, echo_port=free_port(HOST), port=_port(port, PORT), pages_port=_port(pages_port, PAGES_PORT))
    seeded, seconds = _seeded(plan)
    _run(plan, seeded, seconds)


def _port(said: int | None, usual: int) -> int:
    """Give the port to listen on: the one that was said, else the usual one, else any free one."""
    if said is not None:
        return said or free_port(HOST)
    return usual if is_free(usual, HOST) else free_port(HOST)


def _seeded(plan: "DemoPlan") -> "tuple[Seeded, float]":
    """Book the company; gives what there is, and how long it took."""
    from gateway import clock
    from gateway.demo.fill import fill

    started = time.perf_counter()
    with progress("Booking a made-up company", "days") as tell:
        seeded = fill(plan, clock.now(), tell)
    return seeded, time.perf_counter() - started


def _run(plan: "DemoPlan", seeded: "Seeded", seconds: float) -> None:
    from gateway.serve import log_to_stderr
    from gateway.settings_file import read_settings
    from gateway.supervise import Companion, Supervisor, pages

    log_to_stderr()
    settings = read_settings(plan.config_file)
    echo = Companion("echo provider", (sys.executable, "-m", "gateway.echo", "--port", str(plan.echo_port)))
    supervisor = Supervisor(settings, (echo, pages(settings)))
    code = supervisor.run(started=lambda port: when_ready(HOST, port, lambda: _tell(plan, seeded, seconds)))
    raise typer.Exit(code)


def _not_running(where: Path) -> None:
    """Raise Failed while a demo runs there: its settings and its data are in use."""
    from gateway.journal.lock import is_locked

    journal = where / "data" / "journal" / "0"
    if journal.is_dir() and is_locked(journal):
        raise _running(where)


def _hold(where: Path) -> None:
    """Keep the folder for this process until it ends: two that start at once would book into one journal."""
    from gateway.journal.errors import JournalLocked
    from gateway.journal.lock import lock_directory

    try:
        where.mkdir(parents=True, exist_ok=True)
        lock_directory(where)
    except JournalLocked as error:
        raise _running(where) from error
    except OSError as error:
        raise Failed(f"{where} cannot be used: {error.strerror}. Name another folder with --dir.") from error


def _running(where: Path) -> Failed:
    return Failed(f"The demo at {where} is running. Stop it with Ctrl-C first, or start another with --dir.")


def _clear(where: Path) -> None:
    """Take the demo's entries out of the demo's book."""
    from gateway.demo.fill import clear
    from gateway.demo.plan import DemoPlan

    plan = DemoPlan(where, where / "weighbridge.toml", where / "data", 0, 0, 0)
    if not plan.data_dir.is_dir():
        raise Failed(f"There is no demo at {where}. Start one: {command()} demo")
    removed = clear(plan)
    say(f"Removed {removed:,} entries of the demo from {plan.data_dir}; nothing else was touched.")


def _tell(plan: "DemoPlan", seeded: "Seeded", seconds: float) -> None:
    """Say what there is, where it is, and what to try: true numbers only."""
    url = address(HOST, plan.port)
    size = f"{seeded.teams} teams, {seeded.initiatives} initiatives, {seeded.calls:,} calls"
    when = f"booked in {seconds:.1f} s" if seeded.fresh else "booked before"
    say(f"\n  Demo data  {seeded.days} days of a made-up company ({size}), {when}")
    say(f"  Gateway    {url}/v1")
    say(f"  Pages      {address(HOST, plan.pages_port)}\n")
    width = max((len(key.name) for key in seeded.keys), default=0)
    for key in seeded.keys:
        say(f"  Key        {cell(key.name):<{width}}  {key.key.reveal()}  ({_whose(key)})")
    caller = next((key for key in seeded.keys if key.team), None)
    if caller is None:
        return
    place = "" if plan.config_file == DEMO else f" --dir {plan.config_file.parent}"
    config = "" if _is_found(plan) else f" --config {plan.config_file}"
    say(f"""
  Try it in another terminal:

    export WEIGHBRIDGE_URL={url}
    export WEIGHBRIDGE_KEY={caller.key.reveal()}
    {command()} ask --model gpt-4o-mini "Hello"
    {command()} spend --by team,initiative --since 7d{config}

    curl -s $WEIGHBRIDGE_URL/v1/chat/completions -H "Authorization: Bearer $WEIGHBRIDGE_KEY" \\
      -H "Content-Type: application/json" -H "X-AI-Tags: env=demo" \\
      -d '{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Hello"}}]}}'

  Ctrl-C stops it; {command()} demo --clear{place} removes the made-up data.""")


def _is_found(plan: "DemoPlan") -> bool:
    """Say whether verbs that only read find this demo by themselves."""
    from gateway.settings_file import FILE_NAME

    return plan.config_file == DEMO and not Path(FILE_NAME).exists() and not Path("weighbridge-data").exists()


def _whose(key: "DemoKey") -> str:
    return f"{key.role}, team {key.team}" if key.team else key.role
