"""THE WALK: every branch of a metered request's way, on one page.

identify -> read -> tags -> targets and gates -> journal intent -> reach an answer -> relay it, metered
-> settle -> journal the terminal entry -> the last bytes -> metrics and log line from that same entry.
"""

import asyncio
import time

from msgspec.structs import replace

from gateway import clock
from gateway.admit import cost_upper
from gateway.client import Client, family_of
from gateway.crossing import Crossing
from gateway.errors import ClientGone, JournalFull, Refused, UpstreamFailed
from gateway.forward import Answer
from gateway.house import House
from gateway.identify import identify
from gateway.ids import new_request_id
from gateway.ledger.entry import Call
from gateway.providers.provider import Meter
from gateway.reach import reach
from gateway.refusals import bad_content_type, bad_redirect, journal_full, overloaded, upstream_auth, upstream_failed
from gateway.reply import reply_head
from gateway.settle import entry_of, entry_of_attempt, settle
from gateway.tags import resolve, session_of
from policies.money import NanoUsd
from policies.refusal import Refusal

STREAM_BYTES_MAX = 2**30
"""No stream of text or pictures comes near; one without end is cut, and what came is booked."""


async def carry(house: House, client: Client) -> None:
    """Carry one request across: the client has its answer, and the book has exactly one terminal entry.

    Raises Refused or BadBody while nothing has been sent to the client; ClientGone when nobody is left to answer.
    """
    if house.in_flight >= house.settings.inflight_max or house.draining:
        raise Refused(overloaded())
    house.in_flight += 1
    try:
        crossing = await _admitted(house, client)
        house.journal.intent(crossing.intent())
        try:
            await _across(house, client, crossing)
        finally:
            if not crossing.booked:
                book(house, crossing)
    except JournalFull as full:
        raise Refused(journal_full()) from full
    finally:
        house.in_flight -= 1


async def _admitted(house: House, client: Client) -> Crossing:
    """Say who asks what for which work, and where it may go."""
    started, now, asks = time.perf_counter(), clock.now(), client.asks
    query = client.exchange.query
    principal = identify(house.registry, client.headers, house.pepper, now, query)
    body = await client.exchange.whole_body(house.settings.body_bytes_max, house.bodies)
    asked = asks.dialect.read(asks.operation, body, model=asks.model, streamed=asks.streamed)
    asked = replace(asked, query=query) if query else asked
    session_id = session_of(client.headers, asked.user)
    tagged = resolve(
        house.registry,
        principal,
        client.headers,
        url_initiative=asks.initiative,
        body_metadata=asked.metadata,
        user=asked.user,
        session_id=session_id,
        settings=house.settings,
        now=now,
    )
    destinations = house.planner.destinations(asked, principal, now)
    if client.exchange.disconnected:
        raise ClientGone
    if tagged.remember is not None:
        house.journal.append(tagged.remember)
    return Crossing(
        request_id=new_request_id(),
        occurred_at=now,
        dialect=asks.dialect,
        asked=asked,
        principal=principal,
        tagged=tagged,
        destinations=destinations,
        cost_upper=cost_upper(asked, destinations),
        client_family=family_of(client.headers),
        session_id=session_id,
        started=started,
        destination=destinations[0],
        forwarded_headers=client.headers,
    )


async def _across(house: House, client: Client, crossing: Crossing) -> None:
    """Reach a provider and relay its answer; what fails on the way is booked before the client hears of it."""
    crossing.upstream_started = time.perf_counter()
    # Until an answer or a refusal says otherwise, a provider may have the request: a task cut here is not free.
    crossing.may_bill, crossing.reason = True, "gateway_stopping"
    try:
        answer = await reach(crossing, house.forwarder, house.retry_budget)
    except UpstreamFailed as failed:
        crossing.may_bill = failed.sent
        raise _ended(house, crossing, upstream_failed(failed, crossing.destination), failed.reason) from failed
    crossing.status = answer.status
    kind = next((value.lower() for name, value in answer.headers if name == b"content-type"), b"")
    streamed = crossing.asked.streamed and kind.startswith(b"text/event-stream")
    unusable = None if streamed and answer.status < 300 else _unusable(answer.status, kind, crossing)
    if unusable is not None:
        answer.abandon()
        crossing.may_bill = answer.status < 300
        raise _ended(house, crossing, unusable, unusable.code)
    crossing.answered, crossing.may_bill, crossing.reason = True, False, None
    # Errors, and servers that do not stream, answer in one piece whatever was asked.
    asked = crossing.asked if streamed == crossing.asked.streamed else replace(crossing.asked, streamed=False)
    await _relay(house, client, crossing, answer, crossing.dialect.meter(asked))


async def _relay(house: House, client: Client, crossing: Crossing, answer: Answer, meter: Meter) -> None:
    """Pass the answer on past the meter, book it however it ended, and only then let its last bytes go."""
    try:
        await _pass_on(house, client, crossing, answer, meter)
    except UpstreamFailed as failed:
        crossing.reason = failed.reason
    except asyncio.CancelledError:
        # The process stops: what came is booked, and the client is told instead of being cut.
        crossing.reason = "gateway_stopping"
    crossing.reading, crossing.upstream_ended = meter.reading(), time.perf_counter()
    crossing.ending = meter.ending() if crossing.reason is None else "truncated"
    call = book(house, crossing)
    if crossing.draining_until is not None:
        house.drains -= 1
    await _finish(house, client, crossing, answer, meter, call)


async def _pass_on(house: House, client: Client, crossing: Crossing, answer: Answer, meter: Meter) -> None:
    """Give each piece to the meter and what it lets go to the client, until the answer's end or the client's."""
    exchange = client.exchange
    bytes_left = STREAM_BYTES_MAX if crossing.asked.streamed else house.settings.answer_bytes_max
    while piece := await answer.piece():
        bytes_left -= len(piece)
        if bytes_left < 0:
            raise UpstreamFailed("too_large", "the answer is larger than it may be", sent=True)
        ready = meter.feed(piece)
        if crossing.first_chunk is None:
            crossing.first_chunk = time.perf_counter()
        if ready:
            if not exchange.started:
                await exchange.start(answer.status, reply_head(crossing, answer, None, None))
            await exchange.send(ready)
        if meter.ended:
            return
        if exchange.disconnected and not _may_drain(house, crossing):
            crossing.reason = "client_gone"
            return
    meter.finish()


async def _finish(house: House, client: Client, crossing: Crossing, answer: Answer, meter: Meter, call: Call) -> None:
    """Let the held bytes go, or end a broken answer with an error instead of a false end."""
    exchange = client.exchange
    await house.journal.durable(crossing.sequence)
    if crossing.ending != "complete" and answer.status < 300:
        answer.abandon()
        reason = crossing.reason or str(crossing.ending)
        refusal = upstream_failed(UpstreamFailed(reason, "", sent=True), crossing.destination)
        if not exchange.started:
            raise Refused(refusal, crossing.request_id)
        told, request_id, operation = crossing.dialect.error_event, crossing.request_id, crossing.asked.operation
        await exchange.finish(told(refusal.code, refusal.message, request_id, operation=operation))
        return
    last = meter.close(None if call.billed_cost is None else NanoUsd(call.billed_cost))
    if exchange.started:
        await exchange.finish(last)
    else:
        await exchange.answer(answer.status, reply_head(crossing, answer, call, len(last)), last)
    await answer.release()


def book(house: House, crossing: Crossing) -> Call:
    """Write the terminal entry; metrics and the log line are made from it and from nothing else."""
    assert not crossing.booked
    now = clock.now()
    call = settle(crossing, house.book)
    absorbed = tuple(entry_of_attempt(number, one, crossing, now) for number, one in enumerate(crossing.attempts))
    entry = entry_of(call, crossing, now)
    crossing.sequence = house.journal.end(crossing.request_id, entry, absorbed)
    crossing.booked = True
    house.recorder.record(call, entry.body)
    return call


def _ended(house: House, crossing: Crossing, refusal: Refusal, reason: str) -> Refused:
    """Book a call that has no answer to relay, and give what its client is told."""
    crossing.reason, crossing.status = reason, refusal.status
    book(house, crossing)
    return Refused(refusal, crossing.request_id)


def _unusable(status: int, kind: bytes, crossing: Crossing) -> Refusal | None:
    """Say what keeps an answer of this content type from being relayed as it is."""
    if status in {401, 403}:
        return upstream_auth(crossing.destination, status)
    if 300 <= status < 400:
        return bad_redirect(crossing.destination)
    if kind.startswith(b"text/event-stream") and crossing.asked.streamed:
        return None
    return None if b"json" in kind.partition(b";")[0] else bad_content_type(crossing.destination, status)


def _may_drain(house: House, crossing: Crossing) -> bool:
    """Say whether an answer nobody waits for is still read to its usage: for a while, and not too many at once."""
    settings, now = house.settings, time.perf_counter()
    if crossing.draining_until is None:
        if settings.on_client_gone == "stop" or house.drains >= settings.drains_max:
            return False
        house.drains += 1
        crossing.draining_until = now + settings.drain_timeout_s
    return now < crossing.draining_until
