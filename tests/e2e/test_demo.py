"""The made-up company: booked through journal and shipper like any call, the same each time, and removable."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.demo.calls import SOURCE
from gateway.demo.company import DAYS, DEAR_WEEKS_AGO, INITIATIVES, TEAMS, UNKNOWN_INITIATIVE, WORKS
from gateway.demo.fill import Seeded, clear, fill, seed
from gateway.demo.plan import DemoPlan, prepare
from gateway.demo.rhythm import is_bad, is_dear
from gateway.demo.staff import staff
from gateway.errors import Refused
from gateway.identify import authenticate, identify
from gateway.keys import is_pseudonym, read_pepper, well_formed
from gateway.ledger.entry import Call, Entry, Ledger, SpendQuery, SpendRow
from gateway.ledger.open import open_ledger
from gateway.prices.book import read_book
from gateway.registry import Registry
from gateway.secret import Secret
from gateway.settings_file import read_settings
from policies.pricing import Unpriced, charge, total
from policies.routing import Serves, plan

NOW = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)
PEPPER = Secret("p" * 64)


class Demo:
    """The demo, seeded once for the tests that only look at it."""

    def __init__(self, folder: Path) -> None:
        self.told: list[tuple[int, int]] = []
        self.plan = prepare(folder, echo_port=18_082)
        self.seeded: Seeded = fill(self.plan, NOW, lambda done, of: self.told.append((done, of)))
        self.ledger = open_ledger("sqlite", self.plan.data_dir)
        self.entries = everything(self.ledger)
        self.calls: list[tuple[Entry, Call]] = [(e, e.call()) for e in self.entries if e.kind == "call"]

    def spend(self, *by: str, days_ago: int = DAYS, until_days_ago: int = 0, **where: str) -> tuple[SpendRow, ...]:
        today = NOW.replace(hour=0, minute=0)
        since, until = today - timedelta(days=days_ago), today + timedelta(days=1 - until_days_ago)
        return self.ledger.spend(SpendQuery(since=since, until=until, by=by, where=where))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("demo"))
    yield made
    made.ledger.close()


def everything(ledger: Ledger) -> list[Entry]:
    entries: list[Entry] = []
    position = 0
    while placed := ledger.entries(after=position, limit=10_000):
        entries += [one.entry for one in placed]
        position = placed[-1].position
    return entries


def small(folder: Path, now: datetime = NOW, days: int = 4) -> list[Entry]:
    """Seed a few days and give what is in the book then."""
    ledger = open_ledger("sqlite", folder / "data")
    seed(folder / "journal", ledger, PEPPER, now, days)
    entries = everything(ledger)
    ledger.close()
    return entries


def own_call(at: datetime = NOW) -> Entry:
    call = Call(request_id="req_own", state="settled", operation="chat", dialect="openai", provider_name="echo",
                request_model="echo", status=200, billed_cost=7)  # fmt: skip
    body = msgspec.Raw(msgspec.json.encode(call))
    return Entry(id="req_own:call", kind="call", occurred_at=at, recorded_at=at, source="gateway", body=body)


def test_a_company_of_ninety_days_is_in_the_book(demo):
    assert demo.seeded.fresh
    assert demo.seeded.calls == len(demo.calls) == sum(row.calls for row in demo.spend())
    assert 15_000 <= demo.seeded.calls <= 40_000
    assert len({entry.occurred_at.date() for entry, _ in demo.calls}) == DAYS == demo.seeded.days
    assert {row.group[0] for row in demo.spend("team")} == {team.id for team in TEAMS}
    assert demo.seeded.teams == len(TEAMS) == 6
    assert demo.seeded.initiatives == len(INITIATIVES) == 8
    assert demo.told[-1] == (DAYS, DAYS)


def test_all_of_it_is_marked_as_demo_and_the_book_is_whole(demo):
    assert {entry.source for entry in demo.entries} == {SOURCE}
    assert demo.ledger.verify().intact
    assert demo.ledger.conflicts() == ()


def test_nothing_lies_in_the_future_and_calls_are_in_order(demo):
    moments = [entry.occurred_at for entry, _ in demo.calls]
    assert max(entry.recorded_at for entry, _ in demo.calls) <= NOW
    days = [moment.date() for moment in moments]
    assert days == sorted(days)


def test_every_cost_is_what_the_price_book_makes_of_the_usage(demo):
    book = read_book(None)
    for entry, call in demo.calls:
        assert call.billed_cost is None or call.billed_cost == total(call.charges)
        if call.usage is None or not call.charges:
            continue
        price = book.find(call.provider_name, call.request_model, entry.occurred_at)
        assert price is not None
        assert price.version == call.price_version
        lines = charge(call.usage, price)
        assert not isinstance(lines, Unpriced)
        assert lines == call.charges


def test_what_is_not_known_is_none_and_never_nought(demo):
    states = Counter(call.state for _, call in demo.calls)
    assert set(states) == {"settled", "voided", "estimated", "uncertain"}
    unpriced = [call for _, call in demo.calls if "price_unknown" in call.flags]
    assert unpriced
    assert all(call.billed_cost is None and call.cost_source == "unknown" for call in unpriced)
    uncertain = [call for _, call in demo.calls if call.state == "uncertain"]
    assert all(call.billed_cost is None and call.cost_lower == 0 and call.cost_upper for call in uncertain)
    estimated = [call for _, call in demo.calls if call.state == "estimated" and call.billed_cost is not None]
    assert estimated
    assert all(call.cost_lower <= call.billed_cost <= call.cost_upper for call in estimated)
    assert sum(row.unknown_calls for row in demo.spend()) == len(
        [call for _, call in demo.calls if call.billed_cost is None]
    )


def test_three_providers_caches_reasoning_and_embeddings_are_in_it(demo):
    assert {row.group[0] for row in demo.spend("provider_name")} == {"openai", "anthropic", "gemini"}
    assert {call.operation for _, call in demo.calls} == {"chat", "responses", "embeddings", "generate_content"}
    whole = demo.spend()[0]
    assert whole.cache_read_input_tokens > whole.input_tokens // 5
    assert whole.cache_creation_input_tokens > 0
    assert whole.reasoning_output_tokens > 0


def test_some_work_is_named_some_closed_some_unknown_and_some_nobodys(demo):
    statuses = Counter(call.initiative_status for _, call in demo.calls)
    assert set(statuses) == {"ok", "closed", "unknown", "none"}
    found = {row.group[0] for row in demo.spend("initiative")}
    assert found == {one.id for one in INITIATIVES} | {UNKNOWN_INITIATIVE, None}


def test_people_are_pseudonyms_and_nothing_else(demo):
    people = {call.tags["person"] for _, call in demo.calls if "person" in call.tags}
    assert len(people) == 12
    assert all(is_pseudonym(person) for person in people)
    everything_said = b"".join(bytes(entry.body) for entry in demo.entries)
    assert b"demo person" not in everything_said
    assert not re.search(rb"[a-z]+@[a-z]+\.", everything_said)


def test_weekends_are_quiet_and_the_company_grows(demo):
    by_day = {datetime.fromisoformat(row.group[0]).date(): row.billed_cost for row in demo.spend("day")}
    weekdays = [cost for day, cost in by_day.items() if day.weekday() < 5]
    weekends = [cost for day, cost in by_day.items() if day.weekday() > 4]
    assert sum(weekends) / len(weekends) < sum(weekdays) / len(weekdays) / 3
    first, last = sum(row.billed_cost for row in demo.spend(until_days_ago=61)), demo.spend(days_ago=30)[0].billed_cost
    assert last > first


def test_one_week_is_dear_and_one_day_goes_wrong(demo):
    today = NOW.date()
    days = [today - timedelta(days=n) for n in range(DAYS)]
    dear = [day for day in days if is_dear(day, today)]
    assert len(dear) == 7
    assert (dear[-1].weekday(), (today - dear[-1]).days // 7) == (0, DEAR_WEEKS_AGO)
    by_day = {row.group[0]: row.billed_cost for row in demo.spend("day", application="search-answers")}
    dear_days = {day.isoformat() for day in dear if day.weekday() < 5}
    usual = [cost for day, cost in by_day.items() if day not in {d.isoformat() for d in dear}]
    assert min(by_day[day] for day in dear_days) > max(usual)
    bad = [day for day in days if is_bad(day, today)]
    assert len(bad) == 1
    refused = Counter(entry.occurred_at.date() for entry, call in demo.calls if call.state == "voided")
    assert refused.most_common(1)[0][0] == bad[0]


def test_the_keys_it_shows_open_what_their_roles_may(demo):
    pepper = read_pepper(demo.plan.data_dir)
    registry = Registry(pepper)
    registry.refresh(demo.ledger)
    shown = {key.name: key for key in demo.seeded.keys}
    assert {"admin", "finops", "claims-desk"} <= set(shown)
    for key in demo.seeded.keys:
        header = (b"authorization", b"Bearer " + key.key.reveal().encode())
        assert well_formed(key.key.reveal().encode())
        assert authenticate(registry, (header,), pepper, NOW).role == key.role
        if key.team is None:
            with pytest.raises(Refused):
                identify(registry, (header,), pepper, NOW)
        else:
            assert identify(registry, (header,), pepper, NOW).team == key.team
        assert key.key.reveal() not in repr(key)


def test_a_second_start_on_the_same_day_books_nothing_and_shows_the_same_keys(demo):
    again = fill(demo.plan, NOW + timedelta(hours=2))
    assert (again.fresh, again.calls) == (False, demo.seeded.calls)
    assert [key.key.reveal() for key in again.keys] == [key.key.reveal() for key in demo.seeded.keys]
    assert len(everything(demo.ledger)) == len(demo.entries)


def test_the_same_moment_and_pepper_give_the_same_book_twice(tmp_path):
    assert small(tmp_path / "a") == small(tmp_path / "b")


def test_later_on_the_same_day_there_are_the_same_calls_and_some_more(tmp_path):
    early = {entry.id: entry for entry in small(tmp_path / "a")}
    late = {entry.id: entry for entry in small(tmp_path / "b", NOW + timedelta(hours=5))}
    assert early.keys() < late.keys()
    assert all(late[name] == entry for name, entry in early.items())


def test_the_next_day_makes_it_anew_and_leaves_what_people_did(tmp_path):
    demo = prepare(tmp_path, echo_port=18_082)
    fill(demo, NOW, days=6)
    ledger = open_ledger("sqlite", demo.data_dir)
    ledger.append((own_call(),))
    again = fill(demo, NOW + timedelta(days=1), days=6)
    assert again.fresh
    entries = everything(ledger)
    assert [entry.id for entry in entries if entry.source != SOURCE] == ["req_own:call"]
    demo_days = {entry.occurred_at.date() for entry in entries if entry.source == SOURCE and entry.kind == "call"}
    assert (len(demo_days), max(demo_days)) == (6, NOW.date() + timedelta(days=1))
    assert (ledger.verify().intact, ledger.conflicts()) == (True, ())
    removed = clear(demo)
    assert removed == len(entries) - 1
    assert [entry.id for entry in everything(ledger)] == ["req_own:call"]
    assert clear(demo) == 0
    assert ledger.verify().intact
    ledger.close()


def test_a_half_made_demo_is_made_again(tmp_path):
    demo = prepare(tmp_path, echo_port=18_082)
    ledger = open_ledger("sqlite", demo.data_dir)
    half = staff(read_pepper(demo.data_dir), NOW.date() - timedelta(days=1), 3)
    ledger.append(half)
    assert fill(demo, NOW, days=3).fresh
    assert not {entry.id for entry in half} & {entry.id for entry in everything(ledger)}
    assert not fill(demo, NOW, days=3).fresh
    ledger.close()


def test_the_demos_settings_lead_every_model_to_the_echo_and_keep_data_apart(tmp_path):
    demo: DemoPlan = prepare(tmp_path / "demo", echo_port=18_082, port=18_080, pages_port=18_081)
    settings = read_settings(demo.config_file, {})
    assert (settings.port, settings.pages_port, settings.host) == (18_080, 18_081, "127.0.0.1")
    assert settings.data_dir == demo.data_dir.resolve()
    assert settings.data_dir.is_relative_to((tmp_path / "demo").resolve())
    assert {provider.base_url for provider in settings.providers} == {"http://127.0.0.1:18082"}
    assert all(provider.private_network and provider.api_key is None for provider in settings.providers)
    serves = tuple(Serves(one.name, one.dialects, one.models) for one in settings.providers)
    for work in WORKS:
        for model, _ in work.models:
            found = plan(model.name, model.dialect, (), serves)
            assert isinstance(found, tuple)
            assert found[0].provider_name == model.provider_name
    for dialect in ("openai", "anthropic", "gemini"):
        assert plan("echo-429", dialect, (), serves)[0].provider_name == "echo"


def test_preparing_again_replaces_the_settings_and_leaves_the_data(tmp_path):
    demo = prepare(tmp_path, echo_port=18_082)
    read_pepper(demo.data_dir)
    before = (demo.data_dir / "pepper").read_bytes()
    prepare(tmp_path, echo_port=18_083)
    assert (demo.data_dir / "pepper").read_bytes() == before
    assert "18083" in demo.config_file.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "weighbridge.toml"]
