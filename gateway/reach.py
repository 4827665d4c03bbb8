"""Tries the targets in order until one answers; what was tried before is kept for the book."""

import asyncio
import time

from gateway.crossing import Attempt, Crossing, Destination
from gateway.errors import UpstreamFailed
from gateway.forward import Answer, Forwarder
from gateway.retry import ELSEWHERE, RETRYABLE, RetryBudget, backoff_s


async def reach(crossing: Crossing, forwarder: Forwarder, budget: RetryBudget) -> Answer:
    """Give the answer to relay: a success, or the last target's refusal as it is.

    Retries happen only before the first byte of an answer, and never when the provider may already be
    working on the request (fault F09). Raises UpstreamFailed when no target gave any answer.
    """
    try:
        return await _reached(crossing, forwarder, budget)
    except asyncio.CancelledError as stopping:
        # The process stops. A provider may have the request, and the client is told instead of being cut (F57).
        raise UpstreamFailed("gateway_stopping", "the gateway stops", sent=True) from stopping


async def _reached(crossing: Crossing, forwarder: Forwarder, budget: RetryBudget) -> Answer:
    """Ask one target after the other, each as often as its settings and the budget allow."""
    budget.first_attempt()
    last = crossing.destinations[-1]
    for destination in crossing.destinations:
        crossing.destination = destination
        for number in range(1, destination.provider.retries + 2):
            started = time.perf_counter()
            outcome = await _try(crossing, destination, forwarder)
            if number <= destination.provider.retries and _may_help_here(outcome) and budget.take():
                _absorb(crossing, outcome, started)
                await asyncio.sleep(backoff_s(number))
                continue
            if destination is not last and _may_help_elsewhere(outcome):
                _absorb(crossing, outcome, started)
                break
            if isinstance(outcome, UpstreamFailed):
                raise outcome
            return outcome
    raise AssertionError("the last target answers or raises")


async def _try(crossing: Crossing, destination: Destination, forwarder: Forwarder) -> Answer | UpstreamFailed:
    """Send the request to one target, once."""
    provider, dialect = destination.provider, crossing.dialect
    outgoing = dialect.outgoing(crossing.asked, destination.model, crossing.forwarded_headers)
    secret = dialect.secret_header(provider.api_key.reveal()) if provider.api_key else None
    try:
        # With our id in them a provider's own records can be held against ours, call by call.
        return await forwarder.send(provider, outgoing, secret, crossing.request_id.encode())
    except UpstreamFailed as failed:
        return failed


def _may_help_here(outcome: Answer | UpstreamFailed) -> bool:
    """Say whether the same target may do better a moment later."""
    return not outcome.sent if isinstance(outcome, UpstreamFailed) else outcome.status in RETRYABLE


def _may_help_elsewhere(outcome: Answer | UpstreamFailed) -> bool:
    """Say whether another target may do better."""
    return not outcome.sent if isinstance(outcome, UpstreamFailed) else outcome.status in ELSEWHERE


def _absorb(crossing: Crossing, outcome: Answer | UpstreamFailed, started: float) -> None:
    """Keep a try that did not become the answer; nothing that may be billed is ever absorbed."""
    milliseconds = crossing.elapsed_ms(started)
    if isinstance(outcome, UpstreamFailed):
        attempt = Attempt(crossing.destination, 0, outcome.reason, milliseconds)
    else:
        attempt = Attempt(crossing.destination, outcome.status, f"status_{outcome.status}", milliseconds)
        outcome.abandon()
    crossing.attempts.append(attempt)
