"""The head of an answer: the provider's status and the few headers of its that pass, and what the call was."""

import re
import time

from gateway.crossing import Crossing
from gateway.exchange import Headers
from gateway.forward import Answer
from gateway.ledger.entry import Call
from policies.money import NanoUsd, to_usd
from policies.refusal import Refusal

PASSED = frozenset((
    b"content-type", b"retry-after", b"retry-after-ms", b"openai-processing-ms", b"openai-version", b"openai-model",
    b"anthropic-organization-id", b"x-should-retry", b"cache-control",
))  # fmt: skip
PASSED_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")
"""A provider's headers that reach a client; all others could set cookies, frames or places of its own (T53)."""

_VALUE = re.compile(rb"[\t -~]{0,1024}")


def reply_head(crossing: Crossing, answer: Answer, call: Call | None, length: int | None) -> Headers:
    """Give the headers of a relayed answer; `call` when its cost is known already, `length` when its body is whole."""
    headers = [pair for pair in answer.headers if _passes(*pair)]
    if length is not None:
        headers.append((b"content-length", b"%d" % length))
    request_id = crossing.request_id.encode()
    headers += ((b"x-request-id", request_id), (b"request-id", request_id))
    if call is not None:
        headers.append((b"x-weighbridge-cost-source", call.cost_source.encode()))
        if call.billed_cost is not None:
            headers.append((b"x-weighbridge-cost", to_usd(NanoUsd(call.billed_cost)).encode()))
            headers.append((b"x-weighbridge-currency", b"USD"))
    initiative = crossing.tagged.tags.get("initiative")
    if initiative is not None:
        headers.append((b"x-weighbridge-initiative", initiative.encode("ascii", "replace")))
    if crossing.tagged.warning is not None:
        headers.append((b"x-weighbridge-warning", _ascii(crossing.tagged.warning)))
    headers.append((b"server-timing", _timing(crossing)))
    return headers


def refusal_head(refusal: Refusal, request_id: str, length: int) -> Headers:
    """Give the headers of an error of ours: no client that heeds them tries again what cannot go better."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % length),
        (b"x-request-id", request_id.encode()),
        (b"request-id", request_id.encode()),
    ]
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % refusal.retry_after_s))
    elif refusal.status < 500:
        headers.append((b"x-should-retry", b"false"))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def _passes(name: bytes, value: bytes) -> bool:
    return (name in PASSED or name.startswith(PASSED_PREFIXES)) and _VALUE.fullmatch(value) is not None


def _timing(crossing: Crossing) -> bytes:
    """Give Server-Timing (W3C), in milliseconds: what the gateway took so far, and what the provider took."""
    now = time.perf_counter()
    upstream = (crossing.upstream_ended or now) - crossing.upstream_started
    own = now - crossing.started - upstream
    return b"gw;dur=%.2f, upstream;dur=%.2f" % (own * 1000, upstream * 1000)


def _ascii(text: str) -> bytes:
    """Give a sentence fit for a header: one line, visible ASCII, at most 500 characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:500]).encode()
