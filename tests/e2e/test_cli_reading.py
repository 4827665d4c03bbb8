"""What the command line reads and shows: spend, single calls, the book, the configuration, prices, the doctor."""

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.api.requests import RequestOut
from gateway.api.spend import Spend
from gateway.ledger.entry import Call, Entry
from gateway.ledger.open import open_ledger
from policies.money import NanoUsd
from policies.pricing import Charge
from policies.usage import Usage
from tests.e2e.commanding import Cli

AT = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, monkeypatch, capsys)


def call(request_id: str, **changes: Any) -> Entry:
    """A call as it is booked: 1,000 tokens in, 100 out, 210 micro-dollars."""
    body = Call(
        request_id=request_id,
        state="settled",
        operation="chat",
        dialect="openai",
        provider_name="openai",
        request_model="gpt-4o-mini",
        status=200,
        response_id=f"chatcmpl-{request_id}",
        duration_ms=812,
        usage=Usage(input_tokens=1000, output_tokens=100),
        charges=(
            Charge("input", 1000, NanoUsd(150_000_000), 1_000_000, "standard", NanoUsd(150_000)),
            Charge("output", 100, NanoUsd(600_000_000), 1_000_000, "standard", NanoUsd(60_000)),
        ),
        billed_cost=210_000,
        price_version="list-1",
        key_id="key_1",
        tags={"team": "search", "initiative": "PROJ-1", "person": "per_" + "0" * 32},
        tag_sources={"team": "locked_key", "initiative": "header", "person": "locked_key"},
    )
    body = msgspec.structs.replace(body, **changes)
    return Entry(
        id=f"{request_id}:call",
        kind="call",
        occurred_at=AT,
        recorded_at=AT,
        source="gateway",
        body=msgspec.Raw(msgspec.json.encode(body)),
    )


def booked(folder: Path, *entries: Entry) -> None:
    ledger = open_ledger("sqlite", folder / "weighbridge-data")
    ledger.append(entries)
    ledger.close()


def test_spend_is_the_same_sum_in_table_csv_and_json(cli: Cli, tmp_path: Path) -> None:
    cli("team", "create", "search")
    booked(tmp_path, call("req_1"), call("req_2", request_model="gpt-4o"), call("req_3", tags={}, tag_sources={}))
    options = ("--since", "2026-11-01", "--until", "2026-12-01")
    found = cli("spend", "--by", "team,model", *options, "--json").json()
    assert set(found) == set(Spend.model_fields) - {"next_cursor"}
    assert found["total"]["billed_cost"] == "0.00063"
    assert found["total"]["calls"] == 3
    assert {row["group"]["team"] for row in found["rows"]} == {"search", None}
    rows = cli("spend", "--by", "team,model", *options, "--csv").out.splitlines()
    assert rows[0].startswith("team,request_model,calls,billed_cost")
    assert sum(float(row.split(",")[3]) for row in rows[1:]) == pytest.approx(0.00063)
    shown = cli("spend", "--by", "team,model", *options).out
    assert "from 2026-11-01 to before 2026-12-01 (UTC)" in shown
    assert re.search(r"TOTAL\s+3\s+\$0\.0006300\s+3,000\s+0\s+300\n", shown)
    assert "(none)" in shown


def test_spend_is_kept_to_a_period_and_to_values(cli: Cli, tmp_path: Path) -> None:
    cli("team", "create", "search")
    booked(tmp_path, call("req_1"), call("req_2", provider_name="local"))
    ends = ("--since", "2026-11-10T09:00:00Z", "--until", "2026-11-10T09:00:01Z", "--json")
    assert cli("spend", *ends).json()["total"]["calls"] == 2
    assert cli("spend", "--where", "provider=local", *ends).json()["total"]["calls"] == 1
    after = ("--since", "2026-11-10T09:00:00.000001Z", "--until", "2026-11-11", "--json")
    assert cli("spend", *after).json()["total"]["calls"] == 0
    before = ("--since", "2026-11-01", "--until", "2026-11-10T09:00:00Z")
    assert "no calls" in cli("spend", *before).out


def test_a_cost_that_is_not_known_is_never_shown_as_nothing(cli: Cli, tmp_path: Path) -> None:
    cli("team", "create", "search")
    unknown = call("req_1", billed_cost=None, cost_source="unknown", charges=(), price_version=None)
    booked(tmp_path, unknown, call("req_2", request_model="gpt-4o"))
    said = cli("spend", "--by", "model", "--since", "2026-11-01", "--until", "2026-12-01")
    (line,) = (line for line in said.out.splitlines() if line.startswith("gpt-4o-mini"))
    assert "$" not in line
    assert "1 call has no known cost" in said.err
    period = ("--since", "2026-11-01", "--until", "2026-12-01", "--where", "model=gpt-4o-mini")
    assert cli("spend", *period, "--json").json()["total"]["billed_cost"] is None
    assert "\nsearch,1,,1,," in cli("spend", *period, "--csv").out.replace("\r", "")
    explained = cli("explain", "req_1").out
    assert "Cost     not known" in explained
    assert "Tokens   1,000 input, 100 output" in explained
    refused = call("req_3", state="voided", status=429, usage=None, billed_cost=0, cost_source="none", charges=())
    booked(tmp_path, refused)
    explained = cli("explain", "req_3").out
    assert "Tokens   none\nCost     0 USD\n" in explained
    assert cli("explain", "req_1", "--json").json()["billed_cost"] is None


def test_a_request_is_explained_in_the_words_of_the_api_and_by_the_providers_id_too(cli: Cli, tmp_path: Path) -> None:
    cli("team", "create", "search")
    booked(tmp_path, call("req_1", flags=("initiative_unknown",)))
    found = cli("explain", "req_1", "--json").json()
    assert set(found) == set(RequestOut.model_fields)
    assert found["billed_cost"] == "0.00021"
    assert [tag["name"] for tag in found["tags"]] == ["initiative", "team"]
    assert cli("explain", "chatcmpl-req_1", "--json").json() == found
    shown = cli("explain", "req_1").out
    assert "1,000 input x 0.15 USD per 1,000,000 = 0.00015 USD" in shown
    assert "0.00021 USD" in shown
    assert "locked key" in shown
    assert "per_" not in shown
    assert "initiative_unknown" in shown


def test_a_whole_ledger_is_verified_and_a_changed_one_is_not(cli: Cli, tmp_path: Path) -> None:
    cli("team", "create", "search")
    booked(tmp_path, call("req_1"))
    whole = cli("ledger", "verify", "--json")
    assert whole.code == 0
    assert whole.json()["intact"] is True
    assert cli("ledger", "verify", "--anchor", whole.json()["head"]).code == 0
    assert cli("ledger", "verify", "--anchor", "1" * 64).code == 1
    assert "Whole    yes" in cli("ledger", "verify").out
    with sqlite3.connect(tmp_path / "weighbridge-data" / "ledger.sqlite") as connection:
        changed = connection.execute("UPDATE entries SET body = replace(body, '210000', '110000')").rowcount
    connection.close()
    assert changed
    broken = cli("ledger", "verify")
    assert broken.code == 1
    assert "Whole      NO" in broken.out
    assert "position" in broken.out
    assert "docs/ledger.md" in broken.out
    lost = cli("ledger", "verify", "--anchor", "1" * 64)
    assert "None" not in lost.out
    assert cli("ledger", "verify", "--json").json()["intact"] is False


def test_the_configuration_is_checked_with_its_line(cli: Cli, tmp_path: Path) -> None:
    assert cli("check").code == 0
    (tmp_path / "weighbridge.toml").write_text("[server]\n\nprot = 1\n")
    said = cli("check")
    assert (said.code, said.out) == (78, "")
    assert said.err.startswith("weighbridge: weighbridge.toml:3: server.prot")
    for verb in (("spend",), ("key", "list"), ("key", "create"), ("up",), ("price", "list")):
        assert cli(*verb).code == 78
    assert cli("doctor").code == 1
    (tmp_path / "other.toml").write_text("[server]\nport = 9999\n")
    assert cli("check", "--config", "other.toml", "--json").json()["server.port"] == 9999
    assert cli("--config", "other.toml", "check", "--json").json()["server.port"] == 9999
    assert cli("check", "--config=other.toml").code == 0
    assert cli("check", "--config", "none.toml").code == 78


def test_check_wants_the_providers_keys_and_other_verbs_do_not(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "weighbridge.toml").write_text('[providers.a]\nbase_url = "https://a"\napi_key = "${NOT_SET_HERE}"\n')
    said = cli("check")
    assert said.code == 78
    assert "NOT_SET_HERE is not set" in said.err
    assert cli("team", "create", "search").code == 0
    shown = cli("doctor", "--json")
    assert shown.code == 1
    assert "NOT_SET_HERE" in {one["what"]: one["text"] for one in shown.json()}["secrets"]


def test_the_schema_for_editors_is_written(cli: Cli) -> None:
    assert cli("check", "--schema").json()["$defs"]["Server"]["properties"]["port"]["default"] == 8080


def test_the_doctor_finds_what_is_well_and_what_is_not(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weighbridge.toml").write_text("[server]\nport = 0\npages_port = 0\n")
    found = {one["what"]: one for one in cli("doctor", "--json").json()}
    assert found["data"]["state"] == "look"
    assert "weighbridge up --with-local-model" in found["provider"]["text"]
    cli("key", "create", "--team", "search")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    monkeypatch.setenv("WEIGHBRIDGE_PROT", "1")
    said = cli("doctor", "--json")
    found = {one["what"]: one for one in said.json()}
    assert said.code == 0
    assert {name: found[name]["state"] for name in ("configuration", "data", "disk", "ledger", "keys", "provider")} == {
        "configuration": "ok", "data": "ok", "disk": "ok", "ledger": "ok", "keys": "ok", "provider": "ok",
    }  # fmt: skip
    assert "did you mean WEIGHBRIDGE_PORT" in found["environment"]["text"]
    assert "sk-real" not in said.out
    (tmp_path / "weighbridge-data" / "pepper").chmod(0o644)
    found = {one["what"]: one for one in cli("doctor", "--json").json()}
    assert "chmod 600" in found["data"]["text"]


def test_T64_the_doctor_says_that_a_world_open_gateway_without_an_admin_will_not_start(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "weighbridge.toml").write_text('[server]\nhost = "0.0.0.0"\nport = 0\npages_port = 0\n')
    cli("team", "create", "search")
    said = cli("doctor")
    assert said.code == 1
    assert "no admin key yet" in said.out
    assert "bad   keys" in said.out
    cli("key", "create", "--role", "admin")
    assert cli("doctor").code == 0


def test_a_prices_list_can_be_searched_shown_and_compared(cli: Cli, tmp_path: Path) -> None:
    found = cli("price", "list", "gpt-4o-mini", "--provider", "openai", "--json").json()
    assert {"openai"} == {one["provider_name"] for one in found}
    shown = cli("price", "show", "openai/gpt-4o-mini").out
    assert re.search(r"^input +0\.15 +1,000,000 +standard", shown, re.MULTILINE)
    assert "are the same" in cli("price", "diff").out
    assert cli("price", "list", "no-such-model").out.startswith("No price of that name")
    assert "more: name a part of the model" in cli("price", "list").err
    assert cli("price", "list", "--json").json()


@pytest.mark.parametrize(
    ("shell", "sets", "takes_away"),
    [
        ("sh", "export OPENAI_API_KEY=wb_x", "unset ANTHROPIC_API_KEY"),
        ("fish", "set -gx OPENAI_API_KEY wb_x", "set -e ANTHROPIC_API_KEY"),
        ("powershell", "$Env:OPENAI_API_KEY = 'wb_x'", "$Env:ANTHROPIC_API_KEY = ''"),
    ],
)
def test_the_variables_for_tools_are_written_for_each_shell(cli: Cli, shell: str, sets: str, takes_away: str) -> None:
    lines = cli("env", "--key", "wb_x", "--shell", shell).out.splitlines()
    assert sets in lines
    assert takes_away in lines
    assert all("8080" in line for line in lines if "BASE_URL" in line)


def test_the_variables_carry_an_initiative_in_the_address(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_KEY", "wb_y")
    (tmp_path / "weighbridge.toml").write_text('[server]\nhost = "0.0.0.0"\nport = 9000\n')
    found = cli("env", "--initiative", "A/B 1", "--json").json()
    assert found["OPENAI_BASE_URL"] == "http://127.0.0.1:9000/t/A%2FB%201/v1"
    assert found["ANTHROPIC_AUTH_TOKEN"] == "wb_y"
    assert found["ANTHROPIC_API_KEY"] is None


def test_version_and_completion_are_printed(cli: Cli) -> None:
    assert cli("version").out.startswith("weighbridge ")
    assert set(cli("version", "--json").json()) == {"weighbridge", "python", "sqlite"}
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert "WEIGHBRIDGE_COMPLETE" in cli("completion", shell).out


def test_every_verb_explains_itself(cli: Cli) -> None:
    top = cli("--help")
    assert top.code == 0
    verbs = re.findall(r"^  ([a-z]+) ", top.out.partition("Commands:")[2], re.MULTILINE)
    assert len(verbs) >= 18
    assert "..." not in top.out.partition("Commands:")[2]
    for verb in verbs:
        said = cli(verb, "--help")
        assert said.code == 0
        for inner in re.findall(r"^  ([a-z]+) ", said.out.partition("Commands:")[2], re.MULTILINE):
            assert cli(verb, inner, "--help").code == 0


def test_a_ledger_that_is_no_ledger_ends_with_78(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "weighbridge-data").mkdir()
    (tmp_path / "weighbridge-data" / "ledger.sqlite").write_text("not a database, and long enough to be looked at" * 50)
    said = cli("key", "list")
    assert said.code == 78
    assert "ledger.sqlite" in said.err


def test_a_folder_that_cannot_be_made_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "weighbridge-data").write_text("a file is in the way")
    said = cli("key", "create", "--team", "search")
    assert said.code == 1
    assert "weighbridge-data" in said.err
