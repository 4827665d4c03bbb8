"""Claude Code, unmodified, through the gateway: the tokens and the money it prints are the ledger's."""

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from gateway.echo.ask import SAID_CHARACTERS_MAX
from gateway.ledger.entry import Call
from tests.clients.agents import Agents, Ran
from tests.clients.weighing import Counts, booked, counted, dollars, owed, without_zeros
from tests.e2e.running import RunningGateway, until

pytestmark = [pytest.mark.heavy, pytest.mark.npm]

MODEL = "claude-sonnet-4-5"
BRIEF = ("--tools", "", "--system-prompt", "Be brief.")
"""Without tools, whose descriptions alone are ten thousand tokens."""

ONE_RETRY = {"CLAUDE_CODE_MAX_RETRIES": "1"}


@pytest.fixture(scope="module")
def agents(gateway: RunningGateway, key: str, tmp_path_factory: pytest.TempPathFactory) -> Agents:
    return Agents(tmp_path_factory.mktemp("claude"), gateway.url, key)


def calls_of(gateway: RunningGateway, session_id: str, count: int) -> list[Call]:
    """Give the calls of a session once the ledger holds as many."""

    def found() -> list[Call]:
        calls = [entry.call() for entry in gateway.entries() if entry.kind == "call"]
        mine = [call for call in calls if call.session_id == session_id]
        return mine if len(mine) >= count else []

    calls: list[Call] = until(found, f"{count} calls of {session_id}")
    assert len(calls) == count, calls
    return calls


def own_cost(ran: Ran) -> Fraction:
    """Give what Claude Code says the session cost: it adds in floating point, so past nine decimals is noise."""
    return Fraction(Decimal(str(ran.result["total_cost_usd"])).quantize(Decimal("1e-9")))


def summed(calls: list[Call]) -> Counts:
    total: dict[str, int] = {}
    for call in calls:
        for name, count in booked(call.usage).items():
            total[name] = total.get(name, 0) + count
    return total


@pytest.mark.parametrize("model", [None, MODEL], ids=["its own choice", MODEL])
def test_claude_code_with_all_its_tools_prints_the_ledgers_tokens_and_money(
    model: str | None, gateway: RunningGateway, agents: Agents
) -> None:
    ran = agents.claude("Weigh this.", *(("--model", model) if model else ()))
    assert (ran.code, ran.result["is_error"]) == (0, False), ran
    # To some models it sends its own reminders before the task, more of them than the echo says back.
    said = ran.result["result"]
    assert said.endswith("Weigh this.") or len(said) == SAID_CHARACTERS_MAX
    (call,) = calls_of(gateway, ran.result["session_id"], 1)
    assert (call.state, call.client, call.dialect, call.streamed) == ("settled", "claude-cli", "anthropic", True)
    assert call.tags["team"] == "search"
    tokens = without_zeros(counted("anthropic", ran.result["usage"]))
    assert tokens["cache_write"] > 5_000, "it marks its long prompt for the cache"
    assert booked(call.usage) == tokens
    assert dollars(call.billed_cost) == owed(tokens, "anthropic", call.request_model) == own_cost(ran)


def test_claude_code_runs_a_tool_and_the_ledger_holds_both_calls(gateway: RunningGateway, agents: Agents) -> None:
    task = 'call Bash {"command": "expr 20 + 22", "description": "Add"}'
    ran = agents.claude(task, "--tools", "Bash", "--allowedTools", "Bash", *BRIEF[2:], "--model", MODEL)
    assert ran.result["result"].startswith("42"), ran
    calls = calls_of(gateway, ran.result["session_id"], 2)
    tokens = without_zeros(counted("anthropic", ran.result["usage"]))
    assert tokens["cache_read"] > 0
    assert tokens["cache_write"] > 0
    assert summed(calls) == tokens
    parts = sum(owed(booked(call.usage), "anthropic", MODEL) for call in calls)
    assert sum(dollars(call.billed_cost) for call in calls) == parts == own_cost(ran)


def test_a_session_whose_first_run_names_an_initiative_stays_on_it(gateway: RunningGateway, agents: Agents) -> None:
    first = agents.claude("one", *BRIEF, "--model", MODEL, ANTHROPIC_CUSTOM_HEADERS="X-AI-Tags: epic=SLOT-42")
    session_id = first.result["session_id"]
    second = agents.claude("two", *BRIEF, "--model", MODEL, "--resume", session_id)
    assert second.result["session_id"] == session_id
    calls = calls_of(gateway, session_id, 2)
    assert [call.tags["initiative"] for call in calls] == ["SLOT-42", "SLOT-42"]
    assert [call.tag_sources["initiative"] for call in calls] == ["header", "session"]
    # A resumed session reports what all of it cost.
    assert sum(dollars(call.billed_cost) for call in calls) == own_cost(second)


def test_an_initiative_in_the_address_is_enough(gateway: RunningGateway, agents: Agents) -> None:
    ran = agents.claude("one", *BRIEF, "--model", MODEL, url=f"{gateway.url}/t/SLOT-43")
    (call,) = calls_of(gateway, ran.result["session_id"], 1)
    assert (call.tags["initiative"], call.tag_sources["initiative"]) == ("SLOT-43", "url")


REFUSED = [
    # Key, model, status it reports, words it shows, calls in the ledger.
    ("wb_bad", "echo", 401, "Copy it again, whole", 0),
    (None, "nobody", 404, "issue with the selected model (nobody)", 0),
    (None, "echo-429", 429, "asks the echo provider for a status 429", 2),
    (None, "echo-500", 500, "asks the echo provider for a status 500", 2),
]


@pytest.mark.parametrize(("key_said", "model", "status", "words", "count"), REFUSED)
def test_claude_code_says_why_a_call_failed_and_nothing_is_charged(
    key_said: str | None, model: str, status: int, words: str, count: int, gateway: RunningGateway, agents: Agents
) -> None:
    ran = agents.claude("one", *BRIEF, "--model", model, key=key_said, **ONE_RETRY)
    assert (ran.code, ran.result["is_error"], ran.result["api_error_status"]) == (1, True, status)
    assert words in ran.result["result"]
    assert own_cost(ran) == 0
    calls = calls_of(gateway, ran.result["session_id"], count) if count else []
    assert {(call.state, call.billed_cost, call.status) for call in calls} <= {("voided", 0, status)}


def test_claude_code_ends_with_an_error_when_its_stream_breaks(gateway: RunningGateway, agents: Agents) -> None:
    ran = agents.claude("Weigh this, please.", *BRIEF, "--model", "echo-cut", **ONE_RETRY)
    assert (ran.code, ran.result["is_error"]) == (1, True)
    assert re.search("may be incomplete|broke the connection", ran.result["result"]), ran.result
    # It asks again for the rest, as often as it likes; each try is in the ledger, with bounds.
    tries = [entry.call() for entry in gateway.entries() if entry.kind == "call"]
    tries = [call for call in tries if call.session_id == ran.result["session_id"]]
    assert tries
    assert {(call.state, call.reason, call.cost_lower) for call in tries} == {("uncertain", "reset", 0)}


def test_the_address_itself_answers_as_an_agent_asks_before_it_starts(gateway: RunningGateway, tmp_path: Path) -> None:
    assert gateway.send("HEAD", "/", None).status == 200
