"""Reads name=value as it is given to options that may come several times."""

from collections.abc import Iterable

from gateway.commands.failed import Failed


def pairs(said: Iterable[str], option: str) -> dict[str, str]:
    """Give names and values; raises Failed for a part without "=", or a name that comes twice with two values."""
    found: dict[str, str] = {}
    for part in said:
        name, separator, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not separator or not name or not value:
            raise Failed(f"{option}: {part!r} is not name=value.", code=2)
        if found.setdefault(name, value) != value:
            raise Failed(f"{option}: {name} is given twice, as {found[name]} and as {value}.", code=2)
    return found
