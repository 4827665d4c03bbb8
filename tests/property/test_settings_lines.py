"""What is wrong is said where it stands: the line of any setting is found in any TOML text."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings_lines import lines_of, nearest_line

_words = st.text("abcXY_-1", min_size=1, max_size=6)
_scalars = st.one_of(
    st.integers(-9, 999),
    st.booleans(),
    st.text("ab=[]{}#,.'\n \"\\", max_size=8),
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str | int, ...], int]]:
    """A TOML text with the line of everything that is set in it."""
    lines: list[str] = []
    known: dict[tuple[str | int, ...], int] = {}
    for table in draw(st.lists(_words, unique=True, max_size=4)):
        _noise(draw, lines)
        lines.append(f"[{_key(draw, table)}]")
        known[table,] = len(lines)
        for name in draw(st.lists(_words, unique=True, max_size=4)):
            _noise(draw, lines)
            head = f"{_key(draw, name)} = "
            known[table, name] = len(lines) + 1
            value = draw(st.one_of(_scalars, st.lists(_scalars, max_size=3)))
            if isinstance(value, list):
                lines.append(head + "[ # a list")
                for number, item in enumerate(value):
                    known[table, name, number] = len(lines) + 1
                    lines.extend((_toml(draw, item) + ",").split("\n"))
                lines.append("]")
            else:
                lines.extend((head + _toml(draw, value)).split("\n"))
    return "\n".join(lines), known


def _noise(draw: st.DrawFn, lines: list[str]) -> None:
    lines.extend(draw(st.lists(st.sampled_from(["", "# [x]", "   ", "# a = 1"]), max_size=2)))


def _key(draw: st.DrawFn, name: str) -> str:
    return draw(st.sampled_from([name, f'"{name}"', f"'{name}'"]))


def _toml(draw: st.DrawFn, value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if draw(st.booleans()) and '"""' not in value and "\\" not in value and not value.endswith('"'):
        return f'"""{value}"""'
    return json.dumps(value)


@given(documents())
def test_the_line_is_given_of_everything_in_any_file(
    document: tuple[str, dict[tuple[str | int, ...], int]],
) -> None:
    text, known = document
    tomllib.loads(text)
    assert {keys: nearest_line(lines_of(text), keys) for keys in known} == known


@given(documents(), st.lists(_words, min_size=1, max_size=3))
def test_the_nearest_line_is_given_above_for_what_is_not_there(
    document: tuple[str, dict[tuple[str | int, ...], int]], below: list[str]
) -> None:
    text, known = document
    for keys, line in known.items():
        if (*keys, below[0]) not in lines_of(text):
            assert nearest_line(lines_of(text), (*keys, *below)) == line
    assert nearest_line({}, tuple(below)) == 1


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("a.b.c = 1\n", ("a", "b"), 1),
        ("x = 1\na = { b = 1, c = [\n{ d = 2 },\n{ d = 3 } ] }\n", ("a", "c", 1, "d"), 4),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 1\n", ("a", 1, "c", "d"), 6),
        ("[a]\nb = '''\n[c]\nd = 1\n'''\n[c]\nd = 2\n", ("c", "d"), 7),
        ('[a]\nb = """x\\"""y\nd = 1"""\nd = 2\n', ("a", "d"), 4),
        ("[ a . 'b.c' ]\nd = 1\n", ("a", "b.c", "d"), 2),
        ("a = 1 # b = 2\r\nb = 3\r\n", ("b",), 2),
        ("[a.b]\n[a]\nc = 1\n", ("a", "c"), 3),
    ],
)
def test_lines_follow_tables_in_tables_lists_and_long_strings(
    text: str, keys: tuple[str | int, ...], line: int
) -> None:
    tomllib.loads(text)
    assert nearest_line(lines_of(text), keys) == line
