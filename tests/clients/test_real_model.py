"""Real tokens: SDKs and Claude Code, the gateway, llama.cpp's server and a model; four counts of them, all the same."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from gateway.ledger.entry import Call
from tests.clients.agents import Agents
from tests.clients.local import LocalModel
from tests.clients.programs import Program
from tests.clients.ways import Way, each
from tests.clients.weighing import Counts, booked, counted, dollars, owed, without_zeros
from tests.e2e.running import RunningGateway, until
from tests.needs import needs

pytestmark = [pytest.mark.heavy, pytest.mark.model]

MODEL = "smollm2"
SAID = "Name three colours of the rainbow, please."
SAME = {"temperature": 0, "max_tokens": 24}
"""The likeliest word each time, so that the same question has the same answer."""

LONG = {"temperature": 0, "max_tokens": 400}
PRICE = """
[[price]]
provider = "local"
model = "smollm2"
effective_from = 2026-01-01
input = "0.137"
cache_read = "0.0137"
output = "0.731"
"""
"""Dollars per million tokens, odd enough that each line of a bill must be rounded."""

WAYS = [
    Way("openai_python", "chat", "openai", "openai", "chat"),
    Way("openai_python", "chat_streamed", "openai", "openai", "chat", streamed=True, tells_cost="usage"),
    Way("openai_python", "chat_streamed_bare", "openai", "openai", "chat", streamed=True, tells_cost=None),
    Way("anthropic_python", "messages", "anthropic", "anthropic", "chat"),
    Way("anthropic_python", "messages_streamed", "anthropic", "anthropic", "chat", streamed=True, tells_cost="usage"),
    Way("openai_node", "chat", "openai", "openai", "chat"),
    Way("openai_node", "chat_streamed", "openai", "openai", "chat", streamed=True, tells_cost="usage"),
]
LEFT = [
    Way("openai_python", "chat_left", "openai", "openai", "chat", streamed=True),
    Way("anthropic_python", "messages_left", "anthropic", "anthropic", "chat", streamed=True),
]
Programs = Callable[[str], Program]


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    needs("model")
    local = LocalModel()
    yield local
    local.stop()


def started(folder: Path, model: LocalModel, server: str = "") -> RunningGateway:
    """Start a gateway as `weighbridge up --with-local-model` does: the model is a provider beside the file's."""
    folder.mkdir()
    (folder / "prices.toml").write_text(PRICE)
    prices = '[prices]\noverrides = "prices.toml"'
    return RunningGateway(
        folder, "", server=server, more=prices, environment={"WEIGHBRIDGE_LOCAL_MODEL_URL": model.url}
    ).start()


@pytest.fixture(scope="module")
def gateway(model: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = started(tmp_path_factory.mktemp("real") / "gateway", model)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="search", name="real model")


def price_of(tokens: Counts, gateway: RunningGateway) -> Fraction:
    return owed(tokens, "local", MODEL, gateway.folder / "prices.toml")


@pytest.mark.parametrize("way", each(WAYS))
def test_client_gateway_server_and_the_servers_counters_agree_on_each_token(
    way: Way, model: LocalModel, gateway: RunningGateway, key: str, program: Programs
) -> None:
    client, before = program(way.program), model.counted()
    seen = client.ask(way.name, gateway.url, key, model=MODEL, said=SAID, more=SAME)
    worked = model.since(before)
    assert "error" not in seen, seen
    direct = client.ask(way.name, model.url, "any", model=MODEL, said=SAID, more=SAME)
    assert seen["text"] == direct["text"]
    assert seen["text"]

    call = gateway.call(seen["request_id"])
    assert (call.state, call.client, call.provider_name) == ("settled", way.family, "local")
    assert booked(call.usage) == worked
    assert 0 < worked["output"] <= SAME["max_tokens"]
    if way.tells_cost is None:
        assert seen.get("usage") is None
    else:
        assert without_zeros(counted(way.telling, seen["usage"])) == worked
    assert dollars(call.billed_cost) == price_of(worked, gateway) > 0


@pytest.mark.parametrize("way", each(LEFT))
def test_a_stream_its_client_left_is_booked_to_the_token_the_model_made(
    way: Way, model: LocalModel, gateway: RunningGateway, key: str, program: Programs
) -> None:
    before = model.counted()
    seen = program(way.program).ask(way.name, gateway.url, key, model=MODEL, said=SAID, more=LONG | {"max_tokens": 60})
    call = gateway.call(seen["request_id"], within_s=60)
    worked = model.since(before)
    assert call.state == "settled"
    assert booked(call.usage) == worked
    assert worked["output"] > 10, "the answer was read to its end, for its usage"
    assert dollars(call.billed_cost) == price_of(worked, gateway)


def test_where_the_provider_is_stopped_with_the_client_it_stops_and_the_bounds_hold_what_it_made(
    model: LocalModel, tmp_path: Path, program: Programs
) -> None:
    gateway = started(tmp_path / "stops", model, server='on_client_gone = "stop"')
    try:
        key, before = gateway.key(team="search"), model.counted()
        seen = program("openai_python").ask("chat_left", gateway.url, key, model=MODEL, said=SAID, more=LONG)
        call = gateway.call(seen["request_id"], within_s=60)
        worked = model.since(before)
        bill = price_of(worked, gateway)
    finally:
        assert gateway.stop() == 0
    assert worked["output"] < LONG["max_tokens"] // 2, "the model stopped too"
    assert (call.state, call.reason, call.cost_source) == ("uncertain", "client_gone", "estimated")
    assert dollars(call.cost_lower) <= bill <= dollars(call.cost_upper)


@pytest.mark.npm
def test_claude_code_and_a_real_model_agree_with_the_ledger_on_every_token(
    model: LocalModel, gateway: RunningGateway, key: str, tmp_path: Path
) -> None:
    before = model.counted()
    ran = Agents(tmp_path, gateway.url, key).claude(
        "Say something.", "--model", MODEL, "--tools", "", "--system-prompt", "Be brief.",
        CLAUDE_CODE_MAX_OUTPUT_TOKENS="24", CLAUDE_CODE_MAX_RETRIES="0",
    )  # fmt: skip
    worked, session_id = model.since(before), ran.result["session_id"]

    def enough() -> list[Call]:
        calls = [entry.call() for entry in gateway.entries() if entry.kind == "call"]
        mine = [call for call in calls if call.session_id == session_id]
        made = sum(call.usage.output_tokens for call in mine if call.usage)
        return mine if made >= worked["output"] else []

    calls: list[Call] = until(enough, f"the calls of {session_id}")
    assert {(call.state, call.client) for call in calls} == {("settled", "claude-cli")}
    total = {name: sum(booked(call.usage).get(name, 0) for call in calls) for name in worked}
    assert total == worked
    (said,) = ran.result["modelUsage"].values()
    assert worked == without_zeros({
        "input": said["inputTokens"], "cache_read": said["cacheReadInputTokens"], "output": said["outputTokens"],
    })  # fmt: skip
    cost = sum(dollars(call.billed_cost) for call in calls)
    assert cost == sum(price_of(booked(call.usage), gateway) for call in calls)
