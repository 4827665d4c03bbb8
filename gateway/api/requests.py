"""A request explained over the API: tokens times price row, tags with their channels, all tries."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends

from gateway.api.permissions import Allow, Caller, not_found
from gateway.api.shapes import Moment, Told
from gateway.explain import found, told
from gateway.ledger.entry import Call
from policies.usage import Usage

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
    """A request as it is in the book. Money is a decimal string in USD, null where it is not known.

    `usage` is null where nothing was said or counted; a call of a model without a price has it all the same.
    """

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
    usage: Usage | None
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
    return RequestOut.model_validate(told(known, own=known.call.key_id == caller.principal.key_id))


def _sees(caller: Caller, call: Call) -> bool:
    """Say whether this call may be shown: the own ones, a lead's team's, or all."""
    return call.key_id == caller.principal.key_id or caller.sees_team(call.tags.get("team"))
