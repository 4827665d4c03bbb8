"""What the test command prints last and how it exits, over a small project of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
[tool.ruff]
line-length = 120
lint.select = ["E", "F"]
[tool.mypy]
strict = true
files = ["house"]
[tool.pytest.ini_options]
pythonpath = ["."]
markers = ["heavy: a", "npm: b", "model: c", "browser: d"]
[tool.importlinter]
root_packages = ["house"]
[[tool.importlinter.contracts]]
name = "one way"
type = "layers"
layers = ["house.above", "house.below"]
"""
TESTS = """import pytest


def test_quick() -> None:
    assert True


@pytest.mark.heavy
def test_slow() -> None:
    assert True
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "pyproject.toml": PROJECT,
        "house/__init__.py": "",
        "house/above.py": "from house import below\n\nROOM = below.ROOM\n",
        "house/below.py": "ROOM = 1\n",
        "tests/test_it.py": TESTS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("run.py", "needs.py"):
        shutil.copy2(ROOT / "tests" / name, tmp_path / "tests" / name)
    return tmp_path


def checked(project: Path, *arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, str(project / "tests" / "run.py"), *arguments]
    environment = os.environ | {
        "MYPY_CACHE_DIR": str(project.parent / "mypy"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd="/")
    return ended.returncode, (ended.stdout + ended.stderr).splitlines()


def test_all_is_well_what_was_left_out_is_named_and_pytests_line_is_the_last(project: Path) -> None:
    code, lines = checked(project)
    assert code == 0, "\n".join(lines)
    assert "1 passed, 1 deselected" in lines[-1]
    for said in ("ruff: good", "ruff format: good", "mypy: good", "import-linter: good"):
        assert any(line.startswith(said) for line in lines)
    assert "heavy: tests that take minutes" in lines
    assert "`./weighbridge test --all` installs what these need and runs them too" in lines


def test_static_checks_that_fail_are_named_at_the_end_and_decide_the_exit(project: Path) -> None:
    faults = 'import os\n\nfrom house import above\n\nROOM: int  =  "1"\n'
    (project / "house" / "below.py").write_text(faults)
    code, lines = checked(project)
    assert code == 1
    assert "1 passed" in lines[-1]
    for check in ("ruff", "ruff format", "mypy", "import-linter"):
        assert f"{check}: see above" in lines


@pytest.mark.parametrize(("tests", "exit_code"), [(TESTS, 0), (TESTS.replace("True", "False"), 1)])
def test_with_arguments_pytest_runs_alone_with_just_these_and_decides_the_exit(
    project: Path, tests: str, exit_code: int
) -> None:
    (project / "house" / "below.py").write_text("import os\n")
    (project / "tests" / "test_it.py").write_text(tests)
    code, lines = checked(project, "-m", "heavy")
    assert code == exit_code
    assert f"1 {'failed' if exit_code else 'passed'}, 1 deselected" in lines[-1]
    assert not any(line.startswith("ruff") for line in lines)
