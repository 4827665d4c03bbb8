"""The load generator: its own process, raw connections kept alive, a closed loop; it checks every answer.

It reads one JSON plan as its argument, warms up, prints "ready", waits for a line, runs, prints one JSON result.
"""

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from tests.bench.answer_check import Reader
from tests.fakes.provider_spec import note

_DRAIN_S = 60.0


class Plan(msgspec.Struct, frozen=True):
    """What to ask, where, how often at once and for how long."""

    url: str
    headers: dict[str, str]
    model: str
    connections: int
    seconds: float
    streamed: bool = False
    chunks: int = 20
    chunk_delay_ms: int = 0
    body_bytes: int = 1024
    warm_s: float = 0.3


class Result(msgspec.Struct, frozen=True):
    """What came back: times are in nanoseconds; `faults` says what was wrong and how often."""

    requests: int
    errors: int
    faults: dict[str, int]
    priced: int
    chunks: int
    seconds: float
    p50_ns: int
    p99_ns: int
    first_p50_ns: int
    first_p99_ns: int


class Connection(asyncio.Protocol):
    """One client: asks, checks the answer, asks again."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._reader = Reader()
        self._asked_at = 0
        self._first_at = 0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports do not descend from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.ask()

    def ask(self) -> None:
        """Send the request, unless the time is over."""
        if not self._load.running:
            return
        self.busy = True
        self._reader = Reader()
        self._first_at = 0
        self._asked_at = time.perf_counter_ns()
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
        except ValueError as error:
            self._load.failed(f"not HTTP: {error}")
            self._transport.abort()
            return
        if reader.first_piece and not self._first_at:
            self._first_at = time.perf_counter_ns()
        if reader.done:
            now = time.perf_counter_ns()
            self.busy = False
            self._load.answered(reader, now - self._asked_at, self._first_at - self._asked_at)
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy:
            self._load.failed(f"connection lost: {exc!r}")
        self._load.lost(self)


class Load:
    """All connections of one run and what they have seen."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.request = request_bytes(plan)
        self.running = False
        self.connections: set[Connection] = set()
        self._forget()

    def _forget(self) -> None:
        self._latencies: list[int] = []
        self._firsts: list[int] = []
        self._faults: Counter[str] = Counter()
        self._priced = 0

    def answered(self, reader: Reader, took_ns: int, first_ns: int) -> None:
        """Count one answer, good or bad."""
        fault = reader.fault(self._plan.chunks, streamed=self._plan.streamed)
        if fault is not None:
            self._faults[fault] += 1
            return
        self._latencies.append(took_ns)
        self._firsts.append(first_ns)
        self._priced += reader.priced

    def failed(self, why: str) -> None:
        """Count a request that had no answer."""
        self._faults[why] += 1

    def lost(self, connection: Connection) -> None:
        """Replace a connection that the other side closed, while the run goes on."""
        self.connections.discard(connection)
        if self.running:
            # Not at once: a gateway that is down must not spin the loop.
            asyncio.get_running_loop().call_later(0.01, self._again)

    def _again(self) -> None:
        self._task = asyncio.ensure_future(self.connect())

    async def connect(self) -> None:
        """Open one more connection, which starts to ask."""
        where = urlsplit(self._plan.url)
        host, port = where.hostname or "127.0.0.1", where.port or 80
        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(lambda: Connection(self), host, port)
        except OSError as error:
            self.failed(f"no connection: {error}")
            return
        self.connections.add(connection)

    async def run(self, seconds: float) -> Result:
        """Ask for `seconds`, wait for what is under way, and give what was seen."""
        self._forget()
        self.running = True
        started = time.perf_counter()
        for connection in tuple(self.connections):
            connection.ask()
        for _ in range(self._plan.connections - len(self.connections)):
            await self.connect()
        await asyncio.sleep(seconds)
        self.running = False
        deadline = time.perf_counter() + _DRAIN_S
        while any(connection.busy for connection in self.connections) and time.perf_counter() < deadline:
            await asyncio.sleep(0.002)
        return self._result(time.perf_counter() - started)

    def _result(self, seconds: float) -> Result:
        errors = sum(self._faults.values())
        self._latencies.sort()
        self._firsts.sort()
        return Result(
            requests=len(self._latencies),
            errors=errors,
            faults=dict(self._faults.most_common(5)),
            priced=self._priced,
            chunks=len(self._latencies) * self._plan.chunks,
            seconds=seconds,
            p50_ns=quantile(self._latencies, 50),
            p99_ns=quantile(self._latencies, 99),
            first_p50_ns=quantile(self._firsts, 50),
            first_p99_ns=quantile(self._firsts, 99),
        )


def quantile(ordered: list[int], percent: int) -> int:
    """Give the smallest value that `percent` of `ordered` do not exceed; 0 when there is none."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0


def request_bytes(plan: Plan) -> bytes:
    """Write the one request that every connection sends: a chat request of `body_bytes` bytes."""
    asked = note(chunks=plan.chunks, chunk_delay_ms=plan.chunk_delay_ms)
    body: dict[str, object] = {"model": plan.model, "max_tokens": 1024}
    if plan.streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}

    def written(filler: str) -> bytes:
        messages = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": asked + filler}]
        return json.dumps(body | {"messages": messages}, separators=(",", ":")).encode()

    missing = max(plan.body_bytes - len(written("")), 0)
    text = written(("pack my box with five dozen jugs " * (missing // 33 + 1))[:missing])
    where = urlsplit(plan.url)
    head = [f"POST {where.path} HTTP/1.1", f"host: {where.netloc}", "content-type: application/json"]
    head += [f"{name}: {value}" for name, value in plan.headers.items()]
    head += [f"content-length: {len(text)}", "", ""]
    return "\r\n".join(head).encode() + text


async def _main(plan: Plan) -> None:
    load = Load(plan)
    warm = await load.run(plan.warm_s)
    if not warm.requests:
        print(json.dumps({"failed": warm.faults}), flush=True)
        return
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(msgspec.json.encode(await load.run(plan.seconds)).decode(), flush=True)


if __name__ == "__main__":
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(msgspec.json.decode(sys.argv[1], type=Plan)))
