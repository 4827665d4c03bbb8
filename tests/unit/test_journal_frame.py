"""How records lie on disk: what is written is read, and what is harmed is found and read past."""

import pytest

from gateway.journal.frame import (
    ENTRY,
    HEAD_BYTES,
    INTENT,
    NO_CHAIN,
    Damage,
    Frame,
    chained,
    end_of_data,
    frame_at,
    framed,
    frames,
)

PAYLOADS = (b'{"a":1}', b'{"b":"' + b"x" * 300 + b'"}', b"{}")


def laid_out(payloads: tuple[bytes, ...] = PAYLOADS) -> tuple[bytes, list[int]]:
    """Give the bytes of some records, and where each begins."""
    data, chain, starts = b"", NO_CHAIN, []
    for number, payload in enumerate(payloads, 1):
        frame, chain = framed(ENTRY, number, chain, payload)
        starts.append(len(data))
        data += frame
    return data, starts


def test_a_record_is_read_as_it_was_written():
    frame, chain = framed(INTENT, 7, b"p" * 16, b'{"x":1}')
    assert len(frame) == HEAD_BYTES + 7
    assert frame_at(frame, 0) == Frame(0, len(frame), 7, INTENT, chain, b'{"x":1}')


def test_records_are_read_in_order_and_zeros_behind_them_are_room():
    data, starts = laid_out()
    read = list(frames(data + bytes(100_000)))
    assert [frame.offset for frame in read] == starts
    assert [frame.payload for frame in read] == list(PAYLOADS)
    assert [frame.sequence for frame in read] == [1, 2, 3]


def test_each_record_follows_the_one_before_it_and_no_other():
    data, _ = laid_out()
    first, second, third = frames(data)
    assert chained(first, NO_CHAIN)
    assert chained(second, first.chain)
    assert chained(third, second.chain)
    assert not chained(third, first.chain)
    assert not chained(second, NO_CHAIN)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_F52_a_flip_of_any_bit_of_a_record_is_found_where_it_is_and_the_others_are_read(position: int):
    data, starts = laid_out()
    end = [*starts, len(data)][position + 1]
    for offset in range(starts[position], end):
        for bit in range(8):
            harmed = bytearray(data)
            harmed[offset] ^= 1 << bit
            read = list(frames(bytes(harmed)))
            damages = [item for item in read if isinstance(item, Damage)]
            assert [(damage.offset, damage.torn) for damage in damages] == [(starts[position], position == 2)]
            assert [item.sequence for item in read if isinstance(item, Frame)] == [
                number for number in (1, 2, 3) if number != position + 1
            ]
    assert len(list(frames(data))) == 3


def test_a_record_cut_anywhere_is_torn_and_the_ones_before_it_are_whole():
    data, starts = laid_out()
    for end in range(len(data)):
        whole = [start for start, stop in zip(starts, [*starts[1:], len(data)], strict=True) if stop <= end]
        for room in (b"", bytes(70_000)):
            read = list(frames(data[:end] + room))
            assert [item.offset for item in read if isinstance(item, Frame)] == whole
            torn = [item for item in read if isinstance(item, Damage)]
            assert len(torn) == (end not in (0, *starts))
            assert all(damage.torn and damage.offset == starts[len(whole)] for damage in torn)


def test_a_record_inside_a_payload_is_not_taken_for_one_behind_damage():
    inner, _ = framed(ENTRY, 9, NO_CHAIN, b"{}")
    outer, _ = framed(ENTRY, 1, NO_CHAIN, b"x" + inner + b"x")
    assert [item.sequence for item in frames(outer)] == [1]


@pytest.mark.parametrize("zeros", [0, 1, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("start", [0, 1, 70_000])
def test_the_end_of_the_data_is_behind_the_last_byte_that_is_not_zero(zeros: int, start: int):
    data = bytes(start) + b"ab\0c"
    assert end_of_data(data + bytes(zeros), start) == len(data)
    assert end_of_data(data + bytes(zeros), len(data)) == len(data)
