"""A request's way from the socket to the ledger, in whole processes: real gateway, scripted provider with a bill."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import RunningGateway
from tests.fakes.mock import MODELS, MockProvider, chat, providers
from tests.fakes.provider_spec import note


@pytest.fixture(scope="module")
def mock() -> Iterator[MockProvider]:
    provider = MockProvider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def gateway(mock: MockProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = RunningGateway(tmp_path_factory.mktemp("gateway"), providers(mock.port)).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="search", name="walk")


def test_a_whole_answer_is_the_providers_and_its_tokens_and_money_are_in_the_ledger(
    gateway: RunningGateway, key: str, mock: MockProvider
) -> None:
    reply = gateway.post(
        "/v1/chat/completions", chat(note(id="w1", input=100, output=40, cached=60, reasoning=10)), key,
        {"x-ai-tags": "epic=PROJ-42, env=test"},
    )  # fmt: skip
    assert reply.status == 200
    usage = reply.json()["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100, 40)
    call = gateway.call(reply.headers["x-request-id"])
    assert call.state == "settled"
    assert call.usage.input_tokens == 100
    assert call.usage.cache_read_input_tokens == 60
    assert call.usage.reasoning_output_tokens == 10
    # gpt-4o-mini, dollars per million tokens: input 0.15, cached 0.075, output 0.60.
    assert call.billed_cost == 40 * 150 + 60 * 75 + 40 * 600
    assert call.tags["team"] == "search"
    assert call.tags["initiative"] == "PROJ-42"
    assert call.tags["environment"] == "test"
    assert reply.headers["x-weighbridge-cost"] == "0.0000345"
    assert reply.headers["x-weighbridge-initiative"] == "PROJ-42"
    assert reply.headers["request-id"] == reply.headers["x-request-id"]
    assert [row for row in mock.bill() if row["request_id"] == call.request_id]


@pytest.mark.parametrize("wants_usage", [True, False])
def test_a_stream_carries_its_cost_where_its_client_asked_for_usage(
    gateway: RunningGateway, key: str, wants_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    reply = gateway.post("/v1/chat/completions", chat(note(input=10, output=5), stream=True, **options), key)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in reply.body.decode().splitlines() if line.startswith("data: {")]
    with_usage = [event for event in events if event.get("usage")]
    assert len(with_usage) == (1 if wants_usage else 0)
    if wants_usage:
        assert with_usage[0]["usage"]["cost"] == 0.0000045
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert gateway.call(reply.headers["x-request-id"]).billed_cost == 10 * 150 + 5 * 600


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_every_dialect_is_metered_whole_and_streamed(
    gateway: RunningGateway, key: str, dialect: str, streamed: bool
) -> None:
    asked = note(input=30, output=12)
    if dialect == "anthropic":
        body = {"model": MODELS["messages"], "max_tokens": 50, "messages": [{"role": "user", "content": asked}]}
        reply = gateway.post("/v1/messages", body | ({"stream": True} if streamed else {}), key)
    else:
        verb = "streamGenerateContent?alt=sse" if streamed else "generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": asked}]}]}
        reply = gateway.post(f"/v1beta/models/{MODELS['gemini']}:{verb}", body, key)
    assert reply.status == 200, reply.body
    call = gateway.call(reply.headers["x-request-id"])
    assert (call.state, call.streamed, call.provider_name) == ("settled", streamed, dialect)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (30, 12)
    assert call.billed_cost is not None


def test_a_request_without_a_key_is_told_what_to_send(gateway: RunningGateway) -> None:
    reply = gateway.send("POST", "/v1/chat/completions", b"{}", {"content-type": "application/json"})
    assert reply.status == 401
    assert reply.json()["error"]["code"] == "invalid_api_key"
    assert "Bearer wb_" in reply.json()["error"]["message"]
    assert reply.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/chat/completions", lambda body: body["error"]["code"]),
        ("/v1/messages", lambda body: {"error": "bad_body"}[body["type"]]),
        ("/v1beta/models/x:generateContent", lambda body: {400: "bad_body"}[body["error"]["code"]]),
    ],
)
def test_bad_bodies_are_refused_in_the_shape_of_the_dialect(
    gateway: RunningGateway, key: str, path: str, shape
) -> None:
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    reply = gateway.send("POST", path, b'{"model": "a", "model": "b"}', headers)
    assert reply.status == 400
    assert shape(reply.json()) == "bad_body"
    assert "twice" in reply.body.decode()


def test_an_unknown_price_is_booked_as_unknown_and_never_as_nothing(gateway: RunningGateway, key: str) -> None:
    reply = gateway.post("/v1/chat/completions", chat(note(input=9, output=4)) | {"model": "nobody-priced-this"}, key)
    assert reply.status == 200
    assert "x-weighbridge-cost" not in reply.headers
    assert reply.headers["x-weighbridge-cost-source"] == "unknown"
    call = gateway.call(reply.headers["x-request-id"])
    assert (call.state, call.billed_cost, call.usage.input_tokens) == ("settled", None, 9)
    assert "price_unknown" in call.flags


def test_what_is_not_metered_is_404_with_the_list_of_what_is(gateway: RunningGateway, key: str) -> None:
    reply = gateway.post("/v1/images/generations", {"prompt": "x"}, key)
    assert reply.status == 404
    assert "/v1/chat/completions" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fault", "status", "state", "attempts"),
    [
        ("429", 429, "voided", 0),
        ("500", 500, "voided", 2),
        ("529", 529, "voided", 0),
        ("lost_answer", 502, "uncertain", 0),
    ],
)
def test_a_providers_failure_is_told_booked_and_retried_where_that_is_safe(
    gateway: RunningGateway, key: str, fault: str, status: int, state: str, attempts: int
) -> None:
    reply = gateway.post("/v1/chat/completions", chat(note(fault=fault)), key)
    assert reply.status == status
    call = gateway.call(reply.headers["x-request-id"])
    assert call.state == state
    assert call.attempt == attempts
    if state == "uncertain":
        assert call.billed_cost is None
        assert call.cost_lower == 0
        assert call.cost_upper is not None


@pytest.mark.parametrize("fault", ["reset_mid", "eof_mid", "malformed_frame"])
def test_a_stream_that_breaks_ends_in_an_error_and_is_booked_with_bounds(
    gateway: RunningGateway, key: str, fault: str, mock: MockProvider
) -> None:
    reply = gateway.post(
        "/v1/chat/completions", chat(note(fault=fault, after=10, chunks=20), stream=True, max_tokens=400), key
    )
    assert reply.status == 200
    assert b"[DONE]" not in reply.body
    assert b'"error"' in reply.body.splitlines()[-2]
    call = gateway.call(reply.headers["x-request-id"])
    assert call.state == "uncertain"
    billed = next(row for row in mock.bill() if row["request_id"] == call.request_id)
    owed = billed["input_tokens"] * 150 + billed["output_tokens"] * 600
    assert call.cost_lower <= owed <= call.cost_upper


def test_G1_kill_9_loses_no_answered_call_and_in_flight_ones_appear_as_uncertain(
    mock: MockProvider, tmp_path: Path
) -> None:
    with RunningGateway(tmp_path, providers(mock.port)) as gateway:
        key = gateway.key(team="search")
        answered = [gateway.post("/v1/chat/completions", chat(note(input=7, output=3)), key) for _ in range(20)]
        body = json.dumps(chat(note(fault="stall", after=1), stream=True)).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        stalled = urllib.request.urlopen(urllib.request.Request(gateway.url + "/v1/chat/completions", body, headers))
        in_flight = stalled.headers["x-request-id"]
        gateway.kill()
        stalled.close()
        gateway.start()
        calls = {call.request_id: call for call in gateway.calls(21)}
        for reply in answered:
            assert calls[reply.headers["x-request-id"]].billed_cost == 7 * 150 + 3 * 600
        assert calls[in_flight].state == "uncertain"
        assert calls[in_flight].reason == "gateway_died"
        assert gateway.stop() == 0
