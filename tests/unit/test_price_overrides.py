"""A house's own prices: exact, before the bundled list, and refused with file and line where they are wrong."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.prices.book import PriceBook, read_book
from gateway.prices.snapshot import Origin, Row, snapshot_bytes
from gateway.settings import BadSettings
from policies.money import from_usd
from policies.pricing import Price, charge, total
from policies.usage import Usage

LIST = (
    Row("acme", "m-1", "", "t1", {"input": 10 * 10**9, "output": 30 * 10**9}, 1_000, 2_000),
    Row("acme", "m-1", "2026-06-01", "t1", {"input": 8 * 10**9, "output": 30 * 10**9}),
    Row("acme", "m-2", "", "t1", {"input": 333, "output": 30 * 10**9}),
)
HEAD = '[[price]]\nprovider = "acme"\nmodel = "m-1"\neffective_from = 2026-03-01\n'


def book(text: str, folder: Path) -> PriceBook:
    prices, own = folder / "prices.jsonl", folder / "contracts.toml"
    prices.write_bytes(snapshot_bytes(LIST, "2026-11-25", {"t1": Origin("a test", "1", "", "")}))
    own.write_text(text)
    return read_book(own, prices)


def on(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def rates(price: Price | None) -> dict[str, tuple[int, int]]:
    assert price is not None
    return {rate.meter: (rate.rate, rate.per) for rate in price.rates}


def test_a_contract_price_holds_from_its_day_and_before_the_list(tmp_path: Path) -> None:
    own = book(HEAD + 'input = "2.50"\noutput = "7"\n', tmp_path)
    assert rates(own.find("acme", "m-1", on("2026-02-28")))["input"] == (10 * 10**9, 10**6)
    for day in ("2026-03-01", "2026-06-01", "2030-01-01"):
        found = own.find("acme", "m-1", on(day))
        assert rates(found) == {"input": (2_500_000_000, 10**6), "output": (7 * 10**9, 10**6)}
        assert found is not None
        assert found.source == "contracts.toml:1"
        assert found.version.startswith("contract-")


def test_every_rate_is_written_in_the_units_of_its_contract(tmp_path: Path) -> None:
    own = book(
        HEAD
        + 'input = "0.000000001"\noutput = "7"\ncache_read = "0"\nweb_search = "10"\nrequest = "0.005"\n'
        + 'batch = { input = "1", above = [{ input_tokens = 100, input = "3" }] }\n'
        + 'above = [{ input_tokens = 200, input = "9" }]\n',
        tmp_path,
    )
    price = own.find("acme", "m-1", on("2026-03-01"))
    assert price is not None
    by_name = {(rate.meter, rate.tier, rate.above_input_tokens): (rate.rate, rate.per) for rate in price.rates}
    assert by_name == {
        ("input", "standard", 0): (1, 10**6), ("output", "standard", 0): (7 * 10**9, 10**6),
        ("cache_read", "standard", 0): (0, 10**6), ("web_search", "standard", 0): (10 * 10**9, 1_000),
        ("request", "standard", 0): (5 * 10**9, 1_000), ("input", "standard", 200): (9 * 10**9, 10**6),
        ("input", "batch", 0): (10**9, 10**6), ("input", "batch", 100): (3 * 10**9, 10**6),
    }  # fmt: skip
    lines = charge(Usage(), price)
    assert isinstance(lines, tuple)
    assert total(lines) == from_usd("0.005")


def test_a_discount_follows_the_list_price_of_each_day_exactly(tmp_path: Path) -> None:
    own = book(HEAD + 'discount_percent = "12.5"\n', tmp_path)
    asked = {"2026-02-28": 10_000, "2026-03-01": 8_750, "2026-05-31": 8_750, "2026-06-01": 7_000}
    for day, milli in asked.items():
        assert rates(own.find("acme", "m-1", on(day)))["input"] == (milli * 10**6, 10**6), day
    march = own.find("acme", "m-1", on("2026-03-01"))
    june = own.find("acme", "m-1", on("2026-06-01"))
    assert march is not None
    assert june is not None
    assert (march.effective_from, june.effective_from) == ("2026-03-01", "2026-06-01")
    assert march.version != june.version
    assert (march.max_input_tokens, march.max_output_tokens) == (1_000, 2_000)
    assert march.source == "contracts.toml:1 on a test 1"


@pytest.mark.parametrize(
    ("percent", "expected"),
    [("0.000001", (333 * 99_999_999, 10**14)), ("33", (22_311, 10**8)), ("100", (0, 10**6)), ("50", (333, 2 * 10**6))],
)
def test_a_discount_is_exact_however_odd(percent: str, expected: tuple[int, int], tmp_path: Path) -> None:
    own = book(HEAD.replace("m-1", "m-2") + f'discount_percent = "{percent}"\n', tmp_path)
    assert rates(own.find("acme", "m-2", on("2026-03-01")))["input"] == expected


def test_a_name_comes_before_a_glob_a_longer_glob_before_a_shorter_and_then_the_newest(tmp_path: Path) -> None:
    def one(model: str, day: str, usd: int) -> str:
        return (
            f'[[price]]\nprovider = "acme"\nmodel = "{model}"\neffective_from = {day}\ninput = "{usd}"\noutput = "1"\n'
        )

    own = book(
        one("*", "2026-09-01", 1)
        + one("m-*", "2026-01-01", 2)
        + one("m-*", "2026-05-01", 3)
        + one("m-2", "2026-07-01", 4),
        tmp_path,
    )
    asked = {
        ("m-1", "2026-04-30"): 2, ("m-1", "2026-05-01"): 3, ("m-1", "2026-12-01"): 3, ("m-2", "2026-06-30"): 3,
        ("m-2", "2026-07-01"): 4, ("x", "2026-08-31"): None, ("x", "2026-09-01"): 1,
    }  # fmt: skip
    for (model, day), usd in asked.items():
        found = own.find("acme", model, on(day))
        assert (rates(found)["input"][0] // 10**9 if found else None) == usd, (model, day)


def test_a_house_prices_what_no_list_knows_and_lists_it(tmp_path: Path) -> None:
    own = book(
        '[[price]]\nprovider = "vllm"\nmodel = "llama"\neffective_from = "2026-01-01"\ninput = "0"\noutput = "0"\n',
        tmp_path,
    )
    assert rates(own.find("vllm", "llama", on("2026-01-01"))) == {"input": (0, 10**6), "output": (0, 10**6)}
    assert ("vllm", "llama") in {(price.provider_name, price.model) for price in own.rows()}


def test_an_own_price_changes_the_books_version_and_a_comment_does_not(tmp_path: Path) -> None:
    one = book(HEAD + 'input = "1"\noutput = "1"\n', tmp_path).version
    assert book("# A note.\n" + HEAD + 'input = "1"\noutput = "1"\n', tmp_path).version == one
    assert book(HEAD + 'input = "2"\noutput = "1"\n', tmp_path).version != one
    assert book("", tmp_path).version != one


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + 'inptu = "1"\n', r'contracts\.toml:5: price\[0\]\.inptu means nothing here; did you mean "input"\?'),
        ("[[prices]]\n", r"contracts\.toml:1: prices means nothing here"),
        ("price = 3\n", r"contracts\.toml:1: price must be a list of tables"),
        (HEAD, r"contracts\.toml:1: price\[0\]: give either rates or discount_percent"),
        (HEAD + 'input = "1"\ndiscount_percent = "5"\n', r"give either rates or discount_percent"),
        (HEAD + "input = 2.5\n", r'contracts\.toml:5: price\[0\]\.input must be text in quotes, as "2\.50"'),
        (HEAD + "input = true\n", r"must be text in quotes"),
        (HEAD + 'input = "2,50"\n', r'contracts\.toml:5: price\[0\]\.input: "2,50" is no number'),
        (HEAD + 'input = "-1"\n', r'"-1" is not an amount that can be paid'),
        (HEAD + 'input = "NaN"\n', r'"NaN" is not an amount that can be paid'),
        (HEAD + 'input = "Infinity"\n', r"not an amount that can be paid"),
        (HEAD + 'input = "0.00000000000000000001"\n', r"contracts\.toml:5: .*too many digits"),
        (HEAD + 'discount_percent = "0"\n', r"contracts\.toml:5: price\[0\]\.discount_percent must be above 0"),
        (HEAD + 'discount_percent = "100.01"\n', r"must be above 0 and at most 100"),
        (HEAD + 'discount_percent = "0.0000001"\n', r"at most 6 decimals"),
        (HEAD.replace("2026-03-01", '"March"') + 'input = "1"\n', r"contracts\.toml:4: .*must be a day"),
        (HEAD.replace("2026-03-01", "2026-03-01T10:00:00Z") + 'input = "1"\n', r"must be a day"),
        (HEAD.replace('"acme"', '""') + 'input = "1"\n', r"contracts\.toml:2: price\[0\]\.provider must be text"),
        (HEAD.replace('model = "m-1"\n', "") + 'input = "1"\n', r"contracts\.toml:1: price\[0\]\.model must be text"),
        (HEAD + "batch = 3\n", r"contracts\.toml:5: price\[0\]\.batch must be a table"),
        (HEAD + 'batch = { input = "1", gold = "2" }\n', r"price\[0\]\.batch\.gold means nothing here"),
        (HEAD + 'above = [{ input = "1" }]\n', r"price\[0\]\.above\[0\]\.input_tokens must be a number of tokens"),
        (HEAD + 'above = [{ input_tokens = 0, input = "1" }]\n', r"must be a number of tokens above zero"),
        (HEAD + 'input = "1"\nmax_input_tokens = "9"\n', r"max_input_tokens must be a number of tokens"),
        (
            HEAD + 'input = "1"\n' + HEAD + 'input = "2"\n',
            r"contracts\.toml:6: price\[1\] prices the same .*price\[0\]",
        ),
        (HEAD.replace("m-1", "x-*") + 'discount_percent = "5"\n', r"contracts\.toml:1: no model of acme .*called x-\*"),
        ("[[price]\n", r"contracts\.toml is not valid TOML"),
    ],
)
def test_T72_what_is_wrong_in_the_file_is_said_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=said):
        book(text, tmp_path)


def test_T72_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings, match="cannot be read"):
        read_book(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="cannot be read"):
        read_book(tmp_path / "bytes.toml")
    monkeypatch.setattr("gateway.prices.overrides.FILE_BYTES_MAX", 10)
    (tmp_path / "long.toml").write_text("# 3456789\n")
    read_book(tmp_path / "long.toml")
    (tmp_path / "long.toml").write_text("# 34567890\n")
    with pytest.raises(BadSettings, match="at most 10 bytes"):
        read_book(tmp_path / "long.toml")
