"""What a key is made of, how it is kept, and how a person gets a name that leads nowhere."""

import hmac
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import (
    BODY_DIGITS,
    CALLER_PREFIX,
    CHECKSUM_DIGITS,
    DIGITS,
    MANAGEMENT_PREFIX,
    digest_of,
    is_pseudonym,
    new_key,
    pseudonym,
    read_pepper,
    well_formed,
)
from gateway.secret import Secret
from tests.fakes.front import PEPPER

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("prefix", [CALLER_PREFIX, MANAGEMENT_PREFIX])
def test_a_key_is_its_prefix_256_bits_and_a_checksum(prefix: str) -> None:
    key = new_key(prefix)
    body, checksum = key.removeprefix(prefix).split("_")
    assert (len(body), len(checksum)) == (BODY_DIGITS, CHECKSUM_DIGITS)
    assert set(body) <= set(DIGITS)
    assert 62**BODY_DIGITS > 2**256 > 62 ** (BODY_DIGITS - 1)
    assert well_formed(key.encode())


def test_no_two_keys_are_the_same_and_every_digit_comes_up() -> None:
    keys = {new_key(CALLER_PREFIX) for _ in range(500)}
    assert len(keys) == 500
    assert {digit for key in keys for digit in key[3:-9]} == set(DIGITS)


@given(st.integers(0, 54), st.integers(1, 255))
def test_T75_any_one_wrong_character_is_told_by_the_checksum(at: int, change: int) -> None:
    key = bytearray(KEY)
    key[at % len(key)] ^= change
    assert not well_formed(bytes(key))


@given(st.binary(max_size=80))
def test_T75_noise_is_never_taken_for_a_key(noise: bytes) -> None:
    assert not well_formed(noise)


def test_a_key_cut_short_or_grown_is_told_by_its_length() -> None:
    assert well_formed(KEY)
    for wrong in (KEY[:-1], KEY + b"0", KEY[1:], b"", b"wb_", KEY + KEY, KEY.replace(b"wb_", b"wba_")):
        assert not well_formed(wrong)


def test_T15_a_digest_is_made_with_the_pepper_so_a_stolen_table_tells_nothing() -> None:
    assert digest_of(PEPPER, KEY) == digest_of(PEPPER, KEY)
    assert digest_of(PEPPER, KEY) != digest_of(Secret("x" * 64), KEY)
    assert len(digest_of(PEPPER, KEY)) == 32


@pytest.mark.parametrize("same", ["ada@example.org", " ada@example.org ", "Ada@Example.ORG"])
def test_case_and_outer_blanks_make_no_other_person(same: str) -> None:
    assert pseudonym(PEPPER, same) == pseudonym(PEPPER, "ada@example.org")


def test_a_pseudonym_stays_itself_and_shows_nothing_of_the_person() -> None:
    name = pseudonym(PEPPER, "ada@example.org")
    assert is_pseudonym(name)
    assert pseudonym(PEPPER, name) == name
    assert "ada" not in name
    assert name != pseudonym(Secret("x" * 64), "ada@example.org")


@pytest.mark.parametrize("other", ["per_", "per_" + "g" * 32, "per_" + "a" * 31, "per_" + "a" * 33, "PER_" + "a" * 32])
def test_what_only_looks_like_a_pseudonym_is_made_one(other: str) -> None:
    assert not is_pseudonym(other)
    assert is_pseudonym(pseudonym(PEPPER, other))


def test_the_pepper_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    pepper = read_pepper(tmp_path / "new")
    assert read_pepper(tmp_path / "new").reveal() == pepper.reveal()
    assert len(pepper.reveal()) == 64
    assert stat.S_IMODE(os.stat(tmp_path / "new" / "pepper").st_mode) == 0o600
    assert os.listdir(tmp_path / "new") == ["pepper"]


def test_a_pepper_cut_short_stops_the_start_instead_of_voiding_every_key(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("a" * 31)
    with pytest.raises(OSError, match="cut short"):
        read_pepper(tmp_path)
    (tmp_path / "pepper").write_text("a" * 32)
    assert read_pepper(tmp_path).reveal() == "a" * 32


def test_of_processes_that_start_at_once_all_have_the_same_pepper(tmp_path: Path) -> None:
    code = (
        "import sys,pathlib; from gateway.keys import read_pepper; sys.stdin.read();"
        f"print(read_pepper(pathlib.Path({str(tmp_path)!r})).reveal())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        for _ in range(4)
    ]
    for one in running:
        one.stdin.close()
    said = set()
    for one in running:
        with one.stdout as out:
            said.add(out.read())
        assert one.wait(timeout=30) == 0
    assert len(said) == 1


KEY = new_key(CALLER_PREFIX).encode()


@pytest.mark.parametrize("pepper", ["x" * 32, "x" * 64, "x" * 65, "x" * 200])
def test_a_digest_is_hmac_sha256_whatever_the_length_of_the_pepper(pepper: str) -> None:
    assert digest_of(Secret(pepper), KEY) == hmac.digest(pepper.encode(), KEY, "sha256")
