"""Bombs from either side: each ends in a refusal or an error, in bounded memory as the kernel counts it."""

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.running import RunningGateway, until
from tests.fakes.metering import said
from tests.fakes.mock import MockProvider, chat, providers
from tests.fakes.provider_spec import note
from tests.fakes.upstream import Gone, Received, Wire, chunk, reply
from tests.fault.proc import forget_peak, open_files, resident, resident_peak
from tests.fault.raw import connect, exchange, hear, request
from tests.fault.scripted import JSON, OPENING, Act, ScriptedProvider, sending
from tests.fault.serve_with import with_oddities

MB = 2**20
PATH = b"/v1/chat/completions"
BODY_MB_MAX, ANSWER_MB_MAX, BODIES_MB_MAX = 4, 8, 40
BOMB = gzip.compress(bytes(64 * MB), 9)


def endless(start: bytes, piece: bytes) -> Act:
    """Give a script that sends `piece` until the gateway has had enough of it."""

    async def act(wire: Wire, received: Received) -> None:
        await wire.send(OPENING, chunk(start))
        while True:
            await wire.send(chunk(piece))

    return act


async def crumbs(wire: Wire, received: Received) -> None:
    """Send a whole stream in chunks of one byte."""
    await wire.send(OPENING, *(chunk(bytes([byte])) for byte in said("crumbs", "stop") * 40), b"0\r\n\r\n")
    raise Gone


SCRIPTS: dict[str, Act] = {
    "gzip_bomb": sending(reply(200, BOMB, JSON, ("content-encoding", "gzip"))),
    "gzip_stream": sending(OPENING.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"), chunk(BOMB)),
    "large_whole": sending(reply(200, b'{"a":"' + b"x" * (64 * MB) + b'"}', JSON)),
    "one_chunk": sending(OPENING, chunk(b"data: " + b"x" * (64 * MB))),
    "no_newline": endless(b"data: ", b"x" * 65536),
    "no_event": endless(b"data: {}\n", b"data: xxxxxxxxxxxxxxxxxxxxxxx\n" * 2000),
    "crumbs": crumbs,
}


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider(SCRIPTS) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def mock() -> Iterator[MockProvider]:
    provider = MockProvider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def gateway(
    provider: ScriptedProvider, mock: MockProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    scripted = f'[providers.scripted]\nbase_url = "http://127.0.0.1:{provider.port}"\nprivate_network = true\n'
    scripted += 'models = ["scripted"]\n' + providers(mock.port, "connections_max = 1000\n")
    running = RunningGateway(
        tmp_path_factory.mktemp("memory"),
        scripted,
        server=f'body_bytes_max = {BODY_MB_MAX * MB}\nanswer_bytes_max = {ANSWER_MB_MAX * MB}\non_client_gone = "stop"',
        module="tests.fault.serve_with",
        environment=with_oddities(write_stall_s=1.5, bodies_bytes_max=BODIES_MB_MAX * MB),
    ).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    made = gateway.key(team="memory")
    # A first call, so that nothing that is made once is counted as a bomb's.
    assert gateway.post("/v1/chat/completions", chat("hi"), made).status == 200
    return made


@pytest.fixture
def grown(gateway: RunningGateway) -> Callable[[], float]:
    """Give what says how many MB the gateway's memory has grown at most since the test began."""
    assert gateway.process is not None
    pid = gateway.process.pid
    before = forget_peak(pid)
    return lambda: (resident_peak(pid) - before) / MB


def test_T48_two_hundred_slow_readers_cost_little_memory_and_nobody_waits_for_them(
    gateway: RunningGateway, mock: MockProvider, key: str, grown: Callable[[], float]
) -> None:
    assert gateway.process is not None
    socks = [connect(gateway.port, receive_bytes=2048) for _ in range(200)]
    for number, sock in enumerate(socks):
        body = json.dumps(chat(note(id=f"t48-{number}", output=10, chunks=200, text_bytes=8_000_000), stream=True))
        sock.sendall(request(PATH, body.encode(), key))
    end, answered, slowest = time.monotonic() + 2.0, 0, 0.0
    while time.monotonic() < end or not answered:
        started = time.monotonic()
        assert gateway.post("/v1/chat/completions", chat("hi", model="scripted"), key).status == 200
        slowest, answered = max(slowest, time.monotonic() - started), answered + 1
    print(f"200 slow readers: {grown():.0f} MB more at most, {answered} other calls answered, {slowest:.2f} s at most")
    assert grown() < 100
    assert slowest < 10
    for sock in socks:
        sock.close()
    until(lambda: open_files(gateway.process.pid) < 150, "what the slow readers held is given back", 30)


def test_F56_large_bodies_at_once_are_told_to_come_again_before_memory_runs_out(
    gateway: RunningGateway, key: str, grown: Callable[[], float]
) -> None:
    raw = request(PATH, json.dumps(chat("x" * (BODY_MB_MAX * MB - 200), model="scripted")).encode(), key)
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(gateway.port)) for _ in range(3 * BODIES_MB_MAX // BODY_MB_MAX)]
        told = []
        for sock in socks:
            sock.sendall(raw[:-1])
        for sock in socks:
            sock.sendall(raw[-1:])
            told += hear(sock).statuses
        assert len(told) == len(socks)
        assert set(told) == {200, 503}
        assert told.count(200) >= 5
    print(
        f"{len(told)} bodies of {BODY_MB_MAX} MB: {told.count(503)} told to come again, {grown():.0f} MB more at most"
    )
    assert grown() < 5 * BODIES_MB_MAX
    raw = request(PATH, json.dumps(chat("x" * (BODY_MB_MAX * MB - 200), model="scripted")).encode(), key)
    assert exchange(gateway.port, raw).statuses == [200]


DEEP = b"[" * 60_000
BOMBS: dict[str, bytes] = {
    "arrays in arrays": b'{"model":"m","a":' + DEEP + b"]" * 60_000 + b"}",
    "arrays without an end": b'{"model":"m","a":' + DEEP,
    "objects in objects": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
    "a million values": b'{"model":"m","a":[' + b"0," * 1_000_000 + b"0]}",
    "a million fields": b'{"model":"m"' + b"".join(b',"k%d":0' % number for number in range(300_000)) + b"}",
    "a million fields inside": b'{"model":"m","a":{"a":0' + b',"a":0' * 500_000 + b"}}",
    "the same field a million times": b'{"model":"m"' + b',"a":0' * 600_000 + b"}",
    "a number of a million digits": b'{"model":"m","max_tokens":' + b"9" * 1_000_000 + b"}",
    "a name of a million letters": b'{"model":"' + b"m" * 1_000_000 + b'"}',
    "a field name of a million letters": b'{"model":"m","max_tokens":"","' + b"k" * 1_000_000 + b'":0,"n":0}',
    "a string without an end": b'{"model":"' + b"x" * 3 * MB,
    "escapes without an end": b'{"model":"' + b"\\u0061" * 500_000 + b'"}',
    "spaces": b" " * (3 * MB) + b"{",
    "zeros": bytes(3 * MB),
    "more than may be": b'{"model":"m","a":"' + b"x" * (BODY_MB_MAX * MB) + b'"}',
}


@pytest.mark.parametrize("name", BOMBS)
def test_T38_a_bomb_in_a_body_is_refused_quickly_and_costs_little_memory(
    gateway: RunningGateway, provider: ScriptedProvider, key: str, grown: Callable[[], float], name: str
) -> None:
    before = len(provider.requests)
    quickest = 9.0
    for _ in range(3):
        with connect(gateway.port) as sock:
            raw = request(PATH, BOMBS[name], key, b"Connection: close")
            sock.sendall(raw[:-1])
            started = time.monotonic()
            sock.sendall(raw[-1:])
            head = sock.recv(15)
            quickest = min(quickest, time.monotonic() - started)
        assert head in {b"HTTP/1.1 400 Ba", b"HTTP/1.1 413 Re", b"HTTP/1.1 413 Co"}
    assert quickest < 0.3, f"{quickest * 1000:.0f} ms"
    assert grown() < 50
    assert len(provider.requests) == before


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip"])
def test_T50_a_compressed_request_is_refused_and_never_inflated(
    gateway: RunningGateway, key: str, grown: Callable[[], float], coding: str
) -> None:
    body = BOMB if "gzip" in coding.lower() else zlib.compress(bytes(64 * MB), 9)
    heard = exchange(gateway.port, request(PATH, body, key, b"Content-Encoding: " + coding.encode()))
    assert heard.statuses == [415]
    assert grown() < 20


@pytest.mark.parametrize(
    ("script", "streamed", "named"),
    [
        ("gzip_bomb", False, "upstream_protocol"),
        ("gzip_stream", True, "upstream_protocol"),
        ("large_whole", False, "upstream_too_large"),
        ("one_chunk", True, "upstream_too_large"),
        ("no_newline", True, "upstream_too_large"),
        ("no_event", True, "upstream_too_large"),
    ],
)
def test_F19_F22_T49_T54_a_bomb_of_a_provider_is_cut_and_booked_in_bounded_memory(
    gateway: RunningGateway, key: str, grown: Callable[[], float], script: str, streamed: bool, named: str
) -> None:
    answer = gateway.post("/v1/chat/completions", chat(f"script:{script}", model="scripted", stream=streamed), key)
    assert named.encode() in answer.body
    assert len(answer.body) < MB
    mb = grown()
    print(f"{script}: {mb:.0f} MB more at most")
    assert mb < (2.5 * ANSWER_MB_MAX if script == "large_whole" else 20)
    assert gateway.call(answer.headers["x-request-id"]).state == "uncertain"


def test_T54_comments_without_end_are_no_answer_and_end_with_the_client(
    gateway: RunningGateway, key: str, grown: Callable[[], float]
) -> None:
    SCRIPTS["comments"] = endless(b": \n\n", b": nothing\n\n" * 1000)
    body = json.dumps(chat("script:comments", model="scripted", stream=True)).encode()
    with connect(gateway.port) as sock:
        sock.sendall(request(PATH, body, key))
        heard = 0
        while heard < 2 * MB:
            heard += len(sock.recv(65536))
    assert grown() < 20


def test_T54_a_stream_in_chunks_of_one_byte_arrives_whole(gateway: RunningGateway, key: str) -> None:
    answer = gateway.post("/v1/chat/completions", chat("script:crumbs", model="scripted", stream=True), key)
    assert answer.body.startswith(said("crumbs", "stop") * 40)


def test_what_bombs_took_is_given_back(gateway: RunningGateway, key: str) -> None:
    """Last in this file: after all of the above the gateway is about as large as it was, and answers."""
    assert gateway.process is not None
    assert gateway.post("/v1/chat/completions", chat("hi"), key).status == 200
    assert resident(gateway.process.pid) < 300 * MB
