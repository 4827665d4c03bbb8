"""A request explained over the API, by our id or the provider's."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from policies.money import NanoUsd
from policies.pricing import Charge
from policies.usage import Usage
from tests.fakes.api import Api, api_over
from tests.fakes.front import entry

LINE = Charge("input", 1_200, NanoUsd(150_000_000), 1_000_000, "standard", NanoUsd(180_000))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with api_over(tmp_path) as made:
        yield made


async def test_a_request_is_explained_down_to_tokens_times_price(api: Api) -> None:
    request_id = api.front.call(
        1,
        key_id=api.ids["member"],
        usage=Usage(input_tokens=1_200),
        charges=(LINE,),
        billed_cost=180_000,
        price_version="echo/small-1@1",
        tags={"team": "search", "initiative": "PROJ-1"},
        tag_sources={"team": "locked_key", "initiative": "header"},
        initiative_status="ok",
        flags=("locked:team",),
    )
    told = (await api.get("member", f"/requests/{request_id}")).json()
    assert told["charges"] == [
        {
            "sku_meter": "input",
            "consumed_quantity": 1_200,
            "rate": "0.15",
            "per": 1_000_000,
            "tier": "standard",
            "billed_cost": "0.00018",
            "text": "1,200 input x 0.15 USD per 1,000,000 = 0.00018 USD",
        }
    ]
    assert (told["billed_cost"], told["currency"], told["price_version"]) == ("0.00018", "USD", "echo/small-1@1")
    assert told["tags"] == [
        {"name": "initiative", "value": "PROJ-1", "source": "header"},
        {"name": "team", "value": "search", "source": "locked_key"},
    ]
    assert (told["usage"]["input_tokens"], told["usage"]["cache_read_input_tokens"]) == (1_200, 0)
    assert (told["initiative_status"], told["flags"], told["state"]) == ("ok", ["locked:team"], "settled")
    assert (await api.get("member", "/requests/chatcmpl-1")).json() == told


async def test_all_tries_of_a_request_are_told_also_by_the_providers_id(api: Api) -> None:
    request_id = api.front.call(1, key_id=api.ids["member"], attempt=1)
    call = api.front.ledger.find(request_id)[0].entry.call()
    tried = msgspec.structs.replace(call, attempt=0, status=503, state="voided", billed_cost=0, response_id=None)
    api.front.ledger.append((entry(f"{request_id}:attempt:0", "attempt", tried),))
    for name in (request_id, "chatcmpl-1"):
        told = (await api.get("member", f"/requests/{name}")).json()
        assert [(one["status"], one["state"]) for one in told["tries"]] == [(503, "voided"), (200, "settled")]


async def test_what_is_not_known_is_null_and_bounded_never_nought(api: Api) -> None:
    request_id = api.front.call(
        1, key_id=api.ids["member"], state="uncertain", billed_cost=None, cost_source="unknown", cost_lower=0,
        cost_upper=9_000,
    )  # fmt: skip
    told = (await api.get("member", f"/requests/{request_id}")).json()
    assert (told["billed_cost"], told["cost_lower"], told["cost_upper"]) == (None, "0", "0.000009")
    assert told["tries"][0]["billed_cost"] is None


@pytest.mark.parametrize("name", ["req_1", "x" * 257, "%00", "a%20b", "caf%C3%A9", "%27%20OR%201=1", "..%2f", "."])
async def test_T08_a_name_nobody_has_finds_nothing(api: Api, name: str) -> None:
    api.front.call(1, key_id=api.ids["member"])
    answer = await api.get("admin", f"/requests/{name}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"request_unknown", "not_found"}
