"""A connection between two requests is kept for its time, and no timer is started for it."""

import asyncio
import time
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.exchange import Exchange
from gateway.wire import Wire

KEPT_S = 75
REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n"


class Door:
    """Answers each request with nothing, once it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()

    async def metered(self, exchange: Exchange) -> None:
        await self.let.wait()
        await exchange.answer(200, [(b"content-length", b"0")], b"")


class Pipe(asyncio.Transport):
    """A connection's other side: counts what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0

    def write(self, data: Any) -> None:
        self.answers += 1

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass


def wire_to(door: Door) -> tuple[Wire, Pipe]:
    config = Config(door, timeout_keep_alive=KEPT_S)  # type: ignore[arg-type]
    config.load()
    config.loaded_app = door
    wire, pipe = Wire(config, ServerState(), {}, asyncio.get_running_loop()), Pipe()
    wire.connection_made(pipe)
    return wire, pipe


async def answered(pipe: Pipe, count: int) -> None:
    async with asyncio.timeout(5):
        while pipe.answers < count:
            await asyncio.sleep(0)


async def test_a_connection_rests_for_its_time_after_an_answer_and_not_while_one_is_due() -> None:
    door = Door()
    wire, pipe = wire_to(door)
    wire.data_received(REQUEST)
    assert not wire.late(time.monotonic() + 10 * KEPT_S), "the answer is still due"

    door.let.set()
    await answered(pipe, 1)
    ended = time.monotonic()
    assert not wire.late(ended + KEPT_S - 1)
    assert wire.late(ended + KEPT_S + 1)


async def test_the_next_request_ends_the_rest() -> None:
    door = Door()
    door.let.set()
    wire, pipe = wire_to(door)
    wire.data_received(REQUEST)
    await answered(pipe, 1)

    door.let.clear()
    wire.data_received(REQUEST)
    assert not wire.late(time.monotonic() + 10 * KEPT_S), "the second answer is due"
    door.let.set()
    await answered(pipe, 2)
    assert wire.late(time.monotonic() + KEPT_S + 1)
