"""Every way an upstream can fail ends in one named failure, in time, in bounded memory, never in a short answer."""

import asyncio
import errno
import socket
from dataclasses import replace

import pytest

from gateway.errors import UpstreamFailed
from gateway.forward import Forwarder
from gateway.settings import Provider
from tests.fakes.forwarding import OPENING, POST, failure, provider_at, whole
from tests.fakes.upstream import Upstream, Wire, answering, chunk, cutting, reply, stalling

SOON = 0.05


class FakeDns:
    def __init__(self, *answers: tuple[str, ...] | OSError) -> None:
        self.answers = list(answers)

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


async def test_a_refused_connection_is_unreachable_and_nothing_was_sent(forwarder: Forwarder) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        failed = await failure(forwarder, provider_at(f"http://127.0.0.1:{bound.getsockname()[1]}"))
    assert (failed.reason, failed.sent) == ("unreachable", False)


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    forwarder = Forwarder(resolver=FakeDns(socket.gaierror(socket.EAI_NONAME, "Name or service not known")))
    failed = await failure(forwarder, provider_at("http://nowhere.example"))
    assert (failed.reason, failed.sent) == ("unreachable", False)
    assert "Name or service not known" in str(failed)


async def test_a_connection_that_is_not_accepted_times_out(forwarder: Forwarder) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Linux completes one connection more than the backlog; what comes after it waits unanswered.
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                assert filler.connect_ex(full.getsockname()) in {0, errno.EINPROGRESS}
            started = loop.time()
            provider = provider_at(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=SOON)
            failed = await failure(forwarder, provider)
            assert (failed.reason, failed.sent) == ("connect_timeout", False)
            assert loop.time() - started < 2.0
        finally:
            for filler in fillers:
                filler.close()


async def test_a_resolver_that_does_not_answer_counts_as_connecting() -> None:
    class Silent:
        async def addresses(self, host: str, port: int) -> tuple[str, ...]:
            return await asyncio.get_running_loop().create_future()

    failed = await failure(Forwarder(resolver=Silent()), provider_at("http://a.example", connect_timeout_s=SOON))
    assert failed.reason == "connect_timeout"


async def test_the_next_address_is_tried_when_the_first_refuses() -> None:
    async with Upstream(answering(reply(200, b"x")), host="127.0.0.2") as upstream:
        forwarder = Forwarder(resolver=FakeDns(("127.0.0.3", "127.0.0.2")))
        provider = provider_at(f"http://two.example:{upstream.port}")
        assert await whole(await forwarder.send(provider, POST, None)) == b"x"
        assert upstream.requests[0].header(b"host") == b"two.example:%d" % upstream.port
        await forwarder.close()


async def test_T04_a_name_that_changes_to_a_forbidden_address_is_not_connected_to() -> None:
    close = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx"
    async with Upstream(answering(close)) as upstream, Upstream(answering(close), host="127.0.0.2") as other:
        dns = FakeDns(("127.0.0.1",), ("169.254.169.254",), ("127.0.0.1", "169.254.169.254"))
        forwarder = Forwarder(resolver=dns)
        provider = provider_at(f"http://flips.example:{upstream.port}")
        assert await whole(await forwarder.send(provider, POST, None)) == b"x"
        for _ in range(2):
            failed = await failure(forwarder, provider)
            assert (failed.reason, failed.sent) == ("egress_refused", False)
        assert (upstream.connections, other.connections) == (1, 0)


async def test_T04_only_the_checked_address_is_dialled_however_often_dns_changes_its_mind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialled: list[str] = []

    async def dial(factory: object, host: str, port: int, **_: object) -> None:
        dialled.append(host)
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", dial)
    forwarder = Forwarder(resolver=FakeDns(*[("93.184.215.14",), ("127.0.0.1",)] * 10))
    provider = Provider("fake", "https://rebinds.example", ("openai",))
    reasons = [(await failure(forwarder, provider)).reason for _ in range(20)]
    assert reasons == ["unreachable", "egress_refused"] * 10
    assert dialled == ["93.184.215.14"] * 10


async def test_a_base_url_that_is_refused_opens_nothing(forwarder: Forwarder) -> None:
    failed = await failure(forwarder, provider_at("https://user@a.example"))
    assert (failed.reason, failed.sent) == ("egress_refused", False)


@pytest.mark.parametrize("path", ["/v1/a b", "/v1/a\r\nx: y", "/v1/../admin", "/v1/./x", "/v1/x#y", "/v1/é"])
async def test_a_path_that_is_not_plain_is_not_sent(forwarder: Forwarder, path: str) -> None:
    async with Upstream(answering(reply(200))) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url), replace(POST, path=path))
        assert (failed.reason, upstream.connections) == ("egress_refused", 0)


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nx-evil: 1", b"a\rb", b"a\0b"])
async def test_a_header_with_a_line_break_is_not_sent(forwarder: Forwarder, value: bytes) -> None:
    async with Upstream(answering(reply(200))) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url), replace(POST, headers=((b"x-a", value),)))
        assert (failed.reason, upstream.connections) == ("egress_refused", 0)


async def test_configuration_cannot_set_the_headers_that_frame_a_request(forwarder: Forwarder) -> None:
    failed = await failure(forwarder, provider_at("http://127.0.0.1", headers=(("Transfer-Encoding", "chunked"),)))
    assert failed.reason == "egress_refused"


async def test_no_head_in_time_may_have_been_billed(forwarder: Forwarder) -> None:
    async with Upstream(stalling()) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url, head_timeout_s=SOON))
        assert (failed.reason, failed.sent) == ("head_timeout", True)
        await upstream.left.wait()


async def test_the_head_is_awaited_for_longer_than_the_pieces(forwarder: Forwarder) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.pause(SOON * 3)
        await wire.send(reply(200, b"x"))

    async with Upstream(script) as upstream:
        provider = provider_at(upstream.url, head_timeout_s=5.0, idle_timeout_s=SOON)
        assert await whole(await forwarder.send(provider, POST, None)) == b"x"


async def test_a_stall_in_the_middle_is_an_idle_timeout_after_what_came(forwarder: Forwarder) -> None:
    async with Upstream(stalling(OPENING + chunk(b"data: 1\n\n"))) as upstream:
        answer = await forwarder.send(provider_at(upstream.url, idle_timeout_s=SOON), POST, None)
        assert await answer.piece() == b"data: 1\n\n"
        with pytest.raises(UpstreamFailed) as failed:
            await answer.piece()
        assert (failed.value.reason, failed.value.sent) == ("idle_timeout", True)
        await upstream.left.wait()


async def test_a_trickle_ends_with_the_total_time(forwarder: Forwarder) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(OPENING)
        while True:
            await wire.send(chunk(b"."))
            await wire.pause(0.01)

    async with Upstream(script) as upstream:
        provider = provider_at(upstream.url, idle_timeout_s=5.0, total_timeout_s=0.2)
        answer = await forwarder.send(provider, POST, None)
        assert await answer.piece() == b"."
        with pytest.raises(UpstreamFailed, match="total_timeout_s") as failed:
            await whole(answer)
        assert failed.value.reason == "idle_timeout"


async def test_a_trickle_of_framing_alone_is_no_progress(forwarder: Forwarder) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(OPENING + b"5;")
        while True:
            await wire.send(b"x")
            await wire.pause(0.01)

    async with Upstream(script) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url, idle_timeout_s=0.1))
        assert failed.reason == "idle_timeout"


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_closed_before_the_head_may_have_been_billed(forwarder: Forwarder, reset: bool) -> None:
    async with Upstream(cutting(b"", 0, reset=reset)) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url))
        assert (failed.reason, failed.sent) == ("reset", True)
        assert len(upstream.requests) == 1


async def test_a_kept_connection_that_dies_under_a_request_is_not_asked_twice(forwarder: Forwarder) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(reply(200, b"x"))
        await wire.request()

    async with Upstream(script) as upstream:
        provider = provider_at(upstream.url)
        assert await whole(await forwarder.send(provider, POST, None)) == b"x"
        failed = await failure(forwarder, provider)
        assert (failed.reason, failed.sent) == ("reset", True)
        assert (upstream.connections, len(upstream.requests)) == (1, 2)


async def test_a_reset_while_a_large_body_is_sent_cannot_have_been_billed(forwarder: Forwarder) -> None:
    async def script(wire: Wire) -> None:
        await wire.reader.readexactly(2**17)
        wire.reset()

    async with Upstream(script) as upstream:
        failed = await failure(forwarder, provider_at(upstream.url), replace(POST, body=b"x" * 2**25))
        assert (failed.reason, failed.sent) == ("reset", False)


async def test_a_provider_that_does_not_take_a_large_body_is_left_in_time(forwarder: Forwarder) -> None:
    async def script(wire: Wire) -> None:
        wire.writer.transport.pause_reading()
        await asyncio.get_running_loop().create_future()

    async with Upstream(script) as upstream:
        provider = provider_at(upstream.url, head_timeout_s=SOON)
        failed = await failure(forwarder, provider, replace(POST, body=b"x" * 2**25))
        assert (failed.reason, failed.sent) == ("head_timeout", False)


async def test_a_connection_closed_at_rest_is_replaced_unseen(forwarder: Forwarder) -> None:
    closed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(reply(200, b"x"))
        await wire.close()
        closed.set()

    async with Upstream(script) as upstream:
        provider = provider_at(upstream.url)
        for number in range(1, 4):
            assert await whole(await forwarder.send(provider, POST, None)) == b"x"
            assert upstream.connections == number
            await closed.wait()
            closed.clear()


async def test_a_pool_in_use_is_exhausted_after_a_bounded_wait(forwarder: Forwarder) -> None:
    async with Upstream(stalling(OPENING)) as upstream:
        provider = provider_at(upstream.url, connections_max=2, connect_timeout_s=SOON)
        answers = [await forwarder.send(provider, POST, None) for _ in range(2)]
        failed = await failure(forwarder, provider)
        assert (failed.reason, failed.sent) == ("pool_exhausted", False)
        waiting = asyncio.ensure_future(forwarder.send(provider, POST, None))
        await asyncio.sleep(0)
        answers[0].abandon()
        assert (await waiting).status == 200
        assert upstream.connections == 3


async def test_a_failed_connection_gives_its_place_back(forwarder: Forwarder) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        provider = provider_at(f"http://127.0.0.1:{bound.getsockname()[1]}", connections_max=1, connect_timeout_s=SOON)
        for _ in range(3):
            assert (await failure(forwarder, provider)).reason == "unreachable"


async def test_a_call_cancelled_while_it_waits_for_the_head_closes_its_connection(forwarder: Forwarder) -> None:
    async with Upstream(stalling()) as upstream:
        provider = provider_at(upstream.url, connections_max=1)
        call = asyncio.ensure_future(forwarder.send(provider, POST, None))
        while not upstream.requests:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await upstream.left.wait()
