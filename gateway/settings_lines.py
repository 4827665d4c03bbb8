"""Finds the line of a setting in a TOML text, so that what is wrong is said where it stands.

The text has been read by tomllib before, so it is known to be TOML (v1.0.0); this only follows its outline.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Step = str | int
Keys = tuple[Step, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_GAP = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Names a place of the settings for people: a line of the file, or the variable that set it."""

    path: Path | None = None
    lines: Mapping[Keys, int] = field(default_factory=dict)
    variables: Mapping[Keys, str] = field(default_factory=dict)

    def at(self, *keys: Step) -> str:
        """Give "file:line: table.key", or "environment: NAME" where a variable set it."""
        if keys in self.variables:
            return f"environment: {self.variables[keys]}"
        said = dotted(keys)
        if self.path is None:
            return f"environment: {said}" if said else "environment"
        line = f"{self.path}:{nearest_line(self.lines, keys)}"
        return f"{line}: {said}" if said else line


def dotted(keys: Keys) -> str:
    """Write keys as in a file: table.key[2]."""
    said = ""
    for key in keys:
        if isinstance(key, int):
            said += f"[{key}]"
        else:
            name = key if _BARE.fullmatch(key) else f'"{key}"'
            said = f"{said}.{name}" if said else name
    return said


def nearest_line(lines: Mapping[Keys, int], keys: Keys) -> int:
    """Give the line of `keys`, or of the nearest thing above them that has one."""
    for length in range(len(keys), 0, -1):
        if keys[:length] in lines:
            return lines[keys[:length]]
    return 1


def lines_of(text: str) -> dict[Keys, int]:
    """Give the line of every table, key and list item, by its path."""
    found: dict[Keys, int] = {}
    breaks = [at for at, character in enumerate(text) if character == "\n"]
    for keys, at in _Scan(text).document():
        found.setdefault(keys, bisect_left(breaks, at) + 1)
    return found


class _Scan:
    """Walks a text from its start to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._items: dict[Keys, int] = {}

    def document(self) -> Iterator[tuple[Keys, int]]:
        """Give every path with the offset where it is set."""
        table: Keys = ()
        while self._skip(_BLANK) < len(self._text):
            start = self._at
            if self._text.startswith("[", start):
                table = self._header()
                yield from _with_parents(table, start)
            else:
                yield from self._pair(table)

    def _header(self) -> Keys:
        """Read "[a.b]" or "[[a.b]]"; each of the latter is the next item of its list."""
        several = self._text.startswith("[[", self._at)
        self._at += 2 if several else 1
        table = self._in_lists(self._key())
        self._at += 2 if several else 1
        if several:
            number = self._items.get(table, -1) + 1
            self._items[table] = number
            table = (*table, number)
        return table

    def _in_lists(self, keys: Keys) -> Keys:
        """Put the number of the present item after each name that is a list of tables."""
        path: Keys = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._items:
                path = (*path, self._items[path])
        return (*path, *keys[-1:])

    def _pair(self, table: Keys) -> Iterator[tuple[Keys, int]]:
        """Read one "key = value"."""
        start = self._at
        keys = (*table, *self._key())
        yield from _with_parents(keys, start)
        self._skip(_GAP)
        self._at += 1  # The equals sign.
        self._skip(_GAP)
        yield from self._value(keys)

    def _key(self) -> Keys:
        """Read a dotted key; quoted parts lose their quotes."""
        parts: list[Step] = []
        while True:
            self._skip(_GAP)
            start = self._at
            if self._text[start] in "\"'":
                self._skip(_BASIC if self._text[start] == '"' else _LITERAL)
                parts.append(_unquoted(self._text[start : self._at]))
            else:
                self._skip(_BARE)
                parts.append(self._text[start : self._at])
            self._skip(_GAP)
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _value(self, keys: Keys) -> Iterator[tuple[Keys, int]]:
        """Read one value and what lies in it."""
        here = self._text[self._at]
        if here == "[":
            yield from self._list(keys)
        elif here == "{":
            yield from self._inline(keys)
        elif here in "\"'":
            self._string(here)
        else:
            self._skip(_SCALAR)

    def _string(self, quote: str) -> None:
        if self._text.startswith(quote * 3, self._at):
            self._skip(_LONG_BASIC if quote == '"' else _LONG_LITERAL)
        else:
            self._skip(_BASIC if quote == '"' else _LITERAL)

    def _list(self, keys: Keys) -> Iterator[tuple[Keys, int]]:
        self._at += 1
        number = 0
        while not self._closed("]"):
            yield (*keys, number), self._at
            yield from self._value((*keys, number))
            number += 1

    def _inline(self, keys: Keys) -> Iterator[tuple[Keys, int]]:
        self._at += 1
        while not self._closed("}"):
            yield from self._pair(keys)

    def _closed(self, bracket: str) -> bool:
        """Pass blanks and a comma; say whether the bracket came, and pass it too."""
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)
        if not self._text.startswith(bracket, self._at):
            return False
        self._at += 1
        return True

    def _skip(self, pattern: re.Pattern[str]) -> int:
        """Pass what matches; gives the new offset."""
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at


def _with_parents(keys: Keys, at: int) -> Iterator[tuple[Keys, int]]:
    """Give the path and those above it: a table that is nowhere opened by itself stands where it is first named."""
    for length in range(1, len(keys) + 1):
        yield keys[:length], at


def _unquoted(part: str) -> str:
    """Give a quoted key's text; escapes are rare in keys and only the common ones are undone."""
    text = part[1:-1]
    if part[0] == '"' and "\\" in text:
        text = re.sub(r'\\(["\\])', r"\1", text)
    return text
