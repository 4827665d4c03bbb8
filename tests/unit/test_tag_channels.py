"""What each channel says: headers of four gateways, the body, baggage, sessions, and the limits of each."""

import time

import pytest

from gateway.errors import Refused
from gateway.providers.headers import allowed
from gateway.tag_channels import (
    BAGGAGE_MEMBERS_MAX,
    HEADER_BYTES_MAX,
    LABELS_MAX,
    TAG_HEADERS,
    Offer,
    is_tag_header,
    read_body,
    read_header,
    session_in,
    session_of,
)
from policies.tags import TAGS_MAX

PSEUDONYM = "per_" + "0" * 32


def offer(aliases: dict[str, str] | None = None) -> Offer:
    return Offer("headers", aliases or {}, lambda person: PSEUDONYM)


def read(name: str, value: str | bytes) -> Offer:
    said = offer()
    read_header(name.encode(), value if isinstance(value, bytes) else value.encode(), said, {})
    return said


def refusal(name: str, value: str | bytes) -> str:
    with pytest.raises(Refused) as refused:
        read(name, value)
    assert (refused.value.refusal.code, refused.value.refusal.status) == ("tag_malformed", 400)
    return refused.value.refusal.message


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("epic=PROJ-42", {"initiative": "PROJ-42"}),
        (
            "epic=PROJ-42, env=run, workflow=triage",
            {"initiative": "PROJ-42", "environment": "run", "workflow": "triage"},
        ),
        ('epic="PROJ-42"', {"initiative": "PROJ-42"}),
        ('workflow="a, b; \\"c\\" \\\\d"', {"workflow": 'a, b; "c" \\d'}),
        ("epic=PROJ-42;sure, env=run;q=0.1;r", {"initiative": "PROJ-42", "environment": "run"}),
        ('epic="PROJ-42" ;sure , env=run', {"initiative": "PROJ-42", "environment": "run"}),
        (" \tepic = PROJ-42 ,env=run,", {"initiative": "PROJ-42", "environment": "run"}),
        ("EPIC=PROJ-42", {"initiative": "PROJ-42"}),
        ("cost-centre=12", {"cost_centre": "12"}),
        ("my.thing=x", {"my_thing": "x"}),
        ("epic=", {}),
        ("", {}),
        ("epic=PROJ-42, initiative=PROJ-42", {"initiative": "PROJ-42"}),
        ("engineer=ada@example.org", {"person": PSEUDONYM}),
        ("customer=ada@example.org", {"customer": PSEUDONYM}),
        ("customer=acme", {"customer": "acme"}),
    ],
)
def test_the_tag_header_is_a_dictionary_with_many_words_for_one_dimension(value: str, tags: dict[str, str]) -> None:
    assert read("x-ai-tags", value).tags == tags


@pytest.mark.parametrize(
    "value",
    ["=x", "epic=PROJ-42,,env=run", 'epic="open', 'epic="a"b', "1a=x", "a=b\x00", "ep ic=x", "\xe9pic=x", "day=1",
     "key_id=1", "epic=\xe9", "epic=" + "x" * 129, "a-b-" + "c" * 70 + "=x", "request_id=r", 'a="\\x"'],
)  # fmt: skip
def test_a_tag_header_that_cannot_be_read_in_one_way_is_refused(value: str) -> None:
    assert "x-ai-tags" in refusal("x-ai-tags", value)


def test_a_value_of_128_characters_is_the_last_that_fits() -> None:
    assert read("x-ai-tags", "epic=" + "x" * 128).tags == {"initiative": "x" * 128}
    assert "1 to 128" in refusal("x-ai-tags", "epic=" + "x" * 129)


def test_sixteen_tags_are_the_last_that_fit() -> None:
    fitting = ", ".join(f"t{n}=1" for n in range(TAGS_MAX))
    assert len(read("x-ai-tags", fitting).tags) == TAGS_MAX
    assert "at most 16 tags" in refusal("x-ai-tags", fitting + ", one=1")
    over = read("x-litellm-tags", ",".join(f"t{n}=1" for n in range(TAGS_MAX + 1)))
    assert (len(over.tags), over.flags) == (TAGS_MAX, ["tags_over_limit"])


def test_8192_bytes_of_header_are_the_last_that_are_read() -> None:
    fitting = b"a=" + b" " * (HEADER_BYTES_MAX - 3) + b"b"
    assert read("x-ai-tags", fitting).tags == {"a": "b"}
    assert "longer than 8192" in refusal("x-ai-tags", fitting + b" ")


@pytest.mark.parametrize(
    "hostile",
    [b"a=b" + b";" * 8000 + b'"', b"a=b" + b" ;" * 4000 + b'"', b"a" + b" " * 8000 + b'"', b"a=" + b" " * 8000 + b'"b',
     b'a="' + b"\\\\" * 4000, b"a;" * 4000 + b'"', b"a=b ; " * 1300 + b'"'],
)  # fmt: skip
def test_no_tag_header_takes_long_to_refuse(hostile: bytes) -> None:
    started = time.process_time()
    refusal("x-ai-tags", hostile)
    assert time.process_time() - started < 0.5


def test_T25_one_channel_that_says_two_things_is_refused() -> None:
    for name, value in (
        ("x-ai-tags", "epic=PROJ-1, jira=PROJ-2"),
        ("x-litellm-tags", "epic:PROJ-1,project=PROJ-2"),
        ("x-portkey-metadata", '{"epic":"PROJ-1","ticket":"PROJ-2"}'),
        ("baggage", "epic=PROJ-1,epic=PROJ-2"),
    ):
        with pytest.raises(Refused) as refused:
            read(name, value)
        assert refused.value.refusal.code == "tag_conflict"
        assert "PROJ-1 and PROJ-2" in refused.value.refusal.message


def test_T25_two_headers_of_one_request_must_not_contradict_each_other() -> None:
    said = offer()
    read_header(b"x-ai-tags", b"epic=PROJ-1", said, {})
    read_header(b"helicone-property-epic", b"PROJ-1", said, {})
    with pytest.raises(Refused, match="said twice"):
        read_header(b"x-portkey-metadata", b'{"initiative":"PROJ-2"}', said, {})


@pytest.mark.parametrize(
    ("value", "tags", "labels"),
    [
        ("a,b", {}, ["a", "b"]),
        ("env:run,epic=PROJ-1,alpha", {"environment": "run", "initiative": "PROJ-1"}, ["alpha"]),
        ("url=http://x", {"url": "http://x"}, []),
        ("a:b:c", {"a": "b:c"}, []),
        ("a,a, a ,", {}, ["a"]),
        ("b\xe9d,ok", {}, ["ok"]),
    ],
)
def test_litellm_tags_are_pairs_or_labels(value: str, tags: dict[str, str], labels: list[str]) -> None:
    said = read("x-litellm-tags", value)
    assert (said.tags, said.labels) == (tags, labels)


def test_labels_have_an_end() -> None:
    assert len(read("x-litellm-tags", ",".join(f"l{n}" for n in range(1000))).labels) == LABELS_MAX


@pytest.mark.parametrize("name", ["x-portkey-metadata", "x-litellm-spend-logs-metadata"])
def test_metadata_headers_are_json_objects_of_words(name: str) -> None:
    said = read(name, '{"epic":"PROJ-1","_user":"u1","tries":3,"beta":true,"none":null}')
    assert said.tags["initiative"] == "PROJ-1"
    assert said.tags["customer"] == "u1"
    for wrong in ("[]", "{", '{"a":{}}', '{"a":[1]}', "", "\xff"):
        assert "x-portkey-metadata" in refusal("x-portkey-metadata", wrong)


@pytest.mark.parametrize("name", ["x-litellm-customer-id", "x-litellm-end-user-id", "helicone-user-id"])
def test_a_customer_can_be_named_as_in_other_gateways(name: str) -> None:
    assert read(name, "acme-7").tags == {"customer": "acme-7"}


def test_what_other_gateways_carry_is_passed_over_where_it_does_not_fit_and_flagged() -> None:
    assert read("helicone-property-my thing!", "x").flags == ["tag_ignored:helicone-property-my thing!"]
    assert read("helicone-property-note", "caf\xe9").flags == ["tag_ignored:note"]
    assert read("helicone-property-day", "x").tags == {}
    assert "initiative must be" in refusal("helicone-property-epic", "caf\xe9")


def test_baggage_gives_only_what_names_a_dimension() -> None:
    said = read("baggage", "epic=PROJ%2D1;prop=1, sentry-trace=abc , team = search,novalue,userId=7")
    assert said.tags == {"initiative": "PROJ-1", "team": "search"}
    many = ",".join(f"k{n}=v" for n in range(BAGGAGE_MEMBERS_MAX))
    assert read("baggage", many + ",epic=PROJ-1").tags == {}
    assert read("baggage", many.partition(",")[2] + ",epic=PROJ-1").tags == {"initiative": "PROJ-1"}


def test_the_body_gives_only_what_names_a_dimension() -> None:
    said = offer({"squad": "team"})
    read_body(
        {"epic": "PROJ-1", "squad": "search", "conversation": "9", "trace": "\x00"}, None, said, {"squad": "team"}
    )
    assert (said.tags, said.flags) == ({"initiative": "PROJ-1", "team": "search"}, [])


def test_the_user_of_a_call_is_the_customer_unless_the_metadata_names_one() -> None:
    said = offer()
    read_body({}, "ada@example.org", said, {})
    assert said.tags == {"customer": PSEUDONYM}
    said = offer()
    read_body({"customer": "acme"}, "u-1", said, {})
    assert said.tags == {"customer": "acme"}


CLAUDE = '{"device_id":"d","account_uuid":"","session_id":"0b9f-11"}'
OLD = "user_" + "a1" * 32 + "_account__session_0b9f0000-aaaa"


@pytest.mark.parametrize(
    ("user", "session_id"),
    [
        (CLAUDE, "0b9f-11"),
        (OLD, "0b9f0000-aaaa"),
        ("ada", None),
        ('{"session_id":""}', None),
        ('{"session_id":"a b"}', None),
        ('{"session_id":7}', None),
        ("{", None),
        ('{"session_id":"' + "x" * 128 + '"}', "x" * 128),
        ('{"session_id":"' + "x" * 129 + '"}', None),
        ('{"session_id":"x","p":"' + "y" * 1024 + '"}', None),
    ],
)
def test_a_session_is_read_from_the_user_as_claude_code_writes_it(user: str, session_id: str | None) -> None:
    assert session_in(user) == session_id
    assert session_of((), user) == session_id
    said = offer()
    read_body({"user_id": user}, user, said, {})
    assert ("customer" in said.tags) == (session_id is None)


@pytest.mark.parametrize("name", [b"x-claude-code-session-id", b"session-id", b"session_id", b"x-session-id"])
def test_a_session_header_goes_before_the_body(name: bytes) -> None:
    assert session_of(((b"accept", b"*/*"), (name, b" s-1 ")), CLAUDE) == "s-1"
    assert session_of(((name, b"s 1"),), CLAUDE) is None
    assert session_of(((name, b"x" * 129),), None) is None
    assert session_of(((name, b"\xff"),), None) is None


IMPOSTORS = [
    b"x_ai_tags", b"x-ai_tags", b"x-forwarded-for", b"x-real-ip", b"forwarded", b"x-weighbridge-team",
    b"x-weighbridge-initiative", b"x_litellm_tags", b"x-user-id", b"x-team", b"x-weighbridge-cost",
]  # fmt: skip


@pytest.mark.parametrize("name", IMPOSTORS)
def test_T44_no_other_header_says_who_somebody_is(name: bytes) -> None:
    assert not is_tag_header(name)


def test_T44_no_header_that_says_who_somebody_is_travels_on() -> None:
    ours = [*TAG_HEADERS, b"helicone-property-epic", b"authorization", b"x-api-key", b"x-goog-api-key", b"cookie"]
    sent = tuple((name, b"x") for name in [*ours, *IMPOSTORS])
    assert {name for name, _ in allowed(sent)} == {b"content-type", b"accept-encoding"}
