"""Runs the command line, within the test's process or in one of its own, and keeps what it said."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.e2e.running import ROOT, until

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


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | more


def cli(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "gateway.cli", *arguments),
        cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


class Running:
    """A verb that goes on until it is told to stop, and all it has said."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> str:
        """Wait until it has said `text`; gives all it said."""

        def holds() -> bool:
            assert self.process.poll() is None or text in self.said, self.said
            return text in self.said

        until(holds, f"{text!r} is said", 40)
        return self.said

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.process.wait(40)


@contextmanager
def running(folder: Path, *arguments: str, **more: str) -> Iterator[Running]:
    log = folder / f"{arguments[0]}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            (sys.executable, "-m", "gateway.cli", *arguments),
            cwd=folder, env=environment(**more), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
