"""A missing piece skips a test, or fails it where it had to be there; and what the test command makes of words."""

from pathlib import Path

import pytest

from tests.needs import FIND, needs
from tests.run import LEFT_OUT, read


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for piece in FIND:
        monkeypatch.setitem(FIND, piece, lambda: None)
    for name in ("TEST_EVERYTHING", "TEST_WITHOUT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("piece", FIND)
def test_a_missing_piece_skips_and_says_how_to_have_it(nothing_installed: pytest.MonkeyPatch, piece: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"{piece} is not installed; `./weighbridge test --all`"):
        needs(piece)


@pytest.mark.parametrize("piece", FIND)
def test_a_missing_piece_fails_where_all_were_to_be_there(nothing_installed: pytest.MonkeyPatch, piece: str) -> None:
    nothing_installed.setenv("TEST_EVERYTHING", "1")
    with pytest.raises(pytest.fail.Exception, match=piece):
        needs(piece)


def test_a_piece_that_was_ruled_out_skips_and_the_others_still_fail(nothing_installed: pytest.MonkeyPatch) -> None:
    nothing_installed.setenv("TEST_EVERYTHING", "1")
    nothing_installed.setenv("TEST_WITHOUT", "model,npm")
    for piece in ("model", "npm"):
        with pytest.raises(pytest.skip.Exception):
            needs(piece)
    with pytest.raises(pytest.fail.Exception):
        needs("clients")


def test_a_piece_that_is_there_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(FIND, "npm", lambda: tmp_path)
    assert needs("npm") == tmp_path


def test_every_piece_has_a_script_that_installs_it_and_every_mark_is_left_out_by_name(
    pytestconfig: pytest.Config,
) -> None:
    root = pytestconfig.rootpath
    assert all((root / "tests" / "setup" / f"{piece}.sh").is_file() for piece in FIND)
    marks = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert marks >= LEFT_OUT.keys()


@pytest.mark.parametrize(
    ("words", "read_as"),
    [
        ("", (False, set(), [])),
        ("--all", (True, set(), [])),
        ("-k money --all -x", (True, set(), ["-k", "money", "-x"])),
        ("--all --without npm,model", (True, {"npm", "model"}, [])),
        ("tests/unit -m npm", (False, set(), ["tests/unit", "-m", "npm"])),
    ],
)
def test_the_test_command_takes_its_own_words_and_leaves_pytests(words: str, read_as: object) -> None:
    assert read(words.split()) == read_as


@pytest.mark.parametrize("words", ["--without npm", "--all --without", "--all --without nmp"])
def test_words_that_mean_nothing_stop_the_test_command(words: str) -> None:
    with pytest.raises(SystemExit, match="--without goes with --all"):
        read(words.split())
