"""weighbridge explain: what one request was, and why it cost what it cost."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.failed import Failed
from gateway.commands.moments import rfc3339
from gateway.commands.opening import Json, book
from gateway.commands.printing import Column, as_json, cell, fields, say, table
from policies.money import NanoUsd, to_usd

if TYPE_CHECKING:
    from gateway.explain import Explanation
    from gateway.ledger.entry import Ledger


def explain(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(help="Its x-request-id (req_...), or the provider's id of the answer.")],
    *,
    json: Json = False,
) -> None:
    """Tell what one request was and why it cost that.

    Its bill line by line, its tags and where each came from, all its tries.
    """
    with book(ctx) as ledger:
        found = _found(ledger, request)
    if found is None:
        raise Failed(
            f"No call {request[:80]!a} is in the ledger. A call is there within a second of its end; "
            "one that was refused before it was sent anywhere never is."
        )
    if json:
        as_json(told(found))
    else:
        _show(found)


def told(found: "Explanation") -> dict[str, Any]:
    """Give an explanation in the words of the API."""
    from gateway.explain import sentence

    call = found.call
    own = ("response_id", "state", "status", "reason", "operation", "dialect", "provider_name", "request_model",
           "response_model", "service_tier", "streamed", "duration_ms", "upstream_ms", "time_to_first_chunk_ms",
           "cost_source", "price_version", "key_id", "session_id", "client", "initiative_status")  # fmt: skip
    return {
        "request_id": found.request_id,
        "occurred_at": rfc3339(found.occurred_at),
        "recorded_at": rfc3339(found.recorded_at),
        "source": found.source,
        "position": found.position,
        **{name: getattr(call, name) for name in own},
        "currency": "USD",
        "billed_cost": _usd(found.billed_cost),
        "cost_lower": _usd(call.cost_lower),
        "cost_upper": _usd(call.cost_upper),
        "charges": [
            {
                "sku_meter": line.sku_meter,
                "consumed_quantity": line.consumed_quantity,
                "rate": to_usd(line.rate),
                "per": line.per,
                "tier": line.tier,
                "billed_cost": to_usd(line.billed_cost),
                "text": sentence(line),
            }
            for line in found.charges
        ],
        "tags": [
            {"name": tag.name, "value": tag.value, "source": tag.source} for tag in found.tags if tag.name != "person"
        ],
        "flags": list(call.flags),
        "tries": [
            {
                "provider_name": one.provider_name,
                "request_model": one.request_model,
                "status": one.status,
                "state": one.state,
                "reason": one.reason,
                "duration_ms": one.duration_ms,
                "billed_cost": _usd(one.billed_cost),
            }
            for one in found.tries
        ],
        "amendments": [
            {"entry_id": one.entry_id, "kind": one.kind, "recorded_at": rfc3339(one.recorded_at)}
            for one in found.amendments
        ],
    }


def _found(ledger: "Ledger", said: str) -> "Explanation | None":
    """Give the explanation of the request with this id, or of the one a provider answered under it."""
    from gateway.explain import explain as from_entries

    found = from_entries(ledger.find(said))
    if found is None:
        answered = ledger.find_response(said)
        found = from_entries(ledger.find(answered[0].entry.call().request_id)) if answered else None
    return found


def _show(found: "Explanation") -> None:
    call = found.call
    served = f" (served as {call.response_model})" if call.response_model not in {None, call.request_model} else ""
    fields(
        {
            "Request": found.request_id,
            "When": f"{found.occurred_at:%Y-%m-%d %H:%M:%SZ}, {call.duration_ms:,} ms",
            "What": f"{call.operation}, {call.request_model}{served} at {call.provider_name}",
            "Ended": f"{call.state}, status {call.status}{f', {call.reason}' if call.reason else ''}",
            "Key": call.key_id,
            "Client": call.client,
            "Cost": _cost(found),
            "Price": call.price_version or "none is known for this model",
        }
    )
    if found.charges:
        from gateway.explain import sentence

        say("\nBill")
        for line in found.charges:
            say(f"  {cell(sentence(line))}")
    if found.tags:
        say("")
        rows = [(tag.name, tag.value, tag.source.replace("_", " ")) for tag in found.tags if tag.name != "person"]
        table([Column("TAG"), Column("VALUE"), Column("CAME BY")], rows)
    if len(found.tries) > 1:
        say("")
        tries = [
            (
                one.provider_name,
                one.request_model,
                str(one.status or "-"),
                one.reason or one.state,
                f"{one.duration_ms:,}",
            )
            for one in found.tries
        ]
        headings = (Column("TRIED"), Column("MODEL"), Column("STATUS"), Column("ENDED"), Column("MS", right=True))
        table(headings, tries)
    for flag in call.flags:
        say(f"Flag: {cell(flag)}")
    for one in found.amendments:
        say(f"Later: {one.kind} of {rfc3339(one.recorded_at)}, {one.entry_id}")


def _cost(found: "Explanation") -> str:
    """Say what it cost, or between what it lies."""
    if found.billed_cost is not None:
        source = "" if found.call.cost_source == "computed" else f" ({found.call.cost_source})"
        return f"{to_usd(found.billed_cost)} USD{source}"
    lower, upper = _usd(found.call.cost_lower), _usd(found.call.cost_upper)
    if lower is None and upper is None:
        return "not known"
    return f"not known; between {lower or 0} and {upper or 'an unknown amount of'} USD"


def _usd(amount: int | None) -> str | None:
    return None if amount is None else to_usd(NanoUsd(amount))
