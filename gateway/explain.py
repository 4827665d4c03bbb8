"""What a call was and why it cost what it cost, told from its entries and nothing else."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from gateway.ledger.entry import Call, Ledger, Placed
from policies.money import NanoUsd, to_usd
from policies.pricing import Charge


@dataclass(frozen=True, slots=True)
class Tag:
    """One dimension, its value, and the channel it came by."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Try:
    """One upstream attempt: where it went and how it ended. The last one is the answer."""

    provider_name: str
    request_model: str
    status: int
    state: str
    reason: str | None
    duration_ms: int
    billed_cost: NanoUsd | None


@dataclass(frozen=True, slots=True)
class Amendment:
    """A later entry that tells of the same request, such as a correction."""

    entry_id: str
    kind: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Explanation:
    """A request from its entries: the call as booked, its bill line by line, its tags and all its tries.

    `billed_cost` is that of all tries together, None where a part is not known. The charge lines are the
    answer's own; they sum to its cost wherever it was computed.
    """

    request_id: str
    occurred_at: datetime
    recorded_at: datetime
    source: str
    position: int
    call: Call
    charges: tuple[Charge, ...]
    billed_cost: NanoUsd | None
    tags: tuple[Tag, ...]
    tries: tuple[Try, ...]
    amendments: tuple[Amendment, ...]


def explain(placed: tuple[Placed, ...]) -> Explanation | None:
    """Give the explanation of the request these entries tell of; None when none of them ends a call."""
    end = next((one for one in placed if one.entry.kind == "call"), None)
    if end is None:
        return None
    call = end.entry.call()
    own = [one for one in placed if one.entry.id.startswith(f"{call.request_id}:")]
    absorbed = [one.entry.call() for one in own if one.entry.kind == "attempt"]
    absorbed.sort(key=lambda one: one.attempt)
    costs = [one.billed_cost for one in (*absorbed, call)]
    return Explanation(
        request_id=call.request_id,
        occurred_at=end.entry.occurred_at,
        recorded_at=end.entry.recorded_at,
        source=end.entry.source,
        position=end.position,
        call=call,
        charges=call.charges,
        billed_cost=None if None in costs else NanoUsd(sum(cost for cost in costs if cost is not None)),
        tags=tuple(Tag(name, value, call.tag_sources.get(name, "")) for name, value in sorted(call.tags.items())),
        tries=tuple(_try(one) for one in (*absorbed, call)),
        amendments=tuple(
            Amendment(one.entry.id, one.entry.kind, one.entry.recorded_at)
            for one in placed
            if one is not end and one.entry.kind not in {"call", "attempt"}
        ),
    )


def found(ledger: Ledger, said: str) -> Explanation | None:
    """Give the explanation of the request with this id, or of the one a provider answered under it."""
    known = explain(ledger.find(said))
    if known is None:
        answered = ledger.find_response(said)
        known = explain(ledger.find(answered[0].entry.call().request_id)) if answered else None
    return known


def told(known: Explanation, *, own: bool) -> dict[str, Any]:
    """Give an explanation as plain values, for API and command line alike: money in decimal dollars, None if unknown.

    Whose call it was (person, session) is told to its `own` key only.
    """
    call = known.call
    return {
        "request_id": known.request_id,
        "occurred_at": known.occurred_at,
        "recorded_at": known.recorded_at,
        "source": known.source,
        "position": known.position,
        **{name: getattr(call, name) for name in _OF_CALL},
        "session_id": call.session_id if own else None,
        "usage": asdict(call.usage) if call.usage else None,
        "currency": "USD",
        "billed_cost": _usd(known.billed_cost),
        "cost_lower": _usd(call.cost_lower),
        "cost_upper": _usd(call.cost_upper),
        "charges": [_charge(line) for line in known.charges],
        "tags": [asdict(tag) for tag in known.tags if own or tag.name != "person"],
        "tries": [asdict(one) | {"billed_cost": _usd(one.billed_cost)} for one in known.tries],
        "amendments": [asdict(one) for one in known.amendments],
    }


_OF_CALL = (
    "response_id", "state", "status", "reason", "operation", "dialect", "provider_name", "request_model",
    "response_model", "service_tier", "streamed", "duration_ms", "upstream_ms", "time_to_first_chunk_ms",
    "cost_source", "price_version", "key_id", "client", "initiative_status", "flags",
)  # fmt: skip
"""What is told of a call as it is booked."""


def sentence(line: Charge) -> str:
    """Say one charge line as arithmetic: "1,200 input x 0.15 USD per 1,000,000 = 0.00018 USD"."""
    tier = "" if line.tier == "standard" else f" ({line.tier})"
    return (
        f"{line.consumed_quantity:,} {line.sku_meter}{tier} x {to_usd(line.rate)} USD per {line.per:,} "
        f"= {to_usd(line.billed_cost)} USD"
    )


def _try(call: Call) -> Try:
    return Try(
        provider_name=call.provider_name,
        request_model=call.request_model,
        status=call.status,
        state=call.state,
        reason=call.reason,
        duration_ms=call.duration_ms,
        billed_cost=None if call.billed_cost is None else NanoUsd(call.billed_cost),
    )


def _charge(line: Charge) -> dict[str, Any]:
    return asdict(line) | {
        "rate": to_usd(line.rate),
        "billed_cost": to_usd(line.billed_cost),
        "text": sentence(line),
    }


def _usd(amount: int | None) -> str | None:
    return None if amount is None else to_usd(NanoUsd(amount))
