"""The providers' own SDKs, unmodified, through the gateway: what they show, what they cost, whose account it is on."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from gateway.ledger.entry import Call
from tests.clients.programs import Program
from tests.clients.ways import COUNTS, EMBEDDINGS, LEFT, SPEAKING, Way, each
from tests.clients.weighing import Counts, booked, counted, dollars, owed, without_zeros
from tests.e2e.running import RunningGateway

SAID = "Weigh this, please: Ünïcode, 漢字 and a 🍋."
NO_KEY = "any"
"""The echo asks nobody for a key."""

Programs = Callable[[str], Program]


def shown_cost(way: Way, seen: dict[str, Any]) -> Fraction | None:
    """Give the cost where this client shows it, in dollars."""
    said = seen["cost"] if way.tells_cost == "header" else seen["usage"].get("cost")
    return None if said is None else Fraction(Decimal(str(said)))


def without_cost(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    """Give usage as the provider said it: the AI SDK keeps the provider's own words beside its own."""
    if usage is None:
        return None
    return {name: value for name, value in usage.items() if name not in {"cost", "raw"}}


def account_of(call: Call) -> tuple[str, str | None, str, str, bool, str]:
    return call.tags["team"], call.client, call.dialect, call.operation, call.streamed, call.state


def used(way: Way, program: Program, echo: str, seen: dict[str, Any], model: str) -> Counts:
    """Give what the client says was used; where it says nothing, what the provider tells a client that asks."""
    told = seen if way.whole is None else program.ask(way.whole, echo, NO_KEY, model=model, said=SAID)
    return without_zeros(counted(way.telling, told["usage"]))


@pytest.mark.parametrize("model", ["echo", "echo-cached", "echo-reason"])
@pytest.mark.parametrize("way", each(SPEAKING))
def test_an_sdk_shows_the_providers_answer_and_the_ledger_holds_its_tokens_and_money(
    way: Way, model: str, gateway: RunningGateway, echo: str, key: str, program: Programs
) -> None:
    client = program(way.program)
    seen = client.ask(way.name, gateway.url, key, model=model, said=SAID)
    direct = client.ask(way.name, echo, NO_KEY, model=model, said=SAID)
    assert "error" not in seen, seen
    assert seen["text"] == direct["text"] == SAID
    assert without_cost(seen.get("usage")) == without_cost(direct.get("usage"))

    call = gateway.call(seen["request_id"])
    assert account_of(call) == ("search", way.family, way.dialect, way.operation, way.streamed, "settled")
    tokens = used(way, client, echo, seen, model)
    assert booked(call.usage) == tokens
    if model == "echo-cached":
        assert tokens["cache_read"] > 0
    cost = dollars(call.billed_cost)
    assert cost == owed(tokens, "echo", model) > 0
    if way.tells_cost is not None:
        assert shown_cost(way, seen) == cost


@pytest.mark.parametrize("way", each(EMBEDDINGS))
def test_embeddings_are_the_providers_and_cost_their_input(
    way: Way, gateway: RunningGateway, echo: str, key: str, program: Programs
) -> None:
    client, model = program(way.program), "echo-embedding"
    seen = client.ask(way.name, gateway.url, key, model=model, said=SAID)
    direct = client.ask(way.name, echo, NO_KEY, model=model, said=SAID)
    assert (seen["text"], seen["usage"]) == (direct["text"], direct["usage"])
    call = gateway.call(seen["request_id"])
    assert account_of(call) == ("search", way.family, way.dialect, "embeddings", False, "settled")
    assert booked(call.usage) == {"input": seen["usage"]["prompt_tokens"]}
    assert shown_cost(way, seen) == dollars(call.billed_cost) == owed(booked(call.usage), "echo", model) > 0


@pytest.mark.parametrize("way", each(COUNTS))
def test_counting_tokens_is_the_providers_count_and_costs_nothing(
    way: Way, gateway: RunningGateway, echo: str, key: str, program: Programs
) -> None:
    client = program(way.program)
    seen = client.ask(way.name, gateway.url, key, model="echo", said=SAID)
    assert seen["text"] == client.ask(way.name, echo, NO_KEY, model="echo", said=SAID)["text"]
    assert int(seen["text"]) > 10
    call = gateway.call(seen["request_id"])
    assert account_of(call) == ("search", way.family, way.dialect, "count_tokens", False, "settled")
    assert (call.billed_cost, call.cost_source) == (0, "none")


PLAIN = [way for way in SPEAKING if "async" not in way.name and "helper" not in way.name]
TAKES_METADATA = {"chat", "chat_streamed", "responses", "responses_streamed"}


@pytest.mark.parametrize("way", each(PLAIN))
def test_an_initiative_in_a_header_or_in_the_address_reaches_the_ledger(
    way: Way, gateway: RunningGateway, key: str, program: Programs
) -> None:
    client = program(way.program)
    by_header = client.ask(
        way.name, gateway.url, key, model="echo", said=SAID, headers={"X-AI-Tags": "epic=PROJ-42, env=test"}
    )
    by_address = client.ask(way.name, f"{gateway.url}/t/PROJ-43", key, model="echo", said=SAID)
    assert by_header["text"] == by_address["text"] == SAID
    call = gateway.call(by_header["request_id"])
    assert (call.tags["initiative"], call.tag_sources["initiative"]) == ("PROJ-42", "header")
    assert (call.tags["environment"], call.tags["team"]) == ("test", "search")
    call = gateway.call(by_address["request_id"])
    assert (call.tags["initiative"], call.tag_sources["initiative"]) == ("PROJ-43", "url")


@pytest.mark.parametrize("way", each([way for way in PLAIN if way.name in TAKES_METADATA]))
def test_an_initiative_in_metadata_reaches_the_ledger(
    way: Way, gateway: RunningGateway, key: str, program: Programs
) -> None:
    more = {"metadata": {"epic": "PROJ-42", "trace": "of the caller's own"}}
    seen = program(way.program).ask(way.name, gateway.url, key, model="echo", said=SAID, more=more)
    assert seen["text"] == SAID, seen
    call = gateway.call(seen["request_id"])
    assert (call.tags["initiative"], call.tag_sources["initiative"]) == ("PROJ-42", "body")
    assert "trace" not in call.tags


@pytest.mark.parametrize("way", each(LEFT))
def test_a_stream_its_client_left_is_weighed_whole(
    way: Way, gateway: RunningGateway, echo: str, key: str, program: Programs
) -> None:
    client, model = program(way.program), "echo-slow"
    seen = client.ask(way.name, gateway.url, key, model=model, said=SAID)
    assert SAID.startswith(seen["text"])
    assert seen["text"] != SAID
    call = gateway.call(seen["request_id"])
    assert account_of(call) == ("search", way.family, way.dialect, way.operation, True, "settled")
    tokens = used(way, client, echo, seen, "echo")
    assert booked(call.usage) == tokens
    assert dollars(call.billed_cost) == owed(tokens, "echo", model)


@pytest.mark.parametrize(
    "name", ["openai_python", "anthropic_python", "google_genai", pytest.param("openai_node", marks=pytest.mark.npm)]
)
@pytest.mark.heavy
def test_an_sdk_lists_what_its_key_may_call(name: str, gateway: RunningGateway, key: str, program: Programs) -> None:
    listed = program(name).ask("models", gateway.url, key, model="", said="")["text"].split()
    assert {"echo", "models/echo"} & set(listed)
    assert any("gpt-" in model for model in listed)
