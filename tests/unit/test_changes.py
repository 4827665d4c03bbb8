"""Every change to keys, teams and work: what it makes and what it refuses."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.change_rules import NewApplication, NewInitiative, NewKey, NewTeam
from gateway.changes import FIRST_ADMIN, Changes
from gateway.errors import Refused
from gateway.keys import is_pseudonym
from gateway.ledger.entry import Ledger
from gateway.ledger.open import open_ledger
from gateway.registry import Registry
from tests.fakes.front import BY, NOW, PEPPER, FakeFront, code, elsewhere, opened
from tests.fakes.ledger import MemoryLedger

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


@pytest.fixture(params=["memory", "sqlite"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeFront]:
    ledger: Ledger = MemoryLedger() if request.param == "memory" else open_ledger("sqlite", tmp_path)
    made = FakeFront(ledger)
    made.team("search", "ads")
    made.initiative("PROJ-1", team="search", aliases=("Old-1",))
    made.application("shop", team="search")
    yield made
    ledger.close()


def test_a_key_works_at_once_and_elsewhere_after_one_look(front: FakeFront) -> None:
    principal, key = front.key("member", team="search", name="laptop", person="ada@example.org", models=("small",))
    assert opened(front, key) == principal
    assert (principal.created_at, principal.last4, principal.name) == (NOW, key[-4:], "laptop")
    assert is_pseudonym(principal.person or "")
    other = elsewhere(front)
    assert opened(other, key) == principal


@pytest.mark.parametrize(
    ("role", "prefix"),
    [
        ("admin", "wba_"),
        ("finops", "wba_"),
        ("auditor", "wba_"),
        ("lead", "wb_"),
        ("member", "wb_"),
        ("service", "wb_"),
    ],
)
def test_a_key_shows_by_its_beginning_whether_it_can_call(front: FakeFront, role: str, prefix: str) -> None:
    _, key = front.changes.create_key(NewKey(role=role, team="search"), by=BY, now=NOW)
    assert key is not None
    assert key.startswith(prefix)
    assert opened(front, key).role == role


@pytest.mark.parametrize(
    ("new", "answer"),
    [
        (NewKey(team="nobody"), ("team_unknown", 400)),
        (NewKey(), ("team_required", 400)),
        (NewKey(role="lead"), ("team_required", 400)),
        (NewKey(role="service", application="nothing"), ("application_unknown", 400)),
        (NewKey(team="search", expires_at=NOW), ("expiry_past", 400)),
        (NewKey(team="search", expires_at=NOW - HOUR), ("expiry_past", 400)),
        (NewKey(team="search", expires_at=datetime(2027, 1, 1)), ("bad_value", 400)),
        (NewKey(team="search", name="x" * 129), ("bad_value", 400)),
        (NewKey(team="search", name="a\nb"), ("bad_value", 400)),
        (NewKey(team="search", person=" "), ("bad_value", 400)),
        (NewKey(team="search", person="x" * 129), ("bad_value", 400)),
        (NewKey(team="search", models=("x",) * 65), ("bad_value", 400)),
        (NewKey(team="search", models=("",)), ("bad_value", 400)),
        (NewKey(team="search", initiatives=("caf\xe9",)), ("bad_value", 400)),
        (NewKey(team="search", locked=("epic",)), ("bad_value", 400)),
        (NewKey(team="search", locked=("day",)), ("bad_value", 400)),
        (NewKey(team="search", tags={"team": "ads"}), ("bad_value", 400)),
        (NewKey(team="search", tags={"engineer": "ada"}), ("bad_value", 400)),
        (NewKey(team="search", tags={"day": "x"}), ("tag_malformed", 400)),
        (NewKey(team="search", tags={"env": "x" * 129}), ("tag_malformed", 400)),
        (NewKey(team="search", tags={"env": "a", "stage": "b"}), ("tag_conflict", 400)),
        (NewKey(team="search", tags={f"t{n}": "x" for n in range(17)}), ("tag_malformed", 400)),
        (NewKey(team="search", tags={"epic": "PROJ-9"}), ("initiative_unknown", 400)),
        (NewKey(team="search", tags={"epic": "PROJ-1"}, initiatives=("A-*",)), ("tag_not_allowed", 400)),
    ],
)
def test_a_key_that_must_not_be_is_refused_and_nothing_is_written(
    front: FakeFront, new: NewKey, answer: tuple[str, int]
) -> None:
    before = front.ledger.entries()
    assert code(lambda: front.changes.create_key(new, by=BY, now=NOW)) == answer
    assert front.ledger.entries() == before


@pytest.mark.parametrize(
    "new",
    [
        NewKey(team="search", expires_at=NOW + TICK),
        NewKey(team="search", name="x" * 128, person="x" * 128),
        NewKey(application="shop"),
        NewKey(role="admin"),
        NewKey(team="search", models=("x",) * 64, initiatives=("PROJ-*",), tags={"epic": "old-1", "env": "run"}),
        NewKey(team="search", tags={f"t{n}": "x" for n in range(16)}, locked=("initiative", "t1")),
    ],
)
def test_the_last_key_that_fits_is_made(front: FakeFront, new: NewKey) -> None:
    principal, key = front.changes.create_key(new, by=BY, now=NOW)
    assert key is not None
    assert opened(front, key) == principal


def test_a_keys_own_tags_are_kept_under_their_one_names_and_people_in_them_by_pseudonym(front: FakeFront) -> None:
    principal, _ = front.key(team="search", tags={"Env": " run ", "customer": "ada@example.org"})
    assert principal.tags["environment"] == "run"
    assert is_pseudonym(principal.tags["customer"])


def test_a_revoked_key_stays_revoked(front: FakeFront) -> None:
    principal, key = front.key(team="search")
    ended = front.changes.revoke_key(principal.key_id, reason="left on a bus", by=BY, now=NOW + HOUR)
    assert ended.revoked_at == NOW + HOUR
    again = code(lambda: front.changes.revoke_key(principal.key_id, by=BY, now=NOW + 2 * HOUR))
    assert again == ("key_already_revoked", 409)
    assert code(lambda: front.changes.revoke_key("key_nobody", by=BY, now=NOW)) == ("key_unknown", 404)
    with pytest.raises(Refused, match="revoked"):
        opened(front, key)


IDS = ["a", "a" * 64, "0", "a.b-c_d"]
NO_IDS = ["", "a" * 65, "A", "-a", ".", "a b", "a/b", "caf\xe9", "a\n", "a\x00", "../a", "a,b", "=a", "' or 1=1"]


@pytest.mark.parametrize("name", IDS)
def test_an_id_that_fits_makes_a_team_and_an_application(front: FakeFront, name: str) -> None:
    assert front.changes.create_team(NewTeam(id=name), by=BY, now=NOW).id == name
    assert front.changes.create_application(NewApplication(id=name), by=BY, now=NOW).id == name


@pytest.mark.parametrize("name", NO_IDS)
def test_an_id_that_does_not_fit_is_refused(front: FakeFront, name: str) -> None:
    assert code(lambda: front.changes.create_team(NewTeam(id=name), by=BY, now=NOW)) == ("bad_id", 400)
    assert code(lambda: front.changes.create_application(NewApplication(id=name), by=BY, now=NOW)) == ("bad_id", 400)
    if name != "A":
        assert code(lambda: front.changes.create_initiative(NewInitiative(id=name), by=BY, now=NOW)) == ("bad_id", 400)


@pytest.mark.parametrize(
    ("new", "answer"),
    [
        (NewTeam(id="search"), ("team_taken", 409)),
        (NewTeam(id="new", parent="new"), ("parent_cycle", 400)),
        (NewTeam(id="new", parent="nobody"), ("team_unknown", 400)),
        (NewTeam(id="new", cost_centre="caf\xe9"), ("bad_value", 400)),
        (NewTeam(id="new", name="\x1b[31m"), ("bad_value", 400)),
    ],
)
def test_a_team_that_must_not_be_is_refused(front: FakeFront, new: NewTeam, answer: tuple[str, int]) -> None:
    assert code(lambda: front.changes.create_team(new, by=BY, now=NOW)) == answer


def test_a_team_belongs_to_a_team(front: FakeFront) -> None:
    assert front.changes.create_team(NewTeam(id="new", parent="search"), by=BY, now=NOW).parent == "search"


@pytest.mark.parametrize(
    ("new", "answer"),
    [
        (NewApplication(id="shop"), ("application_taken", 409)),
        (NewApplication(id="new", team="nobody"), ("team_unknown", 400)),
        (NewApplication(id="new", tags={"team": "search"}), ("bad_value", 400)),
        (NewApplication(id="new", tags={"epic": "PROJ-9"}), ("initiative_unknown", 400)),
    ],
)
def test_an_application_that_must_not_be_is_refused(
    front: FakeFront, new: NewApplication, answer: tuple[str, int]
) -> None:
    assert code(lambda: front.changes.create_application(new, by=BY, now=NOW)) == answer


def test_a_person_is_in_the_book_by_pseudonym_only(front: FakeFront) -> None:
    made = front.changes.create_person("Ada@Example.org", team="search", by=BY, now=NOW)
    assert is_pseudonym(made.id)
    again = code(lambda: front.changes.create_person(" ada@example.org", by=BY, now=NOW))
    assert again == ("person_taken", 409)
    front.key(team="search", person="Ada@Example.org")
    written = b"".join(bytes(one.entry.body) for one in front.ledger.entries()).lower()
    # With its sign: three letters alone are also in one hexadecimal digest of a hundred.
    assert b"ada@" not in written
    for wrong in ("", "  ", "a\x00b", "x" * 129):
        assert code(lambda wrong=wrong: front.changes.create_person(wrong, by=BY, now=NOW)) == ("bad_value", 400)
    assert code(lambda: front.changes.create_person("bob", team="nobody", by=BY, now=NOW)) == ("team_unknown", 400)


@pytest.mark.parametrize(
    ("new", "answer"),
    [
        (NewInitiative(id="PROJ-1"), ("name_taken", 409)),
        (NewInitiative(id="proj-1"), ("name_taken", 409)),
        (NewInitiative(id="OLD-1"), ("name_taken", 409)),
        (NewInitiative(id="NEW-1", aliases=("old-1",)), ("name_taken", 409)),
        (NewInitiative(id="NEW-1", aliases=("a b",)), ("bad_id", 400)),
        (NewInitiative(id="NEW-1", aliases=("",)), ("bad_id", 400)),
        (NewInitiative(id="NEW-1", aliases=tuple(f"a{n}" for n in range(33))), ("bad_value", 400)),
        (NewInitiative(id="NEW-1", parent="NEW-1"), ("parent_cycle", 400)),
        (NewInitiative(id="NEW-1", parent="new-1"), ("parent_cycle", 400)),
        (NewInitiative(id="NEW-1", parent="PROJ-9"), ("initiative_unknown", 400)),
        (NewInitiative(id="NEW-1", parent="old-1"), ("initiative_unknown", 400)),
        (NewInitiative(id="NEW-1", team="nobody"), ("team_unknown", 400)),
        (NewInitiative(id="NEW-1", title="x" * 129), ("bad_value", 400)),
        (NewInitiative(id="NEW-1", owner_role="a\tb"), ("bad_value", 400)),
        (NewInitiative(id="NEW-1", opened_at=datetime(2026, 1, 1)), ("bad_value", 400)),
    ],
)
def test_an_initiative_that_must_not_be_is_refused(
    front: FakeFront, new: NewInitiative, answer: tuple[str, int]
) -> None:
    assert code(lambda: front.changes.create_initiative(new, by=BY, now=NOW)) == answer


def test_an_initiative_lives_through_names_ends_and_beginnings(front: FakeFront) -> None:
    changes = front.changes
    made = changes.create_initiative(NewInitiative(id="NEW-1", parent="PROJ-1", aliases=("n1",)), by=BY, now=NOW)
    assert (made.status, made.aliases, made.opened_at) == ("open", ("n1",), NOW)
    assert changes.alias_initiative("NEW-1", "n2#7", by=BY, now=NOW).aliases == ("n1", "n2#7")
    closed = changes.close_initiative("NEW-1", closed_at=NOW - HOUR, by=BY, now=NOW)
    assert (closed.status, closed.closed_at) == ("closed", NOW - HOUR)
    assert changes.reopen_initiative("NEW-1", by=BY, now=NOW).closed_at is None
    assert changes.close_initiative("NEW-1", by=BY, now=NOW + HOUR).closed_at == NOW + HOUR
    assert elsewhere(front).registry.initiatives == front.registry.initiatives


def test_what_an_initiative_is_already_it_does_not_become(front: FakeFront) -> None:
    changes = front.changes
    assert code(lambda: changes.reopen_initiative("PROJ-1", by=BY, now=NOW)) == ("initiative_open", 409)
    assert code(lambda: changes.alias_initiative("PROJ-1", "old-1", by=BY, now=NOW)) == ("name_taken", 409)
    assert code(lambda: changes.alias_initiative("PROJ-1", "proj-1", by=BY, now=NOW)) == ("name_taken", 409)
    future = code(lambda: changes.close_initiative("PROJ-1", closed_at=NOW + TICK, by=BY, now=NOW))
    assert future == ("bad_value", 400)
    changes.close_initiative("PROJ-1", closed_at=NOW, by=BY, now=NOW)
    assert code(lambda: changes.close_initiative("PROJ-1", by=BY, now=NOW)) == ("initiative_closed", 409)
    for change in (changes.close_initiative, changes.reopen_initiative):
        assert code(lambda change=change: change("PROJ-9", by=BY, now=NOW)) == ("initiative_unknown", 404)
    assert code(lambda: changes.alias_initiative("PROJ-9", "x", by=BY, now=NOW)) == ("initiative_unknown", 404)


def test_T77_the_same_request_again_gives_the_same_answer_and_changes_nothing(front: FakeFront) -> None:
    changes = front.changes
    by = changes.by("key_a", idempotency_key="once", request=b"POST /keys {}")
    principal, key = changes.create_key(NewKey(team="search"), by=by, now=NOW)
    assert key is not None
    written = front.ledger.entries()
    for again in (changes, elsewhere(front).changes):
        assert again.create_key(NewKey(team="search"), by=by, now=NOW + HOUR) == (principal, None)
    assert front.ledger.entries() == written


def test_T77_another_request_under_the_same_idempotency_key_is_refused(front: FakeFront) -> None:
    changes = front.changes
    changes.create_team(NewTeam(id="a"), by=changes.by("k", idempotency_key="once", request=b"a"), now=NOW)
    other = changes.by("k", idempotency_key="once", request=b"b")
    assert code(lambda: changes.create_team(NewTeam(id="b"), by=other, now=NOW)) == ("idempotency_key_reused", 409)
    assert code(lambda: changes.create_key(NewKey(), by=other, now=NOW)) == ("idempotency_key_reused", 409)


def test_T77_each_actor_has_idempotency_keys_of_its_own(front: FakeFront) -> None:
    changes = front.changes
    for actor, name in (("key_a", "a"), ("key_b", "b"), ("key_", "c")):
        by = changes.by(actor, idempotency_key="once", request=b"same")
        assert changes.create_team(NewTeam(id=name), by=by, now=NOW).id == name


def test_T77_neither_idempotency_key_nor_request_can_be_read_from_the_book(front: FakeFront) -> None:
    by = front.changes.by("key_a", idempotency_key="secret-word", request=b"ada@example.org")
    front.changes.create_team(NewTeam(id="a"), by=by, now=NOW)
    written = b"".join(bytes(one.entry.body) for one in front.ledger.entries())
    assert b"secret-word" not in written
    # With its sign: three letters alone are also in one hexadecimal digest of a hundred.
    assert b"ada@" not in written


def test_a_refused_change_can_be_made_later_under_the_same_idempotency_key(front: FakeFront) -> None:
    changes = front.changes
    by = changes.by("k", idempotency_key="once", request=b"r")
    assert code(lambda: changes.create_team(NewTeam(id="b", parent="later"), by=by, now=NOW)) == ("team_unknown", 400)
    front.team("later")
    assert changes.create_team(NewTeam(id="b", parent="later"), by=by, now=NOW).parent == "later"


def test_T64_the_first_admin_key_is_made_once_in_the_life_of_a_book(front: FakeFront) -> None:
    key = front.changes.first_admin_key(NOW)
    assert key is not None
    assert (opened(front, key).role, opened(front, key).key_id) == ("admin", FIRST_ADMIN)
    assert front.changes.first_admin_key(NOW) is None
    assert elsewhere(front).changes.first_admin_key(NOW) is None
    front.changes.revoke_key(FIRST_ADMIN, by=BY, now=NOW)
    assert front.changes.first_admin_key(NOW) is None


def test_T64_there_is_no_first_admin_key_where_somebody_made_one_be_it_revoked(front: FakeFront) -> None:
    principal, _ = front.key("admin")
    assert front.changes.first_admin_key(NOW) is None
    front.changes.revoke_key(principal.key_id, by=BY, now=NOW)
    assert front.changes.first_admin_key(NOW) is None


def test_T64_keys_of_other_roles_do_not_stand_in_for_the_first_admin_key(front: FakeFront) -> None:
    front.key("finops")
    front.key("member", team="search")
    assert front.changes.first_admin_key(NOW) is not None


def test_a_change_says_by_which_door_it_came() -> None:
    ledger = MemoryLedger()
    demo = Changes(ledger, Registry(PEPPER), PEPPER, source="demo")
    demo.create_team(NewTeam(id="a"), by=BY, now=datetime(2026, 11, 1, tzinfo=UTC))
    assert [(one.entry.source, one.entry.kind) for one in ledger.rows] == [("demo", "team")]
    assert ledger.rows[0].entry.fields()["by"] == {"actor": "cli"}
