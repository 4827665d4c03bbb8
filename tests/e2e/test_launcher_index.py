"""The launcher against a real package index with nothing but a Python: what a stranger meets first."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BARE = {"PATH": f"{Path(os.path.realpath(sys.executable)).parent}:/usr/bin:/bin"}
"""A PATH without uv, so that it is pip that installs."""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    house = tmp_path / "a fresh checkout"
    house.mkdir()
    for name in ("weighbridge", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, house / name)
    for package in ("gateway", "policies", "reporting"):
        shutil.copytree(ROOT / package, house / package, ignore=shutil.ignore_patterns("__pycache__"))
    return house


def start(house: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | BARE | changes
    command = [house / "weighbridge", *arguments]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=300)


@pytest.mark.heavy
def test_the_first_start_is_ready_within_a_minute_and_the_second_needs_no_network(house: Path) -> None:
    first = start(house, "--help")
    assert first.returncode == 0, first.stderr
    assert "Usage: weighbridge" in first.stdout
    ready = re.search(r"ready after (\d+) s", first.stderr)
    assert ready is not None
    assert int(ready[1]) <= 60
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1", "HTTPS_PROXY": "http://127.0.0.1:9"}
    second = start(house, "--help", **nowhere)
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")


@pytest.mark.heavy
def test_the_command_and_its_verbs_are_entry_points_of_what_was_installed(house: Path) -> None:
    assert start(house, "--only-install", "pyproject.toml").returncode == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"console_scripts": project["scripts"]} | project.get("entry-points", {})
    code = "from importlib.metadata import distribution as d; print(*d('weighbridge').entry_points, sep='\\n')"
    listed = subprocess.check_output([house / ".venv/bin/python", "-c", code], text=True, cwd="/")
    for group, points in groups.items():
        for name, value in points.items():
            assert f"EntryPoint(name={name!r}, value={value!r}, group={group!r})" in listed.splitlines()


@pytest.mark.heavy
def test_a_package_that_is_not_the_pinned_one_is_refused(house: Path) -> None:
    (house / "requirements.txt").write_text(f"annotated-doc==0.0.7 --hash=sha256:{'0' * 64}\n")
    refused = start(house, "--only-install", "pyproject.toml")
    assert refused.returncode == 1
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (house / ".venv" / ".installed").exists()
