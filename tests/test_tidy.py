"""The house is tidy: what no linter says, said of every file, and of each rule that it finds what it is for."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy import RULES, Rule, Wrong, nothing_stands_here_that_must_not, source

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ("gateway", "policies", "reporting", "tests")
LEFT_BEHIND = {"__pycache__", "node_modules", "weighbridge-data"}
PICTURES = {".png", ".ico", ".woff2", ".gz", ".zst", ".pdf", ".xlsx"}


def files(*tops: str) -> Iterator[Path]:
    """Every file below `tops` that is or may be committed."""
    for top in tops:
        for folder, folders, names in os.walk(ROOT / top):
            folders[:] = sorted(f for f in folders if f not in LEFT_BEHIND and (f == ".ci" or not f.startswith(".")))
            yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def committed() -> Iterator[Path]:
    """Every file that git knows; without git, every file."""
    if shutil.which("git") is None:
        return files("")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        return files("")
    return (path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


SOURCES = [source(named(path), path.read_text("utf-8")) for path in files(*PYTHON) if path.suffix == ".py"]


def told(wrongs: Iterator[tuple[str, Wrong]]) -> str:
    return "\n".join(f"{path}:{line}: {what}" for path, wrong in wrongs for line, what in wrong)


def test_there_is_something_to_look_at() -> None:
    seen = {file.path for file in SOURCES}
    assert {"gateway/flow.py", "policies/money.py", "tests/test_tidy.py"} <= seen
    assert len([file for file in SOURCES if not file.below("tests/")]) > 50


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps(rule: Rule) -> None:
    wrong = told((file.path, rule(file)) for file in SOURCES)
    assert not wrong, f"\n{wrong}"


def test_nothing_is_committed_that_must_not_be() -> None:
    readable = [(named(path), path.read_text("utf-8")) for path in committed() if path.suffix not in PICTURES]
    wrong = told((path, nothing_stands_here_that_must_not(text)) for path, text in readable)
    assert not wrong, f"\n{wrong}"


LONG = "\n".join(f"a{number} = {number}" for number in range(400))
DEEP = "def walk() -> None:\n" + "    step()\n" * 59
SEVEN = "a, b, c, d, e, f, g"
PLANTED = {
    "no_float_near_money": (
        "policies/money.py",
        ("rate = 0.5", "share = a / b", "a /= 2", "cost = float(text)", "def f(cost: float) -> None: ..."),
        ("rate = 5", "share = a // b", 'path = folder / "a" / name', "nano = usd / per  # Decimal, exact below"),
    ),
    "files_are_short": ("gateway/flow.py", (LONG + "\nlast = 1\n",), (LONG + "\n",)),
    "functions_are_short": ("tests/unit/test_a.py", (DEEP + "    step()\n",), (DEEP,)),
    "functions_take_few_parameters": (
        "gateway/flow.py",
        (f"def f({SEVEN}, h): ...", f"class A:\n    async def f(self, {SEVEN}, *, h): ..."),
        (
            f"def f({SEVEN}): ...",
            f"class A:\n    def f(self, {SEVEN}): ...",
            f"def f({SEVEN}, h): ...  # noqa: PLR0913 - each by its own name",
        ),
    ),
    "modules_say_what_they_are": ("gateway/flow.py", ("import os",), ('"""What is here."""\nimport os',)),
    "secrets_are_compared_in_constant_time": (
        "gateway/keys.py",
        (
            "ok = digest == sent",
            "ok = sent != row.key.token",
            "ok = found.api_key == given",
            "ok = self.signature == s",
        ),
        ("ok = compare_digest(digest, sent)", 'ok = token == ""', "ok = key == name", "ok = key_id == row.key_id"),
    ),
    "nothing_runs_text_or_a_shell": (
        "tests/unit/test_a.py",
        (
            "eval(text)",
            "exec(text)",
            "compile(text, '', 'exec')",
            "__import__(name)",
            "os.system(text)",
            "subprocess.run(text, shell=True)",
            "import pickle",
            "from marshal import loads",
        ),
        ("re.compile(text)", "subprocess.run([program])", "evaluate(text)"),
    ),
    "values_are_bound_to_sql": (
        "gateway/ledger/sqlite.py",
        (
            'rows(f"SELECT a FROM b WHERE c = {query.where}")',
            'rows(f"DELETE FROM b WHERE c = {row[0]}")',
            'rows("SELECT a FROM b WHERE c = " + name)',
            'rows("SELECT a FROM b WHERE c = %s" % name)',
            'rows("SELECT a FROM b WHERE c = {}".format(name))',
        ),
        (
            'rows("SELECT a FROM b WHERE c = ?", (name,))',
            'rows(f"SELECT {_COLUMNS} FROM b")',
            'say(f"Select {row[0]}")',
        ),
    ),
    "one_clock_is_read": (
        "gateway/flow.py",
        ("at = datetime.now(UTC)", "at = datetime.datetime.utcnow()", "at = time.time()", "at = date.today()"),
        ("at = clock.now()", "at = time.monotonic()", "at = time.perf_counter()"),
    ),
    "the_environment_is_read_once": (
        "gateway/flow.py",
        ("a = os.environ['A']", "a = os.getenv('A')", "from os import environ"),
        ("a = settings.a", "a = os.getpid()"),
    ),
    "upstream_connections_are_opened_in_one_place": (
        "gateway/reach.py",
        (
            "await asyncio.open_connection(host, port)",
            "await loop.create_connection(Protocol, host, port)",
            "import socket\nsocket.socket().connect(address)",
        ),
        ("await asyncio.start_server(serve, host, port)", "sqlite3.connect(path)"),
    ),
}


def wrong_in(name: str, path: str, text: str) -> list[tuple[int, str]]:
    (rule,) = (rule for rule in RULES if rule.__name__ == name)
    return list(rule(source(path, text)))


@pytest.mark.parametrize(("name", "path", "bad"), [(n, p, t) for n, (p, bads, _) in PLANTED.items() for t in bads])
def test_a_planted_fault_is_found(name: str, path: str, bad: str) -> None:
    assert wrong_in(name, path, bad)


@pytest.mark.parametrize(("name", "path", "good"), [(n, p, t) for n, (p, _, goods) in PLANTED.items() for t in goods])
def test_what_is_right_is_left_alone(name: str, path: str, good: str) -> None:
    assert not wrong_in(name, path, good)


def test_names_that_say_nothing_are_found_and_others_left_alone() -> None:
    def wrong(path: str) -> bool:
        return bool(wrong_in("names_say_what_is_inside", path, ""))

    assert all(wrong(f"gateway/{name}.py") for name in ("utils", "helper", "_common", "core", "base", "manager"))
    assert wrong("gateway/core/flow.py")
    assert not any(wrong(f"gateway/{name}.py") for name in ("flow", "database", "baseline", "score"))


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("one_clock_is_read", "gateway/clock.py", "at = datetime.now(UTC)"),
        ("the_environment_is_read_once", "gateway/settings_env.py", "a = os.environ"),
        ("upstream_connections_are_opened_in_one_place", "gateway/forward.py", "loop.create_connection()"),
        ("no_float_near_money", "gateway/retry.py", "wait = 0.5"),
        ("secrets_are_compared_in_constant_time", "tests/unit/test_keys.py", "assert made.token == sent"),
    ],
)
def test_a_rule_holds_only_where_it_is_meant(name: str, path: str, text: str) -> None:
    assert not wrong_in(name, path, text)
    assert wrong_in(name, "policies/money.py", text)


def test_sql_is_composed_by_the_ledger_alone() -> None:
    text = 'rows(f"SELECT {_COLUMNS} FROM a")'
    assert wrong_in("values_are_bound_to_sql", "reporting/spend.py", text)
    assert not wrong_in("values_are_bound_to_sql", "gateway/ledger/sqlite.py", text)


def test_every_rule_has_a_planted_fault() -> None:
    assert {rule.__name__ for rule in RULES} == PLANTED.keys() | {"names_say_what_is_inside"}


@pytest.mark.parametrize(
    "parts",
    [
        ("# TO", "DO later"),
        ("cd /ho", "me/ann/project"),
        ("open('/ro", "ot/.ssh')"),
        ("https://py", "pi.org/simple"),
        ("https://files.python", "hosted.org"),
        ("https://registry.", "npmjs.org"),
        ("Co-au", "thored-by: somebody"),
        ("made with an ", "assistant"),
        ("-----BEGIN RSA ", "PRIVATE KEY-----"),
    ],
    ids=lambda parts: parts[1],
)
def test_words_that_must_not_be_committed_are_found(parts: tuple[str, str]) -> None:
    """In two parts, since this file is looked at too."""
    assert list(nothing_stands_here_that_must_not(f"fine\n{''.join(parts)}\n"))


@pytest.mark.parametrize("text", ["GET /v1/models/home", "~/work/thing", "src/root/a", "Claude Code sends a header"])
def test_words_that_only_look_like_them_are_left_alone(text: str) -> None:
    assert not list(nothing_stands_here_that_must_not(text))
