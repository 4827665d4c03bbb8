"""A ledger in memory, true to the port: immutable rows, positions by commit, conflicts kept apart, one chain."""

import threading
from collections.abc import Callable
from datetime import UTC
from typing import Any

import msgspec

from gateway.ledger import spending
from gateway.ledger.chain import REMOVABLE, Heads
from gateway.ledger.entry import FIGURES, Appended, Entry, Placed, SpendQuery, SpendRow, Verification
from gateway.ledger.errors import LedgerDown
from gateway.ledger.posting import Posting, indexed, posting_of
from gateway.ledger.proof import Row, Walk, derived_as_kept

CALL_FIELDS = {"key_id", "provider_name", "request_model", "response_model", "operation", "state"}


class MemoryLedger:
    """Sums by walking over all calls, in no way as the engines do it, so that they can be held against it."""

    def __init__(self) -> None:
        self.rows: list[Placed] = []
        self.down: str | None = None
        self._known: dict[str, Posting] = {}
        self._links: dict[int, bytes] = {}
        self._conflicts: dict[tuple[str, bytes], Entry] = {}
        self._heads = Heads()
        self._lock = threading.RLock()

    def append(self, entries: tuple[Entry, ...]) -> Appended:
        added, duplicates, conflicts = 0, 0, []
        postings = [posting_of(entry) for entry in entries]
        with self._lock:
            self.ping()
            for entry, posting in zip(entries, postings, strict=True):
                known = self._known.setdefault(entry.id, posting)
                if known is posting:
                    times = (posting.occurred_at, posting.recorded_at)
                    position, link = self._heads.extend(entry.source, posting.payload_hash, entry.id, times)
                    self._links[position] = link
                    self.rows.append(Placed(position, _in_utc(entry)))
                    added += 1
                elif known.payload_hash == posting.payload_hash:
                    duplicates += 1
                else:
                    self._conflicts.setdefault((entry.id, posting.payload_hash), entry)
                    conflicts.append(entry.id)
        return Appended(added, duplicates, tuple(conflicts))

    def entries(self, *, after: int = 0, kinds: tuple[str, ...] = (), limit: int = 1000) -> tuple[Placed, ...]:
        self.ping()
        fitting = (row for row in self.rows if row.position > after and (not kinds or row.entry.kind in kinds))
        return tuple(row for row, _ in zip(fitting, range(limit), strict=False))

    def find(self, request_id: str) -> tuple[Placed, ...]:
        self.ping()
        return tuple(row for row in self.rows if row.entry.fields().get("request_id") == request_id)

    def find_response(self, response_id: str) -> tuple[Placed, ...]:
        self.ping()
        calls = (row for row in self.rows if row.entry.kind in {"call", "attempt"})
        return tuple(row for row in calls if row.entry.call().response_id == response_id)

    def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        self.ping()
        spending.check(query)
        groups: dict[tuple[str | None, ...], list[int]] = {}
        for entry in (row.entry for row in self.rows):
            if entry.kind not in {"call", "attempt"} or not query.since <= entry.occurred_at < query.until:
                continue
            if any(not value or _value(entry, name) != indexed(value) for name, value in query.where.items()):
                continue
            sums = groups.setdefault(tuple(_value(entry, name) for name in query.by), [0] * len(FIGURES))
            sums[:] = [sum(pair) for pair in zip(sums, _figures(entry), strict=True)]
        rows = [SpendRow(group=group, **dict(zip(FIGURES, sums, strict=True))) for group, sums in groups.items()]
        return tuple(sorted(rows, key=lambda row: (-row.billed_cost, [(v is None, v or "") for v in row.group])))

    def conflicts(self) -> tuple[Entry, ...]:
        self.ping()
        return tuple(self._conflicts.values())

    def verify(self, progress: Callable[[int], None] | None = None, *, anchor: str | None = None) -> Verification:
        with self._lock:
            self.ping()
            walk = Walk(msgspec.structs.replace(self._heads), anchor)
            rows = [self._row(row) for row in self.rows]
        walk.over(rows, progress)
        walk.close()
        return walk.verdict()

    def remove(self, source: str) -> int:
        if source != REMOVABLE:
            raise ValueError(f"entries of {source!r} stay for ever; only those of {REMOVABLE!r} may be removed")
        with self._lock:
            self.ping()
            kept = [row for row in self.rows if row.entry.source != source]
            gone, self.rows = len(self.rows) - len(kept), kept
            self._known = {row.entry.id: self._known[row.entry.id] for row in kept}
            self._conflicts = {key: entry for key, entry in self._conflicts.items() if entry.source != source}
            self._heads.forget_removable()
            return gone

    def ping(self) -> None:
        if self.down is not None:
            raise LedgerDown(self.down)

    def close(self) -> None:
        self.down = "The ledger is closed."

    def _row(self, row: Placed) -> Row:
        at, posting = row.position, self._known[row.entry.id]
        fields = (posting.id, posting.kind, posting.occurred_at, posting.recorded_at, posting.source, posting.corrects)
        derived = derived_as_kept(posting.kind, posting.source, posting.body.encode())
        assert derived is not None
        return Row(derived, at, *fields, posting.body, posting.payload_hash, self._links[at])


def _in_utc(entry: Entry) -> Entry:
    times = {"occurred_at": entry.occurred_at.astimezone(UTC), "recorded_at": entry.recorded_at.astimezone(UTC)}
    return msgspec.structs.replace(entry, **times)


def _value(entry: Entry, name: str) -> str | None:
    """Give an entry's value in a dimension."""
    if name == "day":
        return entry.occurred_at.date().isoformat()
    if name == "source":
        return entry.source
    call = entry.call()
    said: Any = getattr(call, name) if name in CALL_FIELDS else call.tags.get(name)
    return indexed(said)


def _figures(entry: Entry) -> tuple[int, ...]:
    """Give what an entry adds to each of FIGURES."""
    call = entry.call()
    usage, cost = call.usage, call.billed_cost
    return (
        int(entry.kind == "call"),
        cost or 0,
        int(cost is None),
        (cost or 0) if call.cost_source == "estimated" else 0,
        usage.input_tokens if usage else 0,
        usage.output_tokens if usage else 0,
        usage.cache_read_input_tokens if usage else 0,
        usage.cache_creation_input_tokens if usage else 0,
        usage.reasoning_output_tokens if usage else 0,
    )
