"""For all inputs: parsers agree on what is sent, counts fit together, and no cut or text changes a reading."""

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from gateway.errors import BadBody
from gateway.providers.body import read_object
from gateway.providers.counts import Claimed
from gateway.providers.openai import OPENAI
from gateway.providers.provider import Asked
from gateway.providers.sse import Splitter, data_of

NAMES = st.sampled_from(["model", "n", "stream", "max_tokens", "mod\u0065l", "x"])
SPACES = st.sampled_from(["", " ", "\n", " \t"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def loosely_written(draw: st.DrawFn) -> bytes:
    """A JSON object with names that may repeat or be escaped, and spaces anywhere they are allowed."""
    pairs = []
    for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=5)):
        written = json.dumps(name) if draw(st.booleans()) else '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"'
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        pairs.append(draw(SPACES) + written + draw(SPACES) + ":" + draw(SPACES) + text + draw(SPACES))
    return ("{" + ",".join(pairs) + "}").encode()


def first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))


@settings(max_examples=300, deadline=None)
@given(loosely_written())
def test_t36_parsers_that_keep_the_first_or_the_last_field_read_what_policy_read(body: bytes) -> None:
    try:
        read = read_object(body)
    except BadBody:
        names = [name for name, _ in json.loads(body, object_pairs_hook=list)]
        assert len(set(names)) < len(names) or b"\\u" in body
        return
    policy = {name: json.loads(bytes(raw)) for name, raw in read.items()}
    sent = msgspec.json.encode(read)
    assert policy == json.loads(sent) == json.loads(body)
    assert [name for name, _ in json.loads(body, object_pairs_hook=list)] == list(policy)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        read_object(body)
    except BadBody as refused:
        said = str(refused)
    else:
        said = ""
    assert said.isprintable()


COUNT = st.integers(0, 50) | st.integers(0, 10**9)


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({field.name: COUNT for field in fields(Claimed)}))
def test_t52_whatever_is_claimed_the_buckets_sum_to_the_wholes(claim: dict[str, int]) -> None:
    usage = Claimed(**claim).weighed([]).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (claim["input_tokens"], claim["output_tokens"])
    tokens = sum(count for meter, count in usage.buckets() if meter != "web_search")
    assert tokens == usage.input_tokens + usage.output_tokens


PIECES = st.lists(
    st.sampled_from(["data: x", "data:y", "event: e", ": c", "id: 1", "data", "\ufeffdata: z", "é", "\n", "\r"]),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.lists(st.integers(0, 200), max_size=10))
def test_f14_the_same_events_are_found_whatever_way_the_bytes_were_cut(pieces: list[str], cuts: list[int]) -> None:
    body = "".join(pieces).encode()
    at_once, in_parts = Splitter(), Splitter()
    whole = at_once.push(body)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    parts = [event for a, b in zip(edges, edges[1:], strict=False) for event in in_parts.push(body[a:b])]
    assert parts == whole
    assert in_parts.tail == at_once.tail
    assert b"".join(whole) + bytes(at_once.tail) == body
    assert list(map(data_of, parts)) == list(map(data_of, whole))


SSE_WORDS = st.text(st.sampled_from(list('data: evnt[DONE]{}"\\\n\r\u2028é🌍')), max_size=40) | st.text(max_size=40)


@settings(max_examples=200, deadline=None)
@given(st.lists(SSE_WORDS, min_size=1, max_size=5), st.booleans(), st.lists(st.integers(0, 2000), max_size=8))
def test_t51_no_text_of_a_model_changes_its_usage_or_its_bytes(
    texts: list[str], ascii_only: bool, cuts: list[int]
) -> None:
    def event(value: object) -> bytes:
        return b"data: " + json.dumps(value, ensure_ascii=ascii_only).encode() + b"\n\n"

    body = b"".join(event({"id": "c", "choices": [{"delta": {"content": text}}]}) for text in texts)
    body += event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    body += event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}) + b"data: [DONE]\n\n"
    meter = OPENAI.meter(Asked("openai", "chat", "m", {}, streamed=True))
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    out = b"".join(meter.feed(body[a:b]) for a, b in zip(edges, edges[1:], strict=False))
    meter.finish()
    reading = meter.reading()
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (3, 4)
    assert reading.output_bytes == sum(len(text.encode()) for text in texts)
    assert meter.ending() == "complete"
    assert out + meter.close(None) == body
