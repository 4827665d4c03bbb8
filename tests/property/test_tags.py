"""What holds of tags for all words a client can send: one value each, always printable, the same in any order."""

from contextlib import suppress
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.keys import is_pseudonym
from gateway.records import REGISTRY_KINDS
from gateway.registry import Registry
from gateway.tag_channels import SESSION_HEADERS, TAG_HEADERS, Offer, read_header
from gateway.tags import Tagged, may_charge, resolve, session_of
from policies.tags import (
    CLIENT_SOURCES,
    DEFAULT_SOURCES,
    DIMENSIONS,
    RESERVED,
    TAGS_MAX,
    choose,
    dimension,
    value_fits,
)
from tests.fakes.front import NOW, PEPPER, SETTINGS, FakeFront

REFUSALS = {"tag_malformed", "tag_conflict", "tag_not_allowed", "initiative_unknown", "attribution_required"}


def front() -> FakeFront:
    made = FakeFront()
    made.team("search")
    made.initiative("PROJ-1")
    made.initiative("PROJ-2", aliases=("old-2",))
    return made


HOUSE = front()
FREE, _ = HOUSE.key(team="search")
BOUND, _ = HOUSE.key(team="search", initiatives=("PROJ-1", "A?"))

NAMES = st.sampled_from(sorted(TAG_HEADERS | {b"helicone-property-epic", b"helicone-property-x y"}))
PIECES = [
    "epic=PROJ-1",
    "epic=old-2",
    "team=ads",
    "a=b",
    "label",
    ", ",
    ";",
    '"',
    "=",
    ":",
    "\\",
    " ",
    '"epic":',
    "%0a",
]
WORDS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join).map(str.encode)
HEADERS = st.lists(st.tuples(NAMES, WORDS | st.binary(max_size=40)), max_size=4)
WORD = st.none() | st.text(max_size=9)
METADATA = st.dictionaries(st.sampled_from(["epic", "user_id", "x", "team"]) | st.text(max_size=9), st.text(max_size=9))


def asked(headers, metadata=None, url=None, user=None, session=None, *, principal=FREE, policy="allow") -> Tagged | str:
    refused: Refused | None = None
    try:
        return resolve(
            HOUSE.registry,
            principal,
            headers,
            url_initiative=url,
            body_metadata=metadata or {},
            user=user,
            session_id=session,
            settings=replace(SETTINGS, unknown_initiative=policy),
            now=NOW,
        )
    except Refused as no:
        refused = no
    assert refused.refusal.code in REFUSALS
    assert refused.refusal.message.isprintable()
    return refused.refusal.code


@settings(max_examples=1000)
@given(HEADERS, METADATA, WORD, WORD, st.sampled_from(["allow", "deny"]))
@example([(b"x-ai-tags", b'a="b\r\nset-cookie: x"')], {}, None, None, "allow")
@example([(b"x-ai-tags", b"epic=PROJ-1")], {"epic": "a\r\nb"}, None, None, "allow")
@example([], {}, "PROJ-1\n", None, "allow")
@example([], {}, None, "a\r\nb@c", "allow")
def test_T45_whatever_a_client_sends_no_tag_holds_what_could_end_a_header(headers, metadata, url, user, policy) -> None:
    found = asked(headers, metadata, url, user, policy=policy)
    if isinstance(found, str):
        return
    assert set(found.tags) == set(found.sources)
    assert len(found.tags) <= 5 * TAGS_MAX
    for name, value in found.tags.items():
        assert value_fits(value)
        assert name == "labels" or (dimension(name, {}) == name and name not in RESERVED)
    for flag in found.flags:
        assert "\r" not in flag
        assert "\n" not in flag
    assert found.tags["team"] == "search"
    assert found.warning is None or found.warning.isprintable()


@given(HEADERS, METADATA, WORD)
def test_the_same_words_give_the_same_tags_remembered_or_not(headers, metadata, url) -> None:
    first = asked(headers, metadata, url)
    again = asked(list(headers), dict(metadata), url)
    HOUSE.registry.memo.clear()
    assert first == again == asked(headers, metadata, url)


@given(st.lists(st.tuples(NAMES, WORDS), max_size=4, unique_by=lambda pair: pair[0]), st.randoms())
def test_the_order_of_headers_changes_nothing(headers, chance) -> None:
    mixed = list(headers)
    chance.shuffle(mixed)
    one, other = asked(headers), asked(mixed)
    if isinstance(one, str) or isinstance(other, str):
        # More than one thing can be wrong; which one is told first may differ, that it is told may not.
        assert isinstance(one, str) == isinstance(other, str)
        return
    labels = {"labels": ""}
    assert {**one.tags, **labels} == {**other.tags, **labels}
    assert set(one.flags) == set(other.flags)


@given(HEADERS, METADATA, st.sampled_from(["PROJ-1", "PROJ-2", "old-2", "A1", "AB", "proj-1", None]))
def test_T26_a_bound_key_is_never_booked_outside_its_own_initiatives(headers, metadata, url) -> None:
    found = asked(headers, metadata, url, principal=BOUND)
    if isinstance(found, Tagged) and "initiative" in found.tags:
        assert may_charge(BOUND.initiatives, found.tags["initiative"])


VALUES = st.dictionaries(st.sampled_from(["initiative", "team", "workflow", "product"]), st.sampled_from("abc"))


@given(
    st.dictionaries(st.sampled_from(CLIENT_SOURCES), VALUES),
    st.frozensets(st.sampled_from(["initiative", "team", "workflow"])),
    st.dictionaries(st.sampled_from(DEFAULT_SOURCES), VALUES),
)
def test_T25_the_choice_is_that_of_the_plain_rule(offers, locked, defaults) -> None:
    chosen = choose(offers, locked, defaults)
    for name in ("initiative", "team", "workflow", "product"):
        spoken = [(source, offers[source][name]) for source in CLIENT_SOURCES if name in offers.get(source, {})]
        fallen = [(source, defaults[source][name]) for source in DEFAULT_SOURCES if name in defaults.get(source, {})]
        if name in locked:
            expected = [("locked_key", fallen[0][1])] if fallen else []
            assert (f"locked:{name}" in chosen.flags) == any(
                value != (fallen[0][1] if fallen else None) for _, value in spoken
            )
        else:
            expected = spoken[:1] or fallen[:1]
        got = [(chosen.sources[name], chosen.tags[name])] if name in chosen.tags else []
        assert got == expected


@given(st.binary(max_size=200))
def test_a_header_of_any_bytes_is_read_or_refused(raw: bytes) -> None:
    for name in (*TAG_HEADERS, b"helicone-property-epic"):
        said = Offer("headers", {}, HOUSE.registry.person)
        with suppress(Refused):
            read_header(name, raw, said, {})
        assert all(value_fits(value) for value in said.tags.values())
        assert set(said.tags) <= DIMENSIONS | {dimension(tag, {}) for tag in said.tags}


@given(st.text(max_size=30))
def test_a_person_is_in_no_tag_but_by_pseudonym(name: str) -> None:
    found = asked([], {"engineer": name, "user": f"{name}@x.org"})
    if isinstance(found, Tagged):
        for dimension_ in ("person", "customer"):
            assert dimension_ not in found.tags or is_pseudonym(found.tags[dimension_])


SESSIONS = st.lists(st.tuples(st.sampled_from(sorted(SESSION_HEADERS)), st.binary(max_size=60)), max_size=5)


@given(SESSIONS, st.none() | st.text(max_size=60))
def test_a_session_id_is_short_and_visible_or_none(headers, user) -> None:
    found = session_of(tuple(headers), user)
    assert found is None or (0 < len(found) <= 128 and found.isascii() and found.isprintable())


def test_the_registry_is_made_of_kinds_that_the_book_has() -> None:
    assert set(REGISTRY_KINDS) == {"key", "team", "application", "person", "initiative", "session_tag"}
    assert Registry(PEPPER).refresh(HOUSE.ledger) == len(HOUSE.ledger.rows)
