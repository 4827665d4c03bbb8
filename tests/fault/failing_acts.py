"""Every way a provider can fail, as acts of a scripted one."""

from tests.fakes.metering import DONE, said, used
from tests.fakes.upstream import Received, Wire, chunk, chunked, reply
from tests.fault.scripted import (
    EVENTS,
    GOOD,
    JSON,
    OPENING,
    USED,
    Act,
    good,
    resetting,
    sending,
    stalling,
)

ERROR = b'{"error":{"message":"the provider says no","type":"x","code":"theirs","param":null}}'

HTML = b"<html>a proxy's page, with a secret</html>"

TEXT = "grüße, 世界 🎉"


def refusing(status: int, *headers: tuple[str, str]) -> Act:
    return sending(reply(status, ERROR, JSON, *headers))


def streaming(*events: bytes) -> Act:
    return sending(chunked(events, EVENTS))


def only_the_second(status: int) -> Act:
    """Refuse the first target of a chain, answer at the second."""

    async def act(wire: Wire, received: Received) -> None:
        await (refusing(status) if b'"gpt-4o"' in received.body else good)(wire, received)

    return act


async def trickle(wire: Wire, received: Received) -> None:
    """Send a whole stream in pieces of three bytes, with pauses shorter than the idle timeout."""
    await wire.send(OPENING)
    events = said("slow", "stop") + used(USED) + DONE
    for at in range(0, len(events), 40):
        await wire.send(chunk(events[at : at + 40]))
        await wire.pause(0.15)
    await wire.send(b"0\r\n\r\n")


async def torn(wire: Wire, received: Received) -> None:
    """Send a stream with odd line ends, comments and data over two lines, cut after every third byte."""
    events = (
        b": comment\r\n\r\n"
        + said(TEXT).replace(b"\n\n", b"\r\n\r\n")
        + b'data: {"id":"c","model":"gpt",\ndata: "choices":[]}\n\n'
        + said("!", "stop").replace(b"\n\n", b"\r\r")
        + used(USED)
        + DONE
    )
    await wire.send(OPENING, *(chunk(events[at : at + 3]) for at in range(0, len(events), 3)), b"0\r\n\r\n")


SCRIPTS: dict[str, Act] = {
    **{f"status_{status}": refusing(status) for status in (400, 404, 422, 401, 403, 500, 502, 503, 504, 529)},
    "status_429": refusing(429, ("retry-after", "7")),
    "second_429": only_the_second(429),
    "second_500": only_the_second(500),
    "second_529": only_the_second(529),
    "second_401": only_the_second(401),
    "no_head": stalling(),
    "reset_before": resetting(),
    "closed_before": sending(close=True),
    "reset_mid": resetting(OPENING, chunk(said("half"))),
    "eof_mid": sending(OPENING, chunk(said("half")), close=True),
    "eof_clean": streaming(said("half")),
    "bad_frame": streaming(said("half"), b"data: {oops\n\n", said("more", "stop"), used(USED), DONE),
    "bad_utf8": streaming(said("half"), b'data: {"choices":"\xff"}\n\n', DONE),
    "torn": torn,
    "no_usage": streaming(said("x" * 400, "stop"), DONE),
    "usage_twice": streaming(said("a", "stop"), used({**USED, "prompt_tokens": 3}), used(USED), DONE),
    "usage_zero": streaming(said("a", "stop"), used({"prompt_tokens": 0, "completion_tokens": 0}), DONE),
    "usage_lie": streaming(said("a" * 40, "stop"), used({**USED, "prompt_tokens": -1}), DONE),
    "usage_huge": streaming(said("a" * 40, "stop"), used({**USED, "completion_tokens": 2**63}), DONE),
    "too_many": streaming(said("a", "stop"), used({**USED, "completion_tokens": 900}), DONE),
    "trickle": trickle,
    "stall": stalling(OPENING, chunk(said("half"))),
    "gzip": sending(reply(200, b"\x1f\x8b" + bytes(64), JSON, ("content-encoding", "gzip"))),
    "error_in_200": sending(reply(200, ERROR, JSON)),
    "html": sending(reply(200, HTML, ("content-type", "text/html"))),
    "html_502": sending(reply(502, HTML, ("content-type", "text/html"))),
    "no_type": sending(reply(200, GOOD)),
    "whole_for_stream": sending(reply(200, GOOD, JSON)),
    "odd_headers": sending(reply(200, GOOD, JSON, ("date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("x-price", "-1"))),
    "not_http": sending(b"\x00\x01\x02 not http\r\n\r\n", close=True),
    **{
        f"redirect_{status}": sending(reply(status, b"", ("location", "http://127.0.0.1:9/inside")))
        for status in (301, 302, 303, 307, 308)
    },
}
