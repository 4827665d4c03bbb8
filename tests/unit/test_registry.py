"""The registry is what its entries make of it: in the book's order, whatever they are and however they come."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import registry as registry_file
from gateway.records import (
    By,
    InitiativeAliased,
    InitiativeClosed,
    InitiativeCreated,
    InitiativeReopened,
    KeyCreated,
    KeyRevoked,
    SessionTagged,
    TeamCreated,
)
from gateway.registry import SESSIONS_MAX, Registry
from tests.fakes.front import BY, NOW, PEPPER, FakeFront, entry
from tests.fakes.ledger import MemoryLedger


def folded(*bodies: tuple[str, object]) -> Registry:
    ledger = MemoryLedger()
    ledger.append(tuple(entry(f"e{number}", kind, body) for number, (kind, body) in enumerate(bodies)))
    registry = Registry(PEPPER)
    registry.refresh(ledger)
    return registry


def initiative(name: str, **changes: object) -> tuple[str, InitiativeCreated]:
    return "initiative", InitiativeCreated(id=name, by=BY, **changes)


@pytest.mark.parametrize(
    ("said", "status", "means"),
    [
        ("PROJ-1", "ok", "PROJ-1"),
        ("proj-1", "ok_alias", "PROJ-1"),
        ("LIN-7", "ok_alias", "PROJ-1"),
        ("lin-7", "ok_alias", "PROJ-1"),
        ("new-name", "ok_alias", "PROJ-1"),
        ("DONE-1", "closed", "DONE-1"),
        ("done-1", "closed", "DONE-1"),
        ("PROJ-2", "unknown", None),
        ("", "unknown", None),
    ],
)
def test_an_initiative_is_known_by_its_id_and_by_its_other_names(said: str, status: str, means: str | None) -> None:
    registry = folded(
        initiative("PROJ-1", aliases=("LIN-7",)),
        ("initiative", InitiativeAliased(id="PROJ-1", alias="New-Name", by=BY)),
        initiative("DONE-1"),
        ("initiative", InitiativeClosed(id="DONE-1", by=BY)),
    )
    found = registry.initiative(said)
    assert (found[0], found[1].id if found[1] else None) == (status, means)


def test_closing_and_reopening_are_both_remembered() -> None:
    closed_at = NOW - timedelta(days=3)
    registry = folded(initiative("A"), ("initiative", InitiativeClosed(id="A", by=BY, closed_at=closed_at)))
    assert (registry.initiatives["A"].status, registry.initiatives["A"].closed_at) == ("closed", closed_at)
    registry = folded(
        initiative("A"),
        ("initiative", InitiativeClosed(id="A", by=BY)),
        ("initiative", InitiativeReopened(id="A", by=BY)),
    )
    assert (registry.initiatives["A"].status, registry.initiatives["A"].closed_at) == ("open", None)


VOID = [
    initiative("a"),
    initiative("ALIAS"),
    ("initiative", InitiativeAliased(id="B", alias="alias", by=BY)),
    ("initiative", InitiativeAliased(id="B", alias="a", by=BY)),
    ("initiative", InitiativeAliased(id="nobody", alias="free", by=BY)),
    ("initiative", InitiativeClosed(id="nobody", by=BY)),
    ("initiative", InitiativeReopened(id="A", by=BY)),
    ("team", TeamCreated(id="search", by=BY, cost_centre="mine-now")),
    ("key", KeyCreated(id="k", digest="2" * 64, last4="0000", by=BY, role="admin")),
    ("key", KeyRevoked(id="nobody", by=BY)),
]


@pytest.mark.parametrize("late", VOID, ids=lambda one: str(one[1])[:50])
def test_what_an_earlier_entry_excludes_has_no_effect_and_is_told(late: tuple[str, object]) -> None:
    before = (
        initiative("A", aliases=("Alias",)),
        initiative("B"),
        ("team", TeamCreated(id="search", by=BY, cost_centre="c1")),
        ("key", KeyCreated(id="k", digest="1" * 64, last4="0000", by=BY)),
    )
    one, other = folded(*before), folded(*before, late)
    for name in ("initiatives", "teams", "keys", "by_digest"):
        assert getattr(one, name) == getattr(other, name)
    assert one.names() == other.names()
    assert other.void("e4")
    assert not other.void("e3")


def test_an_entry_that_cannot_be_read_stops_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    bad = [b'{"op":"created","id":"x"}', b'{"op":"melted","id":"x"}', b"{}", b'{"op":"created","id":7}']
    ledger = MemoryLedger()
    plain = entry("x", "team", TeamCreated(id="search", by=BY))
    for number, body in enumerate(bad):
        ledger.append((msgspec.structs.replace(plain, id=f"bad{number}", body=msgspec.Raw(body)),))
    wrong = KeyCreated(id="k", digest="no hash", last4="0000", by=BY)
    ledger.append((entry("bad5", "key", wrong), plain))
    registry = Registry(PEPPER)
    assert registry.refresh(ledger) == len(bad) + 2
    assert set(registry.teams) == {"search"}
    assert registry.keys == {}
    assert [record.message for record in caplog.records] == ["registry_entry_unread"] * (len(bad) + 1)


def test_a_refresh_reads_only_what_is_new() -> None:
    front = FakeFront()
    front.team("a", "b")
    registry = Registry(PEPPER)
    assert registry.refresh(front.ledger) == 2
    assert registry.refresh(front.ledger) == 0
    front.call(1, key_id="k")
    front.team("c")
    assert registry.refresh(front.ledger) == 1
    assert set(registry.teams) == {"a", "b", "c"}


@pytest.mark.parametrize("changes", [4, 5, 6, 10, 11])
def test_a_refresh_reads_all_of_it_however_many_batches_there_are(
    changes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_file, "BATCH", 5)
    ledger = MemoryLedger()
    for number in range(changes):
        ledger.append((entry(f"e{number}", "team", TeamCreated(id=f"t{number}", by=BY)),))
    registry = Registry(PEPPER)
    assert registry.refresh(ledger) == changes
    assert len(registry.teams) == changes


@given(st.lists(st.integers(0, 9), max_size=20), st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_the_fold_is_the_same_however_the_book_is_cut(changes: list[int], cuts: list[int]) -> None:
    whole, bit_by_bit, ledger = Registry(PEPPER), Registry(PEPPER), MemoryLedger()
    entries = [entry(f"e{number}", *VOID[change]) for number, change in enumerate(changes)]
    for cut in cuts:
        ledger.append(tuple(entries[:cut]))
        entries = entries[cut:]
        bit_by_bit.refresh(ledger)
    ledger.append(tuple(entries))
    bit_by_bit.refresh(ledger)
    whole.refresh(ledger)
    for name in ("initiatives", "teams", "keys", "by_digest", "position"):
        assert getattr(whole, name) == getattr(bit_by_bit, name)


def test_the_session_that_named_its_work_longest_ago_is_forgotten_first() -> None:
    registry = Registry(PEPPER)
    for number in range(SESSIONS_MAX):
        registry.remember("k", f"s{number}", "A", NOW)
    assert registry.session_initiative("k", "s0") == "A"
    registry.remember("k", "s0", "B", NOW)
    registry.remember("k", "one more", "A", NOW)
    assert registry.session_initiative("k", "s0") == "B"
    assert registry.session_initiative("k", "s1") is None
    assert registry.session_initiative("k", "s2") == "A"


def test_a_revocation_counts_once_and_for_ever() -> None:
    made = KeyCreated(id="k", digest="1" * 64, last4="0000", by=BY)
    first, second = (entry(f"r{n}", "key", KeyRevoked(id="k", by=BY), NOW + timedelta(hours=n)) for n in (1, 2))
    ledger = MemoryLedger()
    ledger.append((entry("e", "key", made), first, second, entry("again", "key", made)))
    registry = Registry(PEPPER)
    registry.refresh(ledger)
    assert registry.keys["k"].revoked_at == NOW + timedelta(hours=1)
    assert registry.by_digest[bytes.fromhex("1" * 64)].revoked_at is not None
    assert registry.void("r2")


def test_T77_of_two_entries_under_one_idempotency_key_the_first_counts() -> None:
    by = By(actor="k", idempotency="i", request="r")
    registry = folded(("team", TeamCreated(id="a", by=by)), ("team", TeamCreated(id="b", by=by)))
    assert set(registry.teams) == {"a"}
    assert registry.void("e1")
    assert registry.replays["i"].id == "a"


def test_what_calls_and_sessions_say_leaves_no_trace_among_replays() -> None:
    body = SessionTagged(session_id="s", key_id="k", initiative="A")
    registry = folded(("session_tag", body), initiative("A"))
    assert registry.replays == {}
    assert registry.session_initiative("k", "s") == "A"


def test_entries_say_when_things_came_to_be() -> None:
    early = NOW - timedelta(days=9)
    assert folded(initiative("A", opened_at=early)).initiatives["A"].opened_at == early
    assert folded(initiative("A")).initiatives["A"].opened_at == NOW
    made = folded(("key", KeyCreated(id="k", digest="1" * 64, last4="0000", by=BY))).keys["k"]
    assert made.created_at == NOW
