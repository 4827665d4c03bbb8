"""Usage times price gives the entry: what is known is exact, what is not is bounded and marked."""

from dataclasses import replace
from datetime import datetime

import msgspec

from gateway.crossing import Attempt, Crossing
from gateway.ledger.entry import Call, CostSource, Entry, State
from gateway.prices.book import PriceBook
from gateway.providers.provider import Reading
from policies.pricing import Charge, Unpriced, charge, tier_of, total
from policies.usage import Usage

NAME_CHARACTERS_MAX = 256
"""Of a name that a provider makes up; a longer one would make an entry that no ledger keeps."""

FURTHER_MAX = 32
"""Other models inside one answer; nobody works with more, and each has charge lines of its own."""

BYTES_PER_TOKEN = 4
"""An estimate for text nobody counted; measured 10 to 12 % high for English (design page 6)."""


def settle(crossing: Crossing, book: PriceBook) -> Call:
    """Give the terminal call of a crossing, however it ended."""
    reading = crossing.reading or Reading(usage=None)
    weighed = _weigh(crossing, reading, book)
    upstream_ms = None
    if crossing.upstream_ended is not None:
        upstream_ms = round((crossing.upstream_ended - crossing.upstream_started) * 1000)
    first = crossing.first_chunk
    return Call(
        request_id=crossing.request_id,
        state=weighed.state,
        operation=crossing.asked.operation,
        dialect=crossing.dialect.name,
        provider_name=crossing.destination.provider.name,
        request_model=crossing.asked.model,
        status=crossing.status,
        response_model=_name(reading.response_model),
        response_id=_name(reading.response_id),
        service_tier=tier_of(reading.service_tier or crossing.asked.service_tier),
        streamed=crossing.asked.streamed,
        attempt=len(crossing.attempts),
        reason=crossing.reason,
        duration_ms=crossing.elapsed_ms(crossing.started),
        upstream_ms=upstream_ms,
        time_to_first_chunk_ms=None if first is None else round((first - crossing.started) * 1000),
        usage=weighed.usage,
        charges=weighed.charges,
        billed_cost=weighed.billed_cost,
        cost_source=weighed.cost_source,
        cost_lower=weighed.cost_lower,
        cost_upper=weighed.cost_upper,
        price_version=crossing.destination.price.version if crossing.destination.price else None,
        key_id=crossing.principal.key_id,
        tags=crossing.tagged.tags,
        tag_sources=crossing.tagged.sources,
        initiative_status=crossing.tagged.initiative_status,
        session_id=crossing.session_id,
        client=crossing.client_family,
        input_bytes=crossing.asked.input_bytes,
        output_bytes=reading.output_bytes,
        flags=(*crossing.tagged.flags, *reading.flags, *weighed.flags),
    )


def entry_of(call: Call, crossing: Crossing, now: datetime) -> Entry:
    """Wrap a terminal call for the journal; its id says which request it ends."""
    return Entry(
        id=f"{call.request_id}:call",
        kind="call",
        occurred_at=crossing.occurred_at,
        recorded_at=now,
        source="gateway",
        body=msgspec.Raw(_encode(call)),
    )


def entry_of_attempt(number: int, attempt: Attempt, crossing: Crossing, now: datetime) -> Entry:
    """Give an absorbed attempt a row of its own, voided: an error or a connection never made is not billed."""
    price = attempt.destination.price
    call = Call(
        request_id=crossing.request_id,
        state="voided",
        operation=crossing.asked.operation,
        dialect=crossing.dialect.name,
        provider_name=attempt.destination.provider.name,
        request_model=crossing.asked.model,
        status=attempt.status,
        streamed=crossing.asked.streamed,
        attempt=number,
        reason=attempt.reason,
        duration_ms=attempt.duration_ms,
        billed_cost=0,
        cost_source="none",
        price_version=price.version if price else None,
        key_id=crossing.principal.key_id,
        tags=crossing.tagged.tags,
        tag_sources=crossing.tagged.sources,
        initiative_status=crossing.tagged.initiative_status,
        session_id=crossing.session_id,
        client=crossing.client_family,
        input_bytes=crossing.asked.input_bytes,
    )
    return Entry(
        id=f"{crossing.request_id}:attempt:{number}",
        kind="attempt",
        occurred_at=crossing.occurred_at,
        recorded_at=now,
        source="gateway",
        body=msgspec.Raw(_encode(call)),
    )


class _Weighed(msgspec.Struct, frozen=True):
    """The money side of a call."""

    state: State
    usage: Usage | None = None
    charges: tuple[Charge, ...] = ()
    billed_cost: int | None = None
    cost_source: CostSource = "computed"
    cost_lower: int | None = None
    cost_upper: int | None = None
    flags: tuple[str, ...] = ()


_VOIDED = _Weighed("voided", billed_cost=0, cost_source="none")


def _weigh(crossing: Crossing, reading: Reading, book: PriceBook) -> _Weighed:
    """Decide how the call ended and what it costs."""
    upper = crossing.cost_upper
    if not crossing.answered:
        if not crossing.may_bill:
            return _VOIDED
        return _Weighed("uncertain", cost_source="unknown", cost_lower=0, cost_upper=upper)
    if crossing.status >= 400 and not crossing.may_bill:
        return _VOIDED
    if crossing.asked.operation == "count_tokens":
        return _Weighed("settled", Usage(), billed_cost=0, cost_source="none")
    if reading.usage is not None and "partial" not in reading.flags:
        return _known(crossing, reading, reading.usage, book)
    if "error_in_body" in reading.flags:
        return _VOIDED
    return _estimated(crossing, reading, book)


def _known(crossing: Crossing, reading: Reading, usage: Usage, book: PriceBook) -> _Weighed:
    """Price what the provider said was used; without a price the money waits, unknown."""
    lines = _charges(crossing, usage, reading, book)
    if isinstance(lines, Unpriced):
        return _Weighed("settled", usage, cost_source="unknown", flags=("price_unknown", *lines.meters))
    return _Weighed("settled", usage, lines, billed_cost=total(lines))


def _estimated(crossing: Crossing, reading: Reading, book: PriceBook) -> _Weighed:
    """Count what was seen of an answer whose usage never came; the bounds hold the provider's bill."""
    seen = reading.usage or Usage(input_tokens=_tokens(crossing.asked.input_bytes))
    output_tokens = max(seen.output_tokens, _tokens(reading.output_bytes))
    usage = replace(seen, output_tokens=output_tokens)
    state: State = "estimated" if crossing.ending == "complete" else "uncertain"
    upper = crossing.cost_upper
    lines = _charges(crossing, usage, reading, book)
    if isinstance(lines, Unpriced):
        return _Weighed(state, usage, cost_source="unknown", cost_lower=0, cost_upper=upper, flags=("price_unknown",))
    cost = total(lines) if upper is None else min(total(lines), upper)
    lines = lines if cost == total(lines) else ()
    return _Weighed(state, usage, lines, cost, "estimated", cost_lower=0, cost_upper=upper)


def _charges(crossing: Crossing, usage: Usage, reading: Reading, book: PriceBook) -> tuple[Charge, ...] | Unpriced:
    """Make the charge lines of an answer, those of other models inside it among them."""
    destination = crossing.destination
    tier = tier_of(reading.service_tier or crossing.asked.service_tier)
    if len(reading.further) > FURTHER_MAX:
        return Unpriced(())
    lines = charge(usage, destination.price, tier) if destination.price else Unpriced(())
    for model, used in reading.further:
        price = book.find(destination.provider.priced_as, model, crossing.occurred_at)
        more = charge(used, price, tier) if price else Unpriced(())
        if isinstance(lines, Unpriced) or isinstance(more, Unpriced):
            return Unpriced(())
        lines += more
    return lines


def _name(said: str | None) -> str | None:
    """Give a provider's word as text that fits a row and a log line: bounded, and nothing that moves a cursor."""
    if said is None or (len(said) <= NAME_CHARACTERS_MAX and said.isprintable()):
        return said
    return "".join(character if character.isprintable() else "?" for character in said[:NAME_CHARACTERS_MAX])


def _tokens(text_bytes: int) -> int:
    """Estimate tokens from bytes, rounded up."""
    return -(-text_bytes // BYTES_PER_TOKEN)


_encode = msgspec.json.Encoder().encode
