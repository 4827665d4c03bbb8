"""What no linter says of this house: each rule reads one file and gives what is wrong in it, line by line."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

Wrong = Iterator[tuple[int, str]]
"""Lines, and what is wrong with each."""

FILE_LINES_MAX, FUNCTION_LINES_MAX, PARAMETERS_MAX = 400, 60, 7
HOUSE = ("gateway/", "policies/", "reporting/")
MONEY = ("policies/", "gateway/prices/", "gateway/settle.py", "gateway/admit.py", "gateway/explain.py")
WALL_CLOCK = {
    "time.time", "time.time_ns", "time.gmtime", "time.localtime", "time.ctime", "time.strftime",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
}  # fmt: skip
READS_CLOCK = ("gateway/clock.py",)
READS_ENVIRONMENT = ("gateway/settings",)
CONNECTS = ("gateway/forward.py", "gateway/connection.py")
COMPOSES_SQL = ("gateway/ledger/",)
SECRET = re.compile(
    r"(^|[_.])(digest|hmac|mac|passphrase|password|pepper|secret|signature|token)$|_key$", re.IGNORECASE
)
"""A bare `key` is more often a mapping's than a person's."""
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|PRAGMA|WITH|COPY|TRUNCATE)\s")
NAMELESS = re.compile(r"^_*(utils?|helpers?|commons?|cores?|bases?|managers?|misc|stuff)$")
TOOLS = "AI|assistant|claude|chatgpt|codex|copilot|cursor|gemini"
FORBIDDEN_TEXT = {
    "a mark of unfinished work": re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b"),
    "a path of one machine": re.compile(r"(?<![\w.~-])/([h]ome|[r]oot|[U]sers|[w]ork|opt/[p]ypi)/[\w.-]+"),
    "the host of a package registry": re.compile(r"[p]ypi\.org|[p]ythonhosted|[r]egistry\.(npmjs|yarnpkg)"),
    "a mark of the tool it was written with": re.compile(
        rf"co-[a]uthored-by:|\b(generated|written|made) (with|by) (an? )?({TOOLS})\b", re.IGNORECASE
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
"""The brackets keep a pattern from finding itself."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of Python, read once for every rule."""

    path: str
    text: str
    tree: ast.Module

    def walk(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def line(self, node: ast.stmt | ast.expr) -> str:
        return self.text.splitlines()[node.lineno - 1]

    def below(self, *places: str) -> bool:
        return self.path.startswith(places)


def source(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text))


def dotted(node: ast.AST) -> str:
    """Give `a.b.c` for a name or a chain of attributes, without what it hangs on; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def last_two(node: ast.AST) -> str:
    return ".".join(dotted(node).split(".")[-2:])


def no_float_near_money(file: Source) -> Wrong:
    if not file.below(*MONEY):
        return
    for node in ast.walk(file.tree):
        match node:
            case ast.Constant(value=float()):
                yield node.lineno, f"the float {node.value}"
            case ast.Name(id="float"):
                yield node.lineno, "a float"
            case ast.BinOp(op=ast.Div()) if not _is_path(node) and "# Decimal" not in file.line(node):
                yield node.lineno, "a true division"
            case ast.AugAssign(op=ast.Div()):
                yield node.lineno, "a true division"


def _is_path(node: ast.expr) -> bool:
    """True for `folder / "name"`: a division has no string on its right."""
    match node:
        case ast.BinOp(right=ast.Constant(value=str()) | ast.JoinedStr()):
            return True
        case ast.BinOp(left=ast.BinOp() as left):
            return _is_path(left)
    return False


def files_are_short(file: Source) -> Wrong:
    lines = file.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield lines, f"{lines} lines; {FILE_LINES_MAX} is the wall"


def functions_are_short(file: Source) -> Wrong:
    for node in file.walk(ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield node.lineno, f"{node.name} has {lines} lines; {FUNCTION_LINES_MAX} is the wall"


def functions_take_few_parameters(file: Source) -> Wrong:
    if not file.below(*HOUSE):
        return
    for node in file.walk(ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len([name for name in names if name not in {"self", "cls"}])
        reasoned = re.search(r"noqa: PLR0913 - \w", file.line(node))
        if count > PARAMETERS_MAX and not node.decorator_list and not reasoned:
            yield node.lineno, f"{node.name} takes {count} parameters; {PARAMETERS_MAX} are the most without a reason"


def names_say_what_is_inside(file: Source) -> Wrong:
    for part in PurePosixPath(file.path).with_suffix("").parts:
        if NAMELESS.match(part):
            yield 1, f"{part} says nothing of what is inside"


def modules_say_what_they_are(file: Source) -> Wrong:
    if not ast.get_docstring(file.tree):
        yield 1, "no docstring"


def secrets_are_compared_in_constant_time(file: Source) -> Wrong:
    if not file.below(*HOUSE):
        return
    for node in file.walk(ast.Compare):
        assert isinstance(node, ast.Compare)
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue
        for side in sides:
            if SECRET.search(last_two(side)) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                yield node.lineno, f"{dotted(side)} is compared with ==; hmac.compare_digest does not tell by its time"


def nothing_runs_text_or_a_shell(file: Source) -> Wrong:
    for node in ast.walk(file.tree):
        match node:
            case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" | "__import__" as name)):
                yield node.lineno, f"{name}()"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen" as name)):
                yield node.lineno, f"os.{name}()"
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                yield node.value.lineno, "shell=True"
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names if name.name in {"pickle", "marshal", "shelve"})
            case ast.ImportFrom(module="pickle" | "marshal" | "shelve" as name):
                yield node.lineno, name


def values_are_bound_to_sql(file: Source) -> Wrong:
    if not file.below(*HOUSE):
        return
    for node in ast.walk(file.tree):
        match node:
            case ast.JoinedStr(values=[ast.Constant(value=str(first)), *_]) if SQL.match(first):
                yield from _pasted(file, node)
            case ast.BinOp(op=ast.Add() | ast.Mod(), left=ast.Constant(value=str(first))) if SQL.match(first):
                yield node.lineno, "SQL is glued together; bind its values"
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(first)), attr="format")) if SQL.match(first):
                yield node.lineno, "SQL is formatted; bind its values"


def _pasted(file: Source, node: ast.JoinedStr) -> Wrong:
    """Names of tables and columns may stand in SQL that the ledger composes; what a request brought may not."""
    if not file.below(*COMPOSES_SQL):
        yield node.lineno, "SQL is composed outside the ledger"
    for part in node.values:
        if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Attribute | ast.Subscript):
            yield node.lineno, f"{ast.unparse(part.value)} is pasted into SQL; bind it"


def one_clock_is_read(file: Source) -> Wrong:
    if not file.below(*HOUSE) or file.below(*READS_CLOCK):
        return
    for node in file.walk(ast.Attribute):
        if last_two(node) in WALL_CLOCK:
            yield node.lineno, f"{last_two(node)} reads the wall clock; be given `now`"  # type: ignore[attr-defined]


def the_environment_is_read_once(file: Source) -> Wrong:
    if not file.below(*HOUSE) or file.below(*READS_ENVIRONMENT):
        return
    for node in ast.walk(file.tree):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" as name):
                yield node.lineno, f"os.{name}"
            case ast.ImportFrom(module="os", names=names):
                yield from ((node.lineno, f"os.{n.name}") for n in names if n.name in {"environ", "environb", "getenv"})


def upstream_connections_are_opened_in_one_place(file: Source) -> Wrong:
    if not file.below(*HOUSE) or file.below(*CONNECTS):
        return
    opens = {"open_connection", "open_unix_connection", "create_connection", "create_unix_connection", "sock_connect"}
    uses_sockets = re.search(r"^\s*(import|from) socket\b", file.text, re.MULTILINE)
    for node in file.walk(ast.Call):
        assert isinstance(node, ast.Call)
        name = dotted(node.func).rsplit(".", 1)[-1]
        if name in opens or (uses_sockets and name in {"connect", "connect_ex"}):
            yield node.lineno, f"{name} opens a connection; only {' and '.join(CONNECTS)} may"


Rule = Callable[[Source], Wrong]

RULES: tuple[Rule, ...] = (
    no_float_near_money,
    files_are_short,
    functions_are_short,
    functions_take_few_parameters,
    names_say_what_is_inside,
    modules_say_what_they_are,
    secrets_are_compared_in_constant_time,
    nothing_runs_text_or_a_shell,
    values_are_bound_to_sql,
    one_clock_is_read,
    the_environment_is_read_once,
    upstream_connections_are_opened_in_one_place,
)


def nothing_stands_here_that_must_not(text: str) -> Wrong:
    """Holds for every committed file, whatever it is written in."""
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in FORBIDDEN_TEXT.items():
            if pattern.search(line):
                yield number, what
