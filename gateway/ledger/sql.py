"""The ledger over any SQL store: rows, chain, accounts and sums change together or not at all."""

from collections.abc import Callable
from datetime import UTC, datetime
from operator import add
from typing import Any

import msgspec

from gateway.ledger import spending
from gateway.ledger.accounts import Accounts, Memory, Numbered
from gateway.ledger.chain import REMOVABLE
from gateway.ledger.entry import FIGURES, Appended, Entry, Placed, SpendQuery, SpendRow, Verification
from gateway.ledger.errors import LedgerDown, Unstorable
from gateway.ledger.heads import read_heads, write_heads
from gateway.ledger.posting import Posting, indexed, posting_of
from gateway.ledger.proof import prove
from gateway.ledger.schema import STRETCH
from gateway.ledger.store import Session, Store, chunks

BATCH_MAX = 10_000
PAGE_MAX = 10_000
CONFLICTS_MAX = 10_000
"""A transaction, and what one call gives, fit into some ten megabytes."""

ENTRY = ("id", "kind", "occurred_at", "recorded_at", "source", "corrects", "body", "payload_hash")
ENTRIES = ("position", *ENTRY, "chain_hash", "request_id", "response_id")
CALLS = ("position", "occurred_at", "account", *FIGURES)
_FIRST_OF_KIND = (
    "SELECT position FROM (SELECT position FROM entries WHERE kind = ? AND position > ? ORDER BY position LIMIT ?) AS k"
)
_ANSWERED = f"""
WITH RECURSIVE stretch(number) AS (
    SELECT 0 UNION ALL SELECT number + 1 FROM stretch, head WHERE number < last_position / {STRETCH}
)
SELECT position FROM stretch CROSS JOIN entries WHERE position / {STRETCH} = number AND response_id = ?"""  # noqa: S608
_PLACED = "position, id, kind, occurred_at, recorded_at, source, corrects, body"


class SqlLedger:
    """Keeps the book in `store`. See the port, `gateway.ledger.entry.Ledger`, for what each method promises."""

    def __init__(self, store: Store) -> None:
        """Keep the book in a store whose schema is up to date."""
        self._store = store
        self._accounts = Accounts()

    def append(self, entries: tuple[Entry, ...]) -> Appended:
        """Add entries in one transaction, at most BATCH_MAX; those already there change nothing."""
        assert len(entries) <= BATCH_MAX
        # All are read before the first is written: a poisoned entry is named while nothing has happened yet.
        postings = [posting_of(entry) for entry in entries]
        if not postings:
            return Appended(0, 0)
        try:
            appended, keep = self._store.write(lambda session: self._append(session, postings))
        except Unstorable as error:
            if error.id is None and len(entries) == 1:
                raise Unstorable(entries[0].id, str(error)) from error
            raise
        keep()
        return appended

    def entries(self, *, after: int = 0, kinds: tuple[str, ...] = (), limit: int = 1000) -> tuple[Placed, ...]:
        """Give up to `limit` (at most PAGE_MAX) entries after a position."""
        assert 1 <= limit <= PAGE_MAX
        if kinds:
            # Each kind gives its first few from an index; a plain IN would read and sort every later one.
            chosen = " UNION ALL ".join([_FIRST_OF_KIND] * len(set(kinds)))
            where = f"position IN ({chosen})"
            values = [value for kind in sorted(set(kinds)) for value in (kind, after, limit)]
        else:
            where, values = "position > ?", [after]
        return self._placed(f"{where} ORDER BY position LIMIT ?", *values, limit)

    def find(self, request_id: str) -> tuple[Placed, ...]:
        """Give every entry whose body names this request."""
        return self._placed("request_id = ? ORDER BY position", indexed(request_id))

    def find_response(self, response_id: str) -> tuple[Placed, ...]:
        """Give the calls and attempts answered under this id."""
        return self._placed(f"position IN ({_ANSWERED}) ORDER BY position", indexed(response_id))

    def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        """Sum calls and attempts."""
        spending.check(query)
        if query.since >= query.until:
            return ()
        sql, values = spending.statement(query, self._store.day)
        return spending.spend_rows(self._store.read(lambda session: session.rows(sql, values)), query.by)

    def conflicts(self) -> tuple[Entry, ...]:
        """Give the oldest CONFLICTS_MAX entries that came under a known id with another body."""
        columns = "0, id, kind, occurred_at, recorded_at, source, corrects, body"
        sql = f"SELECT {columns} FROM conflicts ORDER BY number LIMIT ?"  # noqa: S608 - constant
        rows = self._store.read(lambda session: session.rows(sql, (CONFLICTS_MAX,)))
        return tuple(_placed(row).entry for row in rows)

    def verify(self, progress: Callable[[int], None] | None = None, *, anchor: str | None = None) -> Verification:
        """Recompute every hash and figure; entries appended meanwhile wait for the next time."""
        return prove(self._store, progress, anchor)

    def remove(self, source: str) -> int:
        """Take out the demo's entries, accounts, sums and conflicts."""
        if source != REMOVABLE:
            raise ValueError(f"entries of {source!r} stay for ever; only those of {REMOVABLE!r} may be removed")
        return self._store.write(_remove)

    def ping(self) -> None:
        """Read the head."""
        self._store.read(read_heads)

    def close(self) -> None:
        """Release connections."""
        self._store.close()

    def _append(self, session: Session, postings: list[Posting]) -> tuple[Appended, Callable[[], None]]:
        """Write what is new; gives what became of the batch, and what is to be done once that is durable."""
        head = read_heads(session)
        memory = self._accounts.memory(session, head)
        fresh, conflicting, duplicates = _sorted_out(session, postings)
        _keep_conflicts(session, conflicting)
        appended = Appended(len(fresh), duplicates, tuple(posting.id for posting in conflicting))
        if not fresh:
            return appended, lambda: None
        rows: list[tuple[Any, ...]] = []
        for posting in fresh:
            times = (posting.occurred_at, posting.recorded_at)
            position, chained = head.extend(posting.source, posting.payload_hash, posting.id, times)
            derived = posting.derived
            rows.append((position, *_columns(posting), chained, derived.request_id, derived.response_id))
        session.insert("entries", ENTRIES, rows)
        numbered = self._book(session, fresh, rows[0][0], memory)
        write_heads(session, head)
        last = (rows[-1][0], head.of(fresh[-1].source))
        return appended, lambda: numbered.keep(last)

    def _book(self, session: Session, fresh: list[Posting], first: int, memory: Memory) -> Numbered:
        """Write the calls among new entries, placed from `first` on, and add them to their days."""
        placed = enumerate(fresh, start=first)
        booked = [(at, one.occurred_at, one.derived) for at, one in placed if one.derived.account is not None]
        wanted = [derived.account for _, _, derived in booked if derived.account is not None]
        numbered = self._accounts.numbers(session, wanted, memory)
        calls: list[tuple[Any, ...]] = []
        daily: dict[tuple[str, int], tuple[int, ...]] = {}
        for (position, occurred_at, derived), account in zip(booked, numbered.of_each, strict=True):
            assert derived.figures is not None
            calls.append((position, occurred_at, account, *derived.figures))
            key = (occurred_at[:10], account)
            sums = daily.get(key)
            daily[key] = derived.figures if sums is None else tuple(map(add, sums, derived.figures))
        session.insert("calls", CALLS, calls)
        session.add_up("daily", ("day", "account"), FIGURES, [(*key, *sums) for key, sums in sorted(daily.items())])
        return numbered

    def _placed(self, condition: str, *values: str | int | None) -> tuple[Placed, ...]:
        sql = f"SELECT {_PLACED} FROM entries WHERE {condition}"  # noqa: S608 - conditions are constants above
        return tuple(_placed(row) for row in self._store.read(lambda session: session.rows(sql, values)))


def _sorted_out(session: Session, postings: list[Posting]) -> tuple[list[Posting], list[Posting], int]:
    """Tell new entries, conflicting ones and the number of duplicates apart; the first under an id stays."""
    known: dict[str, bytes] = {}
    for marks, piece in chunks(posting.id for posting in postings):
        found = session.rows(f"SELECT id, payload_hash FROM entries WHERE id IN {marks}", piece)  # noqa: S608
        known.update({entry_id: bytes(payload) for entry_id, payload in found})
    fresh: list[Posting] = []
    conflicting: list[Posting] = []
    for posting in postings:
        payload = known.setdefault(posting.id, posting.payload_hash)
        if payload is posting.payload_hash:
            fresh.append(posting)
        elif payload != posting.payload_hash:
            conflicting.append(posting)
    return fresh, conflicting, len(postings) - len(fresh) - len(conflicting)


def _keep_conflicts(session: Session, conflicting: list[Posting]) -> None:
    """Keep each conflicting entry once, however often it is delivered."""
    for posting in conflicting:
        known = session.rows(
            "SELECT 1 FROM conflicts WHERE id = ? AND payload_hash = ?", (posting.id, posting.payload_hash)
        )
        if not known:
            number = int(session.rows("SELECT coalesce(max(number), 0) FROM conflicts")[0][0]) + 1
            session.insert("conflicts", ("number", *ENTRY), [(number, *_columns(posting))])


def _remove(session: Session) -> int:
    """Take out what came from the removable source, and what was summed from it."""
    head = read_heads(session)
    gone = head.demo_entries
    for sql in (
        "DELETE FROM calls WHERE account IN (SELECT id FROM accounts WHERE source = ?)",
        "DELETE FROM daily WHERE account IN (SELECT id FROM accounts WHERE source = ?)",
        "DELETE FROM accounts WHERE source = ?",
        "DELETE FROM conflicts WHERE source = ?",
        "DELETE FROM entries WHERE source = ?",
    ):
        session.rows(sql, (REMOVABLE,))
    head.forget_removable()
    write_heads(session, head)
    return gone


def _columns(posting: Posting) -> tuple[str | bytes | None, ...]:
    return (
        posting.id,
        posting.kind,
        posting.occurred_at,
        posting.recorded_at,
        posting.source,
        posting.corrects,
        posting.body,
        posting.payload_hash,
    )


def _placed(row: tuple[Any, ...]) -> Placed:
    position, entry_id, kind, occurred_at, recorded_at, source, corrects, body = row
    try:
        entry = Entry(
            id=entry_id,
            kind=kind,
            occurred_at=_moment(occurred_at),
            recorded_at=_moment(recorded_at),
            source=source,
            body=msgspec.Raw(body.encode()),
            corrects=corrects,
        )
    except ValueError as error:
        raise LedgerDown(
            f"The entry at position {position} was damaged: `weighbridge ledger verify` says more; restore a backup."
        ) from error
    return Placed(position, entry)


def _moment(stored: str | datetime) -> datetime:
    """Give a time as an aware datetime in UTC, whichever way the engine keeps it."""
    return datetime.fromisoformat(stored) if isinstance(stored, str) else stored.astimezone(UTC)
