"""What a dimension may be called, what a value may hold, and which of several words for one dimension is taken."""

import pytest

from policies.tags import DIMENSIONS, Chosen, choose, dimension, value_fits


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("epic", "initiative"),
        (" Epic ", "initiative"),
        ("Cost-Center", "cost_centre"),
        ("user.id", "customer"),
        ("my-thing", "my_thing"),
        ("labels", None),
        ("day", None),
        ("session_id", None),
        ("9lives", None),
        ("", None),
        ("x" * 64, "x" * 64),
        ("x" * 65, None),
        ("caf\xe9", None),
        ("a b", None),
    ],
)
def test_a_dimension_has_one_name(said: str, name: str | None) -> None:
    assert dimension(said, {}) == name


@pytest.mark.parametrize(
    ("value", "fits"),
    [("a", True), ("a b", True), ("x" * 128, True), ("x" * 129, False), ("", False), (" a", False), ("a ", False),
     ("a\n", False), ("a\tb", False), ("a\x00b", False), ("\x7f", False), ("caf\xe9", False), ("~", True), ("!", True)],
)  # fmt: skip
def test_a_value_is_visible_ascii(value: str, fits: bool) -> None:
    assert value_fits(value) is fits


def test_a_lock_beats_every_channel_and_the_defaults_fill_what_is_left() -> None:
    chosen = choose(
        {"header": {"a": "h", "b": "h"}, "branch": {"c": "br", "a": "br"}},
        frozenset(("a",)),
        {"key_default": {"a": "k"}, "app_default": {"a": "d", "d": "d"}},
    )
    assert chosen == Chosen(
        {"a": "k", "d": "d", "c": "br", "b": "h"},
        {"a": "locked_key", "d": "app_default", "c": "branch", "b": "header"},
        ("locked:a",),
    )


def test_every_dimension_is_a_name_that_fits() -> None:
    assert {dimension(name, {}) for name in DIMENSIONS} == DIMENSIONS
