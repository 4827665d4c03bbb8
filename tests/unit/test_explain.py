"""A request told from its entries: the bill line by line, the tags with their channels, every try."""

from datetime import timedelta

import msgspec
import pytest

from gateway.explain import Explanation, Tag, explain, sentence
from gateway.ledger.entry import Call, Placed
from policies.money import NanoUsd
from policies.pricing import Charge, total
from policies.usage import Usage
from tests.fakes.front import NOW, entry

INPUT = Charge("input", 1_200, NanoUsd(150_000_000), 1_000_000, "standard", NanoUsd(180_000))
OUTPUT = Charge("output", 80, NanoUsd(600_000_000), 1_000_000, "batch", NanoUsd(48_000))
CALL = Call(
    request_id="req_1",
    state="settled",
    operation="chat",
    dialect="openai",
    provider_name="echo",
    request_model="small-1",
    status=200,
    attempt=2,
    usage=Usage(input_tokens=1_200, output_tokens=80),
    charges=(INPUT, OUTPUT),
    billed_cost=228_000,
    price_version="echo/small-1@1",
    tags={"team": "search", "initiative": "PROJ-1"},
    tag_sources={"team": "locked_key", "initiative": "header"},
)


def attempt(number: int, **changes: object) -> Call:
    changes = {"state": "voided", "status": 503, "billed_cost": 0, "cost_source": "none", "charges": ()} | changes
    return msgspec.structs.replace(CALL, attempt=number, **changes)


def told(*calls: tuple[str, str, object]) -> Explanation:
    placed = tuple(
        Placed(number + 1, entry(entry_id, kind, body, NOW + timedelta(seconds=number)))
        for number, (entry_id, kind, body) in enumerate(calls)
    )
    found = explain(placed)
    assert found is not None
    return found


def test_a_call_is_explained_by_its_own_charge_lines() -> None:
    found = told(("req_1:call", "call", CALL))
    assert (found.request_id, found.billed_cost, found.call.price_version) == ("req_1", 228_000, "echo/small-1@1")
    assert found.charges == (INPUT, OUTPUT)
    assert total(found.charges) == found.billed_cost
    assert found.tags == (Tag("initiative", "PROJ-1", "header"), Tag("team", "search", "locked_key"))
    assert [(one.provider_name, one.status, one.billed_cost) for one in found.tries] == [("echo", 200, 228_000)]


def test_absorbed_attempts_are_told_in_their_order_and_their_cost_is_in_the_whole() -> None:
    found = told(
        ("req_1:attempt:1", "attempt", attempt(1, provider_name="second", billed_cost=500, state="uncertain")),
        ("req_1:attempt:0", "attempt", attempt(0, provider_name="first")),
        ("req_1:call", "call", CALL),
    )
    assert [one.provider_name for one in found.tries] == ["first", "second", "echo"]
    assert found.billed_cost == 228_500
    assert (found.position, found.occurred_at) == (3, NOW + timedelta(seconds=2))


@pytest.mark.parametrize("unknown", ["call", "attempt"])
def test_where_one_part_is_not_known_the_whole_is_not(unknown: str) -> None:
    lost = {"billed_cost": None, "cost_source": "unknown"}
    call = msgspec.structs.replace(CALL, **lost) if unknown == "call" else CALL
    found = told(
        ("req_1:attempt:0", "attempt", attempt(0, **lost) if unknown == "attempt" else attempt(0)),
        ("req_1:call", "call", call),
    )
    assert found.billed_cost is None


def test_later_entries_about_the_same_request_are_named() -> None:
    found = told(("req_1:call", "call", CALL), ("retag:1", "retag", {"request_id": "req_1"}))
    assert [(one.entry_id, one.kind, one.recorded_at) for one in found.amendments] == [
        ("retag:1", "retag", NOW + timedelta(seconds=1))
    ]


def test_without_an_end_there_is_nothing_to_explain() -> None:
    assert explain(()) is None
    assert explain((Placed(1, entry("req_1:attempt:0", "attempt", attempt(0))),)) is None


def test_a_tag_whose_channel_is_not_known_is_told_without_one() -> None:
    assert told(("req_1:call", "call", msgspec.structs.replace(CALL, tag_sources={}))).tags[0].source == ""


def test_a_charge_line_reads_as_arithmetic() -> None:
    assert sentence(INPUT) == "1,200 input x 0.15 USD per 1,000,000 = 0.00018 USD"
    assert sentence(OUTPUT) == "80 output (batch) x 0.6 USD per 1,000,000 = 0.000048 USD"
