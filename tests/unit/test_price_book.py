"""The book of prices: which row holds at an instant, what names mean, and what is refused at the door."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from gateway.prices import book as book_module
from gateway.prices.book import PriceBook, read_book
from gateway.prices.names import provider_of, undated
from gateway.prices.queries import diff_books, list_prices, show_price
from gateway.prices.snapshot import FREE_PROVIDERS, SNAPSHOT, Header, Origin, Row, read_snapshot, snapshot_bytes
from gateway.settings import BadSettings
from policies.pricing import Price

SOURCES = {"t1": Origin("a test", "1", "t.json", "00")}
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def row(model: str, day: str = "", usd: int = 1, **rates: int) -> Row:
    return Row("acme", model, day, "t1", rates or {"input": usd * 10**9, "output": usd * 10**9})


def book_of(*rows: Row, folder: Path) -> PriceBook:
    path = folder / "prices.jsonl"
    path.write_bytes(snapshot_bytes(rows, "2026-11-25", SOURCES))
    return read_book(None, path)


def usd(price: Price | None) -> int | None:
    return price.rates[0].rate // 10**9 if price else None


def test_the_newest_row_that_has_begun_holds_to_the_instant(tmp_path: Path) -> None:
    book = book_of(row("m", usd=1), row("m", "2026-03-01", 2), row("m", "2026-12-01", 3), folder=tmp_path)
    tick = timedelta(microseconds=1)
    march, december = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    asked = [datetime(1970, 1, 1, tzinfo=UTC), march - tick, march, december - tick, december, december + tick]
    assert [usd(book.find("acme", "m", at)) for at in asked] == [1, 1, 2, 2, 3, 3]


def test_before_its_first_day_a_dated_price_is_unknown(tmp_path: Path) -> None:
    book = book_of(row("m", "2026-03-01"), folder=tmp_path)
    assert book.find("acme", "m", datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)) is None


def test_an_instant_in_another_zone_is_the_same_instant(tmp_path: Path) -> None:
    book = book_of(row("m", usd=1), row("m", "2026-03-01", 2), folder=tmp_path)
    for text, price in (("2026-03-01T00:59:59+01:00", 1), ("2026-03-01T01:00:00+01:00", 2)):
        assert usd(book.find("acme", "m", datetime.fromisoformat(text))) == price


def test_a_row_bound_to_hours_holds_in_them_and_the_other_at_all_other_times(tmp_path: Path) -> None:
    monday_night = msgspec.structs.replace(row("m", usd=1), hours=((60, 240), (7 * 24 * 60 - 1, 7 * 24 * 60)))
    book = book_of(row("m", usd=2), monday_night, folder=tmp_path)
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    minutes = [(59, 2), (60, 1), (239, 1), (240, 2), (24 * 60 + 60, 2), (-1, 1), (-2, 2)]
    for minute, price in minutes:
        assert usd(book.find("acme", "m", monday + timedelta(minutes=minute))) == price, minute
    assert usd(book.find("acme", "m", monday + timedelta(minutes=239, seconds=59))) == 1


def test_F67_a_model_nobody_priced_is_unknown_and_not_free(tmp_path: Path) -> None:
    book = book_of(row("m"), folder=tmp_path)
    for provider, model in (("acme", "n"), ("acme", "M"), ("acme", "m "), ("acme", ""), ("other", "m"), ("", "")):
        assert book.find(provider, model, NOON) is None, (provider, model)


def test_a_name_that_is_the_beginning_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    book = book_of(row("gpt-4", usd=1), row("gpt-4o", usd=2), row('gpt-4"', usd=3), folder=tmp_path)
    assert [usd(book.find("acme", name, NOON)) for name in ("gpt-4", "gpt-4o", 'gpt-4"', "gpt")] == [1, 2, 3, None]


def test_a_new_date_takes_the_price_of_its_name_where_all_known_dates_cost_the_same(tmp_path: Path) -> None:
    book = book_of(row("m", usd=1), row("m-2026-01-02", usd=1), row("m-2026-01-03", usd=1), folder=tmp_path)
    for name in ("m-2026-09-09", "m-20260909", "m@20260909"):
        found = book.find("acme", name, NOON)
        assert usd(found) == 1
        assert found is not None
        assert found.model == "m"


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (("m",), "m-2026-09-09"),
        (("m-2026-01-02",), "m-2026-09-09"),
        (("m", "m-2026-01-02"), "m-2026-02-30"),
        (("m", "m-2026-01-02"), "m-2026-13-01"),
        (("m", "m-2026-01-02"), "m-latest"),
        (("m", "m-2026-01-02"), "m-2026-09"),
        (("m", "m-2026-01-02"), "m-2026-09-09-2026-09-10"),
        (("m", "m-mini-2026-01-02"), "m-2026-09-09"),
    ],
)
def test_no_other_name_is_guessed_from(known: tuple[str, ...], asked: str, tmp_path: Path) -> None:
    assert book_of(*(row(name) for name in known), folder=tmp_path).find("acme", asked, NOON) is None


def test_a_new_date_is_unknown_where_known_dates_cost_differently(tmp_path: Path) -> None:
    book = book_of(row("m", usd=1), row("m-2026-01-02", usd=1), row("m-2026-01-03", usd=2), folder=tmp_path)
    assert book.find("acme", "m-2026-09-09", NOON) is None
    assert usd(book.find("acme", "m-2026-01-03", NOON)) == 2


def test_a_fine_tuned_model_has_the_price_listed_for_its_base(tmp_path: Path) -> None:
    book = book_of(row("ft:m-2026-01-02", usd=3), row("ft:m-2026-01-03", usd=4), row("m", usd=1), folder=tmp_path)
    asked = {
        "ft:m-2026-01-02:acme::Ab1": 3, "ft:m-2026-01-03:acme:router:Ab1": 4, "ft:m-2026-01-02": 3,
        "ft:m:acme::x": None, "ft::m": None, "ft:": None, "xft:m-2026-01-02:acme": None,
    }  # fmt: skip
    assert {name: usd(book.find("acme", name, NOON)) for name in asked} == asked


def test_only_a_day_of_the_calendar_is_a_date() -> None:
    names = ("m-2024-02-29", "m-2023-02-29", "m-20240229", "m@20240229", "m.20240229", "2026-01-01", "-2026-01-01")
    assert [undated(name) for name in names] == ["m", None, "m", "m", None, None, None]


@pytest.mark.parametrize(
    ("spelled", "ours"),
    [("google", "gemini"), ("aws.bedrock", "bedrock"), ("x_ai", "xai"), ("vertex_ai", "vertex"), ("openai", "openai"),
     ("OpenAI", "OpenAI")],
)  # fmt: skip
def test_providers_have_other_spellings_in_a_table_and_no_others(spelled: str, ours: str) -> None:
    assert provider_of(spelled) == ours


def test_what_is_remembered_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "MODELS_MAX", 10)
    book = book_of(row("m"), folder=tmp_path)
    for number in range(100):
        book.find("acme", f"unknown-{number}", NOON)
        assert len(book._found) <= 10
    assert usd(book.find("acme", "m", NOON)) == 1


def test_every_row_has_a_version_of_its_own_that_another_list_gives_it_too(tmp_path: Path) -> None:
    rows = [row("a"), row("b"), row("b", "2026-03-01"), row("c", usd=7)]
    (tmp_path / "other").mkdir()
    one, other = book_of(*rows, folder=tmp_path), book_of(*rows, row("d"), folder=tmp_path / "other")
    versions = [price.version for price in one.rows()]
    assert len(set(versions)) == 4
    assert set(versions) < {price.version for price in other.rows()}
    assert one.version != other.version


def damaged(change: str) -> bytes:
    good = snapshot_bytes([row("a"), row("b")], "2026-11-25", SOURCES)
    first, _, rest = good.partition(b"\n")
    match change:
        case "cut":
            return good[:-20]
        case "one digit":
            return good.replace(b"1000000000", b"1000000001", 1)
        case "nothing":
            return b""
        case "not ours":
            return b"{}\n"
        case "html":
            return b"<html>502 Bad Gateway</html>"
    lines = {
        "negative": rest.replace(b'"input":1000000000', b'"input":-1', 1),
        "no units": rest.replace(b'"input":1000000000', b'"input":[1,0]', 1),
        "zero": rest.replace(b"1000000000", b"0"),
        "no rate": b'["acme","a","","t1",{}]\n',
        "a fraction": rest.replace(b'"input":1000000000', b'"input":0.5', 1),
        "an unknown meter": rest.replace(b'"input"', b'"inputs"', 1),
        "an unknown tier": rest.replace(b'"input"', b'"input@gold"', 1),
        "an unknown source": rest.replace(b'"t1"', b'"t2"', 1),
        "no day": rest.replace(b'"a",""', b'"a","2026-02-30"', 1),
        "out of order": b"".join(sorted(rest.splitlines(keepends=True), reverse=True)),
        "twice": rest + rest.splitlines(keepends=True)[-1],
    }[change]
    header = msgspec.json.decode(first, type=Header)
    header = msgspec.structs.replace(header, sha256=sha256(lines).hexdigest(), rows=lines.count(b"\n"))
    return msgspec.json.encode(header) + b"\n" + lines


@pytest.mark.parametrize(
    "change",
    ["cut", "one digit", "nothing", "not ours", "html", "negative", "no units", "zero", "no rate", "a fraction",
     "an unknown meter", "an unknown tier", "an unknown source", "no day", "out of order", "twice"],
)  # fmt: skip
def test_T72_a_price_list_that_cannot_be_right_is_refused_at_load(change: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.jsonl"
    path.write_bytes(damaged(change))
    with pytest.raises(BadSettings, match=r"prices\.jsonl.*weighbridge price import") as refused:
        read_book(None, path)
    assert "Traceback" not in str(refused.value)


def test_T72_a_price_list_that_is_missing_or_huge_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings, match="cannot be read"):
        read_book(None, tmp_path / "none.jsonl")
    monkeypatch.setattr("gateway.prices.snapshot.SNAPSHOT_BYTES_MAX", 10)
    with pytest.raises(BadSettings, match="at most 10 bytes"):
        read_snapshot()


def test_T72_the_bundled_list_is_whole_and_says_where_it_comes_from() -> None:
    bundled = read_snapshot()
    assert SNAPSHOT.stat().st_size < 10**6
    assert len(bundled.lines) > 6_000
    origins = {origin.name: origin for origin in bundled.header.sources.values()}
    for name in ("litellm", "genai-prices"):
        assert len(origins[name].sha256) == 64
        assert origins[name].version
    prices = list(PriceBook(bundled).rows())
    assert len(prices) == len(bundled.lines)
    assert len({price.version for price in prices}) == len(prices)
    free = {price.provider_name for price in prices if not any(rate.rate for rate in price.rates)}
    assert free <= set(FREE_PROVIDERS)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-4o"), ("anthropic", "claude-opus-4-5"), ("gemini", "gemini-2.5-flash"), ("azure", "gpt-5"),
     ("bedrock", "us.anthropic.claude-sonnet-5"), ("vertex", "gemini-2.5-flash"), ("mistral", "mistral-large-4"),
     ("groq", "openai/gpt-oss-120b"), ("deepseek", "deepseek-flash"), ("xai", "grok-4.20"), ("cohere", "embed-v4.0"),
     ("openrouter", "openai/gpt-5"), ("fireworks", "accounts/fireworks/models/glm-4p7"), ("perplexity", "sonar"),
     ("together", "Qwen/Qwen3.7-Max"), ("openai", "text-embedding-3-small"), ("echo", "echo"), ("echo", "echo-cached")],
)  # fmt: skip
def test_what_people_call_most_has_a_price(provider: str, model: str) -> None:
    assert read_book(None).find(provider, model, NOON) is not None


def test_echo_shows_a_price_a_zero_and_none() -> None:
    book = read_book(None)
    free = book.find("echo", "echo-free", NOON)
    assert free is not None
    assert {rate.rate for rate in free.rates} == {0}
    assert book.find("echo", "echo-unpriced", NOON) is None


def test_prices_are_listed_by_provider_and_by_part_of_a_name(tmp_path: Path) -> None:
    book = book_of(row("GPT-4o"), row("gpt-5"), row("gpt-5", "2026-03-01"), row("other"), folder=tmp_path)
    assert [price.model for price in list_prices(book)] == ["GPT-4o", "gpt-5", "gpt-5", "other"]
    assert [price.model for price in list_prices(book, contains="PT-4")] == ["GPT-4o"]
    assert [p.effective_from for p in list_prices(book, provider="acme", contains="gpt-5")] == [
        "2026-03-01",
        "1970-01-01",
    ]
    assert list_prices(book, provider="google") == ()


def test_a_model_is_shown_with_what_holds_first_and_all_that_held(tmp_path: Path) -> None:
    book = book_of(row("m", usd=1), row("m", "2026-03-01", 2), row("m", "2027-01-01", 3), folder=tmp_path)
    assert [usd(price) for price in show_price(book, "acme", "m", NOON)] == [2, 3, 1]
    assert [usd(price) for price in show_price(book, "acme", "m", datetime(2028, 1, 1, tzinfo=UTC))] == [3, 2, 1]
    assert show_price(book, "acme", "n", NOON) == ()


def test_two_books_differ_by_the_rows_that_came_went_or_charge_otherwise(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    old = book_of(row("gone"), row("same"), row("dearer"), row("follows"), row("dot", input=3), folder=tmp_path)
    new = book_of(
        row("same"), row("dearer", usd=2), row("follows"), row("follows", "2026-12-01", 4), row("came"),
        row("dot", input=2), folder=tmp_path / "new",
    )  # fmt: skip
    found = {change.model: change for change in diff_books(old, new)}
    assert {model: change.percent for model, change in found.items()} == {
        "gone": None, "dearer": 100, "follows": 300, "came": None, "dot": -34,
    }  # fmt: skip
    assert found["gone"].after is None
    assert found["came"].before is None
    assert usd(found["follows"].before) == 1
    assert diff_books(new, new) == ()
