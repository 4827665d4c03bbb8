"""Codex, unmodified, through the gateway: what it says a turn used is what the ledger holds."""

import pytest

from gateway.ledger.entry import Call
from tests.clients.agents import Agents, Ran
from tests.clients.weighing import Counts, booked, dollars, owed, without_zeros
from tests.e2e.running import RunningGateway, until

pytestmark = [pytest.mark.heavy, pytest.mark.npm]

MODEL = "gpt-5.5-codex"
TAGGED = '"X-AI-Tags" = "epic=SLOT-42"'


@pytest.fixture(scope="module")
def agents(gateway: RunningGateway, key: str, tmp_path_factory: pytest.TempPathFactory) -> Agents:
    return Agents(tmp_path_factory.mktemp("codex"), gateway.url, key)


def calls_of(gateway: RunningGateway, ran: Ran, count: int) -> list[Call]:
    """Give the calls of a run's thread once the ledger holds as many."""
    thread_id = ran.told[0]["thread_id"]

    def found() -> list[Call]:
        calls = [entry.call() for entry in gateway.entries() if entry.kind == "call"]
        mine = [call for call in calls if call.session_id == thread_id]
        return mine if len(mine) >= count else []

    calls: list[Call] = until(found, f"{count} calls of {thread_id}")
    assert len(calls) == count, calls
    return calls


def tokens_of(ran: Ran) -> Counts:
    """Give what Codex says the thread has used: input holds what was cached, output what was thought."""
    assert ran.result["type"] == "turn.completed", ran
    usage = ran.result["usage"]
    cached = usage["cached_input_tokens"]
    split = {"input": usage["input_tokens"] - cached, "cache_read": cached, "output": usage["output_tokens"]}
    return without_zeros(split)


def said(ran: Ran) -> list[str]:
    items = [event["item"] for event in ran.told if event["type"] == "item.completed"]
    return [item["text"] for item in items if item["type"] == "agent_message"]


def test_codex_says_what_the_ledger_holds_and_a_resumed_thread_stays_on_its_initiative(
    gateway: RunningGateway, agents: Agents
) -> None:
    first = agents.codex("Weigh this.", model=MODEL, headers=TAGGED)
    assert (first.code, said(first)) == (0, ["Weigh this."])
    (call,) = calls_of(gateway, first, 1)
    account = (call.state, call.client, call.operation, call.streamed, call.tags["team"])
    assert account == ("settled", "codex", "responses", True, "search")
    assert booked(call.usage) == tokens_of(first)
    assert call.usage is not None
    assert call.usage.reasoning_output_tokens == first.result["usage"]["reasoning_output_tokens"] > 0
    assert dollars(call.billed_cost) == owed(tokens_of(first), "openai", MODEL) > 0

    second = agents.codex("resume", first.told[0]["thread_id"], "And this.", model=MODEL)
    assert said(second) == ["And this."]
    calls = calls_of(gateway, second, 2)
    assert [call.tags["initiative"] for call in calls] == ["SLOT-42", "SLOT-42"]
    assert [call.tag_sources["initiative"] for call in calls] == ["header", "session"]
    # A resumed thread reports all it has used, and its second prompt begins as the first.
    both = {name: sum(booked(call.usage).get(name, 0) for call in calls) for name in ("input", "cache_read", "output")}
    assert without_zeros(both) == tokens_of(second)
    assert both["cache_read"] > 1_000
    assert dollars(calls[1].billed_cost) == owed(booked(calls[1].usage), "openai", MODEL)


REFUSED = [
    # Key, model, words Codex shows, states in the ledger. For a 500 it has only words of its own.
    ("wb_bad", MODEL, "Copy it again, whole", []),
    (None, "nobody", "No provider here serves nobody", []),
    (None, "echo-429", "429 Too Many Requests", [("voided", 0)]),
    (None, "echo-500", "temporary errors", [("voided", 0)]),
]


@pytest.mark.parametrize(("key_said", "model", "words", "states"), REFUSED)
def test_codex_says_why_a_call_failed_and_nothing_is_charged(
    key_said: str | None, model: str, words: str, states: list[object], gateway: RunningGateway, agents: Agents
) -> None:
    ran = agents.codex("one", model=model, key=key_said)
    assert ran.code == 1
    assert ran.result["type"] == "turn.failed"
    assert words in ran.result["error"]["message"]
    calls = calls_of(gateway, ran, len(states)) if states else []
    assert [(call.state, call.billed_cost) for call in calls] == states


def test_codex_ends_with_an_error_when_its_stream_breaks(gateway: RunningGateway, agents: Agents) -> None:
    ran = agents.codex("Weigh this, please.", model="echo-cut")
    assert (ran.code, ran.result["type"]) == (1, "turn.failed")
    assert "broke the connection; the call may be billed" in ran.result["error"]["message"]
    assert said(ran) == []
    (call,) = calls_of(gateway, ran, 1)
    assert (call.state, call.reason, call.cost_lower) == ("uncertain", "reset", 0)
