"""The demo as a stranger meets it: true numbers, questions in every dialect, and nothing left behind but their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commanding import Cli, Running, running
from tests.e2e.running import ROOT, free_port, until


@dataclass(frozen=True)
class Demo:
    """The demo, running: its folder, the key it shows and its address."""

    folder: Path
    process: Running
    key: str
    url: str

    @property
    def config(self) -> Path:
        return self.folder / "weighbridge-demo" / "weighbridge.toml"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    with running(folder, "demo", "--port", str(free_port()), "--pages-port", str(free_port())) as process:
        said = process.says("Ctrl-C stops it")
        key = re.search(r"export WEIGHBRIDGE_KEY=(wb_\w+)", said)
        url = re.search(r"Gateway +(http://\S+)/v1", said)
        assert key
        assert url
        yield Demo(folder, process, key.group(1), url.group(1))


@pytest.fixture
def cli(demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A shell where the demo is, with the variables it said to set."""
    found = Cli(demo.folder, monkeypatch, capsys)
    monkeypatch.setenv("WEIGHBRIDGE_KEY", demo.key)
    monkeypatch.setenv("WEIGHBRIDGE_URL", demo.url)
    monkeypatch.setenv("WEIGHBRIDGE_CONFIG", str(demo.config))
    return found


def test_the_demo_tells_true_numbers(demo: Demo, cli: Cli) -> None:
    told = re.search(r"of a made-up company \((\d+) teams, (\d+) initiatives, ([\d,]+) calls\)", demo.process.said)
    assert told
    teams, initiatives, calls = (int(figure.replace(",", "")) for figure in told.groups())
    booked = cli("spend", "--by", "team", "--since", "120d", "--where", "source=demo", "--json").json()
    assert (len(booked["rows"]), booked["total"]["calls"]) == (teams, calls)
    assert len(cli("initiative", "list", "--json").json()) == initiatives
    assert f"export WEIGHBRIDGE_URL={demo.url}" in demo.process.said
    assert "spend --by team,initiative --since 7d\n" in demo.process.said
    assert "demo --clear removes" in demo.process.said


def test_who_has_seen_the_demo_reads_it_without_naming_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    named = cli("team", "list").out
    monkeypatch.delenv("WEIGHBRIDGE_CONFIG")
    for verb in (("spend", "--since", "7d"), ("journal", "verify"), ("ledger", "verify")):
        said = cli(*verb)
        assert said.code == 0
        assert said.err.splitlines()[0] == "(of the demo: weighbridge-demo/weighbridge.toml)"
    assert cli("team", "list").out == named


def test_what_is_written_is_never_written_to_the_demo_unasked(
    demo: Demo, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = cli("team", "list").out
    monkeypatch.delenv("WEIGHBRIDGE_CONFIG")
    monkeypatch.setenv("WEIGHBRIDGE_DATA_DIR", "of-my-own")
    assert cli("team", "create", "of-my-own").code == 0
    monkeypatch.setenv("WEIGHBRIDGE_CONFIG", str(demo.config))
    monkeypatch.delenv("WEIGHBRIDGE_DATA_DIR")
    assert cli("team", "list").out == named
    assert "Traceback" not in demo.process.said


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash"])
@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_ask_reads_answer_tokens_and_cost_in_every_dialect(cli: Cli, model: str, stream: tuple[str, ...]) -> None:
    told = cli("ask", "Hello there", "--model", model, "--json", *stream).json()
    assert told["answer"] == "Hello there"
    assert told["input_tokens"] > 0
    assert told["output_tokens"] > 0
    if not (stream and model.startswith("gemini")):  # Its stream has no place for a cost.
        assert re.fullmatch(r"0\.0000\d+", told["billed_cost"])


@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_ask_shows_the_answer_on_standard_output_and_what_it_was_beside_it(cli: Cli, stream: tuple[str, ...]) -> None:
    said = cli("ask", "Hello there", "--model", "gpt-4o-mini", *stream)
    assert (said.code, said.out) == (0, "Hello there\n")
    assert re.fullmatch(r"\ngpt-4o-mini: \d+ \+ \d+ tokens, \$0\.0000\d+, [\d.]+ m?s, req_[0-9a-f]{32}\n", said.err)


def test_what_was_asked_is_booked_and_explained_at_the_cost_that_was_shown(cli: Cli) -> None:
    told = cli("ask", "Hi", "--tag", "env=demo", "--model", "gpt-4o-mini", "--json").json()

    def explained() -> dict[str, Any] | None:
        said = cli("explain", told["request_id"], "--json")
        return said.json() if said.code == 0 else None

    found = until(explained, "the call is in the ledger", 15)
    assert found["billed_cost"] == told["billed_cost"]
    assert {"name": "environment", "value": "demo", "source": "header"} in found["tags"]
    assert " yes" in cli("journal", "verify").out
    assert cli("ledger", "verify").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--model", "no-such-model"), 1, "No provider here serves no-such-model"),
        (("--model", "echo-429"), 1, "429"),
        (("--model", "echo-cut", "--stream"), 1, "broke"),
        (("--model", "echo", "--key", "sk-other"), 1, "not a Weighbridge key"),
        ((), 2, "Which model?"),
    ],
)
def test_a_question_that_is_not_answered_ends_with_the_reason(
    cli: Cli, arguments: tuple[str, ...], code: int, says: str
) -> None:
    said = cli("ask", "Hello", *arguments)
    assert said.code == code
    assert says in said.err


def test_a_second_demo_in_the_same_place_is_not_started(demo: Demo, cli: Cli) -> None:
    for more in ((), ("--clear",)):
        said = cli("demo", *more)
        assert said.code == 1
        assert "is running" in said.err
    assert demo.process.process.poll() is None


def test_the_demo_stops_with_ctrl_c_and_is_cleared_but_for_what_people_asked(demo: Demo, cli: Cli) -> None:
    assert demo.process.stop(signal.SIGINT) == 0

    def sources() -> dict[str, int]:
        rows = cli("spend", "--by", "source", "--since", "120d", "--json").json()["rows"]
        return {row["group"]["source"]: row["calls"] for row in rows}

    before = sources()
    assert before["gateway"] > 0
    assert before["demo"] > 0
    cleared = cli("demo", "--clear")
    assert cleared.code == 0
    assert "nothing else was touched" in cleared.out
    assert sources() == {"gateway": before["gateway"]}


def test_of_two_demos_started_at_once_in_one_place_one_runs_and_the_other_says_why_not(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--pages-port", "0"]
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # fmt: skip

    both = (start(), start())
    try:
        ended = until(lambda: [one for one in both if one.poll() is not None], "one of them ends", 60)
        said, _ = ended[0].communicate()
        assert ended[0].returncode == 1
        assert "is running. Stop it with Ctrl-C first" in said
        assert "Traceback" not in said
        assert sum(one.poll() is None for one in both) == 1
    finally:
        for one in both:
            one.terminate()
            one.communicate(timeout=60)
