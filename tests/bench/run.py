"""One command that runs every gateway beside the others and prints what each costs, as ratios of one run.

python -m tests.bench [--seconds 2] [--rounds 3] [--only nginx,weighbridge] [--scenarios c1,c32] [--clients] [--json]
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from tests.bench import clients, procfs, table
from tests.bench.figures import DIRECT, Figures, Measurement, figures
from tests.bench.gateways import MODEL, Gateway, SetupFailed, available
from tests.bench.processes import Cores, NotReady, cores, loaded, provider, running
from tests.bench.scenarios import SCENARIOS, Scenario, plan


@dataclass(frozen=True, slots=True)
class Options:
    """What to run: how long each scenario, how often, which gateways and scenarios."""

    seconds: float
    rounds: int
    gateways: tuple[Gateway, ...]
    scenarios: tuple[Scenario, ...] = SCENARIOS
    urgent: bool = False


def bench(options: Options, say: Callable[[str], None]) -> tuple[Measurement, ...]:
    """Measure all of `options`, round after round, so that a slow minute of the machine hits everyone.

    A gateway that does not start or answers nothing right is said and left out of that round.
    """
    on = cores(urgent=options.urgent)
    if on.shared:
        say("only one core: gateway, provider and load share it, so latencies mean little; CPU figures still hold")
    measured: list[Measurement] = []
    with provider(on) as upstream_port:
        for number in range(options.rounds):
            measured += _direct(options, number, upstream_port, on)
            for gateway in options.gateways:
                say(f"round {number + 1} of {options.rounds}: {gateway.name}")
                try:
                    measured += _one(gateway, options, number, upstream_port, on)
                except (NotReady, SetupFailed) as error:
                    say(f"{gateway.name} left out of round {number + 1}: {error}")
    return tuple(measured)


def _direct(options: Options, number: int, upstream_port: int, on: Cores) -> Iterator[Measurement]:
    url = f"http://127.0.0.1:{upstream_port}/v1/chat/completions"
    for scenario in options.scenarios:
        asked = plan(scenario, url, {}, MODEL, options.seconds)
        result, _, _ = loaded(asked, on, lambda: None)
        yield Measurement(DIRECT, scenario.name, number, result, 0, 0, 0, 0.0)


def _one(gateway: Gateway, options: Options, number: int, upstream_port: int, on: Cores) -> list[Measurement]:
    found = []
    with running(gateway, upstream_port, on) as at:
        for scenario in options.scenarios:
            asked = plan(scenario, at.url, at.headers, MODEL, options.seconds)
            result, before, after = loaded(asked, on, lambda: procfs.cpu_when_quiet(at.pid))
            found.append(
                Measurement(
                    gateway=gateway.name,
                    scenario=scenario.name,
                    round=number,
                    result=result,
                    cpu_ns=procfs.spent_ns(before, after),
                    memory_bytes=procfs.memory_bytes(at.pid),
                    idle_bytes=at.idle_bytes,
                    start_s=at.start_s,
                )
            )
    return found


def report(options: Options, rows: tuple[Figures, ...], console: Console) -> str:
    """Print both tables and what they rest on; gives the same as Markdown."""
    seconds, rounds = options.seconds, options.rounds
    basis = (
        f"Medians of {rounds} interleaved rounds of {seconds:g} s per scenario; gateway on one core, load on another. "
        f"{machine()}"
    )
    if cores().shared:
        basis += " This machine has one core: latencies mean little."
    shown, compared = table.figure_rows(rows), table.ratios(rows)
    table.show(shown, "What each gateway costs", console)
    table.show(compared, "As multiples of a yardstick in this run (lower is better)", console)
    notes = [f"* {gateway.name}: {gateway.note}" for gateway in options.gateways]
    faults = [f"* {row.gateway}, wrong: {'; '.join(row.faults)}" for row in rows if row.faults]
    console.print("\n".join([basis, *notes, *faults]), markup=False)
    return "\n\n".join([basis, table.as_markdown(shown), table.as_markdown(compared), "\n".join(notes + faults)]) + "\n"


def machine() -> str:
    """Say on what this runs, and how busy it is: on a busy machine everyone is dearer, and latencies mean little."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load average {load:.1f}."


def _options(args: argparse.Namespace) -> Options:
    gateways = available()
    if args.only:
        known = {gateway.name for gateway in gateways}
        wanted = tuple(args.only.split(","))
        missing = set(wanted) - known
        if missing:
            sys.exit(f"cannot run {', '.join(sorted(missing))}; here are {', '.join(sorted(known))}")
        gateways = tuple(gateway for gateway in gateways if gateway.name in wanted)
    names = args.scenarios.split(",") if args.scenarios else [one.name for one in SCENARIOS]
    scenarios = tuple(one for one in SCENARIOS if one.name in names)
    return Options(args.seconds, args.rounds, gateways, scenarios, args.urgent)


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each scenario")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names of gateways, with commas")
    parser.add_argument("--scenarios", help="names of scenarios, with commas")
    parser.add_argument("--clients", action="store_true", help="also compare client libraries")
    parser.add_argument("--urgent", action="store_true", help="run at the highest priority (needs root)")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON, no tables")
    args = parser.parse_args()
    options = _options(args)
    errors = Console(stderr=True)
    measured = bench(options, lambda text: errors.print(text, markup=False, style="dim"))
    rows = figures(measured)
    if args.json:
        print(msgspec.json.encode({"measurements": measured, "figures": rows}).decode())
    else:
        console = Console(width=None if sys.stdout.isatty() else 240)
        written = report(options, rows, console)
        if args.clients:
            written += "\n" + clients.report(options.seconds, options.rounds, clients.COMPARED, console)[0]
        if args.markdown:
            args.markdown.write_text(written)
    # A benchmark that measured wrong answers measured nothing.
    sys.exit(1 if any(row.errors for row in rows) or not rows else 0)


if __name__ == "__main__":
    main()
