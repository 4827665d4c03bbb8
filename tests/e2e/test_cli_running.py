"""The command line as processes of their own: what starts, what it says, and how it stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gateway.local_model import problem
from tests.e2e.commanding import cli, environment, running
from tests.e2e.running import ROOT, free_port, until
from tests.needs import needs

HEAVY = ("fastapi", "pydantic", "uvicorn", "msgspec", "rich", "sqlite3", "asyncio", "http.client", "gateway.settings")
"""What costs more to import than a help text is worth."""


def written(folder: Path, text: str = "", host: str = "127.0.0.1") -> tuple[int, int]:
    port, pages_port = free_port(), free_port()
    head = f'[server]\nhost = "{host}"\nport = {port}\npages_port = {pages_port}\nlog_calls = false\n'
    (folder / "weighbridge.toml").write_text(head + text)
    return port, pages_port


def taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom gateway.cli import main\ntry: main(['--help'])\nexcept SystemExit: print('|', *sys.modules)"
    )
    said = subprocess.run(
        (sys.executable, "-c", program), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    text, _, modules = said.stdout.partition("|")
    assert "Commands:" in text
    assert not set(HEAVY) & set(modules.split())


def test_a_program_gets_a_key_as_json_alone_on_standard_output(tmp_path: Path) -> None:
    written(tmp_path)
    made = cli(tmp_path, "--config", str(tmp_path / "weighbridge.toml"), "key", "create", "--team", "bench", "--json")
    assert made.returncode == 0
    assert json.loads(made.stdout)["key"].startswith("wb_")
    assert (tmp_path / "weighbridge-data" / "pepper").stat().st_mode & 0o077 == 0


def test_the_shell_completes_verbs_and_options(tmp_path: Path) -> None:
    found = cli(tmp_path, _WEIGHBRIDGE_COMPLETE="complete_bash", COMP_WORDS="weighbridge ke", COMP_CWORD="1")
    assert found.stdout.split() == ["key"]
    found = cli(
        tmp_path, _WEIGHBRIDGE_COMPLETE="complete_bash", COMP_WORDS="weighbridge key create --te", COMP_CWORD="3"
    )
    assert found.stdout.split() == ["--team"]


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m gateway.cli price list --json | head -1"
    said = subprocess.run(
        ("sh", "-c", command), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert said.stdout == "[\n"
    assert said.stderr == ""


def test_up_shows_the_admin_key_once_and_stops_well(tmp_path: Path) -> None:
    port, pages_port = written(tmp_path)
    with running(tmp_path, "up") as up:
        said = up.says("Stop with Ctrl-C.")
        (key,) = re.findall(r"wba_\w{43}_[0-9a-f]{8}", said)
        assert f"http://127.0.0.1:{port}/v1" in said
        assert f"http://127.0.0.1:{pages_port}" in said
        assert "none yet, so no model can be called" in said
        assert '"server.workers": 1' in said
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/me", headers={"authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["role"] == "admin"
        assert "gateway is running here and is ready" in cli(tmp_path, "doctor").stdout
        assert up.stop() == 0
    assert not taken(port)
    assert not taken(pages_port)
    with running(tmp_path, "up", "--workers", "2") as up:
        assert "wba_" not in up.says("Stop with Ctrl-C.")
        assert up.stop(signal.SIGINT) == 0
    assert key not in (tmp_path / "weighbridge-data" / "ledger.sqlite").read_bytes().decode("latin-1")


def test_T64_up_does_not_listen_beyond_loopback_until_an_admin_key_exists(tmp_path: Path) -> None:
    port, _ = written(tmp_path, host="0.0.0.0")
    said = cli(tmp_path, "up")
    assert said.returncode == 78
    assert "no admin key yet" in said.stderr
    assert "wba_" not in said.stdout + said.stderr
    assert not taken(port)
    assert cli(tmp_path, "key", "create", "--role", "admin").returncode == 0
    with running(tmp_path, "up") as up:
        up.says("Stop with Ctrl-C.")
        assert up.stop() == 0


def test_up_says_what_cannot_be_used_and_starts_nothing(tmp_path: Path) -> None:
    port, _ = written(tmp_path, '[prices]\noverrides = "prices.toml"\n')
    (tmp_path / "prices.toml").write_text("this is no price list\n")
    said = cli(tmp_path, "up")
    assert said.returncode == 78
    assert "prices.toml" in said.stderr
    assert not taken(port)


@pytest.mark.parametrize("option", ["--port", "--pages-port"])
def test_a_port_that_is_taken_is_said_and_the_first_key_is_kept_for_the_next_start(tmp_path: Path, option: str) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        ports = {"--port": str(free_port()), "--pages-port": str(free_port())} | {option: str(busy.getsockname()[1])}
        said = cli(tmp_path, "up", *(word for pair in ports.items() for word in pair))
    assert said.returncode == 78
    assert f"start with {option}" in said.stderr
    assert "wba_" not in said.stdout


def test_up_says_how_to_get_the_local_model_where_there_is_none(tmp_path: Path) -> None:
    if problem() is None:
        pytest.skip("the local model is installed here")
    said = cli(tmp_path, "up", "--with-local-model")
    assert said.returncode == 1
    assert "./weighbridge up --with-local-model installs it" in said.stderr


@pytest.mark.model
def test_up_runs_a_real_model_as_the_provider_local(tmp_path: Path) -> None:
    needs("model")
    port, _ = written(tmp_path)
    with running(tmp_path, "up", "--with-local-model") as up:
        said = up.says("Stop with Ctrl-C.")
        assert "local: http://127.0.0.1:" in said
        key = json.loads(cli(tmp_path, "key", "create", "--team", "search", "--json").stdout)["key"]

        def answered() -> dict[str, object] | None:
            asked = cli(tmp_path, "ask", "Hello", "--model", "smollm2", "--json", WEIGHBRIDGE_KEY=key)
            return json.loads(asked.stdout) if asked.returncode == 0 else None

        answer = until(answered, "the model answers", 60)
        assert answer["answer"]
        assert answer["input_tokens"] > 0
        assert answer["output_tokens"] > 0
        assert up.stop() == 0


def test_other_packages_add_verbs_by_entry_point(tmp_path: Path) -> None:
    package = tmp_path / "plug-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[weighbridge.verbs]\nplug = plug:add\n")
    (tmp_path / "plug.py").write_text(
        "def add(app):\n    @app.command('weigh')\n    def weigh():\n        print('weighed')\n"
    )
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    assert cli(tmp_path, "weigh", PYTHONPATH=path).stdout == "weighed\n"
    assert "  weigh\n" in cli(tmp_path, "--help", PYTHONPATH=path).stdout
    assert cli(tmp_path, "version", PYTHONPATH=path).returncode == 0
