"""What the libraries that could carry a gateway's upstream calls cost beside ours, as ratios of one run.

python -m tests.bench.clients [--seconds 2] [--rounds 3] [--markdown FILE]
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from tests.bench import table
from tests.bench.gateways import MODEL, PEERS, ROOT, Launch, environment_for
from tests.bench.load import quantile, request_bytes
from tests.bench.processes import Cores, NotReady, cores, provider
from tests.bench.scenarios import SCENARIOS, plan

OURS = "ours"
OTHERS = ("pyreqwest", "aiohttp", "httpx2")
COMPARED = ("c1", "c32", "c256", "stream64")
_GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """One client under one scenario in one round."""

    client: str
    scenario: str
    cpu_us: float
    cpu_us_chunk: float
    p50_us: float
    p99_us: float
    errors: int


def compared(seconds: float, rounds: int, scenarios: tuple[str, ...], clients: Iterable[str]) -> tuple[Cost, ...]:
    """Measure every client under every scenario, round after round, each in a fresh process."""
    on = cores()
    names = tuple(clients)
    with provider(on) as port:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        return tuple(
            _one(name, scenario, url, seconds, on) for _ in range(rounds) for scenario in scenarios for name in names
        )


def clients_here() -> tuple[str, ...]:
    """Give the clients that can be run on this machine."""
    return (OURS, *OTHERS) if (PEERS / "python").exists() else (OURS,)


def rows(costs: tuple[Cost, ...], scenarios: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Give head and rows: for each scenario CPU, its ratio to ours, and the times of a call."""
    head = ["client"]
    for scenario in scenarios:
        unit = "chunk" if scenario.startswith("stream") else "call"
        head += [f"{scenario}: CPU us / {unit}", "x ours"]
        head += [] if unit == "chunk" else ["p50 / p99 us"]
    names = tuple(dict.fromkeys(cost.client for cost in costs))
    body = [tuple(_cells(name, costs, scenarios)) for name in names]
    return ((*head, "errors"), *body)


def report(seconds: float, rounds: int, scenarios: tuple[str, ...], console: Console) -> tuple[str, int]:
    """Measure every client that is here and print the table; gives it as Markdown, and how many answers were wrong."""
    costs = compared(seconds, rounds, scenarios, clients_here())
    cells = rows(costs, scenarios)
    table.show(cells, "What a client library costs for each call", console)
    basis = f"Medians of {rounds} rounds of {seconds:g} s; every client calls the mock provider directly, on one core."
    return f"{basis}\n\n{table.as_markdown(cells)}\n", sum(cost.errors for cost in costs)


def _cells(name: str, costs: tuple[Cost, ...], scenarios: tuple[str, ...]) -> Iterable[str]:
    yield name
    for scenario in scenarios:
        streamed = scenario.startswith("stream")
        mine = [cost for cost in costs if (cost.client, cost.scenario) == (name, scenario)]
        ours = [cost for cost in costs if (cost.client, cost.scenario) == (OURS, scenario)]
        cpu, base = (median(one.cpu_us_chunk if streamed else one.cpu_us for one in some) for some in (mine, ours))
        yield f"{cpu:.1f}"
        yield f"{cpu / base:.2f}"
        if not streamed:
            yield f"{median(one.p50_us for one in mine):,.0f} / {median(one.p99_us for one in mine):,.0f}"
    yield str(sum(cost.errors for cost in costs if cost.client == name))


def _one(name: str, scenario: str, url: str, seconds: float, on: Cores) -> Cost:
    """Run one client once."""
    chosen = next(one for one in SCENARIOS if one.name == scenario)
    load = plan(chosen, url, {}, MODEL, seconds)
    body = request_bytes(load).partition(b"\r\n\r\n")[2]
    asked = {"client": name, "url": url, "connections": load.connections, "seconds": seconds, "chunks": load.chunks}
    python = sys.executable if name == OURS else str(PEERS / "python")
    command = (python, str(Path(__file__).with_name("client_caller.py")), json.dumps(asked | {"core": min(on.gateway)}))
    done = subprocess.run(
        command,
        input=body,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment_for(Launch(command)),
        timeout=seconds + _GRACE_S,
    )
    if done.returncode != 0:
        raise NotReady(f"{name}: {done.stderr.decode(errors='replace')[-2000:]}")
    said = json.loads(done.stdout)
    cpu_us = said["cpu_ns"] / said["requests"] / 1000
    p50, p99 = (quantile(said["took_ns"], percent) / 1000 for percent in (50, 99))
    return Cost(name, scenario, cpu_us, cpu_us / load.chunks, p50, p99, said["errors"])


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.clients", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="for each scenario")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenarios", default=",".join(COMPARED), help="names of scenarios, with commas")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 240)
    written, errors = report(args.seconds, args.rounds, tuple(args.scenarios.split(",")), console)
    if args.markdown:
        args.markdown.write_text(written)
    # A benchmark that measured wrong answers measured nothing.
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
