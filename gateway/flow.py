"""THE WALK: every branch of a metered request's way, on one page.

identify -> read -> tags -> targets and gates -> journal intent -> reach an answer -> relay it, metered
-> settle -> journal the terminal entry -> the last bytes -> metrics and log line from that same entry.
"""

import time
from dataclasses import replace

from gateway import clock
from gateway.admit import cost_upper
from gateway.client import Client
from gateway.crossing import Crossing
from gateway.errors import JournalFull, Refused, UpstreamFailed
from gateway.forward import Answer
from gateway.house import House
from gateway.identify import identify
from gateway.ids import new_request_id
from gateway.ledger.entry import Call
from gateway.providers.provider import Asked, Meter
from gateway.reach import reach
from gateway.refusals import bad_content_type, bad_redirect, journal_full, overloaded, upstream_auth, upstream_failed
from gateway.reply import reply_head
from gateway.settle import entry_of, entry_of_attempt, settle
from gateway.tags import resolve, session_of


async def carry(house: House, client: Client) -> None:
    """Carry one request across: the client has its answer, and the book has exactly one terminal entry.

    Raises Refused or BadBody while nothing has been sent anywhere; ClientGone when nobody is left to answer.
    """
    if house.in_flight >= house.settings.inflight_max or house.draining:
        raise Refused(overloaded())
    house.in_flight += 1
    try:
        crossing = await _admitted(house, client)
        try:
            house.journal.intent(crossing.intent())
        except JournalFull as full:
            raise Refused(journal_full(str(full))) from full
        try:
            await _across(house, client, crossing)
        finally:
            if not crossing.booked:
                book(house, crossing)
    finally:
        house.in_flight -= 1


async def _admitted(house: House, client: Client) -> Crossing:
    """Say who asks what for which work, and where it may go."""
    started, now = time.perf_counter(), clock.now()
    principal = identify(house.registry, client.headers, house.pepper, now)
    body = await client.body(house.settings.body_bytes_max)
    asked = client.dialect.read(client.operation, body, model=client.path_model, streamed=client.path_streamed)
    asked = replace(asked, query=client.query) if client.query else asked
    session_id = session_of(client.headers, asked.user)
    tagged = resolve(
        house.registry,
        principal,
        client.headers,
        url_initiative=client.url_initiative,
        body_metadata=asked.metadata,
        user=asked.user,
        session_id=session_id,
        settings=house.settings,
        now=now,
    )
    destinations = house.planner.destinations(asked, principal, now)
    if tagged.remember is not None:
        house.journal.append(tagged.remember)
    return Crossing(
        request_id=new_request_id(),
        occurred_at=now,
        dialect=client.dialect,
        asked=asked,
        principal=principal,
        tagged=tagged,
        destinations=destinations,
        cost_upper=cost_upper(asked, destinations),
        client_family=client.family,
        session_id=session_id,
        started=started,
        destination=destinations[0],
        forwarded_headers=client.headers,
    )


async def _across(house: House, client: Client, crossing: Crossing) -> None:
    """Reach a provider and relay its answer; what fails on the way is booked before the client hears of it."""
    crossing.upstream_started = time.perf_counter()
    try:
        answer = await reach(crossing, house.forwarder, house.retry_budget)
    except UpstreamFailed as failed:
        crossing.reason, crossing.may_bill = failed.reason, failed.sent
        refusal = upstream_failed(failed, crossing.destination)
        crossing.status = refusal.status
        book(house, crossing)
        raise Refused(refusal, crossing.request_id) from failed
    crossing.answered, crossing.status = True, answer.status
    refusal = _unusable(answer, crossing)
    if refusal is not None:
        answer.abandon()
        crossing.answered, crossing.reason = False, refusal.code
        crossing.may_bill, crossing.status = answer.status < 300, refusal.status
        book(house, crossing)
        raise Refused(refusal, crossing.request_id)
    meter = crossing.dialect.meter(_as_answered(crossing.asked, answer))
    await _relay(house, client, crossing, answer, meter)


async def _relay(house: House, client: Client, crossing: Crossing, answer: Answer, meter: Meter) -> None:
    """Pass the answer on piece by piece past the meter, book it, and only then let its last bytes go."""
    failed: UpstreamFailed | None = None
    received = 0
    try:
        while piece := await answer.piece():
            received += len(piece)
            ready = meter.feed(piece)
            if crossing.first_chunk is None:
                crossing.first_chunk = time.perf_counter()
                client.head(lambda: reply_head(crossing, answer, None))
            if ready:
                await client.send(ready)
            if meter.ended or meter.ending() in {"malformed", "too_large"}:
                break
            if client.gone and not _may_drain(house, crossing):
                crossing.reason = "client_gone"
                break
            if not crossing.asked.streamed and received > house.settings.answer_bytes_max:
                raise UpstreamFailed("too_large", "the answer is larger than answer_bytes_max", sent=True)
        else:
            meter.finish()
    except UpstreamFailed as error:
        failed = error
    finally:
        crossing.reading, crossing.ending = meter.reading(), meter.ending()
        crossing.upstream_ended = time.perf_counter()
        if failed is not None:
            crossing.reason, crossing.ending = failed.reason, "truncated"
        call = book(house, crossing)
    await _finish(house, client, crossing, answer, meter, call)


async def _finish(
    house: House, client: Client, crossing: Crossing, answer: Answer, meter: Meter, call: Call
) -> None:
    """Let the held bytes go, or end a broken stream with an error instead of a false end."""
    await house.journal.durable(crossing.sequence)
    if crossing.drains:
        house.drains -= 1
    broken = crossing.ending != "complete" and crossing.status < 300
    if broken and not client.started:
        answer.abandon()
        refusal = upstream_failed(UpstreamFailed(crossing.reason or "truncated", "", sent=True), crossing.destination)
        raise Refused(refusal, crossing.request_id)
    if broken:
        answer.abandon()
        text = f"The provider's answer broke off ({crossing.reason or crossing.ending}); what came before is booked."
        await client.finish(crossing.dialect.error_event("upstream_cut", text, crossing.request_id))
        return
    client.head(lambda: reply_head(crossing, answer, call))
    await client.finish(meter.close(call.billed_cost))
    await answer.release()


def book(house: House, crossing: Crossing) -> Call:
    """Write the terminal entry; metrics and the log line are made from it and from nothing else."""
    assert not crossing.booked
    now = clock.now()
    call = settle(crossing, house.book)
    absorbed = tuple(
        entry_of_attempt(number, attempt, crossing, now) for number, attempt in enumerate(crossing.attempts)
    )
    crossing.sequence = house.journal.end(crossing.request_id, entry_of(call, crossing, now), absorbed)
    crossing.booked = True
    house.recorder.record(call)
    return call
