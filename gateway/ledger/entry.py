"""What a row of the book is: one envelope for every kind of evidence, and the call in full."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from policies.pricing import Charge
from policies.usage import Usage

Kind = Literal[
    # What crossed the gateway.
    "call", "attempt", "reprice", "retag",
    # Who and what for.
    "key", "team", "application", "person", "initiative", "session_tag",
    # Caps.
    "cap", "cap_event", "hold",
    # Evidence of use, work and worth.
    "feedback", "review", "rework", "incident", "evaluation", "output",
    "delivery_event", "workflow_baseline", "capacity_entry", "risk_record", "decision_record", "evidence", "scenario",
    # Money that did not cross the gateway.
    "cost_item", "contract", "provider_bill", "allocation",
    # The house itself.
    "price_set", "audit",
]  # fmt: skip
"""Closed here so that the storage never changes when a kind comes into use."""

State = Literal["settled", "voided", "estimated", "uncertain"]
"""settled: the provider said what was used. voided: nothing was billed. estimated: we counted what we saw.
uncertain: cut before usage was known; the cost lies between `cost_lower` and `cost_upper`."""

CostSource = Literal["computed", "estimated", "unknown", "none"]


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request's end (kind `call`), or one absorbed attempt that may be billed (kind `attempt`).

    Money is NanoUsd. `billed_cost` None means not known; `cost_lower` and `cost_upper` then bound it where
    they can. `tags` holds one value a dimension, `tag_sources` the channel each came from.
    """

    request_id: str
    state: State
    operation: str
    dialect: str
    provider_name: str
    request_model: str
    status: int
    response_model: str | None = None
    response_id: str | None = None
    service_tier: str = "standard"
    streamed: bool = False
    attempt: int = 0
    reason: str | None = None
    duration_ms: int = 0
    upstream_ms: int | None = None
    time_to_first_chunk_ms: int | None = None
    usage: Usage | None = None
    charges: tuple[Charge, ...] = ()
    billed_cost: int | None = None
    cost_source: CostSource = "computed"
    cost_lower: int | None = None
    cost_upper: int | None = None
    price_version: str | None = None
    key_id: str = ""
    tags: dict[str, str] = {}
    tag_sources: dict[str, str] = {}
    initiative_status: str = "none"
    session_id: str | None = None
    client: str | None = None
    input_bytes: int = 0
    output_bytes: int = 0
    flags: tuple[str, ...] = ()


class Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is written before a request is dispatched: enough to book it if we die before its end."""

    request_id: str
    occurred_at: datetime
    operation: str
    dialect: str
    provider_name: str
    request_model: str
    streamed: bool = False
    cost_upper: int | None = None
    key_id: str = ""
    tags: dict[str, str] = {}
    tag_sources: dict[str, str] = {}
    initiative_status: str = "none"
    session_id: str | None = None
    client: str | None = None
    input_bytes: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One immutable row. `id` is unique for ever; the same id with another body is a conflict.

    A call's id is "<request_id>:call", an absorbed attempt's "<request_id>:attempt:<n>", so that a replay
    makes the same id. `corrects` names the entry this one amends. `source` says by which door it came.
    """

    id: str
    kind: Kind
    occurred_at: datetime
    recorded_at: datetime
    source: str
    body: msgspec.Raw
    corrects: str | None = None

    def call(self) -> Call:
        """Decode the body of a `call` or `attempt`."""
        assert self.kind in {"call", "attempt"}
        return _call.decode(self.body)

    def fields(self) -> dict[str, Any]:
        """Decode any body as a plain mapping."""
        return _fields.decode(self.body)


_call = msgspec.json.Decoder(Call)
_fields: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class Placed(msgspec.Struct, frozen=True):
    """An entry with its place in the book: positions rise by commit and never change."""

    position: int
    entry: Entry


class Appended(msgspec.Struct, frozen=True):
    """What became of a batch: new rows, rows already there, and ids that came with another body."""

    added: int
    duplicates: int
    conflicts: tuple[str, ...] = ()


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A sum over calls and attempts by `occurred_at`: half-open period, grouped by dimensions, filtered by values.

    `by` and the keys of `where` come from `DIMENSIONS`; "day" cuts days in UTC. A row without a value for a
    dimension of `by` is in the group None; no filter finds it.
    """

    since: datetime
    until: datetime
    by: tuple[str, ...] = ()
    where: dict[str, str] = {}


class SpendRow(msgspec.Struct, frozen=True, kw_only=True):
    """One group's totals. Attempts bring their money and tokens; only entries of kind `call` count in `calls`.

    `billed_cost` sums what is known, `estimated_cost` the part of it that we counted ourselves. `unknown_calls`
    counts calls and attempts whose cost is not known, so it may be above `calls`.
    """

    group: tuple[str | None, ...]
    calls: int
    billed_cost: int
    unknown_calls: int
    estimated_cost: int
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    reasoning_output_tokens: int


FIGURES = SpendRow.__struct_fields__[1:]
"""What is summed: the same names, in the same order, in every store, table and export."""

DIMENSIONS = (
    "day", "team", "initiative", "application", "person", "environment", "workflow", "product", "cost_centre",
    "customer", "key_id", "provider_name", "request_model", "response_model", "operation", "state", "source",
)  # fmt: skip
"""What spend can be grouped and filtered by."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the book is whole: every body matches its hash, every link its chain, every figure its body.

    `head` is the hash of the last link; noted outside, it proves later that nothing before it was changed.
    `first_bad` is the first position that is wrong, or after which entries are missing.
    """

    entries: int
    intact: bool
    head: str
    first_bad: int | None = None
    problem: str | None = None


class Ledger(Protocol):
    """The port every engine stands behind. Calls block: run them off the event loop. Any thread may call.

    Each raises LedgerDown (`gateway.ledger.errors`) when the store is away; nothing is half done then.
    """

    def append(self, entries: tuple[Entry, ...]) -> Appended:
        """Add entries in one transaction, durable on return; a known id changes nothing.

        The same id with the same kind, source, `corrects` and body is a duplicate, with another a conflict.
        Raises Unstorable, and stores nothing, when an entry can never be stored.
        """
        ...

    def entries(self, *, after: int = 0, kinds: tuple[str, ...] = (), limit: int = 1000) -> tuple[Placed, ...]:
        """Give entries in order of position, those after `after`, of these kinds (all when empty).

        Whoever goes on from the last position seen misses none, whatever commits meanwhile.
        """
        ...

    def find(self, request_id: str) -> tuple[Placed, ...]:
        """Give every entry whose body names this `request_id`, oldest first."""
        ...

    def find_response(self, response_id: str) -> tuple[Placed, ...]:
        """Give the calls and attempts that a provider answered under this id, oldest first."""
        ...

    def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        """Sum calls and attempts; groups in order of cost, largest first, then by name. Raises UnknownDimension."""
        ...

    def conflicts(self) -> tuple[Entry, ...]:
        """Give entries that arrived under a known id with another body: kept for a person, never dropped."""
        ...

    def verify(self, progress: Callable[[int], None] | None = None, *, anchor: str | None = None) -> Verification:
        """Read the whole book and recompute every hash, telling `progress` how many entries are done.

        `anchor` is a head noted earlier; a book in which it is not found is not intact.
        """
        ...

    def remove(self, source: str) -> int:
        """Take out every entry of a source that is allowed to go (only "demo"); gives their number."""
        ...

    def ping(self) -> None:
        """Do nothing when the store answers; raises LedgerDown when it does not. Cheap enough for /readyz."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
