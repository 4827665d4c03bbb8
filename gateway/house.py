"""What the composition root puts together and the walk is given: parts with no rules of their own."""

from dataclasses import dataclass, field

from gateway.admit import Planner
from gateway.exchange import Bodies
from gateway.forward import Forwarder
from gateway.journal.journal import Journal
from gateway.journal.shipper import Shipper
from gateway.ledger.entry import Ledger
from gateway.metrics import Metrics
from gateway.prices.book import PriceBook
from gateway.record import Recorder
from gateway.registry import Registry
from gateway.retry import RetryBudget
from gateway.secret import Secret
from gateway.settings import Settings


@dataclass(slots=True)
class House:
    """One gateway process. Settings, planner and book are replaced as one when the settings change."""

    settings: Settings
    planner: Planner
    book: PriceBook
    registry: Registry
    ledger: Ledger
    journal: Journal
    shipper: Shipper
    forwarder: Forwarder
    recorder: Recorder
    pepper: Secret
    metrics: Metrics
    retry_budget: RetryBudget = field(default_factory=RetryBudget)
    bodies: Bodies = field(default_factory=Bodies)
    in_flight: int = 0
    drains: int = 0
    draining: bool = False
    registry_read: bool = False
    ledger_problem: str | None = None

    def problem(self) -> str | None:
        """Say why this process should get no new requests; None when it should."""
        if self.draining:
            return "The gateway is stopping."
        if not self.registry_read:
            return self.ledger_problem or "The keys have not been read from the ledger yet."
        return self.journal.problem
