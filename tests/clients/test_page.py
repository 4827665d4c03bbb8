"""The page about clients is true: each block of it runs, and the ledger has its calls on the initiative it names."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.commands.env import tools
from gateway.ledger.entry import Call
from tests.clients.programs import bare
from tests.e2e.running import ROOT, RunningGateway, until
from tests.needs import SETUP, needs

PAGE = (ROOT / "docs" / "clients.md").read_text()
BLOCK = re.compile(r"```(python|js|toml|sh)\n(.*?)```", re.DOTALL)
CALL = re.compile(r"\.create\(|generate_content|\.stream\(\"|generateText\(\{|streamText\(|claude -p|codex exec")
ADDRESS, KEY = "http://127.0.0.1:8080", "wb_..."
RUN_S = 60.0


def blocks() -> Iterator[object]:
    """Give every block that makes calls, with the settings file that stands before it, if one does."""
    settings = ""
    for number, (language, text) in enumerate(BLOCK.findall(PAGE)):
        if language == "toml":
            settings = text
        elif CALL.search(text):
            first = next(line for line in text.splitlines() if re.search(r"import|claude|codex", line))
            marks = [pytest.mark.heavy] if language == "python" else [pytest.mark.heavy, pytest.mark.npm]
            yield pytest.param(language, text, settings, f"docs-{number}", id=first, marks=marks)


@pytest.mark.parametrize(("language", "text", "settings", "team"), [*blocks()])
def test_a_block_runs_and_its_calls_are_on_the_initiative(
    language: str, text: str, settings: str, team: str, gateway: RunningGateway, tmp_path: Path
) -> None:
    key = gateway.key(team=team)
    command, environment = prepared(language, text, settings, tmp_path, gateway.url, key)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=RUN_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not {"None", "undefined"} & set(done.stdout.split()), done.stdout
    count = len(CALL.findall(text))

    def found() -> list[Call]:
        calls = [entry.call() for entry in gateway.entries() if entry.kind == "call"]
        mine = [call for call in calls if call.tags["team"] == team]
        return mine if len(mine) >= count else []

    calls: list[Call] = until(found, f"{count} calls of {team}")
    assert len(calls) == count
    assert {(call.state, call.tags["initiative"]) for call in calls} == {("settled", "PROJ-42")}
    assert all(call.billed_cost for call in calls)


def prepared(
    language: str, text: str, settings: str, folder: Path, url: str, key: str
) -> tuple[list[str], dict[str, str]]:
    """Give how a person would run a block, with this gateway's address and a key of it written in."""
    text, settings = (block.replace(ADDRESS, url).replace(KEY, key) for block in (text, settings))
    environment = bare(folder, IS_SANDBOX="1", DISABLE_AUTOUPDATER="1", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1")
    match language:
        case "python":
            if url not in text:
                told = tools(url, key, "PROJ-42").items()
                environment |= {name: value for name, value in told if value is not None}
            return [str(needs("clients")), "-c", text], environment
        case "js":
            (folder / "node_modules").symlink_to(needs("npm"))
            (folder / "block.mjs").write_text(text)
            return ["node", "block.mjs"], environment
        case _:
            environment["PATH"] = f"{needs('npm')}/.bin:{environment['PATH']}"
            (folder / ".codex").mkdir()
            (folder / ".codex" / "config.toml").write_text(settings)
            return ["sh", "-ec", text], environment


def test_the_page_names_the_versions_that_the_tests_run() -> None:
    pinned = dict(re.findall(r"^([a-z-]+)==([0-9.]+)", (SETUP / "clients.txt").read_text(), re.MULTILINE))
    node = json.loads((SETUP / "npm" / "package.json").read_text())["dependencies"]
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", PAGE, re.MULTILINE))
    assert rows["OpenAI, Python"] == pinned["openai"]
    assert rows["Anthropic, Python"] == pinned["anthropic"]
    assert rows["google-genai"] == pinned["google-genai"]
    assert rows["langchain-openai"] == pinned["langchain-openai"]
    assert rows["OpenAI, Node"] == node["openai"]
    assert rows["ai with @ai-sdk/openai-compatible"] == f"{node['ai']}, {node['@ai-sdk/openai-compatible']}"
    assert rows["Claude Code"] == node["@anthropic-ai/claude-code"]
    assert rows["Codex"] == node["@openai/codex"]
