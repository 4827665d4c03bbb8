"""Hostile HTTP/1.1 on a raw socket: each message is refused whole, and never becomes two requests or another one.

The table is the one that four servers were measured with; what is listed as answered is harmless and common.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.running import RunningGateway
from tests.fakes.mock import chat, providers
from tests.fault.raw import Heard, exchange, request
from tests.fault.scripted import ScriptedProvider

PATH = b"/v1/chat/completions"
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
EXTENSION = b";a=" + b"b" * 70_000
REFUSED = {400, 404, 431}


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def gateway(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = RunningGateway(tmp_path_factory.mktemp("wire"), providers(provider.port)).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="wire")


def message(*lines: bytes, body: bytes = BODY, target: bytes = PATH, version: bytes = b"HTTP/1.1") -> bytes:
    """Write a message with these header lines beside the key's (put where KEY stands)."""
    return b"\r\n".join((b"POST " + target + b" " + version, b"KEY", b"Content-Type: application/json", *lines)) + (
        b"\r\n\r\n" + body
    )


HOST = b"Host: gateway"
HOSTILE: dict[str, bytes] = {
    "two different lengths": message(HOST, LENGTH, b"Content-Length: 3"),
    "two equal lengths": message(HOST, LENGTH, LENGTH),
    "a list of lengths": message(HOST, LENGTH + b", %d" % len(BODY)),
    "a length with a sign": message(HOST, b"Content-Length: +%d" % len(BODY)),
    "a length in hexadecimal": message(HOST, b"Content-Length: 0x%x" % len(BODY)),
    "a negative length": message(HOST, b"Content-Length: -1"),
    "a space before the colon": message(HOST, b"Content-Length : %d" % len(BODY)),
    "a length and chunks": message(HOST, LENGTH, CHUNKED, body=CHUNKS),
    "chunks and a length": message(HOST, CHUNKED, b"Content-Length: 5", body=CHUNKS),
    "chunked twice": message(HOST, CHUNKED, CHUNKED, body=CHUNKS),
    "chunked twice in one line": message(HOST, CHUNKED + b", chunked", body=CHUNKS),
    "gzip and chunked": message(HOST, b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "chunked and then identity": message(HOST, b"Transfer-Encoding: chunked, identity", body=CHUNKS),
    "almost chunked": message(HOST, b"Transfer-Encoding: xchunked", body=CHUNKS),
    "chunked behind a control character": message(HOST, b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "a chunk line that ends with LF": message(HOST, CHUNKED, body=CHUNKS.replace(b"\r\n", b"\n", 1)),
    "a chunk size with 0x": message(HOST, CHUNKED, body=b"0x" + CHUNKS),
    "a chunk size of 17 digits": message(HOST, CHUNKED, body=b"0" * 0 + b"1" * 17 + b"\r\n" + BODY),
    "a negative chunk size": message(HOST, CHUNKED, body=b"-1\r\n" + BODY),
    "a chunk without its end": message(HOST, CHUNKED, body=b"%x\r\n%b" % (len(BODY), BODY) + b"0\r\n\r\n"),
    "a folded header": message(HOST, b"X-A: b\r\n c", LENGTH),
    "a bare CR in a header": message(HOST, b"X-A: b\rc: d", LENGTH),
    "a NUL in a header": message(HOST, b"X-A: b\0c", LENGTH),
    "lines that end with LF": message(HOST, LENGTH).replace(b"\r\n", b"\n"),
    "two hosts": message(HOST, b"Host: other", LENGTH),
    "no host": message(LENGTH),
    "a host that is an address": message(b"Host: a/?x#", LENGTH),
    "two keys": message(HOST, LENGTH, b"Authorization: Bearer wb_other"),
    "a target with scheme and host": message(HOST, LENGTH, target=b"http://elsewhere" + PATH),
    "chunks in HTTP/1.0": message(HOST, CHUNKED, body=CHUNKS, version=b"HTTP/1.0"),
    "a header of 100 KB": message(HOST, LENGTH, b"X-A: " + b"a" * 100_000),
    "2,000 headers": message(HOST, LENGTH, *(b"X-%d: a" % number for number in range(2000))),
    "a path that climbs": message(HOST, LENGTH, target=b"/v1/../v1/chat/completions"),
    "a path that climbs in disguise": message(HOST, LENGTH, target=b"/v1/%2e%2e/v1/chat/completions"),
    "HTTP of another version": message(HOST, LENGTH, version=b"HTTP/3.0"),
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 KEY\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nKEY",
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\nKEY\r\n\r\n",
    "everything": b"OPTIONS * HTTP/1.1\r\nHost: gateway\r\nKEY\r\n\r\n",
}
ANSWERED: dict[str, bytes] = {
    "a plain request": message(HOST, LENGTH),
    "chunks": message(HOST, CHUNKED, body=CHUNKS),
    "chunks of one byte": message(HOST, CHUNKED, body=b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n"),
    "a chunk extension of 70 KB": message(HOST, CHUNKED, body=CHUNKS.replace(b"\r\n", EXTENSION + b"\r\n", 1)),
    "a trailer": message(HOST, CHUNKED, body=CHUNKS[:-2] + b"X-A: b\r\n\r\n"),
    "HTTP/1.0": message(HOST, LENGTH, version=b"HTTP/1.0"),
    "spaces around a value": message(HOST, b"Content-Length:  \t%d \t" % len(BODY)),
    "an upgrade that nobody speaks": message(HOST, LENGTH, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
}  # fmt: skip


def told(gateway: RunningGateway, key: str, raw: bytes) -> Heard:
    return exchange(gateway.port, raw.replace(b"KEY", b"Authorization: Bearer " + key.encode(), 1))


@pytest.mark.parametrize("name", HOSTILE)
def test_T41_a_hostile_message_is_refused_and_nothing_of_it_goes_further(
    gateway: RunningGateway, provider: ScriptedProvider, key: str, name: str
) -> None:
    before = len(provider.requests)
    heard = told(gateway, key, HOSTILE[name])
    assert len(heard.statuses) <= 1, heard.data
    assert set(heard.statuses) <= REFUSED, heard.data
    assert heard.statuses or heard.closed, "it waits for more"
    assert len(provider.requests) == before


@pytest.mark.parametrize("name", ANSWERED)
def test_T41_a_harmless_message_is_one_request(
    gateway: RunningGateway, provider: ScriptedProvider, key: str, name: str
) -> None:
    before = len(provider.requests)
    assert told(gateway, key, ANSWERED[name]).statuses == [200]
    assert [received.body for received in provider.requests[before:]] == [BODY]


@pytest.mark.parametrize("name", ["a length and chunks", "chunks and a length", "two different lengths"])
def test_T41_what_is_smuggled_behind_a_hostile_message_is_not_answered(
    gateway: RunningGateway, provider: ScriptedProvider, key: str, name: str
) -> None:
    before = len(provider.requests)
    heard = told(gateway, key, HOSTILE[name] + request(PATH, BODY, key))
    assert heard.statuses == [400]
    assert heard.closed
    assert len(provider.requests) == before


def test_T42_a_body_that_is_cut_short_is_no_body(gateway: RunningGateway, provider: ScriptedProvider, key: str) -> None:
    """Whole JSON in a body that was to be longer: acting on it would be acting on another request."""
    first = gateway.post("/v1/chat/completions", chat("before"), key)
    gateway.call(first.headers["x-request-id"])
    before, booked = len(provider.requests), len(gateway.entries())
    head = request(PATH, b"", key, b"Content-Length: %d" % (len(BODY) + 1), length=False)
    chunks = request(PATH, b"", key, CHUNKED, length=False)
    for cut in (head + BODY, chunks + CHUNKS[:-5], chunks + CHUNKS[:-7] + b"zz\r\n"):
        heard = exchange(gateway.port, cut, first_s=0.2)
        assert set(heard.statuses) <= {400}
    assert gateway.post("/v1/chat/completions", chat("after"), key).status == 200
    assert len(provider.requests) == before + 1
    assert len(gateway.calls(booked + 1)) == booked + 1


def test_F33_bytes_behind_a_request_do_not_touch_its_answer(gateway: RunningGateway, key: str) -> None:
    plain = request(PATH, BODY, key)
    heard = exchange(gateway.port, plain + b"\0\0 this is no HTTP \0\0")
    assert heard.statuses[0] == 200
    assert b'"fine"' in heard.data
    assert heard.closed


def test_F33_requests_in_one_packet_are_answered_in_their_order(gateway: RunningGateway, key: str) -> None:
    models = request(b"/v1/models", b"", key, method=b"GET", length=False)
    heard = exchange(gateway.port, request(PATH, BODY, key) + models + request(PATH, BODY, key))
    assert heard.statuses == [200, 200, 200]
    assert heard.data.index(b'"fine"') < heard.data.index(b'"object":"list"') < heard.data.rindex(b'"fine"')
