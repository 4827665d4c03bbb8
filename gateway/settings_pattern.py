"""Bounds a regular expression before it is used: what it may cost on a branch name is worked out, not hoped.

Python's matcher tries every way to divide a text among repetitions. For the small language read here the
number of those ways has an upper bound that can be computed; what is outside the language is refused.
"""

import re
import warnings

SUBJECT_CHARACTERS = 128
"""A branch name is cut there (gateway/tag_channels.py)."""

WAYS_MAX = 200_000
"""Ways to match from one place: with 128 places that is some hundred milliseconds at the very worst."""

_ATOM = re.compile(
    r"""\\[dDwWsSbB] | \\[^\w\s]               # a class, an edge, or a character taken as it is
      | \[\^?\]?(?:\\.|[^\]\\\[])*\]           # a set
      | [^\\\[\](){}|*+?]                      # one character, the dot and the two anchors included
    """,
    re.VERBOSE,
)
_REPEAT = re.compile(r"([*+?])|\{(\d{1,4})(?:(,)(\d{0,4}))?\}")


def pattern_problem(pattern: str) -> str | None:
    """Say why `pattern` is not used, or None; what passes costs little on any branch name."""
    try:
        with warnings.catch_warnings(action="error"):  # What the next Python may read otherwise is not used either.
            compiled = re.compile(pattern)
    except (re.error, Warning, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"
    if compiled.groups > 1:
        return "has more than one group; put the initiative into one group, and (?:...) around the rest"
    if any(not found.group() for probe in ("", "aB-1/c_d") for found in compiled.finditer(probe)):
        return "also matches where nothing is, so every branch would name an initiative"
    read = _Reader(pattern)
    ways = read.either()
    if ways is None or read.at != len(pattern):
        return (
            f"goes beyond what is read here at character {read.at + 1}: characters, sets, \\d \\w \\s, "
            "groups, |, ^ $ \\b, and ? * + {m,n} after one of them"
        )
    if ways > WAYS_MAX:
        return "can match a long branch name in too many ways; repeat less, say {1,8} for +, and nest no repetition"
    return None


class _Reader:
    """Reads a pattern from left to right, counting the ways in which it can match from one place."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0

    def either(self) -> int | None:
        """Read alternatives: their ways add up. None where the language ends."""
        ways = 0
        while True:
            one = self._row()
            if one is None:
                return None
            ways += one
            if self._next() != "|":
                return ways
            self.at += 1

    def _row(self) -> int | None:
        """Read what follows one another: the ways multiply."""
        ways = 1
        while self._next() not in ("", "|", ")"):
            one = self._repeated()
            if one is None:
                return None
            ways = min(ways * one, WAYS_MAX + 1)
        return ways

    def _repeated(self) -> int | None:
        """Read one atom and how often it may come."""
        inner = self._atom()
        if inner is None:
            return None
        found = _REPEAT.match(self._pattern, self.at)
        if found is None:
            return inner
        self.at = found.end()
        least, most = _times(found)
        if self._next() in ("?", "+", "*", "{"):
            return None  # Lazy and possessive forms are not needed here, and count differently.
        if least > most:
            return None
        if inner == 1:
            return most - least + 1
        ways: int = sum(inner ** min(times, 32) for times in range(least, most + 1))
        return min(ways, WAYS_MAX + 1)

    def _atom(self) -> int | None:
        if self._next() != "(":
            found = _ATOM.match(self._pattern, self.at)
            if found is None:
                return None
            self.at = found.end()
            return 1
        named = self._pattern.startswith("(?:", self.at)
        if not named and self._pattern.startswith("(?", self.at):
            return None
        self.at += 3 if named else 1
        inner = self.either()
        if inner is None or self._next() != ")":
            return None
        self.at += 1
        return inner

    def _next(self) -> str:
        return self._pattern[self.at : self.at + 1]


def _times(found: re.Match[str]) -> tuple[int, int]:
    """Give the least and the greatest number of repetitions that a branch name has room for."""
    sign, least, comma, most = found.groups()
    if sign:
        return (1 if sign == "+" else 0), (1 if sign == "?" else SUBJECT_CHARACTERS)
    low = min(int(least), SUBJECT_CHARACTERS)
    if comma is None:
        return low, low
    return low, (min(int(most), SUBJECT_CHARACTERS) if most else SUBJECT_CHARACTERS)
