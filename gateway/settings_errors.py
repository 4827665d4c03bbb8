"""Turns what the schema says of a wrong settings tree into a place and a sentence that says what to do."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from gateway.settings_lines import Keys, Place, Step
from gateway.settings_schema import File

_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list in brackets",
    "object": "a table",
    "null": "nothing",
    "datetime": "a date",
    "date": "a date",
    "time": "a time",
}
"""msgspec's words for types, in TOML's."""

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[(\.\.\.)\]")


def explained(said: str, tree: Mapping[str, Any], place: Place) -> str:
    """Give one line for a failed conversion of `tree`: where, and what to do."""
    text, _, path = said.partition(" - at `$")
    keys = _resolved(path.removesuffix("`"), said, tree)
    if unknown := re.search(r"unknown field `([^`]+)`", text):
        keys = (*keys, unknown.group(1))
        return f"{place.at(*keys)}: there is no such setting{_nearest(keys)} docs/configuration.md lists all."
    if missing := re.search(r"missing required field `([^`]+)`", text):
        return f"{place.at(*keys)}: {missing.group(1)} is missing. Add it below this line."
    return f"{place.at(*keys)} {_sentence(text, keys)}."


def _sentence(text: str, keys: Keys) -> str:
    """Say what a value must be."""
    if wrong := re.fullmatch(r"Expected `(\w+)(?: \| null)?`, got `(\w+)`", text):
        wanted, got = (_NAMES.get(word, word) for word in wrong.groups())
        return f"must be {wanted}, not {got}"
    if wrong := re.fullmatch(r"Expected `(\w+)(?: \| null)?` (>=|<=) (\S+)", text):
        return f"must be at {'least' if wrong.group(2) == '>=' else 'most'} {wrong.group(3).removesuffix('.0')}"
    if wrong := re.fullmatch(r"Expected `(\w+)(?: \| null)?` of length (>=|<=) (\d+)", text):
        what = "characters" if wrong.group(1) == "str" else "entries"
        return f"must have at {'least' if wrong.group(2) == '>=' else 'most'} {wrong.group(3)} {what}"
    if wrong := re.fullmatch(r"Invalid enum value '(.*)'", text, re.DOTALL):
        return f'cannot be "{wrong.group(1)}"; choose one of: {", ".join(_choices(keys))}'
    return f"is wrong: {text}"


def _resolved(path: str, said: str, tree: Mapping[str, Any]) -> Keys:
    """Give the path with the names that msgspec leaves out of tables of tables, "[...]"."""
    keys: Keys = ()
    for name, index, any_name in _STEP.findall(path):
        keys = (*keys, _culprit(keys, said, tree) if any_name else int(index) if index else name)
    return keys


def _culprit(above: Keys, said: str, tree: Mapping[str, Any]) -> Step:
    """Give the one name below `above` that fails by itself in the same way."""
    names: list[str] = list(_below(tree, above))
    for name in names:
        try:
            msgspec.convert(_only(tree, above, name), File, strict=True)
        except msgspec.ValidationError as error:
            if str(error) == said:
                return name
    return names[0]


def _only(tree: Mapping[str, Any], above: Keys, name: str) -> dict[str, Any]:
    """Give the tree with nothing else than `name` in the table at `above`."""
    if not above:
        return {name: tree[name]}
    first, rest = above[0], above[1:]
    assert isinstance(first, str)
    return {**tree, first: _only(tree[first], rest, name)}


def _below(tree: Any, keys: Keys) -> Any:  # noqa: ANN401 - a parsed file has any shape
    for key in keys:
        tree = tree[key]
    return tree


def _nearest(keys: Keys) -> str:
    """Suggest the setting whose name is most like the last of `keys`."""
    last = str(keys[-1])
    close = get_close_matches(last, _fields(keys[:-1]), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else "."


def _fields(keys: Keys) -> tuple[str, ...]:
    """Give the names that the schema knows at a path."""
    found = _type_at(keys)
    return tuple(one.name for one in found.fields) if isinstance(found, msgspec.inspect.StructType) else ()


def _choices(keys: Keys) -> tuple[str, ...]:
    """Give the words that the schema allows at a path."""
    found = _type_at(keys)
    return tuple(map(str, found.values)) if isinstance(found, msgspec.inspect.LiteralType) else ()


def _type_at(keys: Keys) -> msgspec.inspect.Type | None:
    """Follow the schema down a path."""
    at: msgspec.inspect.Type | None = msgspec.inspect.type_info(File)
    for key in keys:
        match at:
            case msgspec.inspect.StructType():
                at = next((one.type for one in at.fields if one.name == key), None)
            case msgspec.inspect.DictType():
                at = at.value_type
            case msgspec.inspect.VarTupleType():
                at = at.item_type
            case _:
                return None
        while isinstance(at, msgspec.inspect.Metadata):
            at = at.type
    return at
