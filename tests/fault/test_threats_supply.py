"""What others release reaches this program only by hash, at known versions, and never runs at a start unasked."""

import ast
import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = sorted((*ROOT.glob("requirements*.txt"), *(ROOT / "tests" / "setup").glob("*.txt")))
HOUSE = [path for top in ("gateway", "policies", "reporting") for path in sorted((ROOT / top).rglob("*.py"))]
KNOWN_BAD = {"litellm": re.compile(r"1\.82\.[78]|1\.107\..*"), "starlette": re.compile(r"0\..*|1\.0\.0")}
"""litellm carried a thief that ran at every start of Python; starlette believed the Host header (CVE-2026-48710)."""


def requirements(path: Path) -> dict[str, list[str]]:
    """Give each requirement of a file with its hashes."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        text = line.partition(" #")[0].strip()
        if text and not text.startswith("#"):
            named, *rest = text.split()
            found[named] = re.findall(r"--hash=sha256:([0-9a-f]{64})", " ".join(rest))
    return found


def test_T71_there_are_files_to_look_at() -> None:
    assert ROOT / "requirements.txt" in PINNED
    assert len(requirements(ROOT / "requirements.txt")) > 15


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_T71_everything_that_is_installed_is_pinned_to_a_version_and_its_hashes(path: Path) -> None:
    for named, hashes in requirements(path).items():
        assert re.match(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+(;|$)", named), named
        assert hashes, named


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_T71_no_version_is_one_that_is_known_to_harm(path: Path) -> None:
    for named in requirements(path):
        name, _, version = named.partition(";")[0].partition("==")
        bad = KNOWN_BAD.get(name.lower())
        assert bad is None or not bad.fullmatch(version), named


def test_T71_what_serves_requests_needs_no_litellm_and_imports_none() -> None:
    assert not any(named.startswith("litellm") for named in requirements(ROOT / "requirements.txt"))
    for path in HOUSE:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.partition(".")[0] == "litellm"], path


def test_T71_every_install_asks_for_hashes_and_builds_nothing() -> None:
    for path in (ROOT / "weighbridge", ROOT / "tests" / "setup" / "piece.sh"):
        text = path.read_text()
        assert "--require-hashes" in text
        assert "--only-binary :all:" in text


def test_T71_nothing_but_what_we_know_runs_when_python_starts() -> None:
    """A `.pth` file is run by every Python of an environment before its first line; so are two modules' names."""
    site = Path(sysconfig.get_path("purelib"))
    owned = {str(file) for one in distributions() for file in one.files or () if str(file).endswith(".pth")}
    known = {"_weighbridge.pth", "distutils-precedence.pth", "_virtualenv.pth"}
    for path in site.glob("*.pth"):
        assert path.name in known, path
        runs = [line for line in path.read_text().splitlines() if line.startswith("import")]
        assert not runs or path.name in owned | {"_virtualenv.pth"}, path
    assert not [name for name in ("sitecustomize", "usercustomize") if (site / f"{name}.py").exists()]


def test_T10_no_template_is_made_of_text_that_came_from_outside() -> None:
    """Templates are files of the package; what else runs text is looked for in tests/test_tidy.py."""
    for path in HOUSE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rsplit(".", 1)[-1]
                assert name not in {"from_string", "compile_expression", "NativeEnvironment"}, path


def test_T69_nothing_is_read_that_could_run_when_it_is_read() -> None:
    reads = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "jsonpickle", "dbm", "yaml"}
    for path in HOUSE:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & reads, path
