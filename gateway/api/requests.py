"""A request explained over the API: tokens times price row, tags with their channels, all tries."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends

from gateway.api.permissions import Allow, Caller, not_found
from gateway.api.shapes import Moment, Told
from gateway.explain import Explanation, found, sentence
from gateway.ledger.entry import Call
from policies.money import NanoUsd, to_usd
from policies.pricing import Charge

router = APIRouter(prefix="/api/v1/requests", tags=["requests"])

_ID = re.compile(r"[!-~]{1,256}")


class ChargeOut(Told):
    """One line of the bill: a quantity at a rate (USD for each `per` units), and the same in words."""

    sku_meter: str
    consumed_quantity: int
    rate: str
    per: int
    tier: str
    billed_cost: str
    text: str


class TagOut(Told):
    """One tag and the channel it came by."""

    name: str
    value: str
    source: str


class TryOut(Told):
    """One upstream attempt; the last one is the answer."""

    provider_name: str
    request_model: str
    status: int
    state: str
    reason: str | None
    duration_ms: int
    billed_cost: str | None


class AmendmentOut(Told):
    """A later entry that tells of the same request."""

    entry_id: str
    kind: str
    recorded_at: Moment


class RequestOut(Told):
    """A request as it is in the book. Money is a decimal string in USD, null where it is not known."""

    request_id: str
    response_id: str | None
    occurred_at: Moment
    recorded_at: Moment
    source: str
    position: int
    state: str
    status: int
    reason: str | None
    operation: str
    dialect: str
    provider_name: str
    request_model: str
    response_model: str | None
    service_tier: str
    streamed: bool
    duration_ms: int
    upstream_ms: int | None
    time_to_first_chunk_ms: int | None
    currency: str
    billed_cost: str | None
    cost_source: str
    cost_lower: str | None
    cost_upper: str | None
    price_version: str | None
    charges: list[ChargeOut]
    key_id: str
    session_id: str | None
    client: str | None
    initiative_status: str
    tags: list[TagOut]
    flags: tuple[str, ...]
    tries: list[TryOut]
    amendments: list[AmendmentOut]


@router.get("/{request_id}")
def get_request(request_id: str, caller: Annotated[Caller, Depends(Allow("calls:read"))]) -> RequestOut:
    """Explain a request, by our request id or the provider's response id."""
    known = found(caller.house.ledger, request_id) if _ID.fullmatch(request_id) else None
    if known is None or not _sees(caller, known.call):
        raise not_found("request")
    return _told(known, own=known.call.key_id == caller.principal.key_id)


def _sees(caller: Caller, call: Call) -> bool:
    """Say whether this call may be shown: the own ones, a lead's team's, or all."""
    return call.key_id == caller.principal.key_id or caller.sees_team(call.tags.get("team"))


def _told(known: Explanation, *, own: bool) -> RequestOut:
    """Give the answer; whose call it was is told to its own key only."""
    call = known.call
    return RequestOut(
        request_id=known.request_id,
        response_id=call.response_id,
        occurred_at=known.occurred_at,
        recorded_at=known.recorded_at,
        source=known.source,
        position=known.position,
        state=call.state,
        status=call.status,
        reason=call.reason,
        operation=call.operation,
        dialect=call.dialect,
        provider_name=call.provider_name,
        request_model=call.request_model,
        response_model=call.response_model,
        service_tier=call.service_tier,
        streamed=call.streamed,
        duration_ms=call.duration_ms,
        upstream_ms=call.upstream_ms,
        time_to_first_chunk_ms=call.time_to_first_chunk_ms,
        currency="USD",
        billed_cost=_usd(known.billed_cost),
        cost_source=call.cost_source,
        cost_lower=_usd(call.cost_lower),
        cost_upper=_usd(call.cost_upper),
        price_version=call.price_version,
        charges=[_charge(line) for line in known.charges],
        key_id=call.key_id,
        session_id=call.session_id if own else None,
        client=call.client,
        initiative_status=call.initiative_status,
        tags=[TagOut.model_validate(tag) for tag in known.tags if own or tag.name != "person"],
        flags=call.flags,
        tries=[
            TryOut(
                provider_name=one.provider_name,
                request_model=one.request_model,
                status=one.status,
                state=one.state,
                reason=one.reason,
                duration_ms=one.duration_ms,
                billed_cost=_usd(one.billed_cost),
            )
            for one in known.tries
        ],
        amendments=[AmendmentOut.model_validate(one) for one in known.amendments],
    )


def _charge(line: Charge) -> ChargeOut:
    return ChargeOut(
        sku_meter=line.sku_meter,
        consumed_quantity=line.consumed_quantity,
        rate=to_usd(line.rate),
        per=line.per,
        tier=line.tier,
        billed_cost=to_usd(line.billed_cost),
        text=sentence(line),
    )


def _usd(amount: int | None) -> str | None:
    return None if amount is None else to_usd(NanoUsd(amount))
