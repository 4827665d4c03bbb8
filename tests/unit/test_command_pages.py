"""The pages about the command line name every verb, and no command on any page has an option that is not there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli import app

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMAND: Any = get_command(app)


def commands(page: Path) -> Iterator[list[str]]:
    """Every call of the program in a shell block, as words."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for found in re.finditer(r"(?:^|\()(?:\./)?weighbridge ([^|><)]*)", line):
                yield shlex.split(found.group(1), comments=True)


CALLS = [(page.name, words) for page in sorted(DOCS.glob("*.md")) for words in commands(page)]
LAUNCHER = {"test", "--only-install"}
"""What ./weighbridge does by itself."""


def resolved(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words call, and the rest of them."""
    command, rest = COMMAND, list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.mark.parametrize(("page", "words"), CALLS, ids=[f"{page}: {' '.join(words)}"[:80] for page, words in CALLS])
def test_a_command_on_a_page_is_one_that_there_is(page: str, words: list[str]) -> None:
    if words and words[0] in LAUNCHER:
        return
    command, rest = resolved(words)
    assert command is not COMMAND or words == ["--help"], words
    assert not hasattr(command, "commands") or rest == ["--help"], f"{words} names no verb"
    options = {option for one in command.params for option in one.opts} | {"--help", "--config"}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options


def test_every_verb_is_on_the_page_of_the_command_line() -> None:
    page = (DOCS / "cli.md").read_text()

    def verbs(command: Any, name: str) -> Iterator[str]:
        for verb, inner in command.commands.items():
            if hasattr(inner, "commands"):
                yield from verbs(inner, f"{name} {verb}")
            else:
                yield f"{name} {verb}"

    assert [name for name in verbs(COMMAND, "weighbridge") if name not in page] == []
