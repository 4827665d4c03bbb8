"""How the bundled list is made: what is read from each source, which price is taken, and what stops an import."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.prices.book import read_book
from gateway.prices.importer import Imported, import_prices
from gateway.prices.queries import read_disagreements
from gateway.prices.rates import usd
from gateway.prices.sources import Sources
from gateway.settings import BadSettings
from policies.pricing import Price, rate_for

DAY = date(2026, 11, 25)
CHAT = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06}
MAP: dict[str, Any] = {
    "sample_spec": {"input_cost_per_token": 0.0, "litellm_provider": "one of"},
    "m-1": CHAT,
}
RATES = "input_mtok=Decimal('2'), output_mtok=Decimal('8')"
MODEL = f"ModelInfo(id='m-1', match=ClauseEquals(equals='m-1'), prices=ModelPrice({RATES}))"


def genai(*models: str, provider: str = "openai") -> str:
    """A file with these models, and with another of another provider, so that it is never without a price."""
    other = f"Provider(id='acme', models=[{MODEL.replace('m-1', 'elsewhere')}])"
    one = f"Provider(id='{provider}', models=[{', '.join(models)}])"
    return f"from .types import *\nproviders: list[Provider] = [{one}, {other}]\n"


def imported(
    folder: Path, tree: dict[str, Any] | str = MAP, other: str = genai(MODEL), day: date = DAY, *, accept: bool = False
) -> Imported:
    (folder / "map.json").write_text(tree if isinstance(tree, str) else json.dumps(tree))
    (folder / "data.py").write_text(other)
    sources = Sources(folder / "map.json", "1", folder / "data.py", "2", day)
    return import_prices(
        sources, accept=accept, into=folder / "book.jsonl", disagreements=folder / "differences.jsonl", models_min=1
    )


def entry(**fields: Any) -> dict[str, Any]:
    return {"m-1": {"litellm_provider": "openai", "mode": "chat", **fields}}


def plain(given: float = 2e-06, made: float = 8e-06, **fields: Any) -> dict[str, Any]:
    return entry(input_cost_per_token=given, output_cost_per_token=made, **fields)


def held(folder: Path, model: str = "m-1", provider: str = "openai", at: str = "2026-11-25T12:00") -> Price:
    price = read_book(None, folder / "book.jsonl").find(provider, model, datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert price is not None
    return price


def shown(price: Price) -> dict[str, str]:
    return {f"{one.meter}@{one.tier}>{one.above_input_tokens}": usd(one) for one in price.rates}


def test_a_maps_field_is_a_meter_on_a_tier_past_a_threshold(tmp_path: Path) -> None:
    imported(
        tmp_path,
        plain(
            input_cost_per_token_above_200k_tokens=4e-06, input_cost_per_token_batches=1e-06,
            output_cost_per_token_above_272k_tokens_flex=5e-06, cache_read_input_token_cost=2e-07,
            cache_creation_input_token_cost=2.5e-06, cache_creation_input_token_cost_above_1hr=4e-06,
            cache_creation_input_token_cost_above_1hr_above_200k_tokens=8e-06, input_cost_per_audio_token=1e-05,
            output_cost_per_reasoning_token=1.2e-05, output_cost_per_image_token=3e-05,
            input_cost_per_token_ultrafast=9e-06,
            search_context_cost_per_query={"search_context_size_low": 0.01, "search_context_size_high": 0.01},
            input_cost_per_pixel=1e-09, supports_vision=True,
        ),
        genai(),
    )  # fmt: skip
    assert shown(held(tmp_path)) == {
        "input@standard>0": "2", "input@standard>200000": "4", "input@batch>0": "1", "input@ultrafast>0": "9",
        "cache_read@standard>0": "0.2", "cache_write@standard>0": "2.5", "cache_write_1h@standard>0": "4",
        "cache_write_1h@standard>200000": "8", "output@standard>0": "8", "output@flex>272000": "5",
        "reasoning@standard>0": "12", "input_audio@standard>0": "10", "output_image@standard>0": "30",
        "web_search@standard>0": "10",
    }  # fmt: skip


def test_the_dust_of_binary_fractions_is_no_price(tmp_path: Path) -> None:
    imported(tmp_path, json.dumps(plain()).replace("2e-06", "0.0000029999900000000002"), genai())
    assert shown(held(tmp_path))["input@standard>0"] == "2.99999"


def test_ranges_are_thresholds_and_a_price_of_all_hours_stands_beside_one_of_some(tmp_path: Path) -> None:
    bands = [
        {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "range": [0, 256000.0]},
        {"input_cost_per_token": 3e-06, "output_cost_per_token": 4e-06, "range": [256000.0, 1000000.0]},
    ]
    night = {"input_cost_per_token": 1e-06, "windows": [{"weekdays": [3], "hours_utc": ["22:00-00:00", "00:00-01:30"]}]}
    imported(tmp_path, {**entry(tiered_pricing=bands), "m-2": plain(off_peak_pricing=night)["m-1"]}, genai())
    assert shown(held(tmp_path)) == {"input@standard>0": "1", "input@standard>256000": "3", "output@standard>0": "2",
                                     "output@standard>256000": "4"}  # fmt: skip
    hours = {"2026-11-25T01:29": "1", "2026-11-25T01:30": "2", "2026-11-25T22:00": "1", "2026-11-26T00:00": "2"}
    assert {at: shown(held(tmp_path, "m-2", at=at))["input@standard>0"] for at in hours} == hours


def test_reasoning_listed_at_the_outputs_rate_follows_the_output_on_every_tier(tmp_path: Path) -> None:
    imported(tmp_path, plain(output_cost_per_reasoning_token=8e-06, output_cost_per_token_flex=4e-06), genai())
    rate = rate_for(held(tmp_path), "reasoning", "flex", 1)
    assert rate is not None
    assert usd(rate) == "4"


def test_what_nobody_priced_is_left_unknown_and_said(tmp_path: Path) -> None:
    tree = {
        **MAP,
        "zero": plain(0.0, 0.0)["m-1"],
        "picture": entry(output_cost_per_image=0.04)["m-1"],
        "ollama/own": {**plain(0.0, 0.0)["m-1"], "litellm_provider": "ollama"},
    }
    skipped = {(one.model, one.reason.partition(",")[0]) for one in imported(tmp_path, tree).skipped}
    assert skipped == {("zero", "zero throughout"), ("picture", "not priced by token (chat)")}
    book = read_book(None, tmp_path / "book.jsonl")
    at = datetime(2026, 11, 25, tzinfo=UTC)
    assert book.find("openai", "zero", at) is None
    assert book.find("ollama", "own", at) is not None


def test_a_model_named_for_sound_has_no_price_while_nobody_prices_its_sound(tmp_path: Path) -> None:
    names = ("m-audio", "m-audio-preview", "v/audio-m")
    silent = [MODEL.replace("m-1", name) for name in names]
    spoken = MODEL.replace("m-1", "n-audio").replace("output_mtok", "input_audio_mtok=Decimal('9'), output_mtok")
    imported(tmp_path, MAP, genai(*silent, spoken, MODEL.replace("m-1", "audiobook")))
    book = read_book(None, tmp_path / "book.jsonl")
    at = datetime(2026, 11, 25, tzinfo=UTC)
    assert [book.find("openai", name, at) for name in names] == [None] * 3
    assert all(book.find("openai", name, at) for name in ("n-audio", "audiobook"))


def dated(first: str, second: str, start: str = "2026, 6, 1", match: str = "ClauseEquals(equals='m-1')") -> str:
    return genai(
        f"ModelInfo(id='m-1', match={match}, prices=["
        f"ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('{first}'), output_mtok=Decimal('8'))),"
        f"ConditionalPrice(constraint=StartDateConstraint(start_date=datetime.date({start})), "
        f"prices=ModelPrice(input_mtok=Decimal('{second}'), output_mtok=Decimal('8')))])"
    )


@pytest.mark.parametrize(
    ("tree", "other", "price", "rule"),
    [
        (plain(2e-06), genai(MODEL), "2", None),
        (plain(3e-06), dated("3", "2"), "2", "moved_on"),
        (plain(3e-06), genai(MODEL.replace("ClauseEquals(equals", "ClauseStartsWith(starts_with")), "3", "family"),
        (plain(1.99e-06), genai(MODEL), "1.99", "rounding"),
        (plain(2.01e-06), genai(MODEL.replace("'2'", "'2.0123'")), "2.0123", "rounding"),
        (plain(3e-06), genai(MODEL), "2", "checked_by_hand"),
    ],
)
def test_a_conflict_is_decided_by_the_first_rule_that_fits_and_listed(
    tree: dict[str, Any], other: str, price: str, rule: str | None, tmp_path: Path
) -> None:
    if rule == "family":
        other = other.replace("id='m-1'", "id='m'").replace("'m-1'", "'m'")
    imported(tmp_path, tree, other)
    found = held(tmp_path)
    assert shown(found)["input@standard>0"] == price
    listed = [one for one in read_disagreements(tmp_path / "differences.jsonl") if one.sku == "input"]
    assert [one.category for one in listed] == ([rule] if rule else [])
    assert (f"({rule})" in found.source) == (rule is not None)


def test_a_door_of_its_own_and_a_moving_alias_keep_the_maps_price(tmp_path: Path) -> None:
    tree = {"vertex_ai/m-1": {**plain(3e-06)["m-1"], "litellm_provider": "vertex_ai-language-models"}}
    imported(tmp_path, tree, genai(MODEL, provider="google"))
    assert shown(held(tmp_path, provider="vertex"))["input@standard>0"] == "3"
    assert shown(held(tmp_path, provider="gemini"))["input@standard>0"] == "2"
    assert {one.category for one in read_disagreements(tmp_path / "differences.jsonl")} == {"other_door"}


def test_a_name_for_the_newest_keeps_the_maps_price(tmp_path: Path) -> None:
    imported(tmp_path, {"m-latest": {**CHAT, "input_cost_per_token": 3e-06}}, genai(MODEL.replace("m-1", "m-latest")))
    assert shown(held(tmp_path, "m-latest"))["input@standard>0"] == "3"
    assert {one.category for one in read_disagreements(tmp_path / "differences.jsonl")} == {"moving_alias"}


@pytest.mark.parametrize(("dearer", "rule"), [("2.2", "regional"), ("2.3", "checked_by_hand")])
def test_a_tenth_more_where_providers_charge_it_is_a_call_that_stays_in_its_region(
    dearer: str, rule: str, tmp_path: Path
) -> None:
    tree = {"m-1": {**CHAT, "litellm_provider": "bedrock_converse"}}
    imported(tmp_path, tree, genai(MODEL.replace("'2'", f"'{dearer}'"), provider="aws"))
    assert shown(held(tmp_path, provider="bedrock"))["input@standard>0"] == dearer
    assert {one.category for one in read_disagreements(tmp_path / "differences.jsonl")} == {rule}


def test_hours_and_weekdays_are_the_maps_to_say(tmp_path: Path) -> None:
    night = {"input_cost_per_token": 1e-06, "windows": [{"weekdays": [1, 2, 3, 4, 5], "hours_utc": "00:00-04:00"}]}
    dear = f"ConditionalPrice(prices=ModelPrice({RATES}))"
    cheap = (
        "ConditionalPrice(constraint=TimeOfDateConstraint(start_time=datetime.time(0, 0, tzinfo=datetime.UTC), "
        "end_time=datetime.time(4, 0, tzinfo=datetime.UTC)), "
        f"prices=ModelPrice({RATES.replace('2', '1')}))"
    )
    match = "match=ClauseEquals(equals='m-1')"
    imported(tmp_path, plain(off_peak_pricing=night), genai(f"ModelInfo(id='m-1', {match}, prices=[{dear}, {cheap}])"))
    hours = {"2026-11-25T03:59": "1", "2026-11-25T04:00": "2", "2026-11-28T03:59": "2"}
    assert {at: shown(held(tmp_path, at=at))["input@standard>0"] for at in hours} == hours
    listed = read_disagreements(tmp_path / "differences.jsonl")
    assert [(one.oracle, one.at, one.sku, one.category) for one in listed] == [
        ("genai-prices", "2026-11-28T02:00Z", "input", "hours")
    ]


def test_each_source_adds_what_the_other_leaves_out(tmp_path: Path) -> None:
    fuller = MODEL.replace("output_mtok", "cache_write_1h_mtok=Decimal('4'), output_mtok")
    imported(
        tmp_path, plain(input_cost_per_token_flex=1e-06, max_input_tokens=1000, max_output_tokens=99), genai(fuller)
    )
    found = held(tmp_path)
    assert shown(found) == {"input@standard>0": "2", "input@flex>0": "1", "cache_write_1h@standard>0": "4",
                            "output@standard>0": "8"}  # fmt: skip
    assert (found.max_input_tokens, found.max_output_tokens) == (1000, 99)
    assert found.source == "litellm 1 and genai-prices 2 agree"
    listed = {(one.oracle, one.sku): one.category for one in read_disagreements(tmp_path / "differences.jsonl")}
    assert listed == {("litellm", "cache_write_1h"): "not_listed", ("litellm", "cache_write_1h@flex"): "not_listed"}


def test_thresholds_one_token_apart_are_one_and_the_lower_is_taken(tmp_path: Path) -> None:
    tiered = "TieredPrices(base=Decimal('2'), tiers=[Tier(start=199999, price=Decimal('4'))])"
    imported(
        tmp_path, plain(input_cost_per_token_above_200k_tokens=4e-06), genai(MODEL.replace("Decimal('2')", tiered))
    )
    assert set(shown(held(tmp_path))) == {"input@standard>0", "input@standard>199999", "output@standard>0"}
    assert [(one.oracle, one.sku, one.category) for one in read_disagreements(tmp_path / "differences.jsonl")] == [
        ("litellm", "input>199999", "edge")
    ]


def test_an_announced_price_waits_for_its_day(tmp_path: Path) -> None:
    imported(tmp_path, plain(2e-06), dated("2", "5", "2026, 12, 1"))
    assert shown(held(tmp_path, at="2026-11-30T23:59"))["input@standard>0"] == "2"
    assert shown(held(tmp_path, at="2026-12-01T00:00"))["input@standard>0"] == "5"


def test_a_price_that_changed_is_a_new_row_and_the_old_stays(tmp_path: Path) -> None:
    imported(tmp_path)
    before = held(tmp_path)
    made = imported(tmp_path, plain(3e-06), genai(MODEL.replace("'2'", "'3'")), date(2026, 12, 24))
    assert [(one.model, one.effective_from) for one in made.added] == [("m-1", "2026-12-24")]
    assert held(tmp_path, at="2026-12-23T23:59") == before
    assert shown(held(tmp_path, at="2026-12-24T00:00"))["input@standard>0"] == "3"


def test_a_model_that_no_source_lists_any_more_keeps_its_last_price(tmp_path: Path) -> None:
    imported(tmp_path)
    before = held(tmp_path)
    other = {"m-9": plain()["m-1"]}
    imported(tmp_path, other, genai(), date(2026, 12, 24))
    assert held(tmp_path) == held(tmp_path, at="2027-01-01T00:00") == before


def test_importing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    imported(tmp_path)
    before = (tmp_path / "book.jsonl").read_bytes()
    assert imported(tmp_path).added == ()
    assert (tmp_path / "book.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "stops"), [(3e-06, False), (3.000001e-06, True), (1e-06, False), (0.999999e-06, True), (0.0, True)]
)
def test_T72_a_price_that_moves_by_more_than_half_needs_a_yes(given: float, stops: bool, tmp_path: Path) -> None:
    imported(tmp_path, plain(2e-06), genai())
    before = (tmp_path / "book.jsonl").read_bytes()
    later = date(2026, 12, 24)
    if stops:
        with pytest.raises(
            BadSettings, match=r"1 prices would move by more than 50 %:\n  openai/m-1 input: 2 -> "
        ) as held_:
            imported(tmp_path, plain(given), genai(), later)
        assert "--accept" in str(held_.value)
        assert (tmp_path / "book.jsonl").read_bytes() == before
    imported(tmp_path, plain(given), genai(), later, accept=stops)
    assert shown(held(tmp_path, at="2026-12-24T00:00"))["input@standard>0"] == format(given * 10**6, "f").rstrip(
        "0"
    ).rstrip(".")


def test_T72_a_first_list_has_nothing_to_move_from(tmp_path: Path) -> None:
    assert imported(tmp_path, plain(1e-03), genai()).jumps == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "map.json"),
        ("<html>502</html>", "map.json"),
        ("[]", "map.json"),
        ("{}", "not whole: only 0 models"),
        (json.dumps(plain(-1e-06)), "m-1: -0.000001 USD is not a price"),
        (json.dumps(plain()).replace("2e-06", "NaN"), "NaN is not a price"),
        (json.dumps(plain()).replace("2e-06", "Infinity"), "Infinity is not a price"),
        (json.dumps(plain()).replace("2e-06", '"2e-06"'), "m-1: '2e-06' is not a number"),
        (json.dumps(plain()).replace("2e-06", "null"), "m-1: None is not a number"),
        (json.dumps(plain()).replace("2e-06", "1e-30"), "too many digits"),
        ('{"m-1": {"mode": "chat", "mode": "chat"}}', '"mode" stands twice'),
        ("[" * 100_000, "map.json"),
    ],
)
def test_T72_a_map_that_cannot_be_right_stops_the_import(text: str, said: str, tmp_path: Path) -> None:
    imported(tmp_path)
    before = (tmp_path / "book.jsonl").read_bytes()
    with pytest.raises(BadSettings, match="Nothing was changed") as refused:
        imported(tmp_path, text)
    assert said in str(refused.value)
    assert (tmp_path / "book.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("providers: list = [", "data.py"),
        ("x = 1\n", "sets no providers"),
        (genai(MODEL.replace("Decimal('2')", "Decimal('-2')")), "openai/m-1: -2 USD is not a price"),
        (genai(MODEL.replace("Decimal('2')", "__import__('os').getcwd()")), "data.py"),
        (genai(MODEL.replace("Decimal('2')", "2 + 2")), "is not plain data"),
        (genai(MODEL.replace("Decimal('2')", "2.0")), "openai/m-1"),
        (genai(MODEL.replace("ClauseEquals(equals", "ClauseLooksLike(equals")), "no logic we know"),
        (genai(MODEL).replace("Provider(id", "Vendor(id"), "a list of Provider was expected"),
        ("providers: list[Provider] = []\n", "not whole: only 0 models"),
    ],
)
def test_T72_a_file_of_calls_that_is_not_as_known_stops_the_import(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="Nothing was changed") as refused:
        imported(tmp_path, MAP, text)
    assert said in str(refused.value)
    assert not (tmp_path / "book.jsonl").exists()
