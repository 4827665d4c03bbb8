"""One value a dimension: which channel wins, what a client cannot change, and what a session remembers."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations

import msgspec
import pytest

from gateway.errors import Refused
from gateway.ledger.entry import Entry
from gateway.memo import REMEMBERED_MAX
from gateway.records import Principal, SessionTagged
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.tags import IDENTITY, Tagged, initiative_in, may_charge, resolve
from policies.tags import CLIENT_SOURCES, CLOSED_GRACE_DAYS, DEFAULT_SOURCES, Source, value_fits
from tests.fakes.front import BY, NOW, PEPPER, SETTINGS, FakeFront, entry

LOOSE = replace(SETTINGS, locked_dimensions=())
SESSION = "session-1"


def front() -> FakeFront:
    made = FakeFront()
    made.team("search", "ads")
    for number in range(1, 10):
        made.initiative(f"PROJ-{number}", team="search")
    made.application("shop", team="search", tags={"epic": "PROJ-9", "env": "run", "workflow": "of-app"})
    return made


def tagged(
    made: FakeFront,
    principal: Principal,
    headers: dict[str, str] | None = None,
    *,
    url: str | None = None,
    metadata: dict[str, str] | None = None,
    user: str | None = None,
    session: str | None = None,
    settings: Settings = SETTINGS,
    now: datetime = NOW,
) -> Tagged:
    raw = tuple((name.encode(), value.encode()) for name, value in (headers or {}).items())
    return resolve(
        made.registry,
        principal,
        raw,
        url_initiative=url,
        body_metadata=metadata or {},
        user=user,
        session_id=session,
        settings=settings,
        now=now,
    )


def refusal(made: FakeFront, principal: Principal, headers: dict[str, str], **said: object) -> tuple[str, int]:
    with pytest.raises(Refused) as refused:
        tagged(made, principal, headers, **said)
    return refused.value.refusal.code, refused.value.refusal.status


SAYING: dict[Source, tuple[str, dict[str, object]]] = {
    "header": ("PROJ-1", {"headers": {"x-ai-tags": "epic=PROJ-1"}}),
    "body": ("PROJ-2", {"metadata": {"epic": "PROJ-2"}}),
    "baggage": ("PROJ-3", {"headers": {"baggage": "epic=PROJ-3"}}),
    "url": ("PROJ-4", {"url": "PROJ-4"}),
    "session": ("PROJ-5", {"session": SESSION}),
    "branch": ("PROJ-6", {"headers": {"x-weighbridge-branch": "feature/PROJ-6-x"}}),
    "key_default": ("PROJ-7", {}),
    "app_default": ("PROJ-9", {}),
}
"""How each channel names its own initiative."""


def saying(*sources: Source) -> Tagged:
    """Give the tags of a request in which just these channels speak."""
    made = front()
    own: dict[str, object] = {"tags": {"epic": "PROJ-7"}} if "key_default" in sources else {}
    principal, _ = made.key(team="search", application="shop" if "app_default" in sources else None, **own)
    if "session" in sources:
        tagged(made, principal, {"x-ai-tags": "epic=PROJ-5"}, session=SESSION)
    said: dict[str, object] = {}
    for source in sources:
        for name, value in SAYING[source][1].items():
            said[name] = said.get(name, {}) | value if isinstance(value, dict) else value
    return tagged(made, principal, **said)


@pytest.mark.parametrize("source", SAYING)
def test_T25_each_channel_alone_names_the_initiative(source: Source) -> None:
    found = saying(source)
    assert (found.tags["initiative"], found.sources["initiative"]) == (SAYING[source][0], source)


@pytest.mark.parametrize(("stronger", "weaker"), list(combinations(SAYING, 2)))
def test_T25_of_any_two_channels_the_stronger_wins(stronger: Source, weaker: Source) -> None:
    for found in (saying(stronger, weaker), saying(weaker, stronger)):
        assert (found.tags["initiative"], found.sources["initiative"]) == (SAYING[stronger][0], stronger)


def test_T25_of_all_channels_at_once_the_header_wins_and_nobody_is_flagged() -> None:
    found = saying(*SAYING)
    assert (found.tags["initiative"], found.sources["initiative"], found.flags) == ("PROJ-1", "header", ())


def test_the_order_of_channels_is_this_one() -> None:
    assert tuple(SAYING) == (*CLIENT_SOURCES, *DEFAULT_SOURCES)


@pytest.mark.parametrize("source", ["header", "body", "baggage"])
@pytest.mark.parametrize("name", IDENTITY)
def test_T26_no_client_changes_whose_key_it_is(source: str, name: str) -> None:
    made = front()
    principal, _ = made.key(team="search", application="shop", person="ada@example.org")
    said = {
        "header": {"headers": {"x-ai-tags": f"{name}=other"}},
        "body": {"metadata": {name: "other"}},
        "baggage": {"headers": {"baggage": f"{name}=other"}},
    }[source]
    found = tagged(made, principal, settings=LOOSE, **said)
    own = {"team": "search", "application": "shop", "person": principal.person}
    assert found.tags[name] == own[name]
    assert found.sources[name] == "locked_key"
    assert found.flags == (f"locked:{name}",)


def test_a_client_that_says_what_is_locked_anyway_is_not_flagged() -> None:
    made = front()
    principal, _ = made.key(team="search")
    assert tagged(made, principal, {"x-ai-tags": "team=search"}).flags == ()


def test_a_dimension_locked_by_the_settings_is_the_keys_or_nobodys() -> None:
    made = front()
    principal, _ = made.key(team="search", tags={"product": "desk"})
    locked = replace(SETTINGS, locked_dimensions=("product", "workflow"))
    found = tagged(made, principal, {"x-ai-tags": "product=other, workflow=other, env=run"}, settings=locked)
    assert found.tags["product"] == "desk"
    assert "workflow" not in found.tags
    assert found.tags["environment"] == "run"
    assert set(found.flags) == {"locked:product", "locked:workflow"}
    assert found.sources["product"] == "locked_key"


def test_a_dimension_locked_by_the_key_is_locked_for_this_key_alone() -> None:
    made = front()
    one, _ = made.key(team="search", tags={"epic": "PROJ-7"}, locked=("initiative",))
    two, _ = made.key(team="search", tags={"epic": "PROJ-7"})
    assert tagged(made, one, {"x-ai-tags": "epic=PROJ-1"}, url="PROJ-2", session=SESSION).tags["initiative"] == "PROJ-7"
    assert tagged(made, two, {"x-ai-tags": "epic=PROJ-1"}).tags["initiative"] == "PROJ-1"


def test_cost_follows_the_team_whatever_the_client_says() -> None:
    made = front()
    principal, _ = made.key(team="search")
    found = tagged(made, principal, {"x-ai-tags": "cost_centre=cheap"})
    assert (found.tags["cost_centre"], found.flags) == ("cc-search", ("locked:cost_centre",))


def test_an_application_says_what_its_calls_are_when_nobody_else_does() -> None:
    made = front()
    principal, _ = made.key(application="shop", tags={"workflow": "of-key"})
    found = tagged(made, principal)
    assert found.tags == {
        "application": "shop", "team": "search", "cost_centre": "cc-search", "initiative": "PROJ-9",
        "environment": "run", "workflow": "of-key",
    }  # fmt: skip
    assert found.sources["workflow"] == "key_default"
    assert found.sources["environment"] == "app_default"
    assert found.sources["team"] == "locked_key"


@pytest.mark.parametrize(
    ("patterns", "initiative", "may"),
    [
        ((), "PROJ-1", True),
        (("PROJ-1",), "PROJ-1", True),
        (("PROJ-1",), "PROJ-10", False),
        (("PROJ-*",), "PROJ-10", True),
        (("PROJ-*",), "proj-10", False),
        (("PROJ-*",), "XPROJ-1", False),
        (("A-*", "PROJ-[12]"), "PROJ-2", True),
        (("A-*", "PROJ-[12]"), "PROJ-3", False),
        (("*",), "anything", True),
    ],
)
def test_T26_which_initiatives_a_key_may_charge(patterns: tuple[str, ...], initiative: str, may: bool) -> None:
    assert may_charge(patterns, initiative) is may


@pytest.mark.parametrize("source", ["header", "body", "baggage", "url", "branch"])
@pytest.mark.parametrize("said", ["PROJ-2", "PROJ-77"])
def test_T26_a_key_charges_no_initiative_outside_its_own_by_any_channel(source: Source, said: str) -> None:
    made = front()
    principal, _ = made.key(team="search", initiatives=("PROJ-1", "PROJ-3"))
    other = {
        "header": {"headers": {"x-ai-tags": f"epic={said}"}},
        "body": {"metadata": {"epic": said}},
        "baggage": {"headers": {"baggage": f"epic={said}"}},
        "url": {"url": said},
        "branch": {"headers": {"x-weighbridge-branch": said}},
    }[source]
    with pytest.raises(Refused) as refused:
        tagged(made, principal, **other)
    assert (refused.value.refusal.code, refused.value.refusal.status) == ("tag_not_allowed", 403)
    assert "PROJ-1, PROJ-3" in refused.value.refusal.message


def test_T26_another_name_of_an_allowed_initiative_is_that_initiative() -> None:
    made = front()
    made.changes.alias_initiative("PROJ-1", "old-name", by=BY, now=NOW)
    principal, _ = made.key(team="search", initiatives=("PROJ-1",))
    found = tagged(made, principal, {"x-ai-tags": "epic=OLD-name"})
    assert (found.tags["initiative"], found.initiative_status) == ("PROJ-1", "ok_alias")
    made.changes.alias_initiative("PROJ-2", "PROJ-1b", by=BY, now=NOW)
    assert refusal(made, principal, {"x-ai-tags": "epic=PROJ-1b"}) == ("tag_not_allowed", 403)


def test_what_a_session_named_holds_for_its_next_requests_and_for_no_other_keys() -> None:
    made = front()
    one, _ = made.key(team="search")
    two, _ = made.key(team="search")
    assert "initiative" not in tagged(made, one, session=SESSION).tags
    tagged(made, one, {"x-ai-tags": "epic=PROJ-1"}, session=SESSION)
    found = tagged(made, one, session=SESSION)
    assert (found.tags["initiative"], found.sources["initiative"]) == ("PROJ-1", "session")
    assert "initiative" not in tagged(made, two, session=SESSION).tags
    assert "initiative" not in tagged(made, one, session="session-2").tags
    assert "initiative" not in tagged(made, one).tags


def test_a_session_learns_each_change_once_and_tells_other_processes() -> None:
    made = front()
    principal, _ = made.key(team="search")
    first = tagged(made, principal, {"x-ai-tags": "epic=proj-1"}, session=SESSION)
    assert isinstance(first.remember, Entry)
    body = msgspec.json.decode(first.remember.body, type=SessionTagged)
    assert body == SessionTagged(session_id=SESSION, key_id=principal.key_id, initiative="PROJ-1")
    assert tagged(made, principal, {"x-ai-tags": "epic=PROJ-1"}, session=SESSION).remember is None
    assert tagged(made, principal, session=SESSION).remember is None
    second = tagged(made, principal, {"x-ai-tags": "epic=PROJ-2"}, session=SESSION)
    assert second.remember is not None

    elsewhere = FakeFront(made.ledger)
    made.ledger.append((first.remember, second.remember))
    elsewhere.registry.refresh(made.ledger)
    assert tagged(elsewhere, principal, session=SESSION).tags["initiative"] == "PROJ-2"


def test_defaults_and_branches_are_not_taken_for_what_a_session_named() -> None:
    made = front()
    principal, _ = made.key(team="search", tags={"epic": "PROJ-7"})
    assert tagged(made, principal, {"x-weighbridge-branch": "PROJ-6"}, session=SESSION).remember is None
    assert tagged(made, principal, session=SESSION).remember is None


@pytest.mark.parametrize(
    ("branch", "found"),
    [
        ("PROJ-1", "PROJ-1"),
        ("feature/PROJ-1-add-x", "PROJ-1"),
        ("feature/proj-1-add-x", "proj-1"),
        ("fix/UTF-8-names-PROJ-1", "PROJ-1"),
        ("fix/utf-8-names-proj-1", "proj-1"),
        ("fix/UTF-8-names", "UTF-8"),
        ("fix/utf-8-names", None),
        ("NEW-77", "NEW-77"),
        ("main", None),
        ("", None),
    ],
)
def test_a_branch_names_the_initiative_it_holds(branch: str, found: str | None) -> None:
    assert initiative_in(branch, SETTINGS.initiative_pattern, front().registry) == found


def test_a_pattern_with_a_group_gives_the_group() -> None:
    registry = front().registry
    assert initiative_in("work/PROJ-1_x", r"work/([A-Z]+-\d+)_", registry) == "PROJ-1"
    assert initiative_in("work/x", r"work/(?:x|([A-Z]+-\d+))", registry) is None


def test_a_branch_is_read_from_a_tag_too() -> None:
    made = front()
    principal, _ = made.key(team="search")
    for name in ("branch", "git_branch"):
        assert tagged(made, principal, {"x-ai-tags": f"{name}=x/PROJ-6"}).tags["initiative"] == "PROJ-6"
        assert "branch" not in tagged(made, principal, metadata={name: "x/PROJ-6"}).tags


def test_labels_are_kept_in_one_line_and_carry_no_cost() -> None:
    made = front()
    principal, _ = made.key(team="search")
    found = tagged(made, principal, {"x-litellm-tags": "alpha,beta", "x-ai-tags": "gamma"})
    assert (found.tags["labels"], found.sources["labels"]) == ("alpha,beta,gamma", "header")
    many = tagged(made, principal, {"x-litellm-tags": ",".join(f"label-{n}" for n in range(60))})
    assert len(many.tags["labels"]) <= 128
    assert value_fits(many.tags["labels"])


def test_words_of_the_house_go_before_the_usual_ones() -> None:
    made = front()
    principal, _ = made.key(team="search")
    house = replace(SETTINGS, tag_aliases={"squad": "workflow", "epic": "product"})
    found = tagged(made, principal, {"x-ai-tags": "squad=a, epic=PROJ-1"}, settings=house)
    assert found.tags["workflow"] == "a"
    assert found.tags["product"] == "PROJ-1"
    assert "initiative" not in found.tags


def test_nothing_is_said_and_nothing_is_made_up() -> None:
    made = front()
    principal, _ = made.key(team="search")
    found = tagged(made, principal)
    assert found.tags == {"team": "search", "cost_centre": "cc-search"}
    assert (found.initiative_status, found.flags, found.warning, found.remember) == ("none", (), None, None)


def test_a_change_of_the_registry_is_seen_by_the_very_next_request() -> None:
    made = front()
    principal, _ = made.key(team="search")
    strict = replace(SETTINGS, unknown_initiative="flag")
    said = {"x-ai-tags": "epic=NEW-1"}
    assert tagged(made, principal, said, settings=strict).initiative_status == "unknown"
    made.initiative("NEW-1")
    assert tagged(made, principal, said, settings=strict).initiative_status == "ok"
    made.changes.close_initiative("NEW-1", by=BY, now=NOW)
    assert tagged(made, principal, said, settings=strict).initiative_status == "closed"


def test_new_settings_are_seen_by_the_very_next_request() -> None:
    made = front()
    principal, _ = made.key(team="search")
    said = {"x-ai-tags": "epic=NEW-1"}
    assert tagged(made, principal, said).flags == ()
    assert tagged(made, principal, said, settings=replace(SETTINGS, unknown_initiative="flag")).flags == (
        "initiative_unknown",
    )
    assert refusal(made, principal, said, settings=replace(SETTINGS, unknown_initiative="deny")) == (
        "initiative_unknown", 400,
    )  # fmt: skip


def test_days_of_grace_end_with_time_though_nothing_else_changes() -> None:
    made = front()
    principal, _ = made.key(team="search")
    made.changes.close_initiative("PROJ-1", by=BY, now=NOW)
    strict = replace(SETTINGS, unknown_initiative="deny")
    said = {"x-ai-tags": "epic=PROJ-1"}
    last = NOW + timedelta(days=CLOSED_GRACE_DAYS)
    assert tagged(made, principal, said, settings=strict).flags == ("initiative_closed",)
    still = tagged(made, principal, said, settings=strict, now=last - timedelta(microseconds=1))
    assert still.initiative_status == "closed"
    assert refusal(made, principal, said, settings=strict, now=last) == ("initiative_closed", 400)


def test_what_was_worked_out_for_one_key_is_never_given_to_another() -> None:
    made = front()
    one, _ = made.key(team="search")
    two, _ = made.key(team="ads")
    said = {"x-ai-tags": "epic=PROJ-1"}
    assert [tagged(made, key, said).tags["team"] for key in (one, two, one, two)] == ["search", "ads", "search", "ads"]


def test_the_memory_of_what_was_worked_out_has_an_end() -> None:
    made = front()
    principal, _ = made.key(team="search")
    for number in range(REMEMBERED_MAX + 10):
        tagged(made, principal, {"x-ai-tags": f"workflow=w{number}"})
    assert len(made.registry.memo.over(SETTINGS)) <= REMEMBERED_MAX + 1


def test_an_entry_of_a_session_from_the_past_does_not_undo_what_came_later() -> None:
    made = FakeFront()
    later, earlier = (SessionTagged(session_id="s", key_id="k", initiative=name) for name in ("PROJ-2", "PROJ-1"))
    made.ledger.append(
        (entry("a", "session_tag", later, NOW), entry("b", "session_tag", earlier, NOW.replace(hour=11)))
    )
    registry = Registry(PEPPER)
    registry.refresh(made.ledger)
    assert registry.session_initiative("k", "s") == "PROJ-2"
