"""What becomes of a call by what its initiative is and what the settings say: allow, flag or deny."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.attribution import LISTED_MAX, Judged, judge, nearest, open_initiatives
from gateway.errors import Refused
from policies.tags import CLOSED_GRACE_DAYS, Chosen, Policy, Status, verdict
from tests.fakes.front import BY, NOW, SETTINGS, FakeFront

GRACE = timedelta(days=CLOSED_GRACE_DAYS)


@pytest.mark.parametrize(
    ("status", "in_grace", "grandfathered", "allow", "flag", "deny"),
    [
        ("ok", False, False, "allow", "allow", "allow"),
        ("ok_alias", False, False, "allow", "allow", "allow"),
        ("closed", True, False, "flag", "flag", "flag"),
        ("closed", False, False, "allow", "flag", "deny"),
        ("closed", False, True, "allow", "flag", "flag"),
        ("unknown", False, False, "allow", "flag", "deny"),
        ("unknown", False, True, "allow", "flag", "flag"),
        ("none", False, False, "allow", "flag", "deny"),
    ],
)
def test_the_verdict_is_a_table(
    status: Status, in_grace: bool, grandfathered: bool, allow: Policy, flag: Policy, deny: Policy
) -> None:
    for policy, outcome in (("allow", allow), ("flag", flag), ("deny", deny)):
        assert verdict(status, policy, in_grace=in_grace, grandfathered=grandfathered) == outcome


def house() -> FakeFront:
    front = FakeFront()
    front.team("search", "ads")
    front.initiative("PROJ-1", team="search", aliases=("old-1",))
    front.initiative("PROJ-2", team="ads")
    front.initiative("DONE-9")
    front.changes.close_initiative("DONE-9", by=BY, now=NOW)
    return front


def judged(
    front: FakeFront, initiative: str | None, policy: Policy, *, at: timedelta = timedelta(), source: str = "header"
) -> Judged | str:
    tags = {"team": "search"} | ({"initiative": initiative} if initiative else {})
    chosen = Chosen(tags, {"initiative": source} if initiative else {}, ())
    try:
        return judge(front.registry, chosen, replace(SETTINGS, unknown_initiative=policy), NOW + at)
    except Refused as refused:
        return refused.refusal.code


@pytest.mark.parametrize(
    ("said", "policy", "status", "flags"),
    [
        ("PROJ-1", "deny", "ok", ()),
        ("old-1", "deny", "ok_alias", ()),
        ("proj-1", "deny", "ok_alias", ()),
        ("PROJ-7", "allow", "unknown", ()),
        ("PROJ-7", "flag", "unknown", ("initiative_unknown",)),
        (None, "allow", "none", ()),
        (None, "flag", "none", ("initiative_missing",)),
        ("DONE-9", "allow", "closed", ("initiative_closed",)),
    ],
)
def test_a_call_that_passes_says_how_its_initiative_stands(
    said: str | None, policy: Policy, status: Status, flags: tuple[str, ...]
) -> None:
    outcome = judged(house(), said, policy)
    assert isinstance(outcome, Judged)
    assert (outcome.status, outcome.flags) == (status, flags)
    assert (outcome.warning is not None) == bool(flags)


@pytest.mark.parametrize(("said", "code"), [("PROJ-7", "initiative_unknown"), (None, "attribution_required")])
def test_where_the_settings_deny_a_call_without_a_known_initiative_is_refused(said: str | None, code: str) -> None:
    assert judged(house(), said, "deny") == code


@pytest.mark.parametrize("said", ["PROJ-1", "proj-1", "old-1", "OLD-1"])
def test_every_name_of_an_initiative_is_booked_as_its_one_id(said: str) -> None:
    outcome = judged(house(), said, "deny")
    assert isinstance(outcome, Judged)
    assert outcome.tags["initiative"] == "PROJ-1"


def test_a_closed_initiative_is_taken_to_the_last_instant_of_its_grace() -> None:
    last = judged(house(), "DONE-9", "deny", at=GRACE - timedelta(microseconds=1))
    assert isinstance(last, Judged)
    assert last.flags == ("initiative_closed",)
    assert judged(house(), "DONE-9", "deny", at=GRACE) == "initiative_closed"


def test_a_running_session_is_not_stopped_in_the_middle() -> None:
    for said in ("PROJ-7", "DONE-9"):
        outcome = judged(house(), said, "deny", at=GRACE, source="session")
        assert isinstance(outcome, Judged)
        assert outcome.flags
        assert judged(house(), said, "deny", at=GRACE, source="branch") != outcome


def test_an_empty_registry_denies_nothing_because_no_answer_would_be_right() -> None:
    outcome = judged(FakeFront(), "PROJ-7", "deny")
    assert isinstance(outcome, Judged)
    assert (outcome.status, outcome.flags) == ("unknown", ())


def test_a_refusal_says_what_to_send_instead() -> None:
    chosen = Chosen({"initiative": "PROJ-11", "team": "search"}, {"initiative": "header"}, ())
    with pytest.raises(Refused) as refused:
        judge(house().registry, chosen, replace(SETTINGS, unknown_initiative="deny"), NOW)
    assert "Did you mean PROJ-1" in refused.value.refusal.message
    assert "Send X-AI-Tags: epic=PROJ-1." in refused.value.refusal.message


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("PROJ-11", ("PROJ-1", "PROJ-2")),
        ("PORJ-1", ("PROJ-1", "PROJ-2")),
        ("old-2", ("PROJ-1",)),
        ("zebra", ()),
        ("", ()),
    ],
)
def test_the_nearest_names_are_offered(said: str, found: tuple[str, ...]) -> None:
    assert nearest(house().registry, said) == found


def test_open_initiatives_are_the_own_teams_first_and_five_at_most() -> None:
    front = house()
    assert open_initiatives(front.registry, "ads")[0] == "PROJ-2"
    assert open_initiatives(front.registry, "search")[0] == "PROJ-1"
    assert "DONE-9" not in open_initiatives(front.registry, None)
    for number in range(10):
        front.initiative(f"MORE-{number}")
    assert len(open_initiatives(front.registry, None)) == LISTED_MAX


def test_words_nobody_knows_do_not_cost_much_however_many_initiatives_there_are() -> None:
    front = FakeFront()
    for number in range(300):
        front.initiative(f"x{'y' * 50}-{number}")
    started = time.process_time()
    nearest(front.registry, "x" + "z" * 52)
    assert time.process_time() - started < 0.5
