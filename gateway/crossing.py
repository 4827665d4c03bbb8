"""One request on its way across: what is known so far, from admission to its place in the book."""

import time
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.identify import Principal
from gateway.ledger.entry import Intent
from gateway.providers.provider import Asked, Dialect, Ending, Reading
from gateway.settings import Provider
from gateway.tags import Tagged
from policies.pricing import Price


class Destination(msgspec.Struct, frozen=True):
    """One target with all that is needed to call it and to price it."""

    provider: Provider
    model: str
    price: Price | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that did not become the answer: where and how it ended. Providers bill neither errors nor silence."""

    destination: Destination
    status: int
    reason: str
    duration_ms: int


class Crossing(msgspec.Struct):
    """A call in progress. The walk fills it in; `settle` makes the entry from it, once."""

    request_id: str
    occurred_at: datetime
    dialect: Dialect
    asked: Asked
    principal: Principal
    tagged: Tagged
    destinations: tuple[Destination, ...]
    cost_upper: int | None
    client_family: str | None
    session_id: str | None
    started: float
    destination: Destination
    forwarded_headers: tuple[tuple[bytes, bytes], ...] = ()
    draining_until: float | None = None
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    status: int = 0
    reason: str | None = None
    answered: bool = False
    may_bill: bool = False
    reading: Reading | None = None
    ending: Ending | None = None
    upstream_started: float = 0.0
    first_chunk: float | None = None
    upstream_ended: float | None = None
    sequence: int = 0
    booked: bool = False

    def intent(self) -> Intent:
        """Give what is journaled before dispatch."""
        return Intent(
            request_id=self.request_id,
            occurred_at=self.occurred_at,
            operation=self.asked.operation,
            dialect=self.dialect.name,
            provider_name=self.destination.provider.name,
            request_model=self.asked.model,
            streamed=self.asked.streamed,
            cost_upper=self.cost_upper,
            key_id=self.principal.key_id,
            tags=self.tagged.tags,
            tag_sources=self.tagged.sources,
            initiative_status=self.tagged.initiative_status,
            session_id=self.session_id,
            client=self.client_family,
            input_bytes=self.asked.input_bytes,
        )

    def elapsed_ms(self, since: float) -> int:
        """Give whole milliseconds of monotonic time since `since`."""
        return round((time.perf_counter() - since) * 1000)
