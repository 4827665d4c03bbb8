"""Spend over the API: the right sums for the right eyes, as JSON and as CSV that runs nothing."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.ledger.entry import DIMENSIONS
from policies.usage import Usage
from tests.fakes.api import ROLES, Api, api_over
from tests.fakes.front import NOW

DEAR = 10**15 - 1
"""Ten of these are more than a double holds exactly, so that a float anywhere on the way would show."""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with api_over(tmp_path) as made:
        front, ids = made.front, made.ids
        usage = Usage(input_tokens=10, output_tokens=5)
        search = {"team": "search", "initiative": "PROJ-1"}
        front.call(1, key_id=ids["member"], tags=search, billed_cost=1_500_000, usage=usage)
        for number in range(10, 20):
            front.call(number, key_id=ids["service"], tags={"team": "search"}, billed_cost=DEAR, usage=usage)
        front.call(3, key_id=ids["other"], tags={"team": "ads"}, request_model="large-1", billed_cost=7)
        front.call(4, key_id=ids["other"], tags={"team": "ads"}, billed_cost=None, cost_source="unknown")
        front.call(5, key_id=ids["member"], tags=search, occurred_at=NOW - timedelta(days=30), billed_cost=40)
        yield made


async def test_spend_is_this_months_by_default_and_exact(api: Api) -> None:
    told = (await api.get("admin", "/spend", until="2026-11-26")).json()
    assert (told["since"], told["until"]) == ("2026-11-01T00:00:00Z", "2026-11-26T00:00:00Z")
    assert told["total"] == {
        "calls": 13,
        "billed_cost": "10000000.001499997",
        "unknown_calls": 1,
        "estimated_cost": "0",
        "input_tokens": 110,
        "output_tokens": 55,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "reasoning_output_tokens": 0,
    }
    assert (told["currency"], told["by"], len(told["rows"])) == ("USD", [], 1)


async def test_a_call_at_the_end_of_the_period_is_not_in_it(api: Api) -> None:
    assert (await api.get("admin", "/spend")).json()["total"]["calls"] == 0
    until = (NOW + timedelta(microseconds=1)).isoformat()
    assert (await api.get("admin", "/spend", until=until)).json()["total"]["calls"] == 13


async def test_a_group_of_which_no_cost_is_known_is_null_in_json_and_empty_in_csv(api: Api) -> None:
    api.front.call(6, key_id=api.ids["other"], tags={"team": "lost"}, billed_cost=None, cost_source="unknown")
    api.front.call(7, key_id=api.ids["other"], tags={"team": "lost"}, billed_cost=0, state="voided", cost_source="none")
    asked = {"team": "lost", "by": "team", "until": "2026-11-26"}
    told = (await api.get("admin", "/spend", **asked)).json()
    for figures in (told["total"], told["rows"][0]):
        assert (figures["calls"], figures["unknown_calls"]) == (2, 1)
        assert (figures["billed_cost"], figures["estimated_cost"]) == (None, None)
    assert "\r\nlost,2,,1,," in (await api.get("admin", "/spend", format="csv", **asked)).text


async def test_groups_come_dearest_first_and_sum_to_the_total(api: Api) -> None:
    told = (await api.get("finops", "/spend", by="team,model", until="2026-11-26")).json()
    assert told["by"] == ["team", "request_model"]
    assert [(row["group"]["team"], row["group"]["request_model"], row["billed_cost"]) for row in told["rows"]] == [
        ("search", "small-1", "10000000.00149999"),
        ("ads", "large-1", "0.000000007"),
        ("ads", "small-1", None),
    ]
    untagged = (await api.get("finops", "/spend", by="initiative", until="2026-11-26")).json()["rows"]
    assert {row["group"]["initiative"] for row in untagged} == {None, "PROJ-1"}


@pytest.mark.parametrize(
    ("params", "calls"),
    [
        ({"team": "search"}, 11),
        ({"team": "search", "initiative": "PROJ-1"}, 1),
        ({"team": "nobody"}, 0),
        ({"request_model": "large-1"}, 1),
        ({"state": "settled"}, 13),
        ({"since": "2026-10-01"}, 14),
        ({"since": "2026-10-26T12:00:00Z"}, 14),
        ({"since": "2026-10-26T14:00:00.000001+02:00"}, 13),
        ({"since": "2026-10-26", "until": "2026-10-27"}, 1),
    ],
)
async def test_filters_and_periods_keep_what_they_say(api: Api, params: dict[str, str], calls: int) -> None:
    told = (await api.get("auditor", "/spend", **{"until": "2026-11-26"} | params)).json()
    assert told["total"]["calls"] == calls


@pytest.mark.parametrize(
    ("who", "calls", "cost"),
    [("admin", 13, "10000000.001499997"), ("lead", 11, "10000000.00149999"), ("member", 1, "0.0015"),
     ("service", 10, "9999999.99999999"), ("other", 2, "0.000000007")],
)  # fmt: skip
async def test_T20_each_caller_sums_within_its_share(api: Api, who: str, calls: int, cost: str) -> None:
    for by in ("", "team", "day,initiative"):
        told = (await api.get(who, "/spend", by=by, until="2026-11-26")).json()
        assert (told["total"]["calls"], told["total"]["billed_cost"]) == (calls, cost)


async def test_T20_nothing_another_team_does_changes_what_a_lead_sees(api: Api) -> None:
    before = (await api.get("lead", "/spend", by="team,request_model", until="2026-11-26")).json()
    for number in range(30, 40):
        api.front.call(number, key_id=api.ids["other"], tags={"team": "ads", "initiative": "PROJ-1"})
    assert (await api.get("lead", "/spend", by="team,request_model", until="2026-11-26")).json() == before


@pytest.mark.parametrize("who", [*ROLES])
async def test_nobodys_spend_is_shown_by_person(api: Api, who: str) -> None:
    assert (await api.get(who, "/spend", by="person")).json()["code"] == "bad_query"
    assert (await api.get(who, "/spend", person="per_" + "0" * 32)).status_code == 422


@pytest.mark.parametrize("who", ["lead", "member", "service"])
async def test_to_a_lead_a_key_is_a_colleague_and_is_no_group(api: Api, who: str) -> None:
    assert (await api.get(who, "/spend", by="key_id")).status_code == 400
    assert (await api.get("admin", "/spend", by="key_id")).status_code == 200


async def test_a_lead_may_ask_for_its_own_key(api: Api) -> None:
    answer = await api.get("lead", "/spend", key_id=api.ids["lead"], until="2026-11-26")
    assert (answer.status_code, answer.json()["total"]["calls"]) == (200, 0)
    answer = await api.get("member", "/spend", key_id=api.ids["member"], team="search", until="2026-11-26")
    assert (answer.status_code, answer.json()["total"]["calls"]) == (200, 1)


@pytest.mark.parametrize(
    "params",
    [
        {"by": "colour"},
        {"by": "team,initiative,request_model,state,day"},
        {"since": "2026-13-01"},
        {"since": "yesterday"},
        {"since": "0000000000"},
        {"since": "2026-11-01T00:00:00"},
        {"since": "1999-12-31"},
        {"since": "2026-11-26", "until": "2026-11-26"},
        {"until": "2200-01-01"},
        {"team": ""},
        {"team": "a\x00"},
        {"team": "caf\xe9"},
        {"cursor": "x"},
    ],
)  # fmt: skip
async def test_a_question_that_has_no_answer_says_why(api: Api, params: dict[str, str]) -> None:
    answer = await api.get("admin", "/spend", **params)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"bad_query", "bad_cursor"}


@pytest.mark.parametrize(
    "params", [{"teem": "search"}, {"format": "xml"}, {"limit": 0}, {"limit": 501}, {"by": "x" * 129}]
)
async def test_a_word_that_is_not_known_is_no_filter_that_is_silently_left_out(
    api: Api, params: dict[str, object]
) -> None:
    assert (await api.get("admin", "/spend", **params)).status_code == 422


async def test_every_dimension_but_the_person_can_be_grouped_and_filtered_by(api: Api) -> None:
    for name in DIMENSIONS:
        if name == "person":
            continue
        assert (await api.get("admin", "/spend", by=name)).status_code == 200
        if name != "day":
            assert (await api.get("admin", "/spend", **{name: "x"})).status_code == 200


async def test_pages_of_groups_have_the_total_of_all(api: Api) -> None:
    params = {"by": "team,request_model", "until": "2026-11-26", "limit": 2}
    first = (await api.get("admin", "/spend", **params)).json()
    second = (await api.get("admin", "/spend", **params, cursor=first["next_cursor"])).json()
    assert (len(first["rows"]), len(second["rows"]), second["next_cursor"]) == (2, 1, None)
    assert first["total"] == second["total"]
    beyond = (await api.get("admin", "/spend", **params, cursor="999")).json()
    assert (beyond["rows"], beyond["next_cursor"]) == ([], None)


async def test_csv_holds_the_same_figures_as_json(api: Api) -> None:
    params = {"by": "team,model", "until": "2026-11-26"}
    told = (await api.get("admin", "/spend", **params)).json()
    answer = await api.get("admin", "/spend", **params, format="csv", limit=1)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="spend-20261101-20261126.csv"'
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    cells = [
        row.pop("group") | {name: "" if told is None else str(told) for name, told in row.items()}
        for row in told["rows"]
    ]
    assert cells == rows


async def test_T57_no_cell_of_the_csv_is_a_formula(api: Api) -> None:
    evil = ["=cmd|' /C calc'!A1", "+1+1", "-1+1", "@SUM(1)", '=HYPERLINK("http://x","y")', "plain, with comma"]
    for number, model in enumerate(evil):
        api.front.call(100 + number, key_id="k", tags={"team": model}, request_model=model, billed_cost=1)
    answer = await api.get("admin", "/spend", by="team,model", until="2026-11-26", format="csv")
    cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
    for text in evil[:-1]:
        assert cells.count(f"'{text}") == 2
    assert cells.count(evil[-1]) == 2
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


async def test_a_period_ends_where_the_next_begins(api: Api) -> None:
    cut = datetime.fromisoformat("2026-11-25T12:00:00Z").isoformat()
    before = (await api.get("admin", "/spend", since="2026-10-01", until=cut)).json()["total"]["calls"]
    after = (await api.get("admin", "/spend", since=cut, until="2026-12-01")).json()["total"]["calls"]
    assert (before, after) == (1, 13)
