"""Keys, teams and work from the command line, and how mistakes end: one sentence, an exit code, never a traceback."""

import re
from pathlib import Path

import pytest

from gateway.api.applications import ApplicationOut
from gateway.api.initiatives import InitiativeOut
from gateway.api.keys import KeyOut
from gateway.api.people import PersonOut
from gateway.api.teams import TeamOut
from gateway.keys import digest_of, read_pepper, well_formed
from gateway.ledger.open import open_ledger
from gateway.registry import Registry
from tests.e2e.commanding import Cli


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, monkeypatch, capsys)


def test_a_key_is_given_out_once_and_kept_as_a_hash_only(cli: Cli, tmp_path: Path) -> None:
    made = cli("key", "create", "--team", "bench", "--json")
    assert made.code == 0
    assert "Team bench was not known" in made.err
    key = made.json()["key"]
    assert well_formed(key.encode())
    pepper = read_pepper(tmp_path / "weighbridge-data")
    registry = Registry(pepper)
    ledger = open_ledger("sqlite", tmp_path / "weighbridge-data")
    registry.refresh(ledger)
    ledger.close()
    assert registry.by_digest[digest_of(pepper, key.encode())].team == "bench"
    for path in (tmp_path / "weighbridge-data").iterdir():
        assert key.encode() not in path.read_bytes()


def test_a_key_is_told_in_the_words_of_the_api_and_shown_again_by_nothing(cli: Cli) -> None:
    made = cli(
        "key", "create", "--team", "search", "--name", "ci", "--tag", "env=ci", "--model", "gpt-*", "--json"
    ).json()
    assert set(made) == {*KeyOut.model_fields, "key"}
    assert (made["tags"], made["models"]) == ({"environment": "ci"}, ["gpt-*"])
    key = made.pop("key")
    assert cli("key", "list", "--json").json() == [made]
    assert cli("key", "show", made["key_id"], "--json").json() == made
    assert cli("key", "show", key, "--json").json() == made
    shown = cli("key", "list").out + cli("key", "show", made["key_id"]).out
    assert key not in shown
    assert made["last4"] in shown


def test_a_key_for_people_is_boxed_with_the_next_step(cli: Cli, tmp_path: Path) -> None:
    made = cli("key", "create", "--team", "search")
    assert "shown once" in made.out
    assert re.search(r'eval "\$\((\./)?weighbridge env\)"', made.out)
    assert cli("application", "create", "shop", "--team", "search").code == 0
    (tmp_path / "other.toml").write_text("")
    made = cli("key", "create", "--application", "shop", "--config", "other.toml")
    assert f'weighbridge env --config {tmp_path / "other.toml"})"' in made.out
    assert "Role: admin" in cli("key", "create", "--role", "admin").out


def test_a_name_given_for_a_key_leads_to_its_id(cli: Cli) -> None:
    made = cli("key", "create", "--team", "search", "--name", "ci", "--json").json()
    for verb in ("revoke", "show"):
        said = cli("key", verb, "ci")
        assert (said.code, said.out) == (1, "")
        assert said.err == f"weighbridge: 'ci' is a name. Give the id of the key that has it: {made['key_id']}\n"
    assert cli("key", "revoke", made["key_id"]).code == 0
    assert "There is no key 'ci'" in cli("key", "revoke", "ci").err


def test_a_data_folder_that_cannot_be_made_is_named_with_its_setting(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    (tmp_path / "weighbridge.toml").write_text('[data]\ndir = "taken/data"\n')
    for verb in (("up",), ("team", "create", "search")):
        said = cli(*verb)
        assert said.code == 78
        assert f"The data folder {tmp_path / 'taken' / 'data'} cannot be made" in said.err
        assert "[data] dir" in said.err


def test_a_revoked_key_is_gone_from_the_list_and_named_in_the_whole_one(cli: Cli) -> None:
    made = cli("key", "create", "--team", "search", "--json").json()
    assert cli("key", "revoke", made["key_id"], "--reason", "left").out == f"{made['key_id']} is revoked.\n"
    assert cli("key", "list", "--json").json() == []
    assert "No keys." in cli("key", "list").out
    (gone,) = cli("key", "list", "--all", "--json").json()
    assert gone["revoked_at"] is not None
    assert "revoked" in cli("key", "list", "--all").out
    again = cli("key", "revoke", made["key_id"])
    assert (again.code, again.out) == (1, "")
    assert "was revoked before" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("key", "create"), 1, "needs a team"),
        (("key", "create", "--role", "boss"), 2, "--role"),
        (("key", "create", "--team", "Search"), 1, "lower-case"),
        (("key", "create", "--team", "search", "--tag", "env"), 2, "'env' is not name=value"),
        (("key", "create", "--team", "search", "--expires", "soon"), 2, "--expires: 'soon' is no moment"),
        (("key", "create", "--team", "search", "--expires", "2020-01-01"), 1, "in the past"),
        (("key", "create", "--application", "nope"), 1, "nope"),
        (("key", "revoke", "key_1"), 1, "There is no key 'key_1'"),
        (("key", "show", "wb_" + "0" * 43 + "_" + "0" * 8), 1, "There is no key"),
        (("key",), 2, ""),
        (("team", "create", "a b"), 1, "lower-case"),
        (("team", "create", "search", "--parent", "nope"), 1, 'No team "nope" is known'),
        (("application", "create", "shop", "--team", "nope"), 1, "weighbridge team create nope"),
        (("person", "create", " "), 1, "needs a name"),
        (("initiative", "create", "P 1"), 1, "like PROJ-42"),
        (("initiative", "create", "P-1", "--kind", "hobby"), 2, "--kind"),
        (("initiative", "create", "P-1", "--parent", "P-0"), 1, "create the parent first"),
        (("initiative", "close", "P-1"), 1, "no such initiative"),
        (("initiative", "alias", "P-1", "Q-1"), 1, "no such initiative"),
        (("initiative", "reopen", "P-1"), 1, "no such initiative"),
        (("spend", "--by", "person"), 2, "'person' is no dimension"),
        (("spend", "--by", "colour"), 2, "There are: model, provider"),
        (("spend", "--by", "team,day,state,source,operation"), 2, "at most 4"),
        (("spend", "--where", "person=per_1"), 2, "no dimension"),
        (("spend", "--where", "team"), 2, "is not name=value"),
        (("spend", "--csv", "--json"), 2, "exclude each other"),
        (("spend", "--since", "today", "--until", "yesterday"), 2, "must be before"),
        (("explain", "req_1"), 1, "No call 'req_1' is in the ledger"),
        (("price", "show", "gpt-4o-mini"), 1, "Name the provider too"),
        (("price", "show", "openai/no-such-model"), 1, "No price is known"),
        (("env",), 2, "Which key?"),
        (("ask", "hi"), 2, "Which key?"),
        (("ask", " ", "--key", "k"), 2, "nothing to ask"),
        (("ask", "hi", "--key", "k", "--url", "http://127.0.0.1:1"), 1, "No gateway answers at http://127.0.0.1:1"),
        (("ask", "hi", "--key", "k", "--url", "ftp://x"), 1, "is no address of a gateway"),
        (("journal", "verify"), 1, "There is no journal"),
        (("demo", "--clear"), 1, "There is no demo"),
        (("no-such-verb",), 2, "no-such-verb"),
        (("key", "create", "--no-such-option"), 2, "no-such-option"),
        (("completion", "tcsh"), 2, "tcsh"),
    ],
)
def test_a_mistake_is_one_sentence_on_standard_error(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "weighbridge-data").mkdir()
    said = cli(*arguments)
    assert said.code == code
    if says:
        assert says in " ".join(said.err.split())
        assert said.out == ""
    if code == 1:
        assert said.err.startswith("weighbridge: ")
        assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [("key", "list"), ("team", "list"), ("spend",), ("explain", "req_1"), ("ledger", "verify"), ("initiative", "list")],
)
def test_reading_where_there_is_no_ledger_makes_none_and_says_so(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    said = cli(*arguments)
    assert said.code == 1
    assert "There is no ledger at" in said.err
    assert list(tmp_path.iterdir()) == []


def test_the_registry_is_made_and_listed_in_the_words_of_the_api(cli: Cli) -> None:
    team = cli("team", "create", "search", "--name", "Search", "--cost-centre", "CC-7", "--json").json()
    assert set(team) == set(TeamOut.model_fields)
    assert cli("team", "list", "--json").json() == [team]
    made = cli("application", "create", "shop", "--team", "search", "--tag", "env=run", "--json").json()
    assert set(made) == set(ApplicationOut.model_fields)
    assert cli("application", "list", "--json").json() == [made]
    person = cli("person", "create", "Ana@Example.com", "--team", "search", "--json").json()
    assert set(person) == set(PersonOut.model_fields)
    assert cli("person", "list", "--json").json() == [person]
    assert "ana" not in cli("person", "list").out.lower()
    for verb, has in (("team", "CC-7"), ("application", "environment=run"), ("person", "search")):
        assert has in cli(verb, "list").out


def test_an_initiative_is_made_aliased_closed_and_opened_again(cli: Cli) -> None:
    made = cli(
        "initiative",
        "create",
        "PROJ-1",
        "--title",
        "Checkout",
        "--alias",
        "checkout",
        "--opened",
        "2026-01-31",
        "--json",
    ).json()
    assert set(made) == set(InitiativeOut.model_fields)
    assert made["opened_at"] == "2026-01-31T00:00:00Z"
    assert "SHOP leads to PROJ-1" in cli("initiative", "alias", "PROJ-1", "SHOP").out
    assert "14 days more" in cli("initiative", "close", "PROJ-1", "--at", "yesterday").out
    (closed,) = cli("initiative", "list", "--status", "closed", "--json").json()
    assert (closed["status"], closed["aliases"]) == ("closed", ["checkout", "SHOP"])
    assert cli("initiative", "list", "--status", "open", "--json").json() == []
    assert "is open again" in cli("initiative", "reopen", "PROJ-1").out
    assert "PROJ-1" in cli("initiative", "list").out


def test_a_ledger_whose_pepper_is_lost_is_not_given_another_one(cli: Cli, tmp_path: Path) -> None:
    cli("key", "create", "--team", "search")
    pepper = tmp_path / "weighbridge-data" / "pepper"
    kept = pepper.read_bytes()
    pepper.unlink()
    for verb in (("key", "create", "--team", "search"), ("key", "list"), ("up",)):
        said = cli(*verb)
        assert said.code == 78
        assert "pepper is missing. Put back the file" in said.err
    assert not pepper.exists()
    pepper.write_bytes(kept)
    assert cli("key", "list").code == 0
