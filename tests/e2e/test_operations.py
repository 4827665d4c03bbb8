"""What is asked beside model calls: lists of models, health, metrics, the log, and new settings while running."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.running import RunningGateway, until
from tests.fakes.mock import MockProvider, chat, providers

MORE = """
[models.fast]
targets = ["openai/gpt-4o-mini", "openai/gpt-4o"]
aliases = ["quick"]
"""


@pytest.fixture(scope="module")
def mock() -> Iterator[MockProvider]:
    provider = MockProvider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def gateway(mock: MockProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = RunningGateway(tmp_path_factory.mktemp("gateway"), providers(mock.port), more=MORE).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="search")


def ids(gateway: RunningGateway, path: str, headers: dict[str, str]) -> list[str]:
    body = gateway.get(path, headers).json()
    return [one.get("id") or one["name"] for one in body.get("data") or body["models"]]


def test_models_are_listed_in_the_shape_of_whoever_asks(gateway: RunningGateway, key: str) -> None:
    bearer = {"authorization": f"Bearer {key}"}
    openai = gateway.get("/v1/models", bearer).json()
    assert openai["object"] == "list"
    assert {"id": "fast", "object": "model", "created": 0, "owned_by": "openai"} in openai["data"]
    anthropic = gateway.get("/v1/models", {"x-api-key": key, "anthropic-version": "2023-06-01"}).json()
    assert anthropic["has_more"] is False
    assert anthropic["first_id"] == anthropic["data"][0]["id"]
    gemini = gateway.get("/v1beta/models", {"x-goog-api-key": key}).json()
    assert {model["name"] for model in gemini["models"]} >= {"models/fast", "models/gemini-2.5-flash"}
    one = gateway.get("/v1/models/claude-sonnet-4-5", bearer).json()
    assert one["id"] == "claude-sonnet-4-5"
    assert gateway.get("/v1/models/nobody-serves-this", bearer).status == 404
    assert gateway.get("/t/PROJ-1/v1/models", bearer).status == 200
    assert gateway.get("/v1/models").status == 401


def test_a_key_sees_the_models_it_may_call_and_no_others(gateway: RunningGateway) -> None:
    narrow = gateway.key(team="search", models=("gpt-4o*", "quick"))
    listed = ids(gateway, "/v1/models", {"authorization": f"Bearer {narrow}"})
    assert {"gpt-4o-mini", "quick"} <= set(listed)
    assert all(name.startswith("gpt-4o") or name == "quick" for name in listed)
    reply = gateway.post("/v1/chat/completions", chat("x") | {"model": "fast"}, narrow)
    assert reply.status == 403
    assert reply.json()["error"]["code"] == "model_not_allowed"


def test_an_alias_is_booked_under_the_name_that_was_asked(gateway: RunningGateway, key: str) -> None:
    reply = gateway.post("/v1/chat/completions", chat("x") | {"model": "quick"}, key)
    call = gateway.call(reply.headers["x-request-id"])
    assert (call.request_model, call.response_model, call.state) == ("quick", "gpt-4o-mini", "settled")
    assert call.billed_cost is not None


def test_health_is_free_and_says_no_more_than_health(gateway: RunningGateway) -> None:
    assert gateway.get("/livez").json() == {"status": "alive"}
    assert gateway.get("/readyz").json() == {"status": "ready"}
    assert gateway.send("HEAD", "/", None).status == 200
    assert gateway.get("/nowhere").status == 404


def test_metrics_count_what_the_ledger_books(gateway: RunningGateway, key: str) -> None:
    def series(name: str) -> float:
        lines = gateway.get("/metrics").body.decode().splitlines()
        found = [line for line in lines if line.startswith(name + "{") and 'request_model="gpt-4o-mini"' in line]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found if 'team="search"' in line)

    before = series("weighbridge_calls_total")
    spent = series("weighbridge_billed_cost_usd_total")
    reply = gateway.post("/v1/chat/completions", chat("x"), key)
    until(lambda: series("weighbridge_calls_total") == before + 1, "the call is counted")
    cost = float(reply.headers["x-weighbridge-cost"])
    assert series("weighbridge_billed_cost_usd_total") == pytest.approx(spent + cost)


def test_T81_metrics_are_for_this_machine_or_a_reading_key(gateway: RunningGateway, key: str) -> None:
    far = {"x-forwarded-for": "10.0.0.9"}
    assert gateway.get("/metrics", far).status == 401
    assert gateway.get("/metrics", far | {"authorization": f"Bearer {key}"}).status == 403
    reader = gateway.key(role="auditor")
    header = far | {"authorization": f"Bearer {reader}"}
    until(lambda: gateway.get("/metrics", header).status == 200, "a reading key reads")


def test_every_call_leaves_one_line_that_holds_no_prompt(gateway: RunningGateway, key: str) -> None:
    reply = gateway.post("/v1/chat/completions", chat("the canary sings"), key)
    request_id = reply.headers["x-request-id"]

    def lines() -> list[dict[str, object]]:
        parsed = [json.loads(line) for line in gateway.said().splitlines()]
        return [line for line in parsed if line.get("request_id") == request_id]

    (line,) = until(lines, "the line is written")
    assert line["event"] == "call_settled"
    assert line["tags"] == {"team": "search"}
    assert line["billed_cost"] == round(float(reply.headers["x-weighbridge-cost"]) * 10**9)
    assert "canary" not in gateway.said()
    assert key not in gateway.said()


def test_F63_new_settings_are_taken_over_while_running_and_bad_ones_are_not(gateway: RunningGateway, key: str) -> None:
    text = gateway.config.read_text()

    def status(model: str) -> int:
        return gateway.post("/v1/chat/completions", chat("x") | {"model": model}, key).status

    try:
        gateway.config.write_text(text.replace('aliases = ["quick"]', 'aliases = ["quick", "swift"]'))
        header = {"authorization": f"Bearer {key}"}
        until(lambda: "swift" in ids(gateway, "/v1/models", header), "the new alias is known")
        assert status("swift") == 200
        gateway.config.write_text(text.replace("[models.fast]", "[models.fast]\nno_such_setting = 1"))
        until(lambda: "config_reload_failed" in gateway.said(), "the bad file is told")
        assert "no_such_setting" in gateway.said()
        assert status("swift") == 200, "the old settings are kept whole"
    finally:
        gateway.config.write_text(text)
