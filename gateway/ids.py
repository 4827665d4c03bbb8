"""Request ids: "req_" and a UUIDv7, so that they sort by time and never meet."""

import os

from gateway import clock

DRAWN_AT_ONCE = 256
"""Numbers of chance the system is asked for at once: a system call each would cost more than all the rest of an id."""

_CHANCE_BYTES = 10
_drawn: list[int] = []


def new_request_id() -> str:
    """Give a fresh id (RFC 9562, version 7: 48 bits of milliseconds, 74 of chance); any thread."""
    try:
        # One step of the interpreter, so that no two threads are given the same.
        chance = _drawn.pop()
    except IndexError:
        chance = _draw()
    milliseconds = clock.now_ms()
    value = (
        (milliseconds << 80) | (0x7 << 76) | ((chance >> 64 & 0xFFF) << 64) | (0b10 << 62) | (chance & (1 << 62) - 1)
    )
    return f"req_{value:032x}"


def _draw() -> int:
    """Give a number of chance, and keep others for the next ids."""
    block = os.urandom(DRAWN_AT_ONCE * _CHANCE_BYTES)
    first, *more = (int.from_bytes(block[at : at + _CHANCE_BYTES], "big") for at in range(0, len(block), _CHANCE_BYTES))
    _drawn.extend(more)
    return first
