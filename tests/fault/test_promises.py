"""The pages that promise something name tests that exist."""

import re
from pathlib import Path

import pytest

from tests.fault.test_wire import HOSTILE

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("guarantees.md", "security.md")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = NAMED.findall((ROOT / "docs" / page).read_text())
    assert len(named) > 8
    for path, test in named:
        text = (ROOT / path).read_text()
        assert not test or re.search(rf"def {test}\b", text), f"{path}::{test}"
    assert not re.findall(r"`tests/[^`]*`", NAMED.sub("", (ROOT / "docs" / page).read_text()))


def test_the_page_of_security_counts_the_hostile_messages() -> None:
    told = re.search(r"and (\d+) more hostile messages", (ROOT / "docs" / "security.md").read_text())
    assert told is not None
    assert int(told[1]) == len(HOSTILE) - 6
