"""A pattern for initiatives is bounded before it is used: no branch name can stall the gateway."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import BadSettings, Settings
from gateway.settings_file import read_settings
from gateway.settings_pattern import pattern_problem

EVIL = [
    r"(a+)+$", r"([a-zA-Z]+)*x", r"(a|aa)+$", r"(a|a?)+b", r"(.*a){20}", r"(\w+\s?)*x", r"^(\d+)+-", r"(?:a*)*b",
    r"(x+x+)+y", r"\w*\w*\w*\w*-", r"(?=a+)a+b", r"(a+)\1b", r"a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b",
    r"(?:[a-z]{1,50}){1,50}x", r".*.*.*=.*x", r"(?P<n>a+)b", r"a*?b", r"a++b", r"(?i)a",
]  # fmt: skip


@pytest.mark.parametrize("pattern", EVIL)
def test_T67_a_pattern_that_could_stall_the_gateway_is_not_used(tmp_path: Path, pattern: str) -> None:
    assert pattern_problem(pattern) is not None
    path = tmp_path / "weighbridge.toml"
    path.write_text(f"[initiatives]\npattern = '{pattern}'\n")
    with pytest.raises(BadSettings, match="toml:2: initiatives.pattern "):
        read_settings(path, {})


@pytest.mark.parametrize("pattern", ["", "a*", "x?", "|a", "^", r"\b", "$", "(a*)"])
def test_T67_a_pattern_that_matches_nothing_at_all_would_tag_every_branch(pattern: str) -> None:
    assert pattern_problem(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        Settings(data_dir=Path()).initiative_pattern, r"#\d+", r"(?:feat|fix|chore)/([A-Z]{2,10}-\d{1,6})",
        r"^[^/]+/([A-Z]+-\d{1,9})", r"[A-Z][A-Z0-9]{1,9}-\d+", r"(PROJ|OPS|WEB)-\d+", r"ticket_(\d{1,8})",
        r"\bINIT-\d{4}\b", r"[]a]+b", r"\$\d+",
    ],
)  # fmt: skip
def test_T67_patterns_people_use_are_taken_and_quick_on_any_branch(pattern: str) -> None:
    assert pattern_problem(pattern) is None
    _quick(pattern)


def _quick(pattern: str) -> None:
    for text in ("A" * 128, "a" * 128, "0" * 128, "A0-" * 42, "a/" * 64, "-" * 128, "#$_ab" * 25):
        started = time.process_time()
        for flags in (0, re.IGNORECASE):
            sum(1 for _ in re.finditer(pattern, text, flags))
        assert time.process_time() - started < 2.0


_atoms = st.sampled_from(["a", r"\w", r"\d", "[A-Z0-9]", ".", "-", r"\-", "[^/]"])
_repeats = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,8}", "{3,}"])


def _group(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    rows = st.lists(st.tuples(inner, _repeats).map("".join), min_size=1, max_size=4).map("".join)
    return st.lists(rows, min_size=1, max_size=3).map(lambda rows: f"(?:{'|'.join(rows)})")


@given(st.recursive(_atoms, _group, max_leaves=8))
def test_T67_whatever_pattern_is_taken_is_quick_on_any_branch(pattern: str) -> None:
    if pattern_problem(pattern) is None:
        _quick(pattern)
