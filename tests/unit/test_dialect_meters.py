"""Meters hold against a provider that lies, stops or shouts; the stream the client sees is never harmed."""

import json

import pytest

from gateway.providers.anthropic import ANTHROPIC
from gateway.providers.gemini import GEMINI
from gateway.providers.gemini_content import ContentReader
from gateway.providers.openai import OPENAI
from gateway.providers.provider import Dialect, Operation
from policies.money import NanoUsd
from policies.usage import Usage
from tests.fakes.metering import DONE, GOOD, data, meter, said, used, whole

LIES: list[tuple[object, Usage | None]] = [
    ({**GOOD, "prompt_tokens": -1}, None),
    ({**GOOD, "completion_tokens": -5}, None),
    ({**GOOD, "prompt_tokens": 1.5}, None),
    ({**GOOD, "prompt_tokens": 10.0}, None),
    ({**GOOD, "prompt_tokens": "10"}, None),
    ({**GOOD, "completion_tokens": True}, None),
    ({**GOOD, "completion_tokens": []}, None),
    ({**GOOD, "completion_tokens": {}}, None),
    ({**GOOD, "prompt_tokens": 10**9 + 1}, None),
    ({**GOOD, "prompt_tokens": 10**30}, None),
    ({**GOOD, "completion_tokens": 2**63}, None),
    ("many", None),
    ([], None),
    (7, None),
    (True, None),
    ({**GOOD, "prompt_tokens_details": {"cached_tokens": 11}}, Usage(10, 5, cache_read_input_tokens=10)),
    ({**GOOD, "prompt_tokens_details": {"cached_tokens": -1}}, Usage(10, 5)),
    ({**GOOD, "prompt_tokens_details": {"cached_tokens": "4"}}, Usage(10, 5)),
    ({**GOOD, "prompt_tokens_details": {"cached_tokens": 0.5}}, Usage(10, 5)),
    (
        {**GOOD, "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 8}},
        Usage(10, 5, cache_read_input_tokens=8, cache_creation_input_tokens=2),
    ),
    (
        {**GOOD, "prompt_tokens_details": {"cache_write_tokens_details": {"ttl_12h_tokens": 5}}},
        Usage(10, 5),
    ),
    ({**GOOD, "completion_tokens_details": {"reasoning_tokens": 6}}, Usage(10, 5, reasoning_output_tokens=5)),
    ({**GOOD, "completion_tokens_details": {"reasoning_tokens": -6}}, Usage(10, 5)),
    ({**GOOD, "completion_tokens_details": {"audio_tokens": 6}}, Usage(10, 5, output_audio_tokens=5)),
]


@pytest.mark.parametrize(("usage", "read"), LIES)
def test_t52_f18_counts_that_cannot_be_are_left_out_or_cut_and_flagged(usage: object, read: Usage | None) -> None:
    for answer in (whole(OPENAI, {"choices": [], "usage": usage}), meter(OPENAI)):
        if answer.reading().output_bytes == 0 and not answer.ended:
            answer.feed(said("x", "stop") + used(usage) + DONE)
            answer.finish()
        assert answer.reading().usage == read
        assert "implausible" in answer.reading().flags
        assert answer.ending() == "complete"


def test_t52_a_number_no_double_can_hold_harms_nothing() -> None:
    answer = meter(OPENAI)
    event = b'data: {"choices":[],"usage":{"prompt_tokens":1e999,"completion_tokens":5}}\n\n'
    assert (
        answer.feed(said("x", "stop") + event + DONE) + answer.close(NanoUsd(1))
        == said("x", "stop") + event.replace(b"5}}", b'5,"cost":0.000000001}}') + DONE
    )
    assert answer.reading().usage is None
    assert answer.reading().flags == ("implausible",)


@pytest.mark.parametrize("usage", [None, {}, {"total_tokens": 5}, {"prompt_tokens": None}])
def test_f15_usage_that_is_missing_is_unknown_and_not_zero(usage: object) -> None:
    answer = whole(OPENAI, {"choices": [], "usage": usage})
    assert answer.reading().usage is None
    assert answer.reading().flags == ()


def test_f15_a_stream_without_usage_ends_well_and_its_text_is_counted() -> None:
    answer = meter(OPENAI)
    assert answer.feed(said("Grüße", "stop")) == said("Grüße", "stop")
    assert answer.feed(DONE) == b""
    answer.finish()
    assert answer.ending() == "complete"
    assert answer.reading().usage is None
    assert answer.reading().output_bytes == 7
    assert answer.close(NanoUsd(5)) == DONE


def test_f16_of_repeated_usage_the_last_word_counts_and_nothing_is_summed() -> None:
    answer = meter(OPENAI)
    answer.feed(used(GOOD) + used({**GOOD, "completion_tokens": 7}) + DONE)
    assert answer.reading().usage == Usage(10, 7)


def test_f16_anthropics_counts_are_cumulative_field_by_field() -> None:
    answer = meter(ANTHROPIC)
    start = {"id": "m", "model": "c", "usage": {"input_tokens": 25, "cache_read_input_tokens": 5, "output_tokens": 1}}
    answer.feed(data({"type": "message_start", "message": start}))
    assert answer.reading().usage == Usage(30, 1, cache_read_input_tokens=5)
    assert answer.reading().flags == ("partial",)
    answer.feed(data({"type": "message_delta", "delta": {}, "usage": {"input_tokens": None, "output_tokens": 9}}))
    answer.feed(data({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 15}}))
    answer.feed(data({"type": "message_stop"}))
    assert answer.reading().usage == Usage(30, 15, cache_read_input_tokens=5)
    assert answer.reading().flags == ()


@pytest.mark.parametrize(
    ("dialect", "operation", "body"),
    [
        (OPENAI, "chat", {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}),
        (OPENAI, "responses", {"output": [], "usage": {"input_tokens": 0, "output_tokens": 0}}),
        (ANTHROPIC, "chat", {"content": [], "usage": {"input_tokens": 0, "output_tokens": 0}}),
        (GEMINI, "generate_content", {"usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0}}),
    ],
)
def test_f17_explicit_zeros_are_zeros(dialect: Dialect, operation: Operation, body: object) -> None:
    assert whole(dialect, body, operation).reading().usage == Usage()


def test_f11_a_clean_end_before_the_last_event_is_truncated() -> None:
    for dialect, operation, event in (
        (OPENAI, "chat", said("Hi")),
        (OPENAI, "responses", data({"type": "response.output_text.delta", "delta": "Hi"})),
        (ANTHROPIC, "chat", data({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}})),
        (GEMINI, "generate_content", data({"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]})),
    ):
        answer = meter(dialect, operation)
        assert answer.feed(event) == event
        answer.finish()
        assert answer.ending() == "truncated"
        assert answer.reading().output_bytes == 2


def test_f11_a_cut_inside_an_event_is_truncated_and_the_torn_event_goes_nowhere() -> None:
    answer = meter(OPENAI)
    assert answer.feed(said("Hi") + b'data: {"choices":[{"del') == said("Hi")
    answer.finish()
    assert answer.ending() == "truncated"
    assert answer.close(None) == b""


def test_a_last_event_without_its_empty_line_still_counts() -> None:
    answer = meter(OPENAI)
    body = said("Hi", "stop") + used(GOOD) + b"data: [DONE]"
    out = answer.feed(body)
    answer.finish()
    assert answer.ending() == "complete"
    assert out + answer.close(None) == body


@pytest.mark.parametrize("bad", [b"data: {\n\n", b"data: nonsense\n\n", b'data: {"a":1}}\n\n',
                                 b"data: " + b"[" * 100_000 + b"\n\n"])  # fmt: skip
def test_f12_f13_nothing_malformed_is_forwarded(bad: bytes) -> None:
    for dialect in (OPENAI, ANTHROPIC, GEMINI):
        answer = meter(dialect, "generate_content" if dialect is GEMINI else "chat")
        good = data({"type": "ping"})
        assert answer.feed(good + bad + good) == good
        assert answer.ended
        assert answer.feed(good) == b""
        answer.finish()
        assert answer.ending() == "malformed"
        assert answer.close(None) == b""


@pytest.mark.parametrize(
    "value",
    [
        [],
        1,
        "x",
        None,
        {"choices": 5},
        {"choices": [5]},
        {"choices": [{"delta": {"content": [1]}}]},
        {"type": 5, "delta": 7},
        {"candidates": "x"},
        {"id": 5, "model": []},
    ],
)
def test_json_of_another_shape_passes_unharmed(value: object) -> None:
    for dialect, operation in (
        (OPENAI, "chat"),
        (OPENAI, "responses"),
        (ANTHROPIC, "chat"),
        (GEMINI, "generate_content"),
    ):
        answer = meter(dialect, operation)
        assert answer.feed(data(value)) == data(value)
        assert whole(dialect, value, operation).ending() == "complete"


def test_usage_is_read_beside_text_of_another_shape() -> None:
    thinking = {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}
    answer = meter(OPENAI)
    answer.feed(data({"id": "c", "model": "magistral", "choices": [{"delta": thinking}], "usage": GOOD}) + DONE)
    assert answer.reading().usage == Usage(10, 5)
    assert answer.reading().response_model == "magistral"
    assert answer.reading().output_bytes == len("thinking" + "text" + "hm")


def test_f14_data_over_several_lines_is_one_event_and_its_cost_is_written() -> None:
    answer = meter(OPENAI)
    lines = (
        "event: x",
        'data: {"choices":[],',
        'data:"usage":{"prompt_tokens":1,',
        'data: "completion_tokens":2}}',
        "id: 7",
    )
    event = "\r\n".join((*lines, "", "")).encode()
    assert answer.feed(said("Hi", "stop") + event) == said("Hi", "stop")
    assert answer.reading().usage == Usage(1, 2)
    assert answer.close(NanoUsd(1_000_000_000)) == (
        b'event: x\r\ndata: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"cost":1}}\r\nid: 7\r\n\r\n'
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_f14_every_line_end_is_read(end: bytes) -> None:
    body = (b": hello\n\n" + said("Hi", "stop") + used(GOOD) + DONE).replace(b"\n", end)
    for size in (1, 3, 7, len(body)):
        answer = meter(OPENAI, wants_usage=False)
        out = b"".join(answer.feed(body[at : at + size]) for at in range(0, len(body), size))
        answer.finish()
        assert answer.ending() == "complete"
        assert answer.reading().usage == Usage(10, 5)
        assert out + answer.close(NanoUsd(7)) == (b": hello\n\n" + said("Hi", "stop") + DONE).replace(b"\n", end)


INJECTIONS = [
    "\n\ndata: [DONE]\n\n",
    '\n\nevent: usage\ndata: {"usage":{"prompt_tokens":1}}\n\n',
    "[DONE]",
    "\r\r",
    "\u2028",
    '"usage":{"prompt_tokens":1,"completion_tokens":1}',
    "event: message_stop",
    ": comment",
    "\x00\x85\x0b",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_t51_sse_inside_model_text_is_text(text: str) -> None:
    answer = meter(OPENAI)
    assert answer.feed(said(text)) == said(text)
    assert not answer.ended
    assert answer.reading().usage is None
    answer.feed(said("", "stop") + used(GOOD) + DONE)
    assert answer.reading().usage == Usage(10, 5)
    assert answer.reading().output_bytes == len(text.encode())


def test_a_whole_answer_reaches_the_client_as_it_came() -> None:
    body = b'{ "choices" : [ ],\n "usage" : {"prompt_tokens":1,"completion_tokens":1} }\n'
    answer = meter(OPENAI, streamed=False)
    for at in range(len(body)):
        assert answer.feed(body[at : at + 1]) == b""
    answer.finish()
    assert answer.close(NanoUsd(99)) == body
    assert answer.close(NanoUsd(99)) == b""


def test_f23_an_error_under_a_good_status_is_flagged_and_uses_nothing() -> None:
    for dialect, operation, body in (
        (OPENAI, "chat", {"error": {"message": "overloaded"}}),
        (OPENAI, "responses", {"error": {"message": "overloaded"}}),
        (ANTHROPIC, "chat", {"type": "error", "error": {"type": "overloaded_error"}}),
        (GEMINI, "generate_content", {"error": {"code": 503}}),
        (GEMINI, "count_tokens", {"error": {"code": 503}}),
    ):
        answer = whole(dialect, body, operation)
        assert answer.reading().flags == ("error_in_body",)
        assert answer.reading().usage is None
        stream = meter(dialect, operation)
        event = data({"type": "error", **body})
        assert stream.feed(event) + stream.close(None) == event
        assert stream.reading().flags == ("error_in_body",)
        assert stream.ending() == "complete"


def test_the_usage_is_held_until_its_cost_is_known_and_all_after_it_too() -> None:
    answer = meter(OPENAI)
    assert answer.feed(said("Hi", "stop") + used(GOOD) + b": bye\n\n" + DONE) == said("Hi", "stop")
    assert answer.ended
    closed = answer.close(NanoUsd(4_210_000))
    assert closed.endswith(b'"cost":0.00421}}\n\n: bye\n\n' + DONE)


def test_usage_that_was_not_the_last_goes_on_as_it_came() -> None:
    answer = meter(OPENAI)
    beside = data({"choices": [{"delta": {"content": "a"}}], "usage": GOOD})
    assert answer.feed(beside) == b""
    assert answer.feed(said("b")) == beside + said("b")
    answer.finish()
    assert answer.ending() == "truncated"
    assert answer.reading().flags == ("partial",)
    assert answer.close(NanoUsd(5)) == b""


def test_only_the_chunk_of_usage_alone_is_hidden() -> None:
    answer = meter(OPENAI, wants_usage=False)
    filtered = data({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]})
    assert answer.feed(filtered + said("Hi") + said("", "stop") + used(GOOD) + DONE) == filtered + said("Hi") + said(
        "", "stop"
    )
    assert answer.close(NanoUsd(5)) == DONE


def test_tool_arguments_reasoning_and_refusals_are_text_of_the_answer() -> None:
    answer = meter(OPENAI)
    delta = {"content": "a", "reasoning_content": "bc", "reasoning": "bc", "refusal": "d",
             "tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}, {"index": 1}]}  # fmt: skip
    answer.feed(data({"choices": [{"delta": delta}, {"delta": {"content": "ä"}}, {"delta": None}]}))
    assert answer.reading().output_bytes == 8


def test_f12_text_that_is_not_utf8_is_not_forwarded() -> None:
    answer = meter(OPENAI)
    assert answer.feed(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n') == b""
    assert answer.ending() == "malformed"


@pytest.mark.parametrize(("model", "billed"), [("gemini-2.5-flash", 1), ("gemini-3.1-pro", 2), ("gemini-1.5-pro", 1)])
def test_gemini_bills_a_grounded_prompt_once_until_version_3_and_then_each_search(model: str, billed: int) -> None:
    answer = {
        "candidates": [
            {
                "content": {"parts": [{"text": "x"}]},
                "finishReason": "STOP",
                "groundingMetadata": {"webSearchQueries": ["one", "two", "one"]},
            }
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6},
        "modelVersion": model,
    }
    reading = ContentReader().whole(json.dumps(answer).encode())
    assert reading is not None
    assert reading.usage is not None
    assert reading.usage.web_search_requests == billed
