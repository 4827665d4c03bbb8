"""What is asked of every gateway: how many at once, how large, whole or streamed."""

from dataclasses import dataclass

from tests.bench.load import Plan

CHUNK_DELAY_MS = 5
CHUNKS_MAX = 200


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to load a gateway."""

    name: str
    says: str
    connections: int
    body_bytes: int = 1024
    streamed: bool = False


SCENARIOS = (
    Scenario("c1", "1 client, 1 KB", 1),
    Scenario("c32", "32 clients, 1 KB", 32),
    Scenario("c256", "256 clients, 1 KB", 256),
    Scenario("body100k", "8 clients, 100 KB body", 8, body_bytes=100 * 1024),
    Scenario("stream64", f"64 streams, a chunk each {CHUNK_DELAY_MS} ms", 64, streamed=True),
)


def plan(scenario: Scenario, url: str, headers: dict[str, str], model: str, seconds: float) -> Plan:
    """Give the load of `scenario`: streams are shortened so that several fit into `seconds`."""
    chunks = 20
    if scenario.streamed:
        chunks = max(10, min(CHUNKS_MAX, int(seconds * 1000 / CHUNK_DELAY_MS / 2)))
    return Plan(
        url=url,
        headers=headers,
        model=model,
        connections=scenario.connections,
        seconds=seconds,
        streamed=scenario.streamed,
        chunks=chunks,
        chunk_delay_ms=CHUNK_DELAY_MS if scenario.streamed else 0,
        body_bytes=scenario.body_bytes,
        warm_s=min(0.5, seconds / 4),
    )
