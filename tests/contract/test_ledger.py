"""What every ledger promises of its entries: kept as they came, once, in one order for all readers, found again."""

import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from gateway.ledger.entry import Appended, Entry, Ledger
from gateway.ledger.errors import LedgerDown, Unstorable
from gateway.ledger.posting import ENTRY_BYTES_MAX, FIGURE_MAX, ID_CHARACTERS_MAX
from policies.usage import Usage
from tests.contract.ledgers import EVER, NOON, Engine, call_entry, engine, other_entry


@pytest.fixture(params=("memory", "sqlite", "postgres"))
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with engine(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def ledger(book: Engine) -> Ledger:
    return book.open()


def replaced(entry: Entry, **changes: object) -> Entry:
    return msgspec.structs.replace(entry, **changes)


def test_an_entry_comes_back_as_it_went_in(ledger: Ledger) -> None:
    entries = (
        call_entry(1),
        call_entry(2, kind="attempt"),
        other_entry(3, body=b'{ "op" : "\\u0000 caf\xc3\xa9 \xf0\x9f\xa7\xae" ,\t"n":1.50}'),
        other_entry(4, corrects="team:3", occurred_at=NOON + timedelta(microseconds=1)),
        other_entry(5, occurred_at=datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-5)))),
        other_entry(6, id="x" * ID_CHARACTERS_MAX, source="imp'ort; \u20ac \U0001f9ee"),
    )
    assert ledger.append(entries) == Appended(6, 0)
    found = ledger.entries()
    assert tuple(row.entry for row in found) == entries
    assert [bytes(row.entry.body) for row in found] == [bytes(entry.body) for entry in entries]
    assert [row.position for row in found] == [1, 2, 3, 4, 5, 6]
    assert all(row.entry.occurred_at.utcoffset() == timedelta(0) for row in found)


def test_an_empty_book_answers_everything(ledger: Ledger) -> None:
    ledger.ping()
    assert ledger.append(()) == Appended(0, 0)
    assert ledger.entries() == ledger.find("x") == ledger.find_response("x") == ledger.conflicts() == ()
    assert ledger.spend(EVER) == ()
    assert ledger.remove("demo") == 0
    assert ledger.verify().intact


def test_pages_give_each_entry_once_and_only_the_kinds_asked_for(ledger: Ledger) -> None:
    kinds = ("team", "key", "person")
    ledger.append(tuple(other_entry(number, kinds[number % 3]) for number in range(30)))
    seen: list[int] = []
    while page := ledger.entries(after=seen[-1] if seen else 0, limit=7):
        seen += [row.position for row in page]
    assert seen == list(range(1, 31))
    found = ledger.entries(after=6, kinds=("key", "team", "cap"), limit=5)
    assert [row.position for row in found] == [7, 8, 10, 11, 13]
    assert {row.entry.kind for row in ledger.entries(kinds=("key", "team"))} == {"key", "team"}
    assert ledger.entries(kinds=("cap",)) == ()
    assert ledger.entries(after=30) == ()


def test_F47_a_batch_whose_acknowledgement_was_lost_changes_nothing_the_second_time(ledger: Ledger) -> None:
    batch = tuple(call_entry(number) for number in range(5))
    assert ledger.append(batch) == Appended(5, 0)
    before = ledger.spend(EVER), ledger.entries(), ledger.verify()
    assert ledger.append(batch) == Appended(0, 5)
    assert ledger.append((batch[3], call_entry(5), batch[3])) == Appended(1, 2)
    assert ledger.entries(limit=5) == before[1]
    assert ledger.append(()) == Appended(0, 0)
    assert ledger.conflicts() == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"body": msgspec.Raw(b'{"op": "created"}')},
        {"kind": "key"},
        {"source": "demo"},
        {"corrects": "team:0"},
    ],
)
def test_another_payload_under_a_known_id_is_kept_aside_once_and_the_first_stays(
    ledger: Ledger, changes: dict[str, object]
) -> None:
    first = other_entry(1)
    other = replaced(first, **changes)
    ledger.append((first,))
    for _ in range(3):
        assert ledger.append((other, other_entry(2))).conflicts == (first.id,)
    assert ledger.conflicts() == (other,)
    assert [row.entry for row in ledger.entries()] == [first, other_entry(2)]
    assert ledger.append((first,)) == Appended(0, 1)


def test_of_two_payloads_in_one_batch_the_first_is_the_entry(ledger: Ledger) -> None:
    first = call_entry(1)
    dearer = call_entry(1, {"billed_cost": 10**12})
    assert ledger.append((first, dearer, first, dearer)) == Appended(1, 1, (first.id, first.id))
    assert ledger.conflicts() == (dearer,)
    assert ledger.spend(EVER)[0].billed_cost == first.call().billed_cost


def test_times_alone_make_no_conflict(ledger: Ledger) -> None:
    first = other_entry(1)
    ledger.append((first,))
    assert ledger.append((replaced(first, recorded_at=NOON, occurred_at=NOON),)) == Appended(0, 1)
    assert ledger.entries()[0].entry == first


def padded(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


POISON = {
    "no id": replaced(other_entry(1), id=""),
    "an id too long": replaced(other_entry(1), id="x" * (ID_CHARACTERS_MAX + 1)),
    "NUL in the id": replaced(other_entry(1), id="a\0b"),
    "half a character": replaced(other_entry(1), source="\ud800"),
    "NUL in what it corrects": replaced(other_entry(1), corrects="\0"),
    "no zone": replaced(other_entry(1), occurred_at=datetime(2026, 1, 1)),
    "an empty body": other_entry(1, body=b""),
    "a body cut short": other_entry(1, body=b'{"op":'),
    "a body that is no object": other_entry(1, body=b"[]"),
    "a body of broken text": other_entry(1, body=b'{"op":"\xff"}'),
    "a body too large": other_entry(1, body=padded(ENTRY_BYTES_MAX + 1)),
    "a call without its fields": other_entry(1, "call", body=b'{"request_id":"r"}'),
    "a call of another type": other_entry(1, "call", body=bytes(call_entry(1).body).replace(b"200,", b'"200",', 1)),
    "usage that contradicts itself": other_entry(
        1, "call", body=bytes(call_entry(1, {"usage": Usage(4)}).body).replace(b'_tokens":4', b'_tokens":-4')
    ),
    "money beyond sense": call_entry(1, {"billed_cost": FIGURE_MAX + 1}),
    "less money than sense": call_entry(1, {"billed_cost": -FIGURE_MAX - 1}),
}  # fmt: skip


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_F48_a_poisoned_entry_is_named_and_the_rest_can_go_on(ledger: Ledger, poison: Entry) -> None:
    good = (call_entry(7), other_entry(8))
    with pytest.raises(Unstorable) as raised:
        ledger.append((good[0], poison, good[1]))
    assert raised.value.id == poison.id
    assert ledger.entries() == ()
    assert ledger.append(good) == Appended(2, 0)
    assert ledger.verify().intact


def test_what_just_fits_is_stored(ledger: Ledger) -> None:
    entries = (
        other_entry(1, body=padded(ENTRY_BYTES_MAX)),
        call_entry(2, {"billed_cost": FIGURE_MAX}),
        other_entry(3, id="\u20ac" * ID_CHARACTERS_MAX, body=b"{}"),
    )
    assert ledger.append(entries) == Appended(3, 0)
    assert [row.entry for row in ledger.entries()] == list(entries)


def test_hostile_names_are_booked_whatever_the_engine(ledger: Ledger) -> None:
    names = ("a\0b", "x" * 10_000, "'; DROP TABLE entries; --", "\u202e%s?$1\\", "\U0001f9ee", " ", "NULL")
    for number, name in enumerate(names):
        changes = {"request_id": name, "response_id": name, "request_model": name, "tags": {"team": name}}
        ledger.append((call_entry(number, changes, id=f"call-{number}"),))
    for number, name in enumerate(names):
        assert [row.entry.id for row in ledger.find(name)] == [f"call-{number}"]
        assert [row.entry.id for row in ledger.find_response(name)] == [f"call-{number}"]
    rows = ledger.spend(replaced(EVER, by=("team", "request_model")))
    assert len(rows) == len(names)
    assert ("a\ufffdb", "a\ufffdb") in {row.group for row in rows}
    assert sum(row.calls for row in ledger.spend(replaced(EVER, where={"team": "\u202e%s?$1\\"}))) == 1
    assert ledger.verify().intact


def test_a_request_is_found_with_all_that_tells_of_it(ledger: Ledger) -> None:
    about = b'{"verdict":"accepted","request_id":"req_%032x"}' % 1
    entries = (
        call_entry(1, kind="attempt"),
        call_entry(2),
        call_entry(1),
        other_entry(3, "feedback", body=about),
        other_entry(4, "feedback", body=b'{"request_id":7}'),
    )
    ledger.append(entries)
    assert [row.position for row in ledger.find(f"req_{1:032x}")] == [1, 3, 4]
    response_id = entries[1].call().response_id
    assert response_id is not None
    assert [row.entry for row in ledger.find_response(response_id)] == [entries[1]]
    assert ledger.find("") == ledger.find_response("") == ledger.find("team:4") == ()


def test_a_response_is_found_far_back(ledger: Ledger) -> None:
    for start in range(0, 9000, 1000):
        ledger.append(tuple(other_entry(number) for number in range(start, start + 1000)))
        ledger.append((call_entry(start, {"response_id": f"resp-{start}"}),))
    for start in range(0, 9000, 1000):
        assert [row.position for row in ledger.find_response(f"resp-{start}")] == [start + start // 1000 + 1001]


def test_what_one_opener_wrote_another_reads(book: Engine) -> None:
    first, second = book.open(), book.open()
    for number in range(0, 20, 2):
        first.append((call_entry(number),))
        second.append((call_entry(number + 1), call_entry(number)))
    assert [row.position for row in second.entries()] == list(range(1, 21))
    assert first.spend(EVER) == second.spend(EVER)
    assert first.verify().intact


def test_the_demo_can_go_and_the_rest_stays_whole(book: Engine) -> None:
    ledger, other = book.open(), book.open()
    real = tuple(call_entry(number) for number in range(0, 40, 2))
    demo = tuple(call_entry(number, source="demo") for number in range(1, 40, 2))
    for pair in zip(demo, real, strict=True):
        ledger.append(pair)
    ledger.append((call_entry(1, {"status": 201}, source="demo"), call_entry(0, {"status": 201})))
    only_real = replaced(EVER, by=("source",), where={"source": "gateway"})
    spent, head = ledger.spend(only_real), ledger.verify().head

    assert other.remove("demo") == 20
    assert other.remove("demo") == 0
    assert [row.entry for row in ledger.entries()] == list(real)
    assert [row.position for row in ledger.entries()] == list(range(2, 41, 2))
    assert ledger.spend(only_real) == spent == ledger.spend(replaced(EVER, by=("source",)))
    assert [entry.source for entry in ledger.conflicts()] == ["gateway"]
    verified = ledger.verify(anchor=head)
    assert (verified.intact, verified.head, verified.entries) == (True, head, 20)

    if book.name != "memory":
        for table in ("entries", "conflicts", "accounts"):
            assert book.sql(f"SELECT count(*) FROM {table} WHERE source = ?", ("demo",)) == [(0,)]

    # Both openers knew the demo's accounts by numbers that are gone.
    assert ledger.append(demo[:5]) == other.append(demo[5:10]) == Appended(5, 0)
    assert [row.position for row in ledger.entries(after=40)] == list(range(41, 51))
    assert sum(row.calls for row in ledger.spend(replaced(EVER, where={"source": "demo"}))) == 10
    assert other.verify(anchor=head).intact


@pytest.mark.parametrize("source", ["gateway", "", "demo ", "Demo"])
def test_nothing_but_the_demo_can_be_removed(ledger: Ledger, source: str) -> None:
    ledger.append((call_entry(1),))
    with pytest.raises(ValueError, match="stay for ever"):
        ledger.remove(source)
    assert len(ledger.entries()) == 1


def test_a_closed_ledger_says_so(book: Engine) -> None:
    ledger = book.open()
    ledger.append((call_entry(1),))
    ledger.close()
    ledger.close()
    for use in (ledger.ping, ledger.entries, ledger.conflicts, ledger.verify, lambda: ledger.append((call_entry(2),))):
        with pytest.raises(LedgerDown, match="closed"):
            use()


def test_writers_at_once_lose_nothing_and_a_reader_skips_nothing(book: Engine) -> None:
    ledger, batches = book.open(), 12
    done = threading.Event()
    seen: list[int] = []

    def write(seed: int) -> None:
        chance, mine = random.Random(seed), book.open()
        for start in chance.sample(range(batches), batches):
            mine.append(tuple(call_entry(number) for number in range(start * 10, start * 10 + 15)))

    def read() -> None:
        while not done.is_set():
            read_on()

    def read_on() -> None:
        while page := ledger.entries(after=seen[-1] if seen else 0, limit=9):
            seen.extend(row.position for row in page)

    reader, writers = threading.Thread(target=read), [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    read_on()
    everything = batches * 10 + 5
    assert seen == list(range(1, everything + 1))
    assert sum(row.calls for row in ledger.spend(EVER)) == everything
    assert ledger.verify().entries == everything
    assert ledger.verify().intact
