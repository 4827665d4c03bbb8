"""Reads a Python file that holds nothing but constructor calls, as data: it is parsed and never run."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Made:
    """One constructor call of the file: what is made, and from which keywords."""

    kind: str
    fields: Mapping[str, object]


def calls(text: str, name: str) -> object:
    """Give the value of the annotated assignment to `name`; raises ValueError for what is not plain data."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return _value(node.value)
    raise ValueError(f"the file sets no {name}")


def listed(value: object, kind: str | None = None) -> list[Made]:
    """Give a list of calls, all of one kind where it is named; an absent one is empty."""
    made = [] if value is None else value
    if not isinstance(made, list) or not all(isinstance(one, Made) for one in made):
        raise ValueError("a list of calls was expected")
    if kind is not None and any(one.kind != kind for one in made):
        raise ValueError(f"a list of {kind} was expected")
    return made


def _value(node: ast.expr | None) -> object:
    """Turn an expression of the file into plain values; whatever else it might do is refused."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True)}
        case ast.Attribute():
            return ast.unparse(node)
        case ast.Call(func=func, args=args, keywords=keywords):
            return _call(
                ast.unparse(func), [_value(arg) for arg in args], {str(k.arg): _value(k.value) for k in keywords}
            )
        case _:
            raise ValueError(f"line {getattr(node, 'lineno', 0)} is not plain data")


def _call(name: str, args: list[object], fields: dict[str, object]) -> object:
    """Make what a call makes."""
    match name, args:
        case "Decimal", [str(digits)]:
            return Decimal(digits)
        case "datetime.date", [int(year), int(month), int(day)]:
            return date(year, month, day)
        case "datetime.time", [int(hour), int(minute), *_] if fields.get("tzinfo") == "datetime.UTC":
            return time(hour, minute)
        case _, []:
            return Made(name, fields)
        case _:
            raise ValueError(f"{name} is not called as we know it")
