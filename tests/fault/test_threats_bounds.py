"""Before anything is sent it is known what it may cost at most, whatever a client multiplies or leaves out."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admit import cost_upper
from gateway.crossing import Destination
from gateway.prices.book import read_book
from gateway.providers.anthropic import ANTHROPIC
from gateway.providers.gemini import GEMINI
from gateway.providers.openai import OPENAI
from gateway.providers.provider import Asked, Dialect, Operation
from gateway.settings import Provider
from tests.fakes.mock import MODELS
from tests.fakes.provider_bill import Tokens, charge

AT = datetime(2026, 11, 25, tzinfo=UTC)
BOOK = read_book(None)
ROUTES: list[tuple[Dialect, Operation, str]] = [
    (OPENAI, "chat", MODELS["chat"]), (OPENAI, "responses", MODELS["chat"]),
    (ANTHROPIC, "chat", MODELS["messages"]), (GEMINI, "generate_content", MODELS["gemini"]),
]  # fmt: skip
FRAMING_TOKENS = 1000
"""What a provider adds to a prompt by itself; the bound leaves four times as much."""


def destination(dialect: Dialect, model: str) -> Destination:
    provider = Provider(dialect.name, "https://x", (dialect.name,), priced_as=dialect.name)
    price = BOOK.find(dialect.name, model, AT)
    assert price is not None
    return Destination(provider, model, price)


def bill(destination: Destination, tokens: Tokens) -> int:
    """Give what the provider bills: the mock's own arithmetic at the model's rates."""
    assert destination.price is not None
    rates = {}
    for line in destination.price.applying("standard", tokens.input).rates.values():
        if line is not None:
            assert line.per == 1_000_000 or line.meter not in {"input", "cache_read", "cache_write", "output"}
            rates[line.meter] = line.rate
    plain = {name: rates[name] for name in ("input", "cache_read", "cache_write", "output") if name in rates}
    return charge(tokens, tuple(sorted(plain.items())))


def asked_of(dialect: Dialect, operation: Operation, model: str, fields: dict[str, object]) -> Asked:
    body = json.dumps(fields if dialect is GEMINI else {"model": model, **fields}).encode()
    return dialect.read(operation, body, model=model if dialect is GEMINI else None, streamed=False)


@given(
    route=st.sampled_from(ROUTES), text=st.text(max_size=400), limit=st.none() | st.integers(1, 5000),
    choices=st.integers(1, 128), share=st.tuples(*[st.floats(0, 1)] * 4),
)  # fmt: skip
def test_T33_whatever_is_asked_its_bill_stays_below_what_was_known_before(
    route: tuple[Dialect, Operation, str], text: str, limit: int | None, choices: int,
    share: tuple[float, float, float, float],
) -> None:  # fmt: skip
    dialect, operation, model = route
    fields, count = question(dialect, operation, text, limit, choices)
    asked = asked_of(dialect, operation, model, fields)
    place = destination(dialect, model)
    upper = cost_upper(asked, (place,))
    assert upper is not None
    assert place.price is not None
    input_max = asked.input_bytes + FRAMING_TOKENS
    output_max = (limit or place.price.max_output_tokens or 0) * count
    tokens_in, tokens_out = int(input_max * share[0]), int(output_max * share[1])
    cached = int(tokens_in * share[2])
    written = int((tokens_in - cached) * share[3])
    assert bill(place, Tokens(tokens_in, cached, written, tokens_out, 0)) <= upper
    assert bill(place, Tokens(input_max, 0, 0, output_max, 0)) <= upper


def question(
    dialect: Dialect, operation: Operation, text: str, limit: int | None, choices: int
) -> tuple[dict[str, object], int]:
    """Give a body and the number of answers it asks for."""
    message = {"messages": [{"role": "user", "content": text}]}
    if dialect is GEMINI:
        config: dict[str, object] = {"candidateCount": choices} | ({"maxOutputTokens": limit} if limit else {})
        return {"contents": [{"parts": [{"text": text}]}], "generationConfig": config}, choices
    if dialect is ANTHROPIC:
        return message | ({"max_tokens": limit} if limit else {}), 1
    if operation == "responses":
        return {"input": text} | ({"max_output_tokens": limit} if limit else {}), 1
    return message | {"n": choices} | ({"max_tokens": limit} if limit else {}), choices


UNBOUNDED: dict[str, dict[str, object]] = {
    "a provider's tool": {"tools": [{"type": "web_search"}]},
    "a provider's tool among others": {"tools": [{"type": "function", "function": {}}, {"type": "code_interpreter"}]},
    "search": {"web_search_options": {}},
    "plugins": {"plugins": [{"id": "web"}]},
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_T33_what_a_provider_may_run_as_often_as_it_likes_has_no_bound(name: str) -> None:
    fields, _ = question(OPENAI, "chat", "hi", 10, 1)
    assert cost_upper(asked_of(OPENAI, "chat", "m", fields | UNBOUNDED[name]), (destination(*_CHAT),)) is None


@pytest.mark.parametrize("spelled", [b'"web\\u005fsearch"', b'"\\u0077eb_search"', b'"web_search_preview"'])
def test_T37_an_escape_hides_no_tool(spelled: bytes) -> None:
    body = b'{"model":"m","max_tokens":9,"messages":[],"tools":[{"type":' + spelled + b"}]}"
    asked = OPENAI.read("chat", body, model=None, streamed=False)
    assert cost_upper(asked, (destination(*_CHAT),)) is None


PICTURE = {"type": "image_url", "image_url": {"url": "https://x/large.png"}}


@pytest.mark.parametrize("raw", [json.dumps(PICTURE), json.dumps(PICTURE).replace("image_url", "image\\u005furl")])
def test_T33_T37_a_picture_is_bounded_by_the_context_window_however_it_is_spelled(raw: str) -> None:
    body = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[' + raw.encode() + b"]}]}"
    asked = OPENAI.read("chat", body, model=None, streamed=False)
    place = destination(*_CHAT)
    assert place.price is not None
    assert place.price.max_input_tokens is not None
    upper = cost_upper(asked, (place,))
    assert upper is not None
    assert upper >= bill(place, Tokens(place.price.max_input_tokens, 0, 0, 9, 0))


_CHAT = (OPENAI, MODELS["chat"])
