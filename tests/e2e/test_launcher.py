"""The launcher at the root: one slow start that heals itself, and every later one at once and without a network."""

import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.checkout import Checkout, checkout

BASE = ["venv", "pip install --require-hashes requirements.txt", "pip install --editable"]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Checkout]:
    house = checkout(tmp_path)
    yield house
    house.stop()


@pytest.fixture
def ready(fresh: Checkout) -> Checkout:
    code, _, _ = fresh.run()
    assert code == 0
    fresh.installs()
    return fresh


def told(lines: list[str]) -> list[str]:
    """What each call of the installer was for."""
    short = []
    for line in lines:
        if line.startswith("venv"):
            short.append("venv")
        elif "--editable" in line:
            short.append("pip install --editable")
        else:
            assert "--no-deps" in line
            assert "--only-binary :all:" in line
            short.append(f"pip install --require-hashes {line.rsplit('/', 1)[1]}")
    return short


def test_the_first_start_makes_the_environment_says_so_and_runs_the_program(fresh: Checkout) -> None:
    code, out, err = fresh.run("spend", "--by", "a team", "")
    assert (code, out) == (0, "<spend><--by><a team><>")
    assert "installing 2 packages of requirements.txt" in err
    assert "ready after" in err
    assert told(fresh.installs()) == BASE


def test_a_later_start_installs_nothing_says_nothing_and_needs_no_python_on_path(ready: Checkout) -> None:
    for name in ("uv", "python3"):
        (ready.programs / name).unlink()
    assert ready.run("doctor") == (0, "<doctor>", "")


def test_a_later_start_costs_a_shell_and_no_python(ready: Checkout) -> None:
    """Of processor time: what a start waits for on a busy machine is not the launcher's."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    for _ in range(10):
        assert ready.run()[0] == 0
    # 12 ms on a quiet machine; one start of Python more would be 30 ms above that.
    assert (spent() - before) / 10 < 0.060


def test_it_may_be_called_from_elsewhere_through_links_and_by_a_shell(ready: Checkout, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (away / "absolute").symlink_to(ready.root / "weighbridge")
    (away / "relative").symlink_to(Path("..") / "a checkout" / "weighbridge")
    (away / "twice").symlink_to("relative")
    for launcher in ("absolute", "relative", "twice"):
        assert ready.run("x", launcher=away / launcher, cwd="/") == (0, "<x>", "")
        assert ready.run("x", launcher=f"./{launcher}", cwd=away) == (0, "<x>", "")
    assert ready.run("weighbridge", "x", launcher="/bin/sh", cwd=ready.root) == (0, "<x>", "")
    assert ready.installs() == []


def test_only_what_changed_is_installed_again(ready: Checkout) -> None:
    (ready.root / "requirements.txt").write_text("one==2\n")
    assert ready.run()[0] == 0
    assert told(ready.installs()) == [BASE[1]]
    (ready.root / "pyproject.toml").write_text("# another entry point\n")
    assert ready.run()[0] == 0
    assert told(ready.installs()) == [BASE[2]]


def test_the_tests_and_the_local_model_bring_requirements_of_their_own_once(ready: Checkout) -> None:
    for arguments, file, out in (
        (("test", "-k", "a b"), "requirements-test.txt", "run.py ['-k', 'a b']\n"),
        (("up", "--with-local-model"), "requirements-local-model.txt", "<up><--with-local-model>"),
    ):
        code, said, err = ready.run(*arguments)
        assert (code, said) == (0, out)
        assert "installing 1 packages" in err
        assert told(ready.installs()) == [f"pip install --require-hashes {file}"]
        assert ready.run(*arguments) == (0, out, "")
    assert ready.run() == (0, "<>", "")
    assert ready.installs() == []


def test_the_first_python_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old = "sys.version_info = (3, 10, 13)"
    house = checkout(tmp_path, python={"python3": old, "python3.12": ""})
    assert house.run()[0] == 0
    assert "python3.12" in house.installs()[0]


@pytest.mark.parametrize(
    ("python", "uv", "words"),
    [
        ({}, True, "there is none on PATH"),
        ({"python3": "sys.version_info = (3, 10, 13)"}, True, "Python 3.11 or newer is needed, but python3 is 3.10.13"),
        ({"python3": 'sys.modules["ensurepip"] = None'}, False, "apt install python3-venv"),
    ],
    ids=["no Python", "an old Python", "a Python without ensurepip"],
)
def test_what_is_missing_is_said_and_nothing_is_left_behind(
    tmp_path: Path, python: dict[str, str], uv: bool, words: str
) -> None:
    house = checkout(tmp_path, uv=uv, python=python)
    code, out, err = house.run("up")
    assert (code, out) == (1, "")
    assert words in err
    assert sorted(path.name for path in house.root.glob(".*")) == []


def test_the_last_python_that_is_too_old_and_the_first_that_is_not(tmp_path: Path) -> None:
    for version, code in (("(3, 10, 99)", 1), ("(3, 11, 0)", 0)):
        (tmp_path / version).mkdir()
        # The lock is taken by this Python too, so what it believes must let that pass.
        house = checkout(tmp_path / version, python={"python3": f"sys.version_info = {version}"})
        assert house.run()[0] == code


def test_a_start_without_a_network_says_that_only_this_one_needs_it(fresh: Checkout) -> None:
    fresh.extra["FAKE_WORDS"] = "error: dns error: failed to lookup address"
    code, out, err = fresh.run()
    assert (code, out) == (1, "")
    assert "dns error" in err
    assert "No package index could be reached. Only the first start" in err


def test_an_environment_is_kept_when_newer_requirements_cannot_be_fetched(ready: Checkout) -> None:
    (ready.root / "requirements.txt").write_text("one==2\n")
    ready.extra["FAKE_WORDS"] = "error sending request"
    assert ready.run()[0] == 1
    ready.installs()
    del ready.extra["FAKE_WORDS"]
    assert ready.run("x")[:2] == (0, "<x>")
    assert told(ready.installs()) == [BASE[1]]


def test_a_failed_install_shows_its_last_words_and_the_next_start_begins_anew(fresh: Checkout) -> None:
    fresh.extra["FAKE_WORDS"] = "hashes do not match"
    code, _, err = fresh.run()
    assert code == 1
    assert "    hashes do not match" in err
    fresh.installs()
    del fresh.extra["FAKE_WORDS"]
    assert fresh.run()[0] == 0
    assert told(fresh.installs()) == BASE


def gate_of(house: Checkout) -> Path:
    """A gate that the installer waits at until somebody writes into it."""
    gate = house.root.parent / "gate"
    os.mkfifo(gate)
    house.extra["FAKE_GATE"] = str(gate)
    return gate


def reached(gate: Path) -> None:
    mark, deadline = Path(f"{gate}.reached"), time.monotonic() + 20
    while not mark.exists():
        assert time.monotonic() < deadline
        os.sched_yield()
    mark.unlink()


@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_environment_whose_making_was_interrupted_is_made_anew(fresh: Checkout, killed_by: signal.Signals) -> None:
    gate = gate_of(fresh)
    process = fresh.start()
    reached(gate)
    (fresh.root / ".venv").mkdir(exist_ok=True)
    (fresh.root / ".venv" / "half").touch()
    os.killpg(process.pid, killed_by)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (-signal.SIGKILL if killed_by is signal.SIGKILL else 130)
    assert killed_by is signal.SIGKILL or "interrupted" in err
    del fresh.extra["FAKE_GATE"]
    fresh.installs()
    assert fresh.run("x")[:2] == (0, "<x>")
    assert told(fresh.installs()) == BASE
    assert not (fresh.root / ".venv" / "half").exists()


def test_a_start_of_any_kind_mends_what_an_interrupted_one_left(ready: Checkout) -> None:
    gate = gate_of(ready)
    process = ready.start("up", "--with-local-model")
    reached(gate)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    del ready.extra["FAKE_GATE"]
    ready.installs()
    assert ready.run("x")[:2] == (0, "<x>")
    assert told(ready.installs()) == BASE


def test_two_first_starts_at_once_install_once(fresh: Checkout) -> None:
    gate = gate_of(fresh)
    first = fresh.start("first")
    reached(gate)
    second = fresh.start("second")
    assert second.stderr is not None
    assert "waiting" in second.stderr.readline()
    for left in range(len(BASE), 0, -1):
        gate.write_text("go")
        if left > 1:
            reached(gate)
    assert first.communicate(timeout=20)[0] == "<first>"
    assert second.communicate(timeout=20)[0] == "<second>"
    assert (first.returncode, second.returncode) == (0, 0)
    assert told(fresh.installs()) == BASE


def test_a_moved_checkout_makes_its_environment_anew(ready: Checkout) -> None:
    moved = ready.root.rename(ready.root.parent / "elsewhere")
    assert ready.run("x", launcher=moved / "weighbridge")[:2] == (0, "<x>")
    assert told(ready.installs()) == BASE


def test_an_environment_whose_python_is_gone_is_made_anew(ready: Checkout) -> None:
    (ready.root / ".venv" / "bin" / "python").unlink()
    assert ready.run("x")[:2] == (0, "<x>")
    assert told(ready.installs()) == BASE


def test_a_checkout_that_cannot_be_written_is_told_so_but_runs_once_it_is_ready() -> None:
    folder = Path(tempfile.mkdtemp(prefix="weighbridge-"))
    try:
        house = checkout(folder)
        folder.chmod(0o755)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        house.root.chmod(0o555)
        code, _, err = house.run(**nobody)
        assert code == 1
        assert "cannot be written" in err
        assert list(house.root.glob(".venv*")) == []
        house.root.chmod(0o755)
        assert house.run()[0] == 0
        house.root.chmod(0o555)
        assert house.run("x", **nobody) == (0, "<x>", "")
    finally:
        (folder / "a checkout").chmod(0o755)
        shutil.rmtree(folder)
