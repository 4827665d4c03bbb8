"""Accounts: every combination of dimensions that was ever booked on, once, under a small number."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from gateway.ledger.chain import Heads
from gateway.ledger.posting import ACCOUNT, Account, kept
from gateway.ledger.store import Session, chunks

CACHED_MAX = 20_000
"""Remembered at once, about 1 KB each; beyond them all are forgotten and read again."""

COLUMNS = ("id", "digest", *ACCOUNT)


class Memory:
    """Numbers as they are in one book after so many removals; `seen` is a row of it, by position and link."""

    def __init__(self, removals: int) -> None:
        """Remember none."""
        self.removals = removals
        self.numbers: dict[Account, int] = {}
        self.seen: tuple[int, bytes] | None = None

    def holds(self, session: Session, head: Heads) -> bool:
        """Say whether this is still the book that was seen. A backup put back under a running gateway is not."""
        if self.removals != head.removals:
            return False
        if self.seen is None:
            return True
        position, chained = self.seen
        if position == head.last_position:
            return chained in {head.book_chain, head.demo_chain}
        found = session.rows("SELECT chain_hash FROM entries WHERE position = ?", (position,))
        return [bytes(row[0]) for row in found] == [chained]


class Accounts:
    """What one process remembers of the accounts' numbers; the table is the truth."""

    def __init__(self) -> None:
        """Remember none."""
        self._memory = Memory(0)

    def memory(self, session: Session, head: Heads) -> Memory:
        """Give what is remembered and still true of the book with this head."""
        if not self._memory.holds(session, head):
            self._memory = Memory(head.removals)
        return self._memory

    def numbers(self, session: Session, wanted: Sequence[Account], memory: Memory) -> "Numbered":
        """Give the number of each account, new ones added.

        What is new is remembered only by `Numbered.keep`, once the transaction is durable.
        """
        remembered = [memory.numbers.get(account) for account in wanted]
        unknown = {account: kept(account) for account, number in zip(wanted, remembered, strict=True) if number is None}
        numbers = _in_table(session, unknown.values())
        found = {account: numbers[row] for account, row in unknown.items()}
        of_each = [
            found[account] if number is None else number for account, number in zip(wanted, remembered, strict=True)
        ]
        return Numbered(of_each, memory, found)


class Numbered:
    """The numbers of one batch's accounts, in its order."""

    def __init__(self, of_each: list[int], memory: Memory, found: dict[Account, int]) -> None:
        """Hold all numbers, and those that were found or made just now."""
        self.of_each = of_each
        self._memory = memory
        self._found = found

    def keep(self, seen: tuple[int, bytes]) -> None:
        """Remember them, and the last row that was added with them.

        A memory that was put aside meanwhile takes them with it into oblivion.
        """
        numbers = self._memory.numbers
        if len(numbers) + len(self._found) > CACHED_MAX:
            numbers.clear()
        numbers.update(self._found)
        self._memory.seen = seen


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
