"""Hands a batch to the ledger; the one entry that can never be stored does not hold up the others."""

from collections.abc import Callable

from gateway.ledger.entry import Appended, Entry, Ledger
from gateway.ledger.errors import Unstorable

SetAside = Callable[[Entry, str], None]
"""Keeps an entry, and why it cannot be stored, where a person finds it."""


def deliver(ledger: Ledger, entries: tuple[Entry, ...], set_aside: SetAside) -> Appended:
    """Append all that can be stored, in order, and set aside the rest. Raises LedgerDown; ask again then.

    Where the store cannot say which entry it was, halves are tried until one is alone.
    """
    added = duplicates = 0
    conflicts: tuple[str, ...] = ()
    parts = [entries] if entries else []
    while parts:
        part = parts.pop()
        try:
            done = ledger.append(part)
        except Unstorable as poison:
            parts += _without(part, poison, set_aside)
        else:
            added, duplicates = added + done.added, duplicates + done.duplicates
            conflicts += done.conflicts
    return Appended(added, duplicates, conflicts)


def _without(part: tuple[Entry, ...], poison: Unstorable, set_aside: SetAside) -> list[tuple[Entry, ...]]:
    """Give what is still to be tried, the first part last."""
    poisoned = part if len(part) == 1 else tuple(entry for entry in part if entry.id == poison.id)
    if not poisoned:
        middle = len(part) // 2
        return [part[middle:], part[:middle]]
    for entry in poisoned:
        set_aside(entry, str(poison))
    rest = tuple(entry for entry in part if entry not in poisoned)
    return [rest] if rest else []
