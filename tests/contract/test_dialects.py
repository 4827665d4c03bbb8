"""Every recorded answer gives its golden usage and reaches the client unchanged, whatever way the bytes were cut.

The recordings are written in the shapes the providers document (the page of each stands in expected.json, read
2026-11-23); none holds anybody's words.
"""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.providers.anthropic import ANTHROPIC
from gateway.providers.gemini import GEMINI
from gateway.providers.openai import OPENAI
from gateway.providers.provider import Asked, Dialect, Meter, Reading
from policies.money import NanoUsd
from policies.usage import Usage

RECORDINGS = Path(__file__).parent / "recordings"
EXPECTED = json.loads((RECORDINGS / "expected.json").read_text())
STREAMS = sorted(name for name in EXPECTED if name.endswith(".sse"))
DIALECTS: dict[str, Dialect] = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}
COST = NanoUsd(4_210_000)


def meter_for(name: str) -> Meter:
    expected = EXPECTED[name]
    asked = Asked(
        dialect=expected["dialect"],
        operation=expected["operation"],
        model="m",
        body={},
        streamed=name.endswith(".sse"),
        wants_usage=expected.get("wants_usage", True),
    )
    return DIALECTS[expected["dialect"]].meter(asked)


def fed(meter: Meter, body: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(cuts), len(body)]
    out = b"".join(meter.feed(body[start:end]) for start, end in zip(edges, edges[1:], strict=False))
    meter.finish()
    return out


def to_client(name: str, body: bytes) -> bytes:
    """What the client is to get: everything, but for the chunk it did not ask for."""
    if not EXPECTED[name].get("hidden"):
        return body
    events = body.split(b"\n\n")
    return b"\n\n".join(event for event in events if b'"choices":[]' not in event)


def check(name: str, reading: Reading) -> None:
    expected = EXPECTED[name]
    usage = expected["usage"]
    assert reading.usage == (None if usage is None else Usage(**usage))
    assert reading.further == tuple((model, Usage(**u)) for model, u in expected.get("further", {}).items())
    assert list(reading.flags) == expected.get("flags", [])
    for field in ("response_model", "response_id", "service_tier", "output_bytes"):
        if field in expected:
            assert getattr(reading, field) == expected[field], field


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_recorded_answer_gives_its_golden_usage_and_its_own_bytes(name: str) -> None:
    body = (RECORDINGS / name).read_bytes()
    meter = meter_for(name)
    out = fed(meter, body, [])
    check(name, meter.reading())
    assert meter.ending() == "complete"
    assert meter.ended
    assert out + meter.close(None) == to_client(name, body)
    assert meter.close(None) == b""


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_f14_any_cut_of_the_bytes_gives_the_same_reading_and_the_same_client_bytes(
    name: str, data: st.DataObject
) -> None:
    body = (RECORDINGS / name).read_bytes()
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    meter = meter_for(name)
    out = fed(meter, body, cuts)
    check(name, meter.reading())
    assert out + meter.close(None) == to_client(name, body)


@pytest.mark.parametrize("name", STREAMS)
def test_one_byte_at_a_time_gives_the_same(name: str) -> None:
    body = (RECORDINGS / name).read_bytes()
    meter = meter_for(name)
    out = fed(meter, body, list(range(len(body))))
    check(name, meter.reading())
    assert out + meter.close(None) == to_client(name, body)


@pytest.mark.parametrize("name", STREAMS)
def test_the_cost_is_written_into_the_usage_the_client_gets_and_nowhere_else(name: str) -> None:
    body = (RECORDINGS / name).read_bytes()
    meter = meter_for(name)
    out = fed(meter, body, [])
    priced = (out + meter.close(COST)).splitlines()
    plain = to_client(name, body).splitlines()
    changed = [(was, now) for was, now in zip(plain, priced, strict=True) if was != now]
    path = EXPECTED[name].get("cost_at")
    if path is None:
        assert changed == []
        return
    [(was, now)] = changed
    assert b'"cost":0.00421' in now
    before, after = json.loads(was.removeprefix(b"data: ")), json.loads(now.removeprefix(b"data: "))
    for step in path:
        assert {k: v for k, v in before.items() if k != step} == {k: v for k, v in after.items() if k != step}
        before, after = before[step], after[step]
    before.pop("cost", None)
    assert after.pop("cost") == 0.00421
    assert before == after


@pytest.mark.parametrize("name", STREAMS)
def test_f11_a_stream_cut_before_its_final_usage_is_truncated_and_its_usage_not_final(name: str) -> None:
    body = (RECORDINGS / name).read_bytes()
    text = body.replace(b"\r\n", b"\n")
    events = text.split(b"\n\n")[:-1]
    meter = meter_for(name)
    fed(meter, b"".join(event + b"\n\n" for event in events[:1]), [])
    if len(events) == 1:
        return
    assert meter.ending() == "truncated"
    reading = meter.reading()
    assert reading.usage is None or "partial" in reading.flags


@pytest.mark.parametrize("name", STREAMS)
def test_f13_what_is_not_json_is_not_forwarded_and_neither_is_what_follows(name: str) -> None:
    body = (RECORDINGS / name).read_bytes()
    end = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    first, rest = body.split(end, 1)
    meter = meter_for(name)
    out = fed(meter, first + end + b'data: {"cho' + end + rest, [])
    assert meter.ending() == "malformed"
    assert out + meter.close(None) in {first + end, b""}


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - set(STREAMS)))
def test_a_whole_answer_that_is_not_json_is_malformed(name: str) -> None:
    meter = meter_for(name)
    fed(meter, b"<html>bad gateway</html>", [])
    assert meter.ending() == "malformed"
    assert meter.reading().usage is None


def test_every_recording_is_expected() -> None:
    found = {path.name for path in RECORDINGS.iterdir()} - {"expected.json"}
    assert found == set(EXPECTED)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("operation", ["chat", "responses"])
def test_errors_of_ours_are_json_in_the_dialects_shape(dialect: str, operation: str) -> None:
    port = DIALECTS[dialect]
    body = msgspec.json.decode(port.error_body(402, "cap_reached", 'Team "x" is over.', "req_1"))
    assert body["error"]["message"] == 'Team "x" is over.'
    event = port.error_event("upstream_failed", "The provider broke off.", "req_1", operation=operation)
    assert event.endswith(b"\n\n")
    told = [msgspec.json.decode(line[6:]) for line in event.splitlines() if line.startswith(b"data: ")]
    assert told[0]["error"]["message"] == "The provider broke off."
    if (dialect, operation) == ("openai", "responses"):
        # Some clients look only at how the response ended.
        assert told[1]["type"] == "response.failed"
        assert told[1]["response"]["error"]["message"] == "The provider broke off."
        assert told[1]["response"]["id"] == "req_1"
    assert len(told) == (2 if (dialect, operation) == ("openai", "responses") else 1)
