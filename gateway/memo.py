"""What the tag reader worked out before: bounded, and empty again after any change it depends on."""

from collections.abc import Hashable

REMEMBERED_MAX = 4096
"""Distinct headers and words remembered; clients choose them, so the memory of them has an end."""


class Memo:
    """Remembers answers by what they were worked out from. Nothing in it is true without its key."""

    __slots__ = ("_answers", "_basis")

    def __init__(self) -> None:
        """Start with nothing."""
        self._answers: dict[Hashable, object] = {}
        self._basis: object = None

    def over(self, basis: object) -> dict[Hashable, object]:
        """Give the answers worked out under `basis` (the settings); under another one there are none yet."""
        if self._basis is not basis:
            self._answers, self._basis = {}, basis
        if len(self._answers) > REMEMBERED_MAX:
            self._answers = {}
        return self._answers

    def clear(self) -> None:
        """Forget everything: what it rests on has changed."""
        self._answers = {}
