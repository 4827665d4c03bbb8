"""A ledger in memory, true to the port: immutable rows, positions by commit, conflicts kept apart."""

from gateway.ledger.entry import Appended, Entry, Placed, SpendQuery, SpendRow, Verification


class MemoryLedger:
    def __init__(self) -> None:
        self.rows: list[Placed] = []
        self._by_id: dict[str, Entry] = {}
        self._conflicts: list[Entry] = []
        self._last = 0

    def append(self, entries: tuple[Entry, ...]) -> Appended:
        added, duplicates, conflicts = 0, 0, []
        for entry in entries:
            known = self._by_id.get(entry.id)
            if known is None:
                self._last += 1
                self._by_id[entry.id] = entry
                self.rows.append(Placed(self._last, entry))
                added += 1
            elif bytes(known.body) == bytes(entry.body) and known.kind == entry.kind:
                duplicates += 1
            else:
                self._conflicts.append(entry)
                conflicts.append(entry.id)
        return Appended(added, duplicates, tuple(conflicts))

    def entries(self, *, after: int = 0, kinds: tuple[str, ...] = (), limit: int = 1000) -> tuple[Placed, ...]:
        fitting = (row for row in self.rows if row.position > after and (not kinds or row.entry.kind in kinds))
        return tuple(row for row, _ in zip(fitting, range(limit), strict=False))

    def find(self, request_id: str) -> tuple[Placed, ...]:
        calls = (row for row in self.rows if row.entry.kind in {"call", "attempt"})
        return tuple(row for row in calls if row.entry.call().request_id == request_id)

    def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        groups: dict[tuple[str | None, ...], list[int]] = {}
        for row in self.rows:
            if row.entry.kind not in {"call", "attempt"} or not query.since <= row.entry.occurred_at < query.until:
                continue
            call = row.entry.call()

            def of(name: str, call=call, row=row) -> str | None:
                if name == "day":
                    return row.entry.occurred_at.date().isoformat()
                return row.entry.source if name == "source" else getattr(call, name, None) or call.tags.get(name)

            if any(of(name) != value for name, value in query.where.items()):
                continue
            sums = groups.setdefault(tuple(of(name) for name in query.by), [0] * 9)
            usage, known = call.usage, call.billed_cost is not None
            figures = (
                1,
                call.billed_cost or 0,
                0 if known else 1,
                (call.billed_cost or 0) if call.cost_source == "estimated" else 0,
                usage.input_tokens if usage else 0,
                usage.output_tokens if usage else 0,
                usage.cache_read_input_tokens if usage else 0,
                usage.cache_creation_input_tokens if usage else 0,
                usage.reasoning_output_tokens if usage else 0,
            )
            sums[:] = [a + b for a, b in zip(sums, figures, strict=True)]
        rows = [_row(group, sums) for group, sums in groups.items()]
        return tuple(sorted(rows, key=lambda row: -row.billed_cost))

    def conflicts(self) -> tuple[Entry, ...]:
        return tuple(self._conflicts)

    def verify(self) -> Verification:
        return Verification(entries=len(self.rows), intact=True, head="")

    def remove(self, source: str) -> int:
        assert source == "demo"
        kept = [row for row in self.rows if row.entry.source != source]
        gone, self.rows = len(self.rows) - len(kept), kept
        self._by_id = {row.entry.id: row.entry for row in kept}
        return gone

    def close(self) -> None:
        return None


def _row(group: tuple[str | None, ...], sums: list[int]) -> SpendRow:
    names = ("calls", "billed_cost", "unknown_calls", "estimated_cost", "input_tokens", "output_tokens",
             "cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_output_tokens")  # fmt: skip
    return SpendRow(group=group, **dict(zip(names, sums, strict=True)))
