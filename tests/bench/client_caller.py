"""One client library in a closed loop against the mock provider, in a process of its own; prints one JSON line.

The libraries live in an environment of their own, so this file imports nothing of ours but for our own client.
Its argument is JSON: client, url, connections, seconds, chunks, core; the request's body is on standard input.
"""

import asyncio
import gc
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import uvloop

Call = Callable[[], Awaitable[bytes]]
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
WARM_S = 0.3
_MARK = re.compile(rb"@(\d{5})\|")


@asynccontextmanager
async def ours(url: str, body: bytes, connections: int) -> AsyncIterator[Call]:
    """Give calls through the gateway's own forwarder."""
    from gateway.forward import Forwarder
    from gateway.providers.provider import Outgoing
    from gateway.settings import Provider

    where = urlsplit(url)
    name, base = "mock", f"{where.scheme}://{where.netloc}"
    provider = Provider(name, base, ("openai",), private_network=True, connections_max=connections)
    outgoing = Outgoing("POST", where.path, tuple((k.encode(), v.encode()) for k, v in HEADERS.items()), body)
    forwarder = Forwarder()

    async def call() -> bytes:
        answer = await forwarder.send(provider, outgoing, None)
        pieces = []
        while piece := await answer.piece():
            pieces.append(piece)
        return b"".join(pieces)

    yield call
    await forwarder.close()


@asynccontextmanager
async def aiohttp(url: str, body: bytes, connections: int) -> AsyncIterator[Call]:
    """Give calls through aiohttp."""
    import aiohttp as library

    connector = library.TCPConnector(limit=connections)
    async with library.ClientSession(connector=connector, headers=HEADERS, auto_decompress=False) as session:

        async def call() -> bytes:
            async with session.post(url, data=body) as answer:
                return b"".join([piece async for piece in answer.content.iter_any()])

        yield call


@asynccontextmanager
async def pyreqwest(url: str, body: bytes, connections: int) -> AsyncIterator[Call]:
    """Give calls through pyreqwest, which hands streams on at once only when it is told to buffer nothing."""
    from pyreqwest.client import ClientBuilder

    builder = ClientBuilder().max_connections(connections).default_headers(HEADERS)
    async with builder.build() as client:

        async def call() -> bytes:
            request = client.post(url).body_bytes(body).streamed_read_buffer_limit(0).build_streamed()
            pieces = []
            async with request as answer:
                while (piece := await answer.body_reader.read_chunk()) is not None:
                    pieces.append(bytes(piece))
            return b"".join(pieces)

        yield call


@asynccontextmanager
async def httpx2(url: str, body: bytes, connections: int) -> AsyncIterator[Call]:
    """Give calls through httpx2."""
    import httpx2 as library

    limits = library.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with library.AsyncClient(limits=limits, headers=HEADERS, timeout=60.0) as client:

        async def call() -> bytes:
            async with client.stream("POST", url, content=body) as answer:
                return b"".join([piece async for piece in answer.aiter_raw()])

        yield call


CLIENTS: dict[str, Callable[[str, bytes, int], AbstractAsyncContextManager[Call]]] = {
    "ours": ours,
    "aiohttp": aiohttp,
    "pyreqwest": pyreqwest,
    "httpx2": httpx2,
}


async def loop(call: Call, until: float, chunks: int, took: list[int]) -> int:
    """Call until the time is over; gives how many answers were wrong."""
    wrong = 0
    while time.perf_counter() < until:
        began = time.perf_counter_ns()
        answer = await call()
        took.append(time.perf_counter_ns() - began)
        wrong += [int(mark) for mark in _MARK.findall(answer)] != list(range(chunks))
    return wrong


async def measured(asked: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Warm up, then call; gives requests, errors, nanoseconds of CPU and every time it took."""
    connections, chunks = asked["connections"], asked["chunks"]
    async with CLIENTS[asked["client"]](asked["url"], body, connections) as call:
        warm = time.perf_counter() + WARM_S
        await asyncio.gather(*(loop(call, warm, chunks, []) for _ in range(connections)))
        took: list[int] = []
        until, cpu = time.perf_counter() + asked["seconds"], time.process_time_ns()
        wrong = await asyncio.gather(*(loop(call, until, chunks, took) for _ in range(connections)))
        cpu = time.process_time_ns() - cpu
    took.sort()
    return {"requests": len(took), "errors": sum(wrong), "cpu_ns": cpu, "took_ns": took}


def main() -> None:
    """Run what the argument asks for on the core it names."""
    asked = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {asked["core"]})
    body = sys.stdin.buffer.read()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measured(asked, body))), flush=True)


if __name__ == "__main__":
    main()
