"""What the composition root puts together and the walk is given: parts with no rules of their own."""

from dataclasses import dataclass, field

from gateway.admit import Planner
from gateway.forward import Forwarder
from gateway.journal.journal import Journal
from gateway.journal.shipper import Shipper
from gateway.ledger.entry import Ledger
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
    retry_budget: RetryBudget = field(default_factory=RetryBudget)
    in_flight: int = 0
    drains: int = 0
    draining: bool = False

    def refresh(self) -> None:
        """Read new registry entries from the ledger; blocks, so run it off the event loop."""
        self.registry.refresh(self.ledger)
