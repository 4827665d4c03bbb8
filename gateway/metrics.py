"""The figures of a process beside its calls, and the page Prometheus reads: over all workers, whichever answers."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

METRICS_DIR = "metrics"
"""Below the data directory: where several workers keep their figures. Whoever starts them names it to each."""


class Metrics:
    """Figures of one worker process."""

    def __init__(self, shared: Path | None) -> None:
        """Register everything; `shared` is the directory of several workers' figures."""
        self.registry = CollectorRegistry()
        self._shared = shared
        self.in_flight = self._gauge("in_flight_calls", "Calls under way")
        self.drains = self._gauge("drains", "Answers read to their usage after their client left")
        self.unshipped = self._gauge("journal_unshipped_entries", "Entries not in the ledger yet")
        self.lag = self._gauge("journal_lag_seconds", "Age of the oldest entry not in the ledger yet")
        self.ready = self._gauge("ready_workers", "Workers that take requests")
        self.ledger_down = self._gauge("ledger_unreachable_workers", "Workers that cannot reach the ledger")
        self.conflicts = self._gauge("ledger_conflicts", "Entries set aside for a person: same id, other content")
        self.stalls = Counter(
            "weighbridge_event_loop_stall_seconds", "Time by which the event loop was late", registry=self.registry
        )
        self.reloads = Counter("weighbridge_config_reloads", "Configurations taken over", registry=self.registry)
        self.reload_failures = Counter(
            "weighbridge_config_reload_failures", "Configurations refused while running", registry=self.registry
        )

    def page(self) -> bytes:
        """Give the page in Prometheus' text format. Takes tens of milliseconds: run it off the event loop."""
        if self._shared is None:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, path=str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"weighbridge_{name}", text, registry=self.registry, multiprocess_mode="livesum")


def forget_worker(shared: Path, pid: int) -> None:
    """Take a dead worker's present figures out; what it counted stays."""
    mark_process_dead(pid, path=str(shared))  # type: ignore[no-untyped-call]
