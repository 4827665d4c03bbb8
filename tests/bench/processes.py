"""Starts, pins, watches and ends the processes of a run: provider, gateways, load generator."""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.bench import procfs
from tests.bench.gateways import MODEL, ROOT, Gateway, Launch, environment_for, free_port
from tests.bench.load import Plan, Result, request_bytes

_STOP_S = 10.0
_POLL_S = 0.005
_AUTOGROUP = Path("/proc/self/autogroup")
T = TypeVar("T")


class NotReady(Exception):
    """A process did not start as it should; the text is the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the gateway and the load may use, and whether to claim them before other work."""

    gateway: frozenset[int]
    load: frozenset[int]
    urgent: bool = False

    @property
    def shared(self) -> bool:
        """Say whether gateway and load fight for the same core."""
        return bool(self.gateway & self.load)


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that answers."""

    pid: int
    url: str
    headers: dict[str, str]
    start_s: float
    idle_bytes: int


def cores(*, urgent: bool = False) -> Cores:
    """Give the first core to the gateway and the second to the load, as far as there are two."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(frozenset(usable[:1]), frozenset(usable[1:2] or usable[:1]), urgent)


@contextmanager
def provider(on: Cores) -> Iterator[int]:
    """Run the mock provider; gives its port."""
    command = (sys.executable, "-m", "tests.fakes.provider", "--no-bill")
    with _started(Launch(command), on.load, on, subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip():
            raise NotReady("the mock provider printed no port")
        yield int(line)


@contextmanager
def running(gateway: Gateway, upstream_port: int, on: Cores) -> Iterator[Running]:
    """Run `gateway` in a folder of its own until it has answered one request as it should."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port = Path(name), free_port()
        launch = gateway.prepare(folder, port, upstream_port)
        with (folder / "output.txt").open("w+b") as output:
            began = time.perf_counter()
            with _started(launch, on.gateway, on, output.fileno()) as process:
                if not _answers(process, port, launch.headers, began + gateway.ready_timeout_s):
                    output.seek(0)
                    raise NotReady(f"{gateway.name}: {output.read()[-3000:].decode(errors='replace')}")
                start_s = time.perf_counter() - began
                url = f"http://127.0.0.1:{port}/v1/chat/completions"
                idle = procfs.memory_bytes(process.pid)
                yield Running(process.pid, url, launch.headers, start_s, idle)


def loaded(plan: Plan, on: Cores, around: Callable[[], T]) -> tuple[Result, T, T]:
    """Run one load; `around` is called just before it (warm) and after it. Gives all three results."""
    command = (sys.executable, "-m", "tests.bench.load", msgspec.json.encode(plan).decode())
    with _started(Launch(command), on.load, on, subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        first = process.stdout.readline()
        if first.strip() != b"ready":
            raise NotReady(f"the load got no good answer: {first.decode(errors='replace')}")
        before = around()
        process.stdin.write(b"go\n")
        process.stdin.flush()
        result = msgspec.json.decode(process.stdout.readline(), type=Result)
        return result, before, around()


@contextmanager
def _started(launch: Launch, use: frozenset[int], on: Cores, output: int) -> Iterator[subprocess.Popen[bytes]]:
    def pinned() -> None:
        os.sched_setaffinity(0, use)
        if on.urgent:
            os.setpriority(os.PRIO_PROCESS, 0, -20)
            # With the kernel's autogroup a session's own priority decides, not the process's.
            if _AUTOGROUP.exists():
                _AUTOGROUP.write_text("-20")

    process = subprocess.Popen(
        launch.command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=None if output == subprocess.PIPE else subprocess.STDOUT,
        cwd=ROOT,
        env=environment_for(launch),
        start_new_session=True,
        preexec_fn=pinned,
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            pass
    # The session is ours alone: what the process left behind ends with it.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _answers(process: subprocess.Popen[bytes], port: int, headers: dict[str, str], deadline: float) -> bool:
    body = request_bytes(Plan("http://127.0.0.1/", {}, MODEL, 1, 0.0)).partition(b"\r\n\r\n")[2]
    asked = {"content-type": "application/json", **headers}
    while time.perf_counter() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/v1/chat/completions", body, asked)
            answer = connection.getresponse()
            if answer.read() and answer.status == 200:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(_POLL_S)
    return False
