"""Runs the command line within the test's process, in an empty folder, and keeps what it said."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main

UNSET = (
    "WEIGHBRIDGE_CONFIG",
    "WEIGHBRIDGE_KEY",
    "WEIGHBRIDGE_URL",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """A shell in `folder`, with nothing of ours in its environment."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        monkeypatch.chdir(folder)
        for name in UNSET:
            monkeypatch.delenv(name, raising=False)

    def __call__(self, *arguments: str) -> Said:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)
