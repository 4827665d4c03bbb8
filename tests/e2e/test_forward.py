"""What the client to upstreams does when all goes well: framing, headers, reuse, back-pressure, waiting for a turn."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.errors import UpstreamFailed
from gateway.forward import Answer, Forwarder
from gateway.providers.provider import Outgoing
from gateway.settings import Provider
from tests.fakes.upstream import Upstream, Wire, answering, chunk, chunked, reply, stalling

POST = Outgoing("POST", "/v1/chat/completions", ((b"content-type", b"application/json"),), b"{}")


def provider_at(upstream: Upstream, **changes: object) -> Provider:
    plain = Provider("fake", upstream.url, ("openai",), private_network=True, connect_timeout_s=2.0, idle_timeout_s=5.0)
    return replace(plain, **changes)


async def whole(answer: Answer) -> bytes:
    body = b""
    while piece := await answer.piece():
        body += piece
    return body


@pytest.fixture
async def forwarder() -> AsyncIterator[Forwarder]:
    forwarder = Forwarder()
    yield forwarder
    await forwarder.close()


async def test_status_headers_and_body_arrive_as_they_were_sent(forwarder: Forwarder) -> None:
    async with Upstream(
        answering(reply(429, b"slow down", ("Retry-After", "7"), ("X-Two", "a"), ("x-two", "b")))
    ) as upstream:
        answer = await forwarder.send(provider_at(upstream), POST, None)
        assert answer.status == 429
        assert answer.headers[1:] == [(b"retry-after", b"7"), (b"x-two", b"a"), (b"x-two", b"b")]
        assert await whole(answer) == b"slow down"
        assert await answer.piece() == b""


async def test_the_request_is_sent_behind_the_base_path_with_host_length_secret_and_own_headers(
    forwarder: Forwarder,
) -> None:
    async with Upstream(answering(reply(200))) as upstream:
        provider = provider_at(upstream, base_url=upstream.url + "/gate/v1/", headers=(("X-Org", "one"),))
        outgoing = replace(POST, headers=((b"x-org", b"client's"), (b"accept", b"*/*")))
        await forwarder.send(provider, outgoing, (b"authorization", b"Bearer k"))
        request = upstream.requests[0]
        assert (request.method, request.target, request.body) == ("POST", "/gate/v1/chat/completions", b"{}")
        assert sorted(request.headers) == [
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer k"),
            (b"content-length", b"2"),
            (b"host", b"127.0.0.1:%d" % upstream.port),
            (b"x-org", b"one"),
        ]


async def test_a_get_has_no_length_and_a_post_without_body_has_length_0(forwarder: Forwarder) -> None:
    async with Upstream(answering(reply(200))) as upstream:
        provider = provider_at(upstream)
        await forwarder.send(provider, Outgoing("GET", "/v1/models", (), b""), None)
        await forwarder.send(provider, Outgoing("POST", "/v1/x", (), b""), None)
        assert [request.header(b"content-length") for request in upstream.requests] == [None, b"0"]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (reply(200, b"by length"), b"by length"),
        (chunked([b"by ", b"chunks"]), b"by chunks"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + reply(200, b"late"), b"late"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\ncontent-encoding: identity\r\n\r\nok", b"ok"),
    ],
)
async def test_every_framing_of_a_kept_connection_gives_the_body_and_the_next_answer(
    forwarder: Forwarder, raw: bytes, body: bytes
) -> None:
    async with Upstream(answering(raw, reply(200, b"next"))) as upstream:
        provider = provider_at(upstream)
        assert await whole(await forwarder.send(provider, POST, None)) == body
        assert await whole(await forwarder.send(provider, POST, None)) == b"next"
        assert upstream.connections == 1


async def test_a_body_without_length_lasts_until_the_connection_closes(forwarder: Forwarder) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.0 200 OK\r\n\r\nall ", b"of it")

    async with Upstream(script) as upstream:
        assert await whole(await forwarder.send(provider_at(upstream), POST, None)) == b"all of it"


async def test_a_head_request_has_no_body_whatever_its_length_says(forwarder: Forwarder) -> None:
    async with Upstream(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")) as upstream:
        answer = await forwarder.send(provider_at(upstream), Outgoing("HEAD", "/v1/models", (), b""), None)
        assert await whole(answer) == b""


async def test_a_redirect_is_an_answer_and_is_not_followed(forwarder: Forwarder) -> None:
    async with Upstream(answering(reply(301, b"", ("location", "http://127.0.0.1:1/secret")))) as upstream:
        assert (await forwarder.send(provider_at(upstream), POST, None)).status == 301
        assert len(upstream.requests) == 1


async def test_100_calls_in_a_row_use_one_connection_without_delay_on_small_writes(forwarder: Forwarder) -> None:
    async with Upstream(answering(reply(200, b"x"))) as upstream:
        provider = provider_at(upstream)
        for _ in range(100):
            assert await whole(await forwarder.send(provider, POST, None)) == b"x"
        assert (upstream.connections, len(upstream.requests)) == (1, 100)


async def test_200_calls_at_once_each_get_their_own_answer(forwarder: Forwarder) -> None:
    async def echo(wire: Wire) -> None:
        while True:
            request = await wire.request()
            await wire.send(reply(200, request.body))

    async with Upstream(echo) as upstream:
        provider = provider_at(upstream, connections_max=64)

        async def call(number: int) -> bytes:
            return await whole(await forwarder.send(provider, replace(POST, body=b"%d" % number), None))

        assert await asyncio.gather(*map(call, range(200))) == [b"%d" % number for number in range(200)]
        assert upstream.connections <= 64


async def test_pieces_of_a_stream_arrive_one_by_one_while_it_is_open(forwarder: Forwarder) -> None:
    step = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(5):
            await step.wait()
            step.clear()
            await wire.send(chunk(b"data: %d\n\n" % number))
        await wire.send(b"0\r\n\r\n")

    async with Upstream(script) as upstream:
        answer = await forwarder.send(provider_at(upstream), POST, None)
        for number in range(5):
            step.set()
            assert await answer.piece() == b"data: %d\n\n" % number
        assert await answer.piece() == b""


async def test_a_large_body_arrives_whole(forwarder: Forwarder) -> None:
    body = bytes(range(256)) * (20 * 2**12)
    async with Upstream(answering(reply(200, b"got it"))) as upstream:
        answer = await forwarder.send(provider_at(upstream), replace(POST, body=body), None)
        assert await whole(answer) == b"got it"
        assert upstream.requests[0].body == body


async def test_an_answer_before_a_large_body_is_sent_is_taken_and_the_connection_is_not_used_again(
    forwarder: Forwarder,
) -> None:
    async def script(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(reply(413, b"too large"))
        await wire.gone()

    async with Upstream(script) as upstream:
        answer = await forwarder.send(provider_at(upstream), replace(POST, body=b"x" * 2**25), None)
        assert (answer.status, answer.sent) == (413, False)
        assert await whole(answer) == b"too large"
        await upstream.left.wait()


async def test_a_slow_reader_stops_the_provider_instead_of_filling_memory(forwarder: Forwarder) -> None:
    size, piece = 50 * 2**20, b"x" * 2**16
    stuck = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        wire.writer.transport.set_write_buffer_limits(high=0)
        await wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // len(piece)):
            wire.writer.write(piece)
            try:
                await asyncio.wait_for(wire.writer.drain(), 0.2)
            except TimeoutError:
                stuck.set()
                await wire.writer.drain()

    async with Upstream(script) as upstream:
        answer = await forwarder.send(provider_at(upstream, idle_timeout_s=0.05), POST, None)
        await stuck.wait()
        received = 0
        while got := await answer.piece():
            assert len(got) < 2**20
            received += len(got)
        assert received == size


async def test_an_abandoned_answer_closes_its_connection(forwarder: Forwarder) -> None:
    async with Upstream(stalling(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")) as upstream:
        answer = await forwarder.send(provider_at(upstream), POST, None)
        assert await answer.piece() == b"ab"
        answer.abandon()
        await upstream.left.wait()


async def test_a_released_answer_lets_its_last_bytes_pass_and_keeps_the_connection(forwarder: Forwarder) -> None:
    last = asyncio.Event()

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"data: [DONE]\n\n"))
            await last.wait()
            await wire.send(chunk(b"\n") + b"0\r\n\r\n")

    async with Upstream(script) as upstream:
        provider = provider_at(upstream, connections_max=1)
        answer = await forwarder.send(provider, POST, None)
        assert await answer.piece() == b"data: [DONE]\n\n"
        await answer.release()
        last.set()
        answer = await forwarder.send(provider, POST, None)
        assert await answer.piece() == b"data: [DONE]\n\n\n"
        assert upstream.connections == 1


async def test_a_released_answer_that_does_not_end_closes_its_connection(forwarder: Forwarder) -> None:
    endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"data: [DONE]\n\n")

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(endless)
        while True:
            await wire.send(chunk(b"x" * 4096))

    async with Upstream(script) as upstream:
        answer = await forwarder.send(provider_at(upstream), POST, None)
        await answer.release()
        await upstream.left.wait()


async def test_a_call_waits_for_a_connection_and_gets_the_one_that_is_freed(forwarder: Forwarder) -> None:
    go = asyncio.Event()

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await go.wait()
            await wire.send(reply(200, b"x"))

    async with Upstream(script) as upstream:
        provider = provider_at(upstream, connections_max=1)
        calls = [asyncio.ensure_future(forwarder.send(provider, POST, None)) for _ in range(5)]
        go.set()
        for call in calls:
            assert await whole(await call) == b"x"
        assert upstream.connections == 1


async def test_a_waiting_call_that_is_given_up_leaves_its_turn_to_the_next(forwarder: Forwarder) -> None:
    go = asyncio.Event()

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await go.wait()
            await wire.send(reply(200, b"x"))

    async with Upstream(script) as upstream:
        provider = provider_at(upstream, connections_max=1)
        first, second, third = (asyncio.ensure_future(forwarder.send(provider, POST, None)) for _ in range(3))
        await asyncio.sleep(0)
        second.cancel()
        go.set()
        assert await whole(await first) == b"x"
        assert await whole(await third) == b"x"
        assert len(upstream.requests) == 2


async def test_changed_settings_start_new_connections_and_let_old_answers_end(forwarder: Forwarder) -> None:
    async with Upstream(answering(reply(200, b"x"))) as upstream:
        old, new = provider_at(upstream), provider_at(upstream, headers=(("x-new", "1"),))
        answer = await forwarder.send(old, POST, None)
        await forwarder.send(new, POST, None)
        assert await whole(answer) == b"x"
        assert upstream.connections == 2
        assert upstream.requests[1].header(b"x-new") == b"1"


async def test_closing_the_forwarder_ends_what_is_under_way(forwarder: Forwarder) -> None:
    async with Upstream(stalling(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")) as upstream:
        answer = await forwarder.send(provider_at(upstream), POST, None)
        await forwarder.close()
        assert await answer.piece() == b"ab"
        with pytest.raises(UpstreamFailed):
            await answer.piece()
        await upstream.left.wait()
