"""How a record lies on disk: length, check sum, sequence, hash chain, payload. Bytes only; no file is touched.

    magic 4 | length 4 | crc 4 | sequence 8 | kind 1 | zeros 3 | chain 16 | payload (JSON)

Numbers are little-endian. `length` counts the payload; `crc` covers all that follows it, and starts from the
length. `chain` is the first half of SHA-256 over the previous record's chain, this record's sequence and kind, and
its payload: a record that is changed, dropped or moved breaks it. Zeros follow the last record of a segment that
is still being written, because its room is allocated beforehand.
"""

import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256

import msgspec

MAGIC = b"\xf5WB1"
"""0xF5 is in no UTF-8 text, so payloads hold no magic, and the next record can be found behind a damaged one."""

OPENED, INTENT, ENTRY, ENDED = 1, 2, 3, 4
"""Kinds: a segment's first record; a request about to be dispatched; an entry; a request's end."""

CHAIN_BYTES = 16
NO_CHAIN = bytes(CHAIN_BYTES)
"""What the first record of a journal chains to."""

_HEAD = struct.Struct("<4sII")
_META = struct.Struct("<QB3x")
_FRAME = struct.Struct(f"<4sIIQB3x{CHAIN_BYTES}s")
HEAD_BYTES = _FRAME.size

_ZEROS = bytes(2**16)
_pack_head, _pack_meta, _crc32 = _HEAD.pack, _META.pack, zlib.crc32


class Frame(msgspec.Struct, frozen=True):
    """One record as read, and where it lies."""

    offset: int
    end: int
    sequence: int
    kind: int
    chain: bytes
    payload: bytes


class Damage(msgspec.Struct, frozen=True):
    """Bytes from `offset` to `end` that are no record. `torn`: no record follows them, as after a cut write."""

    offset: int
    end: int
    torn: bool


def framed(kind: int, sequence: int, previous: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """Give a record's bytes and its chain."""
    meta = _pack_meta(sequence, kind)
    chain = sha256(previous + meta + payload).digest()[:CHAIN_BYTES]
    body = meta + chain + payload
    return _pack_head(MAGIC, len(payload), _crc32(body, len(payload))) + body, chain


def chained(frame: Frame, previous: bytes) -> bool:
    """Say whether a record follows one whose chain is `previous`."""
    meta = _pack_meta(frame.sequence, frame.kind)
    return sha256(previous + meta + frame.payload).digest()[:CHAIN_BYTES] == frame.chain


def frame_at(data: bytes, offset: int) -> Frame | None:
    """Give the whole and unharmed record at `offset`, if there is one."""
    start = offset + HEAD_BYTES
    if start > len(data):
        return None
    magic, length, crc, sequence, kind, chain = _FRAME.unpack_from(data, offset)
    end = start + length
    if magic != MAGIC or end > len(data):
        return None
    if _crc32(memoryview(data)[offset + _HEAD.size : end], length) != crc:
        return None
    return Frame(offset, end, sequence, kind, chain, data[start:end])


def frames(data: bytes, offset: int = 0) -> Iterator[Frame | Damage]:
    """Give every record of a segment in order; what is damaged is told in between and read past."""
    while offset < len(data):
        frame = frame_at(data, offset)
        if frame is not None:
            yield frame
            offset = frame.end
            continue
        last = end_of_data(data, offset)
        if last == offset:
            return
        following = _next_frame(data, offset + 1, last)
        yield Damage(offset, last if following is None else following, torn=following is None)
        if following is None:
            return
        offset = following


def end_of_data(data: bytes, start: int) -> int:
    """Give the offset behind the last byte that is not zero; `start` when there is none."""
    end = len(data)
    while end - len(_ZEROS) >= start and data.endswith(_ZEROS, start, end):
        end -= len(_ZEROS)
    tail = max(start, end - len(_ZEROS))
    return tail + len(data[tail:end].rstrip(b"\0"))


def _next_frame(data: bytes, start: int, end: int) -> int | None:
    """Give the offset of the first unharmed record from `start` on."""
    found = data.find(MAGIC, start, end)
    while found >= 0:
        if frame_at(data, found) is not None:
            return found
        found = data.find(MAGIC, found + 1, end)
    return None
