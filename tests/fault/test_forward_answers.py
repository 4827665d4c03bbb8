"""However an answer is cut, malformed or without end: a named failure, in bounded memory, never a short answer."""

import asyncio
import resource

import pytest

from gateway.forward import Forwarder
from tests.fakes.forwarding import OPENING, POST, failure, provider_at, whole
from tests.fakes.upstream import Script, Upstream, Wire, answering, chunked, cutting, reply, stalling

ANSWERS = {
    "length": reply(200, b'{"usage": 1}', ("content-type", "application/json")),
    "chunks": chunked([b"data: 1\n\n", b"data: [DONE]\n\n"]),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + reply(500, b"oops"),
}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_cut_at_any_byte_is_never_silently_short(forwarder: Forwarder, name: str, reset: bool) -> None:
    raw = ANSWERS[name]
    for at in range(len(raw)):
        async with Upstream(cutting(raw, at, reset=reset)) as upstream:
            failed = await failure(forwarder, provider_at(upstream.url))
            assert (failed.reason, failed.sent) == ("reset", True), at


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_in_any_two_pieces_is_the_same_answer(forwarder: Forwarder, name: str) -> None:
    raw = ANSWERS[name]
    cuts = list(range(len(raw)))

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            cut = cuts.pop()
            await wire.send(raw[:cut])
            await asyncio.sleep(0)
            await wire.send(raw[cut:])

    async with Upstream(script) as upstream:
        provider = provider_at(upstream.url)
        bodies = {await whole(await forwarder.send(provider, POST, None)) for _ in raw}
        assert len(bodies) == 1
        assert upstream.connections == 1


MALFORMED = {
    "no http": b"hello world\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    "switching": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "status 099": b"HTTP/1.1 099 X\r\ncontent-length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n",
    "folded header": b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "huge length": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "other transfer encoding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer encoding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "bad chunk size": OPENING + b"zz\r\nok\r\n0\r\n\r\n",
    "huge chunk size": OPENING + b"ffffffffffffffffff\r\nok",
    "no break after chunk": OPENING + b"2\r\nokXX0\r\n\r\n",
    "negative chunk size": OPENING + b"-2\r\nok\r\n0\r\n\r\n",
    "gzip": reply(200, b"\x1f\x8b\x08", ("Content-Encoding", "GZIP")),
    "brotli": reply(429, b"x", ("content-encoding", "br")),
    "201 headers": reply(200, b"", *[(f"x-{n}", "1") for n in range(200)]),
    "giant header": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2**17 + b"\r\ncontent-length: 0\r\n\r\n",
    "giant trailer": OPENING + b"2\r\nok\r\n0\r\nx: " + b"a" * 2**17 + b"\r\n\r\n",
    "endless interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 2**13,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_an_answer_that_breaks_the_protocol_is_a_named_failure(forwarder: Forwarder, name: str) -> None:
    async with Upstream(stalling(MALFORMED[name])) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url))
        assert (failed.reason, failed.sent) == ("protocol", True)
        assert "aaaa" not in str(failed)
        await upstream.left.wait()


def endless(start: bytes, piece: bytes) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(start)
        while True:
            await wire.send(piece)

    return script


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 ", b"a" * 4096),
        (b"HTTP/1.1 200 OK\r\nx: ", b"a" * 4096),
        (b"HTTP/1.1 200 OK\r\n", b"a" * 4096),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 50),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
        (OPENING + b"5;", b"a" * 4096),
        (OPENING + b"0\r\nx: ", b"a" * 4096),
        (OPENING + b"0\r\n", b"x: y\r\n" * 50),
    ],
)
async def test_an_endless_line_or_head_ends_in_bounded_memory(forwarder: Forwarder, start: bytes, piece: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with Upstream(endless(start, piece)) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url))
        assert failed.reason == "protocol"
        await upstream.left.wait()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


async def test_a_64_mb_chunk_is_passed_on_in_bounded_pieces(forwarder: Forwarder) -> None:
    size = 64 * 2**20

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(OPENING + b"%x\r\n" % size)
        for _ in range(size // 2**16):
            await wire.send(bytes(2**16))
        await wire.send(b"\r\n0\r\n\r\n")

    async with Upstream(script) as upstream:
        answer = await forwarder.send(provider_at(upstream.url), POST, None)
        received = 0
        while piece := await answer.piece():
            assert len(piece) < 2**20
            received += len(piece)
        assert received == size


@pytest.mark.parametrize("behind", [reply(200, b"made up"), b"junk", b"HTTP/1.1"])
async def test_bytes_behind_an_answer_are_never_the_answer_to_the_next_request(
    forwarder: Forwarder, behind: bytes
) -> None:
    async with Upstream(answering(reply(200, b"true") + behind)) as upstream:
        provider = provider_at(upstream.url)
        for number in (1, 2):
            assert await whole(await forwarder.send(provider, POST, None)) == b"true"
            assert upstream.connections == number


async def test_bytes_that_nobody_asked_for_close_the_connection(forwarder: Forwarder) -> None:
    speak = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(reply(200, b"true"))
        await speak.wait()
        await wire.send(reply(200, b"made up"))
        await wire.gone()

    async with Upstream(script) as upstream:
        provider = provider_at(upstream.url)
        assert await whole(await forwarder.send(provider, POST, None)) == b"true"
        speak.set()
        await upstream.left.wait()
        assert await whole(await forwarder.send(provider, POST, None)) == b"true"
        assert upstream.connections == 2
