"""A provider in a thread of its own whose answer is named in the question: a text "script:NAME" runs that script."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType

from tests.fakes.upstream import Gone, Received, Upstream, Wire, reply

Act = Callable[[Wire, Received], Awaitable[None]]

_NAMED = re.compile(rb"script:([a-z0-9_]+)")
USAGE = b'{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}'
GOOD = (
    b'{"id":"c1","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"fine"},"finish_reason":"stop"}],"usage":' + USAGE + b"}"
)
JSON = ("content-type", "application/json")
EVENTS = ("content-type", "text/event-stream")
OPENING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
"""The head of a stream; chunks follow."""
USED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
GOOD_COST = 10 * 150 + 5 * 600
"""What a good answer costs at gpt-4o-mini's price, in nano-dollars."""


class ScriptedProvider:
    """Serves `scripts` while its `with` lasts; what names none gets a good answer. Lists are read from any thread."""

    def __init__(self, scripts: Mapping[str, Act] | None = None) -> None:
        self._scripts = scripts or {}
        self._upstream = Upstream(self._serve)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._error: BaseException | None = None

    def __enter__(self) -> "ScriptedProvider":
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()
        if self._error is not None and error is None:
            raise self._error

    @property
    def port(self) -> int:
        return self._upstream.port

    @property
    def connections(self) -> int:
        """Give how many connections were ever made to it."""
        return self._upstream.connections

    @property
    def open(self) -> int:
        """Give how many connections are open now."""
        return self._upstream.open

    @property
    def requests(self) -> list[Received]:
        """Give every request in order of arrival."""
        return self._upstream.requests

    def of(self, word: str) -> list[Received]:
        """Give the requests whose body holds a word."""
        return [request for request in tuple(self.requests) if word.encode() in request.body]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._lasting())
        except BaseException as error:
            self._error = error
        finally:
            asyncio.set_event_loop(None)

    async def _lasting(self) -> None:
        async with self._upstream:
            self._ready.set()
            await self._stopping.wait()

    async def _serve(self, wire: Wire) -> None:
        while True:
            received = await wire.request()
            named = _NAMED.search(received.body)
            act = good if named is None else self._scripts[named.group(1).decode()]
            await act(wire, received)


async def good(wire: Wire, received: Received) -> None:
    """Answer well."""
    await wire.send(reply(200, GOOD, JSON))


def sending(*pieces: bytes, close: bool = False) -> Act:
    """Give a script that sends these bytes, and closes behind them when told to."""

    async def act(wire: Wire, received: Received) -> None:
        await wire.send(*pieces)
        if close:
            await wire.close()
            raise Gone

    return act


def resetting(*pieces: bytes) -> Act:
    """Give a script that sends these bytes and then resets the connection."""

    async def act(wire: Wire, received: Received) -> None:
        await wire.send(*pieces)
        # A reset overtakes what has not been read: give it the time to be.
        await wire.pause(0.05)
        wire.reset()
        raise Gone

    return act


def stalling(*pieces: bytes) -> Act:
    """Give a script that sends these bytes, and then nothing until the gateway leaves."""

    async def act(wire: Wire, received: Received) -> None:
        await wire.send(*pieces)
        await wire.gone()

    return act
