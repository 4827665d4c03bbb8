"""What each dialect reads from a request, refuses in it and sends on."""

import json

import pytest

from gateway.errors import BadBody
from gateway.providers.address import joined
from gateway.providers.anthropic import ANTHROPIC
from gateway.providers.forbidden import FORBIDDEN
from gateway.providers.gemini import GEMINI
from gateway.providers.openai import OPENAI
from gateway.providers.provider import Asked, Dialect, Operation

ROUTES: list[tuple[Dialect, Operation]] = [
    (OPENAI, "chat"), (OPENAI, "responses"), (OPENAI, "text_completion"), (OPENAI, "embeddings"),
    (ANTHROPIC, "chat"), (ANTHROPIC, "count_tokens"), (GEMINI, "generate_content"), (GEMINI, "count_tokens"),
]  # fmt: skip
IDS = [f"{dialect.name}-{operation}" for dialect, operation in ROUTES]
LIMITS = [
    (OPENAI, "chat", "max_tokens"), (OPENAI, "chat", "max_completion_tokens"),
    (OPENAI, "responses", "max_output_tokens"), (ANTHROPIC, "chat", "max_tokens"),
    (GEMINI, "generate_content", "maxOutputTokens"), (GEMINI, "generate_content", "max_output_tokens"),
]  # fmt: skip


def read(dialect: Dialect, operation: Operation, fields: dict[str, object] | bytes, *, streamed: bool = False) -> Asked:
    gemini = dialect is GEMINI
    if isinstance(fields, dict):
        body = json.dumps(fields if gemini else {"model": "m", **fields}).encode()
    else:
        body = fields
    return dialect.read(operation, body, model="m" if gemini else None, streamed=streamed)


def sent(dialect: Dialect, asked: Asked) -> dict[str, object]:
    return json.loads(dialect.outgoing(asked, "target", ()).body)


@pytest.mark.parametrize(("dialect", "operation"), ROUTES, ids=IDS)
@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_t01_t31_fields_that_steer_a_gateway_are_refused(dialect: Dialect, operation: Operation, name: str) -> None:
    with pytest.raises(BadBody, match=name):
        read(dialect, operation, {name: "x"})


@pytest.mark.parametrize("name", ["API_BASE", "Api_Key", "apiBase", "base-url", "inputCostPerToken", "x-api-key"])
def test_t01_other_spellings_of_them_are_refused_too(name: str) -> None:
    with pytest.raises(BadBody, match="not taken from clients"):
        read(OPENAI, "chat", {name: "x"})


@pytest.mark.parametrize("name", ["Model", "MODEL", "Max_Tokens", "maxTokens", "Stream", "N", "Stream_Options"])
def test_t37_case_variants_of_what_policy_reads_are_refused(name: str) -> None:
    with pytest.raises(BadBody, match="spelled"):
        read(OPENAI, "chat", {name: 1})


@pytest.mark.parametrize(("dialect", "operation"), ROUTES, ids=IDS)
def test_unknown_fields_are_forwarded(dialect: Dialect, operation: Operation) -> None:
    asked = read(dialect, operation, {"new_thing": {"a": [1.0, "é"]}})
    assert sent(dialect, asked)["new_thing"] == {"a": [1.0, "é"]}


@pytest.mark.parametrize(("dialect", "operation", "name"), LIMITS)
@pytest.mark.parametrize("value", [b"0", b"-1", b"1e3", b"1e400", b'"100"', b"true", b"9223372036854775808", b"[1]"])
def test_t32_limits_are_strict_in_every_dialect(
    dialect: Dialect, operation: Operation, name: str, value: bytes
) -> None:
    inner = b'"' + name.encode() + b'":' + value
    body = b'{"generationConfig":{' + inner + b"}}" if dialect is GEMINI else b'{"model":"m",' + inner + b"}"
    with pytest.raises(BadBody, match=name):
        read(dialect, operation, body)


@pytest.mark.parametrize(("dialect", "operation", "name"), LIMITS)
def test_limits_are_read(dialect: Dialect, operation: Operation, name: str) -> None:
    fields: dict[str, object] = {name: 77}
    asked = read(dialect, operation, {"generationConfig": fields} if dialect is GEMINI else fields)
    assert asked.max_output_tokens == 77
    nothing: dict[str, object] = {name: None}
    asked = read(dialect, operation, {"generationConfig": nothing} if dialect is GEMINI else nothing)
    assert asked.max_output_tokens is None


def test_of_two_limits_the_larger_bounds_the_cost() -> None:
    assert read(OPENAI, "chat", {"max_tokens": 10, "max_completion_tokens": 20}).max_output_tokens == 20


@pytest.mark.parametrize(
    ("operation", "fields", "choices"),
    [
        ("chat", {}, 1),
        ("chat", {"n": 128}, 128),
        ("chat", {"n": None}, 1),
        ("text_completion", {"n": 2, "best_of": 5}, 5),
        ("text_completion", {"n": 2, "prompt": ["a", "b", "c"]}, 6),
        ("text_completion", {"prompt": [1, 2, 3]}, 1),
        ("text_completion", {"prompt": [[1, 2], [3]]}, 2),
        ("text_completion", {"prompt": []}, 1),
    ],
)
def test_t33_choices_and_prompts_multiply(operation: Operation, fields: dict[str, object], choices: int) -> None:
    assert read(OPENAI, operation, fields).choices == choices


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("chat", {"n": 129}), ("chat", {"n": 0}), ("chat", {"n": 10**6}), ("chat", {"n": "2"}),
        ("text_completion", {"best_of": 129}), ("text_completion", {"prompt": ["a"] * 2049}),
    ],
)  # fmt: skip
def test_t33_choices_and_prompts_are_bounded(operation: Operation, fields: dict[str, object]) -> None:
    with pytest.raises(BadBody):
        read(OPENAI, operation, fields)


def test_t33_geminis_candidates_are_choices() -> None:
    assert read(GEMINI, "generate_content", {"generation_config": {"candidate_count": 3}}).choices == 3


@pytest.mark.parametrize(
    "body",
    [
        {"generationConfig": {}, "generation_config": {}},
        {"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 2}},
        {"model": "models/other"},
        {"generationConfig": {"MaxOutputTokens": 1}},
    ],
)
def test_t40_what_is_said_twice_in_the_gemini_dialect_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(BadBody):
        read(GEMINI, "generate_content", body)


def test_the_usage_of_a_stream_is_asked_for_and_what_the_client_asked_is_remembered() -> None:
    silent = read(OPENAI, "chat", {"stream": True})
    assert silent.streamed
    assert not silent.wants_usage
    assert sent(OPENAI, silent)["stream_options"] == {"include_usage": True}
    refusing = read(OPENAI, "text_completion", {"stream": True, "stream_options": {"include_usage": False, "x": 1}})
    assert not refusing.wants_usage
    assert sent(OPENAI, refusing)["stream_options"] == {"include_usage": True, "x": 1}
    asking = read(OPENAI, "chat", {"stream": True, "stream_options": {"include_usage": True}})
    assert asking.wants_usage


def test_nothing_is_added_to_what_needs_nothing() -> None:
    assert sent(OPENAI, read(OPENAI, "chat", {})) == {"model": "target"}
    assert sent(OPENAI, read(OPENAI, "responses", {"stream": True})) == {"model": "target", "stream": True}


def test_t36_what_is_sent_says_each_thing_once() -> None:
    with pytest.raises(BadBody, match="stream_options: field 'include_usage'"):
        read(
            OPENAI, "chat", b'{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}'
        )
    asked = read(OPENAI, "chat", b'{ "model" : "m" , "messages":[ ] }')
    assert OPENAI.outgoing(asked, "target", ()).body == b'{"model":"target","messages":[]}'


def test_an_answer_that_would_be_fetched_later_is_refused() -> None:
    with pytest.raises(BadBody, match="background"):
        read(OPENAI, "responses", {"background": True})


def test_metadata_user_and_tier_are_read() -> None:
    asked = read(OPENAI, "chat", {"metadata": {"epic": "P-1", "n": 3}, "user": "u", "service_tier": "flex"})
    assert (asked.metadata, asked.user, asked.service_tier) == ({"epic": "P-1"}, "u", "flex")
    user_id = json.dumps({"device_id": "d", "session_id": "s"})
    claude = read(ANTHROPIC, "chat", {"metadata": {"user_id": user_id}, "speed": "fast", "max_tokens": 1})
    assert (claude.user, claude.service_tier) == (user_id, "fast")
    gemini = read(GEMINI, "generate_content", {"labels": {"team": "x"}})
    assert gemini.metadata == {"team": "x"}


@pytest.mark.parametrize("tier", [None, "auto", "default"])
def test_a_tier_left_to_the_provider_is_standard(tier: str | None) -> None:
    assert read(OPENAI, "chat", {"service_tier": tier}).service_tier == "standard"


def test_t46_only_listed_headers_travel_on() -> None:
    secret = (
        "authorization", "x-api-key", "x-goog-api-key", "cookie", "openai-organization", "openai-project", "x-ai-tags",
        "x-weighbridge-team", "x-litellm-tags", "x-portkey-metadata", "helicone-property-a", "host", "connection",
        "content-length", "transfer-encoding", "x-forwarded-for", "baggage", "accept-encoding", "proxy-authorization",
    )  # fmt: skip
    open_ = (
        "accept", "user-agent", "anthropic-beta", "anthropic-new", "openai-beta", "x-stainless-lang", "idempotency-key",
        "traceparent", "x-claude-code-session-id", "session-id", "x-codex-turn-metadata", "originator", "x-app",
    )  # fmt: skip
    headers = tuple((name.encode(), b"v") for name in (*secret, *open_))
    for dialect, operation in ROUTES:
        got = dialect.outgoing(read(dialect, operation, {}), "m", headers).headers
        names = [name.decode() for name, value in got if value == b"v"]
        assert sorted(names) == sorted(open_)
        assert got.count((b"accept-encoding", b"identity")) == 1
        assert got.count((b"content-type", b"application/json")) == 1


def test_paths_begin_with_the_dialects_version_and_carry_only_listed_parameters() -> None:
    def path(dialect: Dialect, operation: Operation, *, streamed: bool = False, query: bytes = b"") -> str:
        asked = read(dialect, operation, {}, streamed=streamed)
        return dialect.outgoing(
            Asked(**{f: getattr(asked, f) for f in asked.__slots__} | {"query": query}), "m/x", ()
        ).path

    assert path(OPENAI, "chat") == "/v1/chat/completions"
    assert path(OPENAI, "responses") == "/v1/responses"
    assert path(ANTHROPIC, "chat", query=b"beta=true&key=secret") == "/v1/messages?beta=true"
    assert path(ANTHROPIC, "count_tokens") == "/v1/messages/count_tokens"
    assert path(GEMINI, "generate_content") == "/v1beta/models/m%2Fx:generateContent"
    assert path(GEMINI, "generate_content", streamed=True, query=b"alt=json&key=s") == (
        "/v1beta/models/m%2Fx:streamGenerateContent?alt=sse"
    )
    assert path(GEMINI, "count_tokens", query=b"%zz=1&alt=a%26b") == "/v1beta/models/m%2Fx:countTokens?alt=a%26b"


@pytest.mark.parametrize(
    ("base", "path", "whole"),
    [
        ("", "/v1/chat/completions", "/v1/chat/completions"),
        ("/", "/v1/messages", "/v1/messages"),
        ("/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("/v1beta/openai", "/v1/embeddings", "/v1beta/openai/embeddings"),
        ("/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions"),
        ("/v1beta", "/v1beta/models/m:generateContent?alt=sse", "/v1beta/models/m:generateContent?alt=sse"),
        ("/v1x-mine", "/v1/messages", "/v1x-mine/v1/messages"),
        ("/proxy", "/v1/messages", "/proxy/v1/messages"),
    ],
)
def test_a_version_is_never_said_twice(base: str, path: str, whole: str) -> None:
    assert joined(base, path) == whole


def test_each_dialect_carries_its_key_in_its_own_header() -> None:
    assert OPENAI.secret_header("k") == (b"authorization", b"Bearer k")
    assert ANTHROPIC.secret_header("k") == (b"x-api-key", b"k")
    assert GEMINI.secret_header("k") == (b"x-goog-api-key", b"k")


def test_anthropic_needs_a_version_and_gets_one() -> None:
    asked = read(ANTHROPIC, "chat", {})
    assert (b"anthropic-version", b"2023-06-01") in ANTHROPIC.outgoing(asked, "m", ()).headers
    named = ((b"anthropic-version", b"2030-01-01"),)
    assert [v for n, v in ANTHROPIC.outgoing(asked, "m", named).headers if n == b"anthropic-version"] == [b"2030-01-01"]
