"""Accounts: every combination of dimensions that was ever booked on, once, under a small number."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from gateway.ledger.posting import ACCOUNT, Account, kept
from gateway.ledger.store import Session, chunks

CACHED_MAX = 20_000
"""Remembered at once, about 1 KB each; beyond them all are forgotten and read again."""

COLUMNS = ("id", "digest", *ACCOUNT)


class Accounts:
    """What one process remembers of the accounts' numbers; the table is the truth."""

    def __init__(self) -> None:
        """Remember none."""
        self._removals = 0
        self._numbers: dict[Account, int] = {}

    def numbers(self, session: Session, wanted: Sequence[Account], removals: int) -> "Numbered":
        """Give the number of each account, new ones added. `removals` is the head's: after one, old numbers are void.

        What is new is remembered only by `Numbered.keep`, once the transaction is durable.
        """
        if removals != self._removals:
            self._removals, self._numbers = removals, {}
        memory = self._numbers
        remembered = [memory.get(account) for account in wanted]
        unknown = {account: kept(account) for account, number in zip(wanted, remembered, strict=True) if number is None}
        numbers = _in_table(session, unknown.values())
        found = {account: numbers[row] for account, row in unknown.items()}
        of_each = [
            found[account] if number is None else number for account, number in zip(wanted, remembered, strict=True)
        ]
        return Numbered(of_each, memory, found)


class Numbered:
    """The numbers of one batch's accounts, in its order."""

    def __init__(self, of_each: list[int], memory: dict[Account, int], found: dict[Account, int]) -> None:
        """Hold all numbers, and those that were found or made just now."""
        self.of_each = of_each
        self._memory = memory
        self._found = found

    def keep(self) -> None:
        """Remember them. A memory that a removal has replaced meanwhile takes them with it into oblivion."""
        if len(self._memory) + len(self._found) > CACHED_MAX:
            self._memory.clear()
        self._memory.update(self._found)


def _in_table(session: Session, wanted: Iterable[Account]) -> dict[Account, int]:
    """Give the numbers of accounts from the table, adding those that are not there."""
    by_digest = {_digest(account): account for account in wanted}
    numbers: dict[Account, int] = {}
    for marks, piece in chunks(by_digest):
        sql = f"SELECT digest, id FROM accounts WHERE digest IN {marks}"  # noqa: S608 - question marks only
        numbers.update({by_digest[bytes(digest)]: number for digest, number in session.rows(sql, piece)})
    fresh = [(digest, account) for digest, account in by_digest.items() if account not in numbers]
    if fresh:
        last = int(session.rows("SELECT coalesce(max(id), 0) FROM accounts")[0][0])
        rows = [(number, digest, *account) for number, (digest, account) in enumerate(fresh, start=last + 1)]
        session.insert("accounts", COLUMNS, rows)
        numbers.update({account: number for number, (_, account) in enumerate(fresh, start=last + 1)})
    return numbers


def _digest(account: Account) -> bytes:
    return sha256(msgspec.json.encode(account)).digest()
