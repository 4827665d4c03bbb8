"""What holds for every journal: however it is cut, harmed, restarted, and however often it is shipped."""

import itertools
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.journal.delivery import deliver
from gateway.journal.disk import LOCAL_DISK
from gateway.journal.frame import ENTRY, NO_CHAIN, Damage, Frame, chained, framed, frames
from gateway.journal.journal import Journal
from gateway.journal.lock import LOCK
from gateway.journal.recovery import recover
from gateway.journal.segment import segment_numbers, segment_path
from gateway.journal.shipper import Shipper
from gateway.journal.verify import verify_journal
from gateway.ledger.entry import Appended, Entry
from gateway.ledger.errors import Unstorable
from tests.fakes.calls import attempt_of, end_of, intent_of, note_of
from tests.fakes.disk import fast_directory
from tests.fakes.ledger import MemoryLedger

PAYLOADS = st.lists(st.text(max_size=60).map(lambda text: text.encode() or b"{}"), min_size=1, max_size=8)


def laid_out(payloads: list[bytes]) -> tuple[bytes, list[Frame]]:
    data, chain = b"", NO_CHAIN
    for number, payload in enumerate(payloads, 1):
        frame, chain = framed(ENTRY, number, chain, payload)
        data += frame
    return data, [item for item in frames(data) if isinstance(item, Frame)]


@settings(deadline=None)
@given(PAYLOADS)
def test_records_are_read_as_they_were_written_and_each_follows_the_one_before(payloads: list[bytes]):
    _, read = laid_out(payloads)
    assert [frame.payload for frame in read] == payloads
    assert all(
        chained(frame, before) for frame, before in zip(read, [NO_CHAIN, *(f.chain for f in read)], strict=False)
    )


@settings(deadline=None)
@given(PAYLOADS, st.data(), st.integers(0, 300))
def test_any_prefix_of_a_segment_holds_a_prefix_of_its_records(payloads: list[bytes], data: st.DataObject, zeros: int):
    whole, written = laid_out(payloads)
    end = data.draw(st.integers(0, len(whole)))
    read = list(frames(whole[:end] + bytes(zeros)))
    kept = [item for item in read if isinstance(item, Frame)]
    assert kept == [frame for frame in written if frame.end <= end]
    assert all(item.torn for item in read if isinstance(item, Damage))


@settings(deadline=None)
@given(PAYLOADS, st.data())
def test_whatever_bytes_are_harmed_the_other_records_are_read_and_the_harm_is_located(
    payloads: list[bytes], data: st.DataObject
):
    whole, written = laid_out(payloads)
    flips = data.draw(st.dictionaries(st.integers(0, len(whole) - 1), st.integers(1, 255), min_size=1, max_size=4))
    harmed = bytearray(whole)
    for offset, flip in flips.items():
        harmed[offset] ^= flip
    read = list(frames(bytes(harmed)))
    hit = [frame for frame in written if any(frame.offset <= offset < frame.end for offset in flips)]
    assert [item for item in read if isinstance(item, Frame)] == [frame for frame in written if frame not in hit]
    damages = [item for item in read if isinstance(item, Damage)]
    assert all(any(damage.offset <= frame.offset < damage.end for damage in damages) for frame in hit)
    assert {damage.offset for damage in damages} <= {frame.offset for frame in hit}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.data())
def test_any_prefix_of_a_journal_recovers_to_its_whole_records(requests: int, data: st.DataObject):
    with fast_directory() as directory:
        journal = Journal.open(directory, durability="process", group_ms=1, segment_bytes=2**17)
        for number in range(requests):
            journal.intent(intent_of(f"req_{number}"))
            if number % 3:
                journal.end(f"req_{number}", end_of(f"req_{number}"), ())
        journal.close()
        path = segment_path(directory, 1)
        whole = path.read_bytes()
        end = data.draw(st.integers(0, len(whole)))
        kept = [item for item in frames(whole) if isinstance(item, Frame) and item.end <= end]
        path.write_bytes(whole[:end] + bytes(data.draw(st.sampled_from([0, 1, 4096]))))
        recovered = recover(LOCAL_DISK, directory)
        assert recovered.records == max(0, len(kept) - 1)
        assert recovered.last[0] == (kept[-1].sequence if kept else 0)
        assert not path.exists() or path.stat().st_size == kept[-1].end
        assert {problem.kind for problem in recovered.problems} <= {"torn"}
        assert recover(LOCAL_DISK, directory).problems == ()


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.sets(st.integers(0, 30)), st.booleans())
def test_all_but_the_poisoned_are_delivered_in_order(numbers: list[int], poisoned: set[int], named: bool):
    class Picky(MemoryLedger):
        def append(self, entries: tuple[Entry, ...]) -> Appended:
            for entry in entries:
                if entry.id in poison:
                    raise Unstorable(entry.id if named or len(entries) == 1 else None, "no")
            return super().append(entries)

    poison = {f"note_{number}" for number in poisoned}
    ids = [f"note_{number}" for number in numbers]
    ledger, aside = Picky(), []
    done = deliver(ledger, tuple(map(note_of, ids)), lambda entry, _: aside.append(entry.id))
    stored = list(dict.fromkeys(each for each in ids if each not in poison))
    assert [row.entry.id for row in ledger.rows] == stored
    assert set(aside) == poison & set(ids)
    assert done.added == len(stored)
    assert done.added + done.duplicates + len(aside) == len(ids)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12), st.randoms(use_true_random=False))
def test_batches_shipped_again_split_and_out_of_order_leave_each_entry_once(batches, chance):
    # G6: at least once, and idempotent, is exactly once.
    entries = [end_of(f"req_{number}", billed_cost=number) for number in range(40)]
    ledger = MemoryLedger()
    sent = [entries[min(pair) : max(pair)] for pair in batches] + [entries]
    sent = [batch for batch in sent for _ in range(chance.randint(1, 5))]
    chance.shuffle(sent)
    added = sum(deliver(ledger, tuple(batch), lambda *_: None).added for batch in sent)
    assert added == len(ledger.rows) == 40
    assert sum(row.entry.call().billed_cost or 0 for row in ledger.rows) == sum(range(40))
    assert ledger.conflicts() == ()


class JournalMachine(RuleBasedStateMachine):
    """A journal beside a plain list of what it was told; restarts after a close, and after a kill."""

    @initialize(segment=st.sampled_from([2**12, 2**13, 2**16]), durability=st.sampled_from(["process", "group"]))
    def start(self, segment: int, durability: str) -> None:
        self.root = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.numbers, self.places = itertools.count(), itertools.count()
        self.segment, self.durability = segment, durability
        self.open: dict[str, bool] = {}
        self.settled: list[str] = []
        self.uncertain: list[str] = []
        self.entries: list[str] = []
        self.ledger = MemoryLedger()
        self._open_in(self.root / "0")

    def _open_in(self, directory: Path) -> None:
        self.directory = directory
        self.journal = Journal.open(
            directory,
            durability=self.durability,
            group_ms=1,
            segment_bytes=self.segment,  # type: ignore[arg-type]
        )
        assert [intent.request_id for intent in self.journal.recovered.unended] == list(self.open)
        assert self.journal.recovered.problems == ()
        self.uncertain += self.open
        self.entries += [f"{request_id}:call" for request_id in self.open]
        self.open.clear()

    @rule()
    def begin(self) -> None:
        request_id = f"req_{next(self.numbers)}"
        self.journal.intent(intent_of(request_id))
        self.open[request_id] = True

    @precondition(lambda self: self.open)
    @rule(data=st.data(), attempts=st.integers(0, 2))
    def end(self, data: st.DataObject, attempts: int) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.open)))
        absorbed = tuple(attempt_of(request_id, number) for number in range(attempts))
        self.journal.end(request_id, end_of(request_id), absorbed)
        del self.open[request_id]
        self.settled.append(request_id)
        self.entries += [*(entry.id for entry in absorbed), f"{request_id}:call"]

    @rule(times=st.integers(1, 20))
    def note(self, times: int) -> None:
        for _ in range(times):
            entry_id = f"note_{next(self.numbers)}"
            self.journal.append(note_of(entry_id))
            self.entries.append(entry_id)

    @rule()
    def ship(self) -> None:
        shipper = Shipper(self.journal, self.ledger, retention_s=0)
        shipper.ship()
        shipper.remove_old()
        shipper.stop(0)

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self._open_in(self.directory)

    @rule()
    def kill(self) -> None:
        """Go on with a copy of the files as they are in this moment, as whoever comes after a kill does."""
        copy = self.root / str(next(self.places) + 1)
        shutil.copytree(self.directory, copy)
        (copy / LOCK).unlink()
        self.journal.close()
        self._open_in(copy)

    @invariant()
    def counts_hold(self) -> None:
        if hasattr(self, "journal"):
            assert self.journal.open_requests == len(self.open)
            assert self.journal.healthy

    def teardown(self) -> None:
        if not hasattr(self, "journal"):
            return
        try:
            self._hold_against_the_book()
        finally:
            self.journal.close()
            shutil.rmtree(self.root)

    def _hold_against_the_book(self) -> None:
        self.restart()
        self.ship()
        states = {
            row.entry.call().request_id: row.entry.call().state for row in self.ledger.rows if row.entry.kind == "call"
        }
        assert states == {**dict.fromkeys(self.settled, "settled"), **dict.fromkeys(self.uncertain, "uncertain")}
        assert [row.entry.id for row in self.ledger.rows] == self.entries
        assert self.ledger.conflicts() == ()
        self.journal.close()
        assert verify_journal(self.directory).intact
        assert segment_numbers(self.directory)


JournalMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestJournal = JournalMachine.TestCase
