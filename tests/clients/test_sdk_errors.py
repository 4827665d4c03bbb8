"""What users of the SDKs see when a call cannot be answered: an error with our words, at once, and no false end."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.programs import Program
from tests.clients.ways import SPEAKING, Way, each
from tests.clients.weighing import counted, dollars, owed, without_zeros
from tests.e2e.running import RunningGateway, until

SAID = "Weigh this, please, however long it takes."
REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")
Programs = Callable[[str], Program]

REFUSED = [
    # What is wrong, key, model, status, words that a person can act on.
    ("a key that is none of ours", "sk-proj-none-of-ours", "echo", 401, "wb_"),
    ("a key that is cut short", "wb_bad", "echo", 401, "Copy it again, whole"),
    ("a model that nobody serves", None, "nobody", 404, "No provider here serves nobody"),
]


@pytest.mark.parametrize(
    ("key_said", "model", "status", "words"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
@pytest.mark.parametrize("way", each(SPEAKING))
def test_an_sdk_shows_why_a_call_is_refused_and_does_not_try_again(
    way: Way, key_said: str | None, model: str, status: int, words: str,
    gateway: RunningGateway, key: str, program: Programs,
) -> None:  # fmt: skip
    before = len(refusals(gateway, way))
    url = f"{gateway.url}/t/{mark(way)}"
    seen = program(way.program).ask(way.name, url, key_said or key, model=model, said=SAID, retries=2)
    assert seen["text"] == ""
    assert seen["error"]["status"] == status, seen
    assert words in seen["error"]["message"]
    # Lines are written in order: once that of the try whose error is shown is there, those before it are too.
    last = REQUEST_ID.findall(str(seen["error"]))[0]
    until(lambda: last in gateway.said(), "the refusal in the log")
    told = refusals(gateway, way)[before:]
    assert len(told) == 1, told


def mark(way: Way) -> str:
    """Give an initiative that marks the calls of one way, so that the log tells them apart by address."""
    return f"{way.program}.{way.name}"


def refusals(gateway: RunningGateway, way: Way) -> list[str]:
    return [line for line in gateway.said().splitlines() if '"call_refused"' in line and f"/t/{mark(way)}/" in line]


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("way", each(SPEAKING))
def test_an_sdk_shows_a_providers_refusal_and_nothing_is_charged(
    way: Way, status: int, gateway: RunningGateway, key: str, program: Programs
) -> None:
    url = f"{gateway.url}/t/{mark(way)}-{status}"
    seen = program(way.program).ask(way.name, url, key, model=f"echo-{status}", said=SAID)
    assert seen["error"]["status"] == status, seen
    assert f"asks the echo provider for a status {status}" in seen["error"]["message"]
    (call,) = until(lambda: marked(gateway, f"{mark(way)}-{status}"), "the call in the ledger")
    assert (call.state, call.status, call.billed_cost) == ("voided", status, 0)
    assert seen["error"]["request_id"] in {call.request_id, None}


def marked(gateway: RunningGateway, initiative: str) -> list[Any]:
    calls = (entry.call() for entry in gateway.entries() if entry.kind == "call")
    return [call for call in calls if call.tags.get("initiative") == initiative]


@pytest.mark.parametrize("way", each(SPEAKING))
def test_an_answer_that_breaks_is_an_error_and_never_a_short_answer(
    way: Way, gateway: RunningGateway, echo: str, key: str, program: Programs
) -> None:
    client, initiative = program(way.program), f"{mark(way)}-cut"
    seen = client.ask(way.name, f"{gateway.url}/t/{initiative}", key, model="echo-cut", said=SAID)
    assert "broke the connection" in seen["error"]["message"], seen
    assert SAID.startswith(seen["text"])
    assert seen["text"] != SAID
    assert seen.get("finish") in {None, "error"}
    (call,) = until(lambda: marked(gateway, initiative), "the call in the ledger")
    assert (call.state, call.reason) == ("uncertain", "reset")
    # What the whole answer would have cost is the most the provider can bill.
    told = client.ask(way.whole or way.name, echo, "any", model="echo", said=SAID)
    whole = owed(without_zeros(counted(way.telling, told["usage"])), "echo", "echo-cut")
    assert call.cost_lower == 0
    assert call.cost_upper is None or dollars(call.cost_upper) >= whole
