"""What befalls the process itself: signals, a failing disk, no more descriptors, a busy loop, a clock that jumps."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from gateway import clock
from tests.e2e.running import ROOT, RunningGateway, free_port, until
from tests.fakes.mock import MockProvider, chat, providers
from tests.fakes.provider_spec import note
from tests.fault.raw import Heard, connect, hear, request
from tests.fault.serve_with import STALL_S, with_oddities

PATH = b"/v1/chat/completions"
EX_CONFIG = 78


@pytest.fixture(scope="module")
def mock() -> Iterator[MockProvider]:
    provider = MockProvider()
    yield provider
    provider.stop()


def asking(key: str, stream: bool = True, **noted: object) -> bytes:
    body = json.dumps(chat(note(**noted), stream=stream, max_tokens=1000)).encode()
    return request(PATH, body, key, b"Connection: close")


def opened(port: int, raw: bytes, stack: ExitStack, begun: bytes = b"data: ") -> socket.socket:
    """Send a request and return once its answer has begun."""
    sock = stack.enter_context(connect(port))
    sock.sendall(raw)
    heard = b""
    while begun not in heard:
        piece = sock.recv(65536)
        assert piece, heard
        heard += piece
    return sock


def rest(socks: list[socket.socket]) -> list[Heard]:
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda sock: hear(sock, first_s=15, quiet_s=15, within_s=30), socks))


def refuses(gateway: RunningGateway) -> bool:
    """Say whether a load balancer that asks now would send nothing more here."""
    try:
        return gateway.get("/readyz").status != 200
    except OSError:
        return True


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.heavy)])
def test_F57_a_hundred_streams_end_well_after_sigterm_and_nothing_new_is_taken(
    mock: MockProvider, tmp_path: Path, workers: int
) -> None:
    gateway = RunningGateway(tmp_path, providers(mock.port), workers=workers).start()
    key = gateway.key(team="term")
    with ExitStack() as stack:
        raw = asking(key, input=10, output=20, chunks=12, chunk_delay_ms=100)
        socks = [opened(gateway.port, raw, stack) for _ in range(100)]
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(gateway), "it says that it takes nothing more", 1.0)
        heard = rest(socks)
        assert gateway.stop() == 0
    assert sum(one.data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for one in heard) == 100
    assert all(one.closed for one in heard)
    assert {(call.state, call.billed_cost) for call in gateway.calls(100)} == {("settled", 10 * 150 + 20 * 600)}


@pytest.mark.parametrize(
    "again",
    ["a second SIGTERM", pytest.param("a second SIGINT", marks=pytest.mark.heavy), "the end of the drain"],
)
def test_F57_F58_what_is_under_way_at_the_end_is_told_so_and_booked(
    mock: MockProvider, tmp_path: Path, again: str
) -> None:
    deadline = "drain_timeout_s = 1" if again == "the end of the drain" else ""
    gateway = RunningGateway(tmp_path, providers(mock.port), server=deadline).start()
    key = gateway.key(team="term")
    with ExitStack() as stack:
        streams = [opened(gateway.port, asking(key, fault="stall", after=1), stack) for _ in range(20)]
        whole = [stack.enter_context(connect(gateway.port)) for _ in range(20)]
        for sock in whole:
            sock.sendall(asking(key, stream=False, fault="stall"))
        deaf = stack.enter_context(connect(gateway.port, receive_bytes=2048))
        deaf.sendall(asking(key, chunks=200, text_bytes=20_000_000, input=1, output=1))
        until(lambda: b"in_flight_calls 41.0" in gateway.get("/metrics").body, "all are under way")
        assert gateway.process is not None
        first = signal.SIGINT if "SIGINT" in again else signal.SIGTERM
        gateway.process.send_signal(first)
        until(lambda: refuses(gateway), "it has begun to stop", 2)
        started = time.monotonic()
        if not deadline:
            gateway.process.send_signal(first)
        told, refused = rest(streams), rest(whole)
        assert gateway.stop() == 0
        assert time.monotonic() - started < 8
    assert all(b"gateway_stopping" in one.data and b"[DONE]" not in one.data for one in told)
    assert all(one.data.endswith(b"\r\n0\r\n\r\n") for one in told)
    assert [one.statuses for one in refused] == [[503]] * 20
    assert all(b'"gateway_stopping"' in one.data for one in refused)
    calls = gateway.calls(41)
    assert {call.state for call in calls} == {"uncertain"}
    assert {call.reason for call in calls} == {"gateway_stopping"}
    assert all(call.cost_lower == 0 and call.cost_upper for call in calls)


def test_F58_F63_F64_hup_takes_a_good_configuration_over_and_keeps_the_old_one_beside_a_bad_one(
    mock: MockProvider, tmp_path: Path
) -> None:
    gateway = RunningGateway(tmp_path, providers(mock.port)).start()
    key, good = gateway.key(team="hup"), gateway.config.read_text().rstrip() + "\n"
    line = good.count("\n") + 1
    wrong = {
        f"weighbridge.toml:{line}": "providers = = 1",
        f"weighbridge.toml:{line + 1}": '[providers.extra]\nbase_ulr = "https://x"\nbase_url = "https://x"',
        "nobody": '[models.mine]\ntargets = ["nobody/gpt"]',
    }

    def until_last_names(named: str) -> None:
        def told() -> bool:
            lines = [line for line in gateway.said().splitlines() if "config_reload_failed" in line]
            return bool(lines) and named in json.loads(lines[-1])["reason"]

        until(told, f"{named} is refused")

    with ExitStack() as stack:
        stream = opened(gateway.port, asking(key, chunks=25, chunk_delay_ms=100, input=1, output=1), stack)
        assert gateway.process is not None
        for named, more in wrong.items():
            gateway.config.write_text(good + more)
            gateway.process.send_signal(signal.SIGHUP)
            until_last_names(named)
            assert gateway.post("/v1/chat/completions", chat(note(output=1)), key).status == 200
        check = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "check", "--config", str(gateway.config)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert check.returncode != 0
        assert "nobody" in check.stdout + check.stderr
        failures = re.search(rb"config_reload_failures_total (\d+)", gateway.get("/metrics").body)
        assert failures is not None
        assert int(failures[1]) >= 3
        gateway.config.write_text(good.replace('["openai"]', '["openai"]\nmodels = ["other"]'))
        gateway.process.send_signal(signal.SIGHUP)
        refused = until(
            lambda: (answer := gateway.post("/v1/chat/completions", chat("hi"), key)).status == 404 and answer,
            "the model is served no more",
        )
        assert refused.json()["error"]["code"] == "model_not_in_dialect"
        assert hear(stream, 10, 10).data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert gateway.stop() == 0


def test_F50_a_disk_that_takes_no_more_stops_admission_not_answers_and_comes_back_by_itself(
    mock: MockProvider, tmp_path: Path
) -> None:
    """A limit on the size of files stands for a full disk: each write behind it fails, and succeeds once it is gone."""
    gateway = RunningGateway(tmp_path, providers(mock.port), more="[journal]\nsegment_bytes = 1048576").start()
    key = gateway.key(team="disk")
    assert gateway.process is not None
    pid = gateway.process.pid
    answered = 0
    with ExitStack() as stack:
        raw = asking(key, input=10, output=20, chunks=20, chunk_delay_ms=100)
        streams = [opened(gateway.port, raw, stack) for _ in range(20)]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        while (answer := gateway.post("/v1/chat/completions", chat(note(input=10, output=20)), key)).status == 200:
            answered += 1
            assert answered < 1000
        assert answer.status == 503
        assert answer.json()["error"]["code"] == "ledger_full"
        assert str(tmp_path) not in answer.body.decode()
        until(lambda: gateway.get("/readyz").status == 503, "it says that it takes nothing more", 3)
        assert "why" in gateway.get("/readyz").json()
        assert "why" not in gateway.get("/readyz", {"x-forwarded-for": "10.0.0.9"}).json()
        heard = rest(streams)
    assert all(b"[DONE]" in one.data for one in heard)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: gateway.get("/readyz").status == 200, "it is ready again by itself", 15)
    assert gateway.post("/v1/chat/completions", chat(note(input=10, output=20)), key).status == 200
    calls = gateway.calls(21 + answered)
    assert {(call.state, call.billed_cost) for call in calls} == {("settled", 10 * 150 + 20 * 600)}
    print(f"disk full: {answered} calls admitted before, 20 in flight ended, {len(calls)} in the ledger, 0 lost")
    assert gateway.stop() == 0


def test_F51_a_disk_that_does_not_sync_stops_admission_and_what_was_answered_is_kept(
    mock: MockProvider, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    gateway = RunningGateway(
        tmp_path / "gateway", providers(mock.port), module="tests.fault.serve_with",
        environment=with_oddities(disk_file=broken),
    ).start()  # fmt: skip
    key = gateway.key(team="disk")
    body = chat(note(input=10, output=20))
    answered = sum(gateway.post("/v1/chat/completions", body, key).status == 200 for _ in range(5))
    broken.touch()
    while (answer := gateway.post("/v1/chat/completions", body, key)).status == 200:
        answered += 1
        assert answered < 2000
    assert answer.json()["error"]["code"] == "ledger_full"
    assert gateway.get("/readyz").status == 503
    broken.unlink()
    until(lambda: gateway.get("/readyz").status == 200 or _restarted(gateway), "it takes requests again", 15)
    assert gateway.post("/v1/chat/completions", body, key).status == 200
    assert {call.state for call in gateway.calls(answered + 1)} == {"settled"}
    assert gateway.stop() == 0


def _restarted(gateway: RunningGateway) -> bool:
    """Start again where a person must: after a disk that broke twice."""
    gateway.stop()
    gateway.start()
    return True


def ended(gateway: RunningGateway) -> int:
    """Start a gateway that cannot; gives its exit code."""
    gateway.start(ready=False)
    assert gateway.process is not None
    process, gateway.process = gateway.process, None
    return process.wait(15)


def test_F53_a_journal_that_cannot_be_written_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path, "")
    gateway.data.mkdir()
    (gateway.data / "journal").write_text("in the way")
    assert ended(gateway) == EX_CONFIG
    assert re.search(
        r"^weighbridge: The journal directory .*/journal/0 cannot be used: .*", gateway.said(), re.MULTILINE
    )
    assert "Traceback" not in gateway.said()


@pytest.mark.heavy
def test_F54_two_gateways_on_one_journal_are_one_too_many(tmp_path: Path) -> None:
    first = RunningGateway(tmp_path, "").start()
    second = RunningGateway(tmp_path, "", port=free_port())
    assert ended(second) == EX_CONFIG
    assert "Traceback" not in second.said()
    assert first.get("/readyz").status == 200
    assert first.stop() == 0


def test_F59_a_busy_loop_is_counted_and_a_large_body_is_none(mock: MockProvider, tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path, providers(mock.port), module="tests.fault.serve_with").start()
    key = gateway.key(team="stall")

    def stalled() -> float:
        found = re.search(rb"weighbridge_event_loop_stall_seconds_total (\d\S*)", gateway.get("/metrics").body)
        assert found is not None
        return float(found[1])

    before = stalled()
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGUSR1)
    until(lambda: stalled() - before >= STALL_S - 0.15, "the stall is counted")
    with ExitStack() as stack:
        stream = opened(gateway.port, asking(key, chunks=60, chunk_delay_ms=20, input=1, output=1), stack)
        large = request(PATH, json.dumps(chat("x" * 20_000_000)).encode(), key)
        busy = stack.enter_context(connect(gateway.port))
        longest, last, data = 0.0, time.monotonic(), b""
        sent = memoryview(large)
        while b"[DONE]" not in data:
            if sent:
                busy.setblocking(False)
                try:
                    sent = sent[busy.send(sent[:262144]) :]
                except BlockingIOError:
                    pass
                busy.setblocking(True)
            stream.settimeout(10)
            data = data[-20:] + stream.recv(65536)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        print(f"a body of 20 MB beside a stream: {longest * 1000:.0f} ms at most between two pieces")
        assert longest < 1.0
    assert gateway.stop() == 0


def test_F60_as_many_connections_are_taken_as_there_are_descriptors_for_and_the_rest_is_told_so(
    mock: MockProvider, tmp_path: Path
) -> None:
    gateway = RunningGateway(
        tmp_path, providers(mock.port), module="tests.fault.serve_with", environment=with_oddities(descriptors=256)
    ).start()
    key = gateway.key(team="files")
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(gateway.port)) for _ in range(150)]
        for sock in socks:
            sock.sendall(asking(key, stream=False, input=1, output=1, first_byte_ms=500))
        with ThreadPoolExecutor(50) as pool:
            heard = list(pool.map(hear, socks))
        statuses = [one.statuses for one in heard]
        assert statuses.count([200]) >= 50
        assert statuses.count([503]) >= 50
        assert len(statuses) == statuses.count([200]) + statuses.count([503])
        assert all(b"retry-after: 1\r\n" in one.data for one in heard if one.statuses == [503])
    until(lambda: _serves(gateway, key), "it serves again", 5)
    assert gateway.stop() == 0


@pytest.mark.heavy
def test_F60_no_more_descriptors_is_a_busy_moment_and_passes(mock: MockProvider, tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path, providers(mock.port)).start()
    key = gateway.key(team="files")
    assert gateway.process is not None
    pid = gateway.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 12, hard))
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(gateway.port)) for _ in range(60)]
        for sock in socks:
            try:
                sock.sendall(asking(key, stream=False, input=1, output=1))
            except ConnectionError:
                continue
        statuses = hear(socks[0], first_s=5).statuses
        assert gateway.process.poll() is None
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        with ThreadPoolExecutor(60) as pool:
            statuses += [status for heard in pool.map(hear, socks[1:]) for status in heard.statuses]
        print(f"60 connections with 12 descriptors left: {sorted(statuses)}")
        assert set(statuses) <= {200, 502, 503}
    until(lambda: _serves(gateway, key), "it serves again by itself", 10)
    assert gateway.stop() == 0
    intents_and_ends = gateway.entries()
    assert len({entry.id for entry in intents_and_ends}) == len(intents_and_ends)
    assert sum(entry.kind == "call" for entry in intents_and_ends) >= statuses.count(200) + statuses.count(502) + 1


def _serves(gateway: RunningGateway, key: str) -> bool:
    try:
        return gateway.post("/v1/chat/completions", chat(note(output=1)), key).status == 200
    except OSError:
        return False


def test_F61_a_clock_that_jumps_a_day_disturbs_no_call_and_no_id(mock: MockProvider, tmp_path: Path) -> None:
    jump = tmp_path / "jump"
    gateway = RunningGateway(
        tmp_path / "gateway", providers(mock.port), module="tests.fault.serve_with",
        environment=with_oddities(clock_file=jump),
    ).start()  # fmt: skip
    key = gateway.key(team="clock")
    day = 86_400
    with ExitStack() as stack:
        stream = opened(gateway.port, asking(key, chunks=15, chunk_delay_ms=100, input=10, output=20), stack)
        ids = []
        for offset in (day, -day, 0, 2 * day, -2 * day, 0):
            jump.write_text(str(offset))
            answer = gateway.post("/v1/chat/completions", chat(note(input=10, output=20)), key)
            assert answer.status == 200
            ids.append(answer.headers["x-request-id"])
        assert hear(stream, 5, 5).data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    calls = gateway.calls(7)
    assert len({call.request_id for call in calls}) == 7
    assert {(call.state, call.billed_cost) for call in calls} == {("settled", 10 * 150 + 20 * 600)}
    assert all(0 <= call.duration_ms < 20_000 for call in calls)
    with gateway.ledger() as book:
        (late,) = [placed.entry for placed in book.find(ids[0])]
        assert book.verify().intact
    assert late.occurred_at - clock.now() > timedelta(hours=23)
    assert gateway.stop() == 0
