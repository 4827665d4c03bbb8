"""Request ids: "req_" and a UUIDv7, so that they sort by time and never meet."""

import os

from gateway import clock


def new_request_id() -> str:
    """Give a fresh id (RFC 9562, version 7: 48 bits of milliseconds, 74 of chance)."""
    chance = int.from_bytes(os.urandom(10), "big")
    milliseconds = clock.now_ms()
    value = (
        (milliseconds << 80) | (0x7 << 76) | ((chance >> 64 & 0xFFF) << 64) | (0b10 << 62) | (chance & (1 << 62) - 1)
    )
    return f"req_{value:032x}"
