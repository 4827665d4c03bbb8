"""Clients that leave, dawdle, repeat themselves or all come at once: each call is booked, and others are served."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import pytest

from gateway.journal.verify import verify_journal
from gateway.keys import CALLER_PREFIX, new_key
from gateway.ledger.entry import Call
from tests.e2e.running import RunningGateway, until
from tests.fakes.mock import MockProvider, chat, providers
from tests.fakes.provider_spec import note
from tests.fault.raw import closed_within, connect, request
from tests.fault.serve_with import with_oddities

PATH = b"/v1/chat/completions"
GRACE_S, WRITE_STALL_S, LINGER_S = 1.5, 1.0, 0.5
INFLIGHT_MAX = 300


@pytest.fixture(scope="module")
def mock() -> Iterator[MockProvider]:
    provider = MockProvider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def gateway(mock: MockProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = RunningGateway(
        tmp_path_factory.mktemp("client"),
        providers(mock.port, "connections_max = 1000\n"),
        server=f"inflight_max = {INFLIGHT_MAX}\ndrain_timeout_s = 20",
        module="tests.fault.serve_with",
        environment=with_oddities(grace_s=GRACE_S, write_stall_s=WRITE_STALL_S, linger_s=LINGER_S),
    ).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="clients")


def asking(key: str, stream: bool = True, **noted: object) -> bytes:
    body = json.dumps(chat(note(**noted), stream=stream, max_tokens=1000)).encode()
    return request(PATH, body, key)


def owed(row: dict[str, object]) -> int:
    """Give what the provider bills for a row at gpt-4o-mini's price."""
    return int(str(row["input_tokens"])) * 150 + int(str(row["output_tokens"])) * 600


def billed(mock: MockProvider, mock_id: str) -> dict[str, object]:
    """Give the provider's row once it has charged."""
    rows: list[dict[str, object]] = until(
        lambda: [row for row in mock.bill() if row["mock_id"] == mock_id], f"{mock_id} is billed"
    )
    assert len(rows) == 1
    return rows[0]


def booked(gateway: RunningGateway, row: dict[str, object]) -> Call:
    return gateway.call(str(row["request_id"]))


def test_F29_a_client_that_leaves_before_its_request_is_whole_costs_nothing(
    gateway: RunningGateway, mock: MockProvider, key: str
) -> None:
    before = len(gateway.entries())
    whole = asking(key, id="f29")
    for cut in (len(whole) // 3, len(whole) - 1):
        with connect(gateway.port) as sock:
            sock.sendall(whole[:cut])
    assert gateway.post("/v1/chat/completions", chat(note(id="f29-after")), key).status == 200
    billed(mock, "f29-after")
    assert not [row for row in mock.bill() if row["mock_id"] == "f29"]
    assert len(gateway.entries()) <= before + 1


def test_F30_a_client_that_leaves_while_its_answer_is_made_pays_for_it(
    gateway: RunningGateway, mock: MockProvider, key: str
) -> None:
    with connect(gateway.port) as sock:
        sock.sendall(asking(key, stream=False, id="f30", input=70, output=30, first_byte_ms=2000))
        until(lambda: verify_journal(gateway.data / "journal" / "0").unended, "the call is admitted")
    row = billed(mock, "f30")
    call = booked(gateway, row)
    assert (call.state, call.billed_cost) == ("settled", owed(row))


OFFSETS = [1, 60, 300, 600, *range(1000, 4600, 225)]


def test_T29_F31_a_stream_that_is_left_at_any_byte_is_paid_to_the_nano_dollar(
    gateway: RunningGateway, mock: MockProvider, key: str
) -> None:
    assert len(OFFSETS) == 20
    for offset in OFFSETS:
        with connect(gateway.port) as sock:
            sock.sendall(asking(key, id=f"t29-{offset}", input=40, output=200, chunks=20, chunk_delay_ms=5))
            heard = 0
            while heard < offset:
                piece = sock.recv(min(65536, offset - heard))
                if not piece:
                    break
                heard += len(piece)
    for offset in OFFSETS:
        row = billed(mock, f"t29-{offset}")
        call = booked(gateway, row)
        assert (call.state, call.billed_cost) == ("settled", owed(row)), offset
        assert row["output_tokens"] == 200


def test_F33_a_client_that_closes_its_half_is_one_that_left(
    gateway: RunningGateway, mock: MockProvider, key: str
) -> None:
    """As with nginx: the other half of a whole close looks the same, and answers nobody reads must not be kept up."""
    with connect(gateway.port) as sock:
        sock.sendall(asking(key, id="f33", input=40, output=200, chunk_delay_ms=5))
        sock.shutdown(socket.SHUT_WR)
        assert closed_within(sock, 3)
    row = billed(mock, "f33")
    call = booked(gateway, row)
    assert (call.state, call.billed_cost) == ("settled", owed(row))


def test_F32_T35_a_client_that_takes_nothing_is_left_and_still_pays(
    gateway: RunningGateway, mock: MockProvider, key: str
) -> None:
    with connect(gateway.port, receive_bytes=4096) as sock:
        sock.sendall(asking(key, id="f32", output=500, chunks=400, text_bytes=8_000_000))
        row = billed(mock, "f32")
        call = booked(gateway, row)
        assert (call.state, call.billed_cost) == ("settled", owed(row))
        assert closed_within(sock, 5)


async def _at_once(port: int, raw: bytes, count: int) -> list[bytes]:
    """Send the same request over `count` new connections at once; give each first line and what Retry-After says."""

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return head

    return await asyncio.wait_for(asyncio.gather(*(one() for _ in range(count))), 30)


async def test_F35_a_thousand_clients_at_once_are_served_or_told_when_to_come_back(
    gateway: RunningGateway, mock: MockProvider, key: str
) -> None:
    raw = asking(key, stream=False, id="f35", input=1, output=1, text_bytes=10, first_byte_ms=300)
    heads = await _at_once(gateway.port, raw, 1000)
    served = [head for head in heads if head.startswith(b"HTTP/1.1 200")]
    shed = [head for head in heads if head.startswith(b"HTTP/1.1 503")]
    assert len(served) + len(shed) == 1000
    assert len(served) >= INFLIGHT_MAX
    assert all(b"retry-after: 1\r\n" in head for head in shed)
    paid = await asyncio.to_thread(
        until, lambda: [row for row in mock.bill() if row["mock_id"] == "f35"], "the provider has billed"
    )
    assert len(paid) == len(served)
    assert {(await asyncio.to_thread(booked, gateway, row)).billed_cost for row in paid[:: len(paid) // 20]} == {750}


def test_T47_whoever_sends_slowly_is_closed_and_others_are_served_meanwhile(gateway: RunningGateway, key: str) -> None:
    whole = asking(key, stream=False, id="t47")
    head_end = whole.index(b"\r\n\r\n") + 4
    starts = [b"", b"GET", whole[: head_end - 10], whole[:head_end], whole[: head_end + 5]]
    socks = [connect(gateway.port) for _ in range(40) for _ in starts]
    for sock, start in zip(socks, starts * 40, strict=True):
        sock.sendall(start)
    started = time.monotonic()
    answer = gateway.post("/v1/chat/completions", chat(note(output=1)), key)
    assert answer.status == 200
    assert time.monotonic() - started < 5.0
    drip = connect(gateway.port)
    drip.sendall(whole[:10])
    for byte in whole[10:110]:
        if closed_within(drip, 0.05):
            break
        drip.sendall(bytes([byte]))
    else:
        raise AssertionError("a request of one byte every 50 ms was waited for")
    assert all(closed_within(sock, 6) for sock in socks)
    for sock in (*socks, drip):
        sock.close()


def test_T47_a_large_body_that_comes_at_a_fair_pace_has_its_time(gateway: RunningGateway, key: str) -> None:
    body = json.dumps(chat("x" * 100_000)).encode()
    raw = request(PATH, body, key)
    with connect(gateway.port) as sock:
        for at in range(0, len(raw), 8192):
            sock.sendall(raw[at : at + 8192])
            time.sleep(0.1)
        assert sock.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("asked", "status"), [({"authorization": "Bearer x"}, 401), ({"content-type": "text/plain"}, 415), ({}, 413)]
)
def test_a_refusal_is_heard_by_a_client_that_is_still_sending(
    gateway: RunningGateway, key: str, asked: dict[str, str], status: int
) -> None:
    body = b"x" * (33 * 2**20)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"} | asked
    for _ in range(3):
        assert gateway.send("POST", "/v1/chat/completions", body, headers).status == status


def test_T47_a_refused_request_that_never_ends_is_passed_by_for_a_while_only(gateway: RunningGateway) -> None:
    endless = request(PATH, b"", "wb_x", b"Transfer-Encoding: chunked", length=False)
    with connect(gateway.port) as sock:
        sock.sendall(endless)
        assert sock.recv(15) == b"HTTP/1.1 401 Un"
        end = time.monotonic() + 5
        while not closed_within(sock, 0.02):
            assert time.monotonic() < end
            try:
                sock.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
            except ConnectionError:
                break


def test_T75_a_flood_of_unknown_keys_is_refused_and_a_good_key_is_served(gateway: RunningGateway, key: str) -> None:
    bad = request(PATH, json.dumps(chat("x")).encode(), new_key(CALLER_PREFIX))
    answered = 0
    with connect(gateway.port) as sock:
        for _ in range(20):
            sock.sendall(bad * 50)
            started = time.monotonic()
            assert gateway.post("/v1/chat/completions", chat(note(output=1)), key).status == 200
            assert time.monotonic() - started < 5.0
            sock.settimeout(2)
            heard = b""
            while heard.count(b"HTTP/1.1 401") < 50:
                heard += sock.recv(65536)
            answered += heard.count(b"HTTP/1.1 401")
    assert answered == 1000
