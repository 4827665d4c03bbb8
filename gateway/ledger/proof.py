"""The proof that a book is whole: a walk over its rows that recomputes everything and stops at the first lie."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from gateway.ledger.chain import Heads, hash_payload, link
from gateway.ledger.entry import FIGURES, Verification
from gateway.ledger.heads import read_heads
from gateway.ledger.posting import ACCOUNT, Derived, derive, kept, rfc3339
from gateway.ledger.store import Session, Store

PAGE = 5000
"""Positions read at once: some 10 MB."""

_SELECT = f"""
SELECT e.position, e.id, e.kind, e.occurred_at, e.recorded_at, e.source, e.corrects, e.body, e.payload_hash,
    e.chain_hash, e.request_id, e.response_id, c.position, {", ".join(f"c.{name}" for name in FIGURES)},
    {", ".join(f"a.{name}" for name in ACCOUNT)}
FROM entries e
    LEFT JOIN calls c ON c.position = e.position AND c.occurred_at = e.occurred_at
        AND c.position > ? AND c.position <= ?
    LEFT JOIN accounts a ON a.id = c.account
WHERE e.position > ? AND e.position <= ? ORDER BY e.position"""  # noqa: S608 - names from closed sets


def prove(store: Store, progress: Callable[[int], None] | None, anchor: str | None) -> Verification:
    """Read the book up to its present end, page by page, then hold the sums against the calls."""
    while True:
        head = store.read(read_heads)
        walk = Walk(head, anchor)
        for after in range(0, head.last_position, PAGE):
            page = store.read(_page(after, min(after + PAGE, head.last_position)))
            if not walk.over(map(_row, page), progress):
                break
        walk.close()
        if walk.problem is None:
            walk.blame(*store.read(lambda session: _sums_problem(session, store.day)))
        # Rows that a removal took from under the walk are no lie: it begins again.
        if store.read(read_heads).removals == head.removals:
            return walk.verdict()


class Row(msgspec.Struct, frozen=True):
    """A row as it was found, nothing of it trusted."""

    derived: Derived
    position: int
    id: str
    kind: str
    occurred_at: str | datetime
    recorded_at: str | datetime
    source: str
    corrects: str | None
    body: str
    payload_hash: bytes
    chain_hash: bytes


class Walk:
    """A walk in progress. `problem` and `first_bad` tell of the first row that is not what was written."""

    def __init__(self, stored: Heads, anchor: str | None) -> None:
        """Begin before the first row of a book whose stored head is `stored`."""
        self._stored = stored
        self._anchor = anchor
        self._seen = Heads()
        self._anchored = anchor is None or anchor == self._seen.book_chain.hex()
        self.first_bad: int | None = None
        self.problem: str | None = None

    def over(self, rows: Iterable[Row], progress: Callable[[int], None] | None) -> bool:
        """Check one page; False when the walk has ended, at a bad row or behind the last."""
        for row in rows:
            problem = self._check(row)
            if problem is not None:
                self.blame(row.position, problem)
                return False
        if progress is not None:
            progress(self.entries)
        return True

    def blame(self, position: int | None, problem: str | None) -> None:
        """Keep the first problem found; None is none."""
        if self.problem is None:
            self.first_bad, self.problem = position, problem

    @property
    def entries(self) -> int:
        """Rows found good so far."""
        return self._seen.book_entries + self._seen.demo_entries

    def close(self) -> None:
        """Compare what was seen with the stored head and the anchor, behind the last row."""
        seen, stored = self._seen, self._stored
        counts, expected = (seen.book_entries, seen.demo_entries), (stored.book_entries, stored.demo_entries)
        if counts != expected:
            missing = f"{sum(counts)} entries are there, {sum(expected)} were written"
            self.blame(seen.last_position + 1, f"the end of the book is not the one that was written: {missing}")
        if (seen.book_chain, seen.demo_chain) != (stored.book_chain, stored.demo_chain):
            self.blame(seen.last_position + 1, "the stored head does not belong to these entries")
        if not self._anchored:
            self.blame(None, "the head noted outside is not in this book: it was rewritten or replaced")

    def verdict(self) -> Verification:
        """Say what was found."""
        return Verification(
            entries=self.entries,
            intact=self.problem is None,
            head=self._stored.book_chain.hex(),
            first_bad=self.first_bad,
            problem=self.problem,
        )

    def _check(self, row: Row) -> str | None:
        """Say what is wrong with a row; a good one is added to what was seen."""
        try:
            body = row.body.encode()
            payload = hash_payload(row.kind, row.source, row.corrects, body)
            place = (row.position, row.id, _written(row.occurred_at), _written(row.recorded_at))
            hashed = link(self._seen.of(row.source), payload, place)
        except (ValueError, TypeError, AttributeError) as error:
            return f"position {row.position} cannot be read: {error}"
        if payload != row.payload_hash:
            return f"the entry at position {row.position} is not what was written: its body does not match its hash"
        if hashed != row.chain_hash:
            return f"position {row.position} does not follow from the one before: rows were changed, moved or taken out"
        if derived_as_kept(row.kind, row.source, body) != row.derived:
            return f"the figures beside position {row.position} do not follow from its body"
        self._seen.place(row.source, row.position, hashed)
        self._anchored = self._anchored or self._anchor == hashed.hex()
        return None


def _page(after: int, last: int) -> Callable[[Session], list[tuple[Any, ...]]]:
    """Give the reading of the rows after one position, up to another."""
    return lambda session: session.rows(_SELECT, (after, last, after, last))


def _row(found: tuple[Any, ...]) -> Row:
    """Make a row of what was selected."""
    request_id, response_id, booked = found[10:13]
    figures, account = found[13 : 13 + len(FIGURES)], found[13 + len(FIGURES) :]
    here = booked is not None
    derived = Derived(request_id, response_id, account if here else None, figures if here else None)
    return Row(derived, *found[:10])


def _sums_problem(session: Session, day: str) -> tuple[int | None, str | None]:
    """Say where sums are not those of the calls, where calls stand on no entry, or rows behind the head."""
    last = read_heads(session).last_position
    beyond = session.rows("SELECT min(position) FROM entries WHERE position > ?", (last,))[0][0]
    if beyond is not None:
        return beyond, f"position {beyond} lies behind the stored head: it was put in by hand"
    stray = session.rows(
        "SELECT min(position) FROM calls c WHERE NOT EXISTS (SELECT 1 FROM entries e WHERE e.position = c.position "
        "AND e.kind IN ('call', 'attempt'))"
    )[0][0]
    if stray is not None:
        return stray, f"figures at position {stray} belong to no entry"
    differing = session.rows(_DIFFERING.replace("$day", day))
    if differing:
        return None, f"the sums of {differing[0][0]} are not those of its calls"
    return None, None


_DIFFERING = f"""
SELECT min(day) FROM (
    SELECT day FROM (
        SELECT day, account, {", ".join(FIGURES)} FROM daily
        UNION ALL SELECT $day AS day, account, {", ".join(f"-{name}" for name in FIGURES)} FROM calls
    ) AS each_one GROUP BY day, account HAVING {" OR ".join(f"sum({name}) <> 0" for name in FIGURES)}
) AS differing HAVING count(*) > 0"""  # noqa: S608 - names from closed sets


def derived_as_kept(kind: str, source: str, body: bytes) -> Derived | None:
    """Give what follows from a body, or None when this version cannot read it."""
    try:
        derived = derive(kind, source, body)
    except (ValueError, AssertionError):
        return None
    if derived.account is None:
        return derived
    return msgspec.structs.replace(derived, account=kept(derived.account))


def _written(moment: str | datetime) -> str:
    """Give a time as it was hashed."""
    return rfc3339(moment) if isinstance(moment, datetime) else moment
