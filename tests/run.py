"""What `./weighbridge test` runs: static checks, then the tests, and last of all what was left out and how to run it.

./weighbridge test                    everything that needs nothing but the test requirements
./weighbridge test --all              installs real clients, agents, a model, a browser; leaves nothing out
./weighbridge test --all --without npm,model
./weighbridge test PYTEST_ARGUMENTS   pytest alone, with these
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.needs import Piece  # noqa: E402

STATIC = (
    ("ruff", ("ruff", "check", "--output-format", "concise", ".")),
    ("ruff format", ("ruff", "format", "--check", ".")),
    ("mypy", ("mypy",)),
    ("import-linter", ("lint-imports", "--no-cache")),
)
LEFT_OUT = {
    "heavy": "tests that take minutes",
    "npm": "coding agents and SDKs out of the npm registry",
    "model": "a real language model",
    "browser": "the pages in a real Chromium",
}
NOT_TO_BE_HAD = 3
"""What a script in tests/setup exits with when this machine cannot have the piece; its last line says why."""


class Closing:
    """Says, just before pytest's own last line, what else went wrong and what was not run."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.notes: list[str] = []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.notes:
            terminalreporter.section("left out")
            for note in self.notes:
                terminalreporter.line(note)
        if self.failed:
            terminalreporter.section("failed before the tests", red=True)
            for name in self.failed:
                terminalreporter.line(f"{name}: see above")


def main(arguments: Sequence[str]) -> int:
    """Give 0 when every check that was asked for holds."""
    os.chdir(ROOT)
    everything, without, rest = read(arguments)
    closing = Closing()
    if everything or not rest:
        static(closing)
    if everything:
        without |= set_up(closing, without)
        os.environ["TEST_EVERYTHING"] = "1"
        os.environ["TEST_WITHOUT"] = ",".join(sorted(without))
    elif not rest:
        rest = ["-m", " and ".join(f"not {mark}" for mark in LEFT_OUT)]
        closing.notes += [f"{mark}: {what}" for mark, what in LEFT_OUT.items()]
        closing.notes.append("`./weighbridge test --all` installs what these need and runs them too")
    print(flush=True)
    code = int(pytest.main(rest, plugins=[closing]))
    return code or (1 if closing.failed else 0)


def read(arguments: Sequence[str]) -> tuple[bool, set[str], list[str]]:
    """Take our own options out of `arguments` and leave pytest's."""
    rest = list(arguments)
    without: set[str] = set()
    everything = "--all" in rest
    if everything:
        rest.remove("--all")
    if "--without" in rest:
        at = rest.index("--without")
        without = set(rest[at + 1].split(",")) if at + 1 < len(rest) else set()
        del rest[at : at + 2]
        if not everything or not without or without - set(get_args(Piece)):
            sys.exit(f"--without goes with --all and takes some of {','.join(get_args(Piece))}")
    return everything, without, rest


def static(closing: Closing) -> None:
    """Run the static checks side by side and print what each has to say, in order."""
    started = time.monotonic()
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    running = [
        (name, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment))
        for name, command in STATIC
    ]
    for name, process in running:
        said, _ = process.communicate()
        good = process.returncode == 0
        print(f"{name}: {'good' if good else 'FAILED'}", f"({time.monotonic() - started:.0f} s)", flush=True)
        if not good:
            print(said.rstrip(), flush=True)
            closing.failed.append(name)


def set_up(closing: Closing, without: set[str]) -> set[str]:
    """Have every piece that was not ruled out; give those that this machine cannot have."""
    cannot: set[str] = set()
    for piece in get_args(Piece):
        if piece in without:
            closing.notes.append(f"{piece}: ruled out by --without")
            continue
        started = time.monotonic()
        done = subprocess.run(
            ["sh", f"tests/setup/{piece}.sh"], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        last = (done.stdout.strip().splitlines() or [""])[-1]
        print(f"{piece}: {last} ({time.monotonic() - started:.0f} s)", flush=True)
        if done.returncode == NOT_TO_BE_HAD and not os.environ.get("CI"):
            cannot.add(piece)
            closing.notes.append(f"{piece}: {last}")
        elif done.returncode:
            print(done.stdout[-2000:] + done.stderr[-4000:], flush=True)
            closing.failed.append(f"tests/setup/{piece}.sh")
    return cannot


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
