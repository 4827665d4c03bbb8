"""What every ledger promises of its sums: exact, each moment once, grouped by what the calls were for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from gateway.ledger.entry import DIMENSIONS, Entry, Ledger, SpendQuery, SpendRow
from gateway.ledger.errors import UnknownDimension
from gateway.ledger.posting import FIGURE_MAX
from policies.usage import Usage
from tests.contract.ledgers import call_entry, engine

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)


@pytest.fixture(params=("memory", "sqlite", "postgres"))
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with engine(request.param, tmp_path) as found:
        yield found.open()


def call(number: int, cost: int | None, at: datetime = MIDNIGHT, **fields: object) -> Entry:
    kind = fields.pop("kind", "call")
    source = fields.pop("source", "gateway")
    plain = {"usage": None, "billed_cost": cost, "tags": {}, "cost_source": "computed" if cost else "unknown"}
    return call_entry(number, plain | fields, occurred_at=at, kind=kind, source=source)


Costs = dict[tuple[str | None, ...], int]


def sums(row: SpendRow) -> tuple[int, ...]:
    return row.calls, row.billed_cost, row.unknown_calls, row.estimated_cost


def costs(ledger: Ledger, since: datetime, until: datetime, *by: str, **where: str) -> Costs:
    query = SpendQuery(since=since, until=until, by=by, where=where)
    return {row.group: row.billed_cost for row in ledger.spend(query)}


def test_every_figure_is_summed(ledger: Ledger) -> None:
    usage = Usage(100, 50, 30, 20, reasoning_output_tokens=7)
    ledger.append((call(1, 5, usage=usage), call(2, 7, usage=usage, cost_source="estimated"), call(3, None)))
    (row,) = ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY))
    assert row == SpendRow(
        group=(),
        calls=3,
        billed_cost=12,
        unknown_calls=1,
        estimated_cost=7,
        input_tokens=200,
        output_tokens=100,
        cache_read_input_tokens=60,
        cache_creation_input_tokens=40,
        reasoning_output_tokens=14,
    )


def test_an_attempt_brings_its_money_but_is_no_call(ledger: Ledger) -> None:
    attempt = {"kind": "attempt", "provider_name": "first"}
    ledger.append((call(1, 5, provider_name="second"), call(1, 3, **attempt), call(2, None, **attempt)))
    (whole,) = ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY))
    assert sums(whole) == (1, 8, 1, 0)
    rows = ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY, by=("provider_name",)))
    assert {row.group[0]: sums(row) for row in rows} == {"second": (1, 5, 0, 0), "first": (0, 3, 1, 0)}


LATER = MIDNIGHT + 3 * DAY
EDGES = (MIDNIGHT - TICK, MIDNIGHT, MIDNIGHT + DAY - TICK, MIDNIGHT + DAY, LATER, LATER + TICK)
TOKYO, NEW_YORK = timezone(timedelta(hours=9)), timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("since", "until", "inside"),
    [
        (MIDNIGHT - DAY, MIDNIGHT + 9 * DAY, "012345"),
        (MIDNIGHT - TICK, MIDNIGHT + 3 * DAY + 2 * TICK, "012345"),
        (MIDNIGHT, MIDNIGHT + 3 * DAY + TICK, "1234"),
        (MIDNIGHT, MIDNIGHT + 3 * DAY, "123"),
        (MIDNIGHT, MIDNIGHT + DAY, "12"),
        (MIDNIGHT, MIDNIGHT + DAY - TICK, "1"),
        (MIDNIGHT + TICK, MIDNIGHT + DAY, "2"),
        (MIDNIGHT + TICK, MIDNIGHT + DAY + TICK, "23"),
        (MIDNIGHT - TICK, MIDNIGHT + TICK, "01"),
        (MIDNIGHT + DAY - TICK, MIDNIGHT + 3 * DAY, "23"),
        (MIDNIGHT, MIDNIGHT + TICK, "1"),
        (MIDNIGHT, MIDNIGHT, ""),
        (MIDNIGHT + DAY, MIDNIGHT, ""),
        (MIDNIGHT + DAY + TICK, MIDNIGHT + 3 * DAY, ""),
        (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC), "012345"),
        (MIDNIGHT.astimezone(TOKYO), (MIDNIGHT + DAY).astimezone(NEW_YORK), "12"),
    ],
)  # fmt: skip
def test_a_period_is_half_open_to_the_microsecond(
    ledger: Ledger, since: datetime, until: datetime, inside: str
) -> None:
    ledger.append(tuple(call(number, 10**number, at) for number, at in enumerate(EDGES)))
    expected = sum(10 ** int(number) for number in inside)
    assert costs(ledger, since, until) == ({(): expected} if inside else {})
    assert sum(costs(ledger, since, until, "day", "state").values()) == expected


def test_days_are_cut_in_utc(ledger: Ledger) -> None:
    ledger.append(tuple(call(number, 10**number, at) for number, at in enumerate(EDGES)))
    by_day = {("2026-11-19",): 1, ("2026-11-20",): 110, ("2026-11-21",): 1000, ("2026-11-23",): 110_000}
    assert costs(ledger, MIDNIGHT - DAY, MIDNIGHT + 9 * DAY, "day") == by_day
    later = {("2026-11-20",): 100, ("2026-11-21",): 1000, ("2026-11-23",): 110_000}
    assert costs(ledger, MIDNIGHT + TICK, MIDNIGHT + 9 * DAY, "day") == later
    assert costs(ledger, MIDNIGHT - DAY, MIDNIGHT + 9 * DAY, day="2026-11-20") == {(): 110}
    assert costs(ledger, MIDNIGHT + TICK, MIDNIGHT + 9 * DAY, day="2026-11-20") == {(): 100}


def test_what_has_no_value_is_a_group_of_its_own_that_no_filter_finds(ledger: Ledger) -> None:
    ledger.append((call(1, 5), call(2, 7, tags={"team": "search"}), call(3, 5, tags={"team": "None"})))
    assert costs(ledger, MIDNIGHT, MIDNIGHT + DAY, "team") == {("search",): 7, ("None",): 5, (None,): 5}
    assert costs(ledger, MIDNIGHT, MIDNIGHT + DAY, team="None") == {(): 5}
    assert costs(ledger, MIDNIGHT, MIDNIGHT + DAY, team="") == costs(ledger, MIDNIGHT, MIDNIGHT + DAY, team="x") == {}


def test_groups_come_dearest_first_then_by_name_the_nameless_last(ledger: Ledger) -> None:
    teams = ("b", "a", None, "\u00e9", "Z", "d")
    entries = [call(n, 5, tags={"team": team} if team else {}) for n, team in enumerate(teams)]
    ledger.append((*entries, call(9, 1, tags={"team": "d"}), call(10, -1, tags={"team": "e"})))
    rows = ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY, by=("team",)))
    assert [row.group[0] for row in rows] == ["d", "Z", "a", "b", "\u00e9", None, "e"]


def test_every_dimension_groups_and_filters(ledger: Ledger) -> None:
    changes = {"tags": {}, "state": "estimated", "operation": "embeddings"}
    ledger.append((call_entry(1), call_entry(2, changes, source="demo")))
    for name in DIMENSIONS:
        rows = ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY, by=(name,)))
        assert sum(row.calls for row in rows) == 2
        for row in rows:
            (value,) = row.group
            if value is not None:
                query = SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY, by=(name,), where={name: value})
                assert ledger.spend(query) == (row,)
    everything = ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY, by=DIMENSIONS))
    assert len(everything) == 2
    assert all(len(row.group) == len(DIMENSIONS) for row in everything)


@pytest.mark.parametrize("name", ["Team", "teams", "", "team; DROP TABLE calls", "session_id", "billed_cost"])
def test_a_word_that_is_no_dimension_is_refused_by_name(ledger: Ledger, name: str) -> None:
    with pytest.raises(UnknownDimension, match="there are day, team"):
        ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY, by=(name,)))
    with pytest.raises(ValueError, match="no dimension"):
        ledger.spend(SpendQuery(since=MIDNIGHT, until=MIDNIGHT + DAY, where={name: "x"}))


def test_a_period_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="zone"):
        ledger.spend(SpendQuery(since=datetime(2026, 1, 1), until=MIDNIGHT))


def test_sums_stay_whole_numbers_far_beyond_where_floating_point_does(ledger: Ledger) -> None:
    many = 2000
    ledger.append(tuple(call(number, FIGURE_MAX - number % 2) for number in range(many)))
    ledger.append((call(many, 1, MIDNIGHT + DAY),))
    assert costs(ledger, MIDNIGHT, MIDNIGHT + 2 * DAY) == {(): many * FIGURE_MAX - many // 2 + 1}


def test_a_late_call_lands_in_its_own_day(ledger: Ledger) -> None:
    ledger.append((call(1, 5, MIDNIGHT + 5 * DAY),))
    ledger.append((call(2, 7, MIDNIGHT),))
    assert costs(ledger, MIDNIGHT, MIDNIGHT + DAY, "day") == {("2026-11-20",): 7}
