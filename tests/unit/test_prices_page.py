"""docs/prices.md says what is so: its example is read, its keys are the ones there are, its rules are the code's."""

import re
from datetime import UTC, datetime
from pathlib import Path

from gateway.prices.book import read_book
from gateway.prices.crosscheck import LITELLM_ALONE, RULES
from gateway.prices.overrides import PRICED_TIERS, ROW_KEYS
from gateway.prices.snapshot import read_snapshot, rows_of
from policies.pricing import METERS, TIERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "prices.md").read_text("utf-8")


def test_the_example_of_own_prices_is_read_and_holds(tmp_path: Path) -> None:
    text = next(block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[[price]]" in block)
    (tmp_path / "contracts.toml").write_text(text)
    own, at = read_book(tmp_path / "contracts.toml"), datetime(2026, 11, 25, tzinfo=UTC)
    listed, discounted = read_book(None).find("openai", "gpt-5", at), own.find("openai", "gpt-5", at)
    assert listed is not None
    assert discounted is not None
    for full, less in zip(listed.rates, discounted.rates, strict=True):
        assert less.rate * full.per * 8 == full.rate * less.per * 7
    house = own.find("house", "llama-70b", at)
    assert house is not None
    assert len(house.rates) == 8


def test_every_key_is_named_and_no_other() -> None:
    keys = re.search(r"^Keys: (.*?)Anything else", PAGE, re.DOTALL | re.MULTILINE)
    assert keys is not None
    assert set(re.findall(r"`([a-z_0-9]+)`", keys.group(1))) == {*ROW_KEYS, *METERS, *PRICED_TIERS, "above"}
    assert f"**Tiers**: {', '.join(TIERS)}" in PAGE


def test_the_table_of_rules_is_the_codes_in_its_order() -> None:
    table = re.findall(r"^\| `([a-z_]+)` \| ([a-z -]+) \|", PAGE, re.MULTILINE)
    assert [rule for rule, _ in table] == list(RULES)
    assert {rule for rule, taken in table if taken == "litellm"} == {"hours", *LITELLM_ALONE}


def test_the_figures_are_the_lists() -> None:
    bundled = read_snapshot()
    assert abs(len(bundled.lines) - 6_400) < 50
    providers = {provider_name for provider_name, _ in bundled.names()}
    named = re.search(r"some (\d+) providers", PAGE)
    assert named is not None
    assert abs(len(providers) - int(named.group(1))) < 5
    both = {(row.provider_name, row.model) for row in rows_of(bundled) if "=" in row.source or ">" in row.source}
    assert abs(len(both) - 1_000) < 50
