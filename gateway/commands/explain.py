"""weighbridge explain: what one request was, and why it cost what it cost."""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.failed import Failed
from gateway.commands.moments import rfc3339
from gateway.commands.opening import Json, book
from gateway.commands.printing import Column, as_json, cell, fields, say, table
from policies.money import NanoUsd, to_usd

if TYPE_CHECKING:
    from gateway.explain import Explanation
    from policies.usage import Usage


def explain(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(help="Its x-request-id (req_...), or the provider's id of the answer.")],
    *,
    json: Json = False,
) -> None:
    """Tell what one request was and why it cost that.

    Its bill line by line, its tags and where each came from, all its tries.
    """
    from gateway import explain as explaining

    with book(ctx) as ledger:
        found = explaining.found(ledger, request)
    if found is None:
        raise Failed(
            f"No call {request[:80]!a} is in the ledger. A call is there within a second of its end; "
            "one that was refused before it was sent anywhere never is."
        )
    if json:
        as_json(explaining.told(found, own=False))
    else:
        _show(found)


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
            "Tokens": "none" if call.state == "voided" and call.usage is None else _tokens(call.usage),
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


def _tokens(usage: "Usage | None") -> str:
    """Say what was used, also where no price makes a bill of it."""
    if usage is None:
        return "not known"
    parts = {"from cache": usage.cache_read_input_tokens, "to cache": usage.cache_creation_input_tokens}
    cached = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)
    reasoning = f" ({usage.reasoning_output_tokens:,} reasoning)" if usage.reasoning_output_tokens else ""
    return f"{usage.input_tokens:,} input{f' ({cached})' if cached else ''}, {usage.output_tokens:,} output{reasoning}"


def _cost(found: "Explanation") -> str:
    """Say what it cost, or between what it lies."""
    if found.billed_cost is not None:
        source = "" if found.call.cost_source in {"computed", "none"} else f" ({found.call.cost_source})"
        return f"{to_usd(found.billed_cost)} USD{source}"
    lower, upper = _usd(found.call.cost_lower), _usd(found.call.cost_upper)
    if lower is None and upper is None:
        return "not known"
    return f"not known; between {lower or 0} and {upper or 'an unknown amount of'} USD"


def _usd(amount: int | None) -> str | None:
    return None if amount is None else to_usd(NanoUsd(amount))
