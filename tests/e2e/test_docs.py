"""Every command the pages show is run as it stands, page by page, against a demo that a stranger would have."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.running import ROOT, free_port, until

PAGES = sorted((ROOT / "docs").glob("*.md")) + [ROOT / "README.md"]

NOT_RUN = {
    r"weighbridge (demo|up)\b": "starts servers; tests/e2e/test_demo.py and test_cli_up.py do",
    r"weighbridge test\b": "is what runs this",
    r"^(claude|codex|gemini) ": "needs agents from npm; tests/clients do",
    r"^(npm|pip|uv|apt-get|git clone|docker) ": "installs things",
    r"python -m tests\.bench": "takes minutes; tests/bench has a smoke test",
    r"tests/setup/|npm install|uv pip": "installs things",
    r"^(sqlite3|pg_dump) ": "needs another program",
    r"weighbridge price import": "needs the sources' wheels; tests/unit/test_price_import.py does",
    r">> ~/\.bashrc": "writes into somebody's shell",
    r"(mypy|ruff|lint-imports|pytest)\b": "is what runs this",
}
"""Lines left out, and why; every other line must succeed."""


@dataclass(frozen=True)
class World:
    """A running demo, and what the pages' placeholders stand for in it."""

    folder: Path
    environment: dict[str, str]
    words: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("docs")
    port, pages = free_port(), free_port()
    shim = folder / "weighbridge"
    _executable(shim, f'exec "{sys.executable}" -m gateway.cli "$@"')
    # On the pages curl shows an answer whatever its status; here an error must not pass for one.
    curl = shutil.which("curl")
    _executable(folder / "curl", f'case "$*" in *-sf*) exec {curl} "$@";; *) exec {curl} --fail-with-body "$@";; esac')
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{folder}:{os.environ['PATH']}", "NO_COLOR": "1"}
    log = (folder / "demo.log").open("wb")
    command = [str(shim), "demo", "--port", str(port), "--pages-port", str(pages)]
    demo = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: b"Ctrl-C" in (folder / "demo.log").read_bytes(), "the demo is ready", 90)
        keys = dict(re.findall(r"Key\s+(\S+)\s+(wba?_\w+)", (folder / "demo.log").read_text()))
        (folder / "weighbridge.toml").write_bytes((folder / "weighbridge-demo" / "weighbridge.toml").read_bytes())
        yield _world(folder, environment, keys, f"http://127.0.0.1:{port}")
    finally:
        demo.terminate()
        demo.wait(60)
        log.close()


def _executable(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _world(folder: Path, environment: dict[str, str], keys: dict[str, str], url: str) -> World:
    key = next(secret for secret in keys.values() if secret.startswith("wb_"))
    environment = environment | {
        "WEIGHBRIDGE_URL": url,
        "WEIGHBRIDGE_KEY": key,
        "WEIGHBRIDGE_ADMIN_KEY": keys["admin"],
        "WEIGHBRIDGE_CONFIG": str(folder / "weighbridge-demo" / "weighbridge.toml"),
    }

    def said(*words: str) -> str:
        done = subprocess.run([str(folder / "weighbridge"), *words], cwd=folder, env=environment,
                              capture_output=True, text=True, check=True)  # fmt: skip
        return done.stdout

    asked = json.loads(said("ask", "Hello", "--model", "gpt-4o-mini", "--json"))
    made = json.loads(said("key", "create", "--team", "docs", "--json"))
    words = {
        r"req_(\.\.\.|0190\.\.\.|[0-9a-f]{32})": asked["request_id"],
        r"key_0190\.\.\.": made["id"] if "id" in made else made["key_id"],
        r"wb_\.\.\.": key,
        r"\bHEAD\b": json.loads(said("ledger", "verify", "--json"))["head"],
        r"http://127\.0\.0\.1:8080": url,
    }
    (folder / "question.txt").write_text("Why is the sky blue?\n")
    return World(folder, environment, words)


def blocks(page: Path) -> list[str]:
    """Give the shell blocks of a page; of README's also those that are only indented."""
    text = page.read_text()
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def script(page: Path, words: dict[str, str]) -> str:
    """Give a page's commands as one script, those of NOT_RUN left out, placeholders filled in."""
    lines: list[str] = []
    for line in "\n".join(blocks(page)).replace("\\\n", " ").splitlines():
        if not any(re.search(pattern, line.strip()) for pattern in NOT_RUN):
            lines.append(line)
    text = "\n".join(lines)
    for pattern, word in words.items():
        text = re.sub(pattern, word, text)
    return "set -euo pipefail\n" + text + "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_does_what_the_page_says(world: World, page: Path) -> None:
    text = script(page, world.words)
    done = subprocess.run(["bash", "-c", text], cwd=world.folder, env=world.environment, capture_output=True, text=True,
                          timeout=180)  # fmt: skip
    assert done.returncode == 0, f"{text}\n--- said:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr


def test_a_command_that_fails_is_noticed(world: World, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nweighbridge key revoke nobody\n```\n")
    done = subprocess.run(["bash", "-c", script(page, world.words)], cwd=world.folder, env=world.environment,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode != 0
