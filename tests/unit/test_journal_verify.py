"""What `verify` says of a journal, whole or not, in use or not."""

from pathlib import Path

import pytest

from gateway.journal.checkpoint import write_checkpoint
from gateway.journal.disk import LOCAL_DISK
from gateway.journal.frame import Frame, frames
from gateway.journal.journal import Journal
from gateway.journal.segment import segment_numbers, segment_path
from gateway.journal.verify import verify_journal
from gateway.journal.writer import Position
from tests.fakes.calls import intent_of, note_of


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give a closed journal of three segments, with twelve records."""
    for start in range(3):
        journal = Journal.open(tmp_path, durability="process", group_ms=1, segment_bytes=2**13)
        for number in range(4):
            journal.append(note_of(f"note_{4 * start + number}"))
        journal.close()
    return tmp_path


def read(directory: Path, number: int) -> list[Frame]:
    data = segment_path(directory, number).read_bytes()
    return [item for item in frames(data) if isinstance(item, Frame)]


def found(directory: Path) -> list[tuple[str, int, int]]:
    return [(problem.kind, problem.segment, problem.offset) for problem in verify_journal(directory).problems]


def test_a_whole_journal_is_intact(directory: Path):
    verified = verify_journal(directory)
    assert verified.intact
    assert (verified.segments, verified.records, verified.first_sequence, verified.last_sequence) == (3, 12, 1, 12)
    assert verified.head == read(directory, 3)[-1].chain.hex()
    assert (verified.live, verified.unended, verified.dead_letters) == (False, 0, 0)


def test_nothing_is_changed_by_looking(directory: Path):
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}
    verify_journal(directory)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()} == before


def test_F52_every_flipped_byte_is_located_by_segment_and_offset(directory: Path):
    located = 0
    for number in (1, 2, 3):
        path = segment_path(directory, number)
        whole, records = path.read_bytes(), read(directory, number)
        for frame in records:
            for offset in range(frame.offset, frame.end, 3):
                harmed = bytearray(whole)
                harmed[offset] ^= 1 << offset % 8
                path.write_bytes(harmed)
                kind, segment, place = found(directory)[0]
                assert (segment, place) == (number, frame.offset)
                assert kind == ("torn" if frame is records[-1] else "corrupt")
                located += 1
        path.write_bytes(whole)
    assert located > 900
    assert verify_journal(directory).intact


def test_a_dropped_record_is_a_gap(directory: Path):
    path, (_, first, second, third, _) = segment_path(directory, 2), read(directory, 2)
    data = path.read_bytes()
    path.write_bytes(data[: second.offset] + data[third.offset :])
    assert found(directory) == [("gap", 2, second.offset)]
    assert "record 6 is missing" in verify_journal(directory).problems[0].text
    assert first.sequence == 5


def test_a_record_put_in_the_place_of_another_is_altered(directory: Path):
    # Same sequence, right check sum, but it follows another past.
    other = directory / "other"
    journal = Journal.open(other, durability="process", group_ms=1, segment_bytes=2**13)
    for number in range(12):
        journal.append(note_of(f"none_{number}"))
    journal.close()
    forged, path = read(other, 1), segment_path(directory, 2)
    theirs, ours = segment_path(other, 1).read_bytes(), path.read_bytes()
    mine = read(directory, 2)
    put = theirs[forged[6].offset : forged[6].end]
    path.write_bytes(ours[: mine[2].offset] + put + ours[mine[2].end :])
    assert found(directory) == [("altered", 2, mine[2].offset), ("altered", 2, mine[2].offset + len(put))]


def test_a_segment_of_another_past_is_altered_where_it_begins(directory: Path):
    other = directory / "other"
    for start in range(3):
        journal = Journal.open(other, durability="process", group_ms=1, segment_bytes=2**13)
        for number in range(4):
            journal.append(note_of(f"none_{4 * start + number}"))
        journal.close()
    segment_path(directory, 3).write_bytes(segment_path(other, 3).read_bytes())
    assert found(directory)[0] == ("altered", 3, 0)


def test_a_missing_segment_is_a_gap_where_the_next_begins(directory: Path):
    segment_path(directory, 2).unlink()
    assert found(directory) == [("gap", 3, 0)]
    assert "records 5 to 8 are missing" in verify_journal(directory).problems[0].text


def test_segments_deleted_at_the_old_end_are_no_gap(directory: Path):
    segment_path(directory, 1).unlink()
    verified = verify_journal(directory)
    assert verified.intact
    assert (verified.first_sequence, verified.records) == (5, 8)


def test_an_end_cut_off_behind_the_checkpoint_is_told(directory: Path):
    end = read(directory, 3)[-1]
    write_checkpoint(LOCAL_DISK, directory, Position(3, end.end, 12))
    segment_path(directory, 3).unlink()
    assert found(directory) == [("gap", 3, end.end)]
    assert "records 9 to 12 are missing" in verify_journal(directory).problems[0].text


def test_swapped_segments_are_not_taken_for_each_other(directory: Path):
    one, two = segment_path(directory, 1), segment_path(directory, 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert not verify_journal(directory).intact


def test_a_journal_in_use_can_be_looked_at(directory: Path):
    journal = Journal.open(directory, durability="process", group_ms=1, segment_bytes=2**13)
    journal.intent(intent_of("req_1"))
    verified = verify_journal(directory)
    assert (verified.live, verified.intact, verified.records, verified.unended) == (True, True, 13, 1)
    # A record of which a part is written yet.
    active = segment_path(directory, segment_numbers(directory)[-1])
    end = read(directory, segment_numbers(directory)[-1])[-1].end
    with active.open("r+b") as file:
        file.seek(end)
        file.write(b"\xf5WB1half")
    assert verify_journal(directory).intact
    journal.close()
