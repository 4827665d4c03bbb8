"""From measurements to figures: medians over rounds, added latency over direct calls, ratios of one run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from tests.bench.load import Result

DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One gateway under one scenario in one round; `cpu_ns` is that of its whole process tree."""

    gateway: str
    scenario: str
    round: int
    result: Result
    cpu_ns: int
    memory_bytes: int
    idle_bytes: int
    start_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one gateway costs; None where it was not measured. Times in microseconds, memory in MB."""

    gateway: str
    cpu_us: float | None
    cpu_us_100k: float | None
    cpu_us_chunk: float | None
    requests_per_s: float | None
    busy: float | None
    added_p50_us: dict[str, float]
    added_p99_us: dict[str, float]
    idle_mb: float
    memory_mb: float
    start_s: float
    requests: int
    errors: int
    faults: tuple[str, ...]


def figures(measured: Iterable[Measurement]) -> tuple[Figures, ...]:
    """Fold all measurements of one run, gateway by gateway, in the order they first appear."""
    rows = tuple(measured)
    names = tuple(dict.fromkeys(row.gateway for row in rows if row.gateway != DIRECT))
    direct = {(row.scenario, row.round): row for row in rows if row.gateway == DIRECT}
    return tuple(_folded(name, [row for row in rows if row.gateway == name], direct) for name in names)


def ratio(mine: float | None, other: float | None) -> float | None:
    """Give `mine` as a multiple of `other`; None when either was not measured."""
    return None if mine is None or not other else mine / other


def _folded(name: str, rows: list[Measurement], direct: dict[tuple[str, int], Measurement]) -> Figures:
    def middle(scenario: str, figure: Callable[[Measurement], float]) -> float | None:
        values = [figure(row) for row in rows if row.scenario == scenario and row.result.requests]
        return median(values) if values else None

    def added(figure: Callable[[Result], int]) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for row in rows:
            beside = direct.get((row.scenario, row.round))
            if beside is not None and row.result.requests:
                found.setdefault(row.scenario, []).append((figure(row.result) - figure(beside.result)) / 1000)
        return {scenario: median(values) for scenario, values in found.items()}

    # The first chunk's delay is what a stream's reader feels; a stream's length is the provider's.
    return Figures(
        gateway=name,
        cpu_us=middle("c32", _per_request),
        cpu_us_100k=middle("body100k", _per_request),
        cpu_us_chunk=middle("stream64", lambda row: row.cpu_ns / row.result.chunks / 1000),
        requests_per_s=middle("c32", lambda row: row.result.requests / row.result.seconds),
        busy=middle("c32", lambda row: row.cpu_ns / row.result.seconds / 1e9),
        added_p50_us=added(lambda result: result.first_p50_ns),
        added_p99_us=added(lambda result: result.first_p99_ns),
        idle_mb=median(row.idle_bytes for row in rows) / 1e6,
        memory_mb=max(row.memory_bytes for row in rows) / 1e6,
        start_s=median(row.start_s for row in rows),
        requests=sum(row.result.requests + row.result.errors for row in rows),
        errors=sum(row.result.errors for row in rows),
        faults=tuple(dict.fromkeys(fault for row in rows for fault in row.result.faults)),
    )


def _per_request(row: Measurement) -> float:
    return row.cpu_ns / row.result.requests / 1000
