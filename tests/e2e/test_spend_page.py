"""The Spend page: one total everywhere, nothing unknown shown as nought, every name harmless."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from gateway.demo.fill import seed
from gateway.ledger.entry import FIGURES, SpendQuery
from gateway.ledger.errors import LedgerDown
from gateway.spend_table import added
from policies.money import NanoUsd, to_usd
from reporting.web import spend_page, words
from tests.e2e.pages_world import NOW, PEPPER, World, structure, world
from tests.e2e.payloads import FORMULAS, HARMLESS, XSS

DOLLAR = 10**9


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("company")
    with world(folder) as made:
        seed(folder / "journal", made.ledger, PEPPER, NOW, days=16)
        yield made


async def get(pages: World, address: str, status: int = 200) -> httpx.Response:
    async with pages.signed_in() as browser:
        answer = await browser.get(address)
    assert answer.status_code == status, answer.text
    return answer


async def texts(pages: World, address: str, status: int = 200) -> str:
    """Give what a reader sees, blanks folded."""
    return " ".join(" ".join(structure((await get(pages, address, status)).text).texts).split())


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.mark.parametrize(
    ("by", "then", "where"),
    [
        ("team", None, {}),
        ("initiative", None, {}),
        ("team", "request_model", {}),
        ("initiative", "application", {"team": "payments"}),
        ("provider_name", "state", {"environment": "run"}),
        ("request_model", "source", {"application": "claims-desk"}),
        ("customer", None, {}),
    ],
)
@pytest.mark.parametrize(("since", "until"), [("2026-11-12", "2026-11-26"), ("2026-11-18", "2026-11-19")])
async def test_page_csv_json_and_ledger_have_the_same_total(company, by, then, where, since, until):
    query = "&".join(f"{k}={v}" for k, v in (where | {"since": since, "until": until, "by": by}).items())
    query += f"&then={then}" if then else ""
    period = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (since, until)]
    truth = added(company.ledger.spend(SpendQuery(since=period[0], until=period[1], where=where)))
    assert truth.calls > 0
    json = (await get(company, f"/spend.json?{query}")).json()
    lines = rows_of(await get(company, f"/spend.csv?{query}"))
    assert json["total"]["billed_cost"] == to_usd(NanoUsd(truth.billed_cost))
    for measure in FIGURES:
        exact = Decimal(json["total"][measure])
        for rows in (json["rows"], lines):
            assert exact == sum(Decimal(row[measure] or 0) for row in rows)
        if measure not in {"billed_cost", "estimated_cost"}:
            assert exact == getattr(truth, measure)
    assert sum(Decimal(day["billed_cost"] or 0) for day in json["days"]) == Decimal(json["total"]["billed_cost"])
    seen = await texts(company, f"/spend?{query}")
    assert f"{words.money(truth.billed_cost)} " in seen
    assert f"Total {words.cents(truth.billed_cost)}" in seen


async def test_the_sentence_says_the_total_and_the_change_against_the_period_before(pages):
    pages.call(120 * DOLLAR, datetime(2026, 11, 3, tzinfo=UTC), team="a")
    pages.call(100 * DOLLAR, datetime(2026, 11, 1, tzinfo=UTC), team="a")
    pages.call(999 * DOLLAR, datetime(2026, 10, 31, 23, 59, tzinfo=UTC), team="a")
    pages.call(999 * DOLLAR, datetime(2026, 11, 5, tzinfo=UTC), team="a")
    seen = await texts(pages, "/spend?since=2026-11-03&until=2026-11-05")
    assert "$120 from 3 to 4 November 2026, 20% more than in the 2 days before ($100)." in seen


async def test_a_period_that_still_runs_is_held_against_as_much_of_the_one_before(pages):
    pages.call(50 * DOLLAR, NOW, team="a")
    pages.call(40 * DOLLAR, NOW - timedelta(days=1, minutes=1), team="a")
    pages.call(999 * DOLLAR, NOW - timedelta(hours=23), team="a")
    seen = await texts(pages, "/spend?since=2026-11-25&until=2026-11-26")
    assert "$50.00 on 25 November 2026, so far, 25% more than in the day before, up to the same point ($40.00)." in seen


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ((), "; nothing was called in the 28 days before."),
        ((None,), "; no cost is known of the 28 days before."),
        ((0,), "; no cost is known of the 28 days before."),
        ((DOLLAR,), ", about the same as in the 28 days before, up to the same point ($1.00)."),
        ((DOLLAR // 4,), ", 4.0 times as much as in the 28 days before, up to the same point ($0.25)."),
    ],
)
async def test_a_change_is_only_said_where_there_is_something_to_compare(pages, before, sentence):
    pages.call(DOLLAR, team="a")
    for cost in before:
        pages.call(cost, NOW - timedelta(days=40), team="a")
    assert f"$1.00 from 29 October to 25 November 2026, so far{sentence}" in await texts(pages, "/spend")


async def test_a_cost_that_is_not_known_is_never_nought(pages):
    pages.call(None, team="lost")
    pages.call(0, team="lost", state="voided", cost_source="none")
    pages.call(DOLLAR, team="found")
    pages.call(0, team="free")
    seen = await texts(pages, "/spend")
    assert "lost not known 2" in seen
    assert "free $0 0%" in seen
    assert "Cost not known 1 call not in the total" in seen
    json = (await get(pages, "/spend.json")).json()
    told = {row["group"]["team"]: (row["billed_cost"], row["unknown_calls"]) for row in json["rows"]}
    assert told == {"lost": (None, 1), "found": ("1", 0), "free": ("0", 0)}
    assert {day["group"]["team"]: day["billed_cost"] for day in json["days"]} == {
        "lost": None,
        "found": "1",
        "free": "0",
    }
    assert "lost,2,,1,,200" in (await get(pages, "/spend.csv")).text


async def test_where_no_cost_is_known_at_all_the_total_is_not_known(pages):
    pages.call(None, team="lost")
    seen = await texts(pages, "/spend")
    assert "Not known from 29 October" in seen
    assert "Total not known" in seen
    assert "Wed 25 Nov not known 1 call" in seen
    assert "$0" not in seen.partition("Per day")[0]


async def test_a_known_total_of_nothing_is_nought(pages):
    pages.call(0, team="a", state="voided", cost_source="none")
    assert "$0 from 29 October" in await texts(pages, "/spend")


async def test_what_was_estimated_is_said(pages):
    pages.call(3 * DOLLAR, team="a", state="estimated", cost_source="estimated")
    pages.call(9 * DOLLAR, team="a")
    assert "Estimated $3.00 25% of all" in await texts(pages, "/spend")


async def test_what_names_no_initiative_is_called_so_and_counted_on_every_view(pages):
    pages.call(3 * DOLLAR, team="a")
    pages.call(9 * DOLLAR, team="a", initiative="CLM-1")
    assert "No initiative named $3.00 25% of all" in await texts(pages, "/spend?by=team")
    assert "No initiative named $3.00 25%" in (await texts(pages, "/spend?by=initiative")).partition("By initiative")[2]
    json = (await get(pages, "/spend.json?by=initiative")).json()
    assert {row["group"]["initiative"] for row in json["rows"]} == {None, "CLM-1"}


async def test_initiatives_are_shown_by_title_and_marked_when_closed_or_on_no_list(pages):
    pages.initiative("CLM-1", "Claims assistant")
    pages.changes().close_initiative(pages.initiative("CLM-2", "Old work"), by=pages.changes().by("t"), now=NOW)
    for initiative in ("CLM-1", "CLM-2", "XX-3"):
        pages.call(DOLLAR, initiative=initiative)
    pages.pages.refresh()
    seen = (await texts(pages, "/spend?by=initiative")).partition("By initiative")[2]
    assert "Claims assistant CLM-1 $1.00" in seen
    assert "Old work CLM-2 closed $1.00" in seen
    assert "XX-3 not on the list $1.00" in seen


@pytest.mark.parametrize(("at", "marked"), [(NOW, True), (NOW - timedelta(days=28), False)])
async def test_demo_data_is_marked_where_it_is_in_the_numbers(pages, at, marked):
    pages.call(DOLLAR, team="a")
    pages.call(DOLLAR, at, source="demo", team="a")
    seen = await texts(pages, "/spend")
    assert ("Demo data" in seen) is marked
    assert (await get(pages, "/spend.json")).json()["demo"] is marked


async def test_a_filter_narrows_every_number_and_can_be_taken_away(pages):
    pages.call(DOLLAR, team="a", initiative="X-1")
    pages.call(4 * DOLLAR, team="b")
    answer = await get(pages, "/spend?team=a&by=initiative")
    page = structure(answer.text)
    assert "$1.00" in " ".join(page.texts)
    assert "$4.00" not in " ".join(page.texts)
    assert any(link.startswith("/spend?") and "team=a" not in link and "by=initiative" in link for link in page.links)
    assert (await get(pages, "/spend.json?team=a")).json()["total"]["billed_cost"] == "1"


async def test_a_group_leads_to_what_is_inside_it(pages):
    pages.call(DOLLAR, team="a b", initiative="X-1")
    page = structure((await get(pages, "/spend?since=2026-11-01&until=2026-11-26")).text)
    inside = "/spend?since=2026-11-01&until=2026-11-26&by=initiative&team=a+b"
    assert inside in page.links
    assert "X-1" in await texts(pages, inside)


async def test_the_empty_state_says_what_to_do(pages):
    assert "No calls from 29 October to 25 November 2026" in await texts(pages, "/spend")
    assert "Point a client at the gateway" in await texts(pages, "/spend")
    pages.call(DOLLAR, NOW - timedelta(days=40))
    assert "There were 1 in the period before" in await texts(pages, "/spend")
    assert "in this part. Take a filter away" in await texts(pages, "/spend?team=nobody")
    assert rows_of(await get(pages, "/spend.csv")) == []
    assert (await get(pages, "/spend.json")).json()["rows"] == []


async def test_an_address_that_cannot_be_read_says_which_parameter_and_why(pages):
    pages.call(DOLLAR)
    address = "since=2026-13-01&by=person&colour=red"
    seen = await texts(pages, f"/spend?{address}", 400)
    assert "since It must be a day like 2027-01-31." in seen
    assert "by It must be one of team," in seen
    assert "colour There is no such parameter." in seen
    assert "$1.00" in seen
    for kind in ("json", "csv"):
        answer = await get(pages, f"/spend.{kind}?{address}", 400)
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["parameter"] for error in answer.json()["errors"]] == ["since", "by", "colour"]


async def test_long_tables_are_cut_for_people_and_whole_for_programs(pages):
    shown = spend_page.GROUPS_SHOWN
    for number in range(shown + 2):
        pages.call(DOLLAR + number, team=f"t{number}", workflow="w")
    for number in range(spend_page.PARTS_SHOWN + 3):
        pages.call(DOLLAR, team="wide", workflow=f"w{number}")
    seen = await texts(pages, "/spend?then=workflow")
    assert "3 smaller groups not shown; CSV and JSON have them" in seen
    assert "3 others $3.00" in seen
    assert len(rows_of(await get(pages, "/spend.csv"))) == shown + 3
    assert f"have them ${shown + 2 + spend_page.PARTS_SHOWN + 3}.00 100%" in seen


async def test_the_chart_has_its_table_with_the_same_numbers(pages):
    pages.call(DOLLAR, datetime(2026, 11, 2, 23, 59, 59, tzinfo=UTC), team="a")
    pages.call(2 * DOLLAR, datetime(2026, 11, 3, tzinfo=UTC), team="b")
    pages.call(None, datetime(2026, 11, 3, tzinfo=UTC), team="b")
    seen = await texts(pages, "/spend?since=2026-11-02&until=2026-11-04")
    assert "Tue 3 Nov $2.00 $0 $2.00 1 call Mon 2 Nov $0 $1.00 $1.00" in seen
    answer = await get(pages, "/spend?since=2026-11-02&until=2026-11-04")
    assert 'role="img" aria-labelledby="plot-title plot-text"' in answer.text
    assert "Mon 2 Nov: $1.00\na: $1.00" in answer.text


async def test_a_view_over_many_months_is_drawn_in_weeks(pages):
    pages.call(DOLLAR, team="a")
    seen = await texts(pages, "/spend?since=2026-01-01&until=2026-11-26")
    assert "Per week, by team" in seen
    assert "Week" in seen


async def test_T57_no_cell_of_the_csv_is_a_formula(pages):
    for number, name in enumerate((*FORMULAS, *HARMLESS)):
        pages.call(DOLLAR + number, team=name, initiative=name, request_model=name)
    for by in ("team", "initiative", "model"):
        answer = await get(pages, f"/spend.csv?by={by}&then=customer")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"].startswith('attachment; filename="spend-')
        rows = list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))
        assert {len(row) for row in rows} == {2 + len(FIGURES)}
        names = {row[0] for row in rows[1:]}
        assert len(names) == len((*FORMULAS, *HARMLESS))
        assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\0")) for name in names)
        assert set(HARMLESS) <= names
        assert all(cell.replace(".", "").isdigit() for row in rows[1:] for cell in row[2:])


async def test_T58_names_are_text_whatever_they_say(pages):
    for number, name in enumerate(XSS):
        pages.call(DOLLAR + number, team=f"p{number}", application=f"p{number}", customer="x")
        pages.call(DOLLAR + number, team=name, application="x", customer=name, source="demo")
    harmless = structure((await get(pages, "/spend?by=application&then=team")).text)
    hostile = structure((await get(pages, "/spend?by=team&then=customer")).text)
    assert not hostile.wrong
    assert not harmless.wrong
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in harmless.elements}
    attributes = {pair for element in hostile.elements for pair in element[1]}
    assert attributes <= {pair for element in harmless.elements for pair in element[1]}
    shown = set(hostile.texts)
    assert sum(name in shown for name in XSS) >= spend_page.GROUPS_SHOWN // 2


@pytest.mark.parametrize("name", XSS)
async def test_T58_a_hostile_address_stays_text(company, name):
    async with company.signed_in() as browser:
        for params in ({"team": name, "by": "state"}, {"by": name, name: "x", "since": name}):
            answer = await browser.get("/spend", params=params)
            page = structure(answer.text)
            assert not page.wrong
            assert {tag for tag, _ in page.elements} <= SAFE
        answer = await browser.get("/sign-in", params={"next": name})
        assert not structure(answer.text).wrong


SAFE = {
    "html", "head", "meta", "link", "body", "header", "nav", "main", "footer", "section", "div", "h1", "h2", "p", "a",
    "ul", "li", "dl", "dt", "dd", "b", "i", "strong", "span", "code", "form", "label", "input", "select", "option",
    "button", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary", "svg", "defs",
    "pattern", "use", "g", "rect", "path", "line", "text", "title",
}  # fmt: skip
"""What a page with figures is made of."""


async def test_a_ledger_that_is_away_is_said_and_nothing_is_made_up(pages, monkeypatch):
    cookie = pages.pages.sessions.by_link(pages.marks.new_link(NOW), NOW)

    def away(*_args: object, **_more: object) -> None:
        raise LedgerDown("The database at 127.0.0.1 does not answer.")

    for method in ("spend", "entries"):
        monkeypatch.setattr(pages.ledger, method, away)
    async with pages.client(cookie) as browser:
        answer = await browser.get("/spend")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    seen = " ".join(structure(answer.text).texts)
    assert "The ledger cannot be read at the moment." in seen
    assert "The database at 127.0.0.1 does not answer." in seen
    assert "$" not in seen
