"""Metrics and the log line of a call, both made from its entry and from nothing else."""

import re
from collections import deque
from collections.abc import Callable
from typing import TextIO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.ledger.entry import Call

SERIES_MAX = 2_000
"""Label sets of one metric; the rest are counted as "other", so that no client can make the page grow (T55)."""

LINES_MAX = 10_000
"""Log lines that wait to be written; past it the oldest are dropped and counted, and no call waits for a log."""

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOKEN_TYPES = ("input", "output", "cache_read_input", "cache_creation_input", "reasoning_output")

Labels = tuple[str, str, str, str]


class Recorder:
    """Counts calls and keeps their log lines until `flush`. `known` says whether a label's value is ours or made up."""

    def __init__(self, registry: CollectorRegistry, known: Callable[[str, str], bool], *, log_calls: bool) -> None:
        """Register the metrics."""
        names = ("team", "provider_name", "request_model", "outcome")
        self._calls = Counter("weighbridge_calls", "Calls that ended", names, registry=registry)
        self._cost = Counter("weighbridge_billed_cost_usd", "Known cost of calls", names, registry=registry)
        self._unknown = Counter("weighbridge_cost_unknown_calls", "Calls of unknown cost", names, registry=registry)
        self._tokens = Counter("weighbridge_tokens", "Tokens used", ("team", "provider_name", "request_model", "type"),
                               registry=registry)  # fmt: skip
        self._seconds = Histogram("weighbridge_call_duration_seconds", "Time of a call", ("provider_name",),
                                  buckets=SECONDS, registry=registry)  # fmt: skip
        self._refused = Counter("weighbridge_refusals", "Requests refused", ("code",), registry=registry)
        self._dropped = Counter("weighbridge_log_lines_dropped", "Log lines dropped", registry=registry)
        self._known = known
        self._log_calls = log_calls
        self._bound: dict[Labels, _Bound] = {}
        self._lines: deque[bytes] = deque()

    def record(self, call: Call, body: msgspec.Raw) -> None:
        """Count one call and keep its line; `body` is the call as it was journaled."""
        labels = self._labels(call)
        bound = self._bound.get(labels)
        if bound is None:
            bound = self._bound[labels] = self._bind(labels)
        bound.seconds.observe(call.duration_ms / 1000)
        bound.count(call)
        if self._log_calls:
            # Never a key, a prompt or an answer: an entry holds none.
            self._keep(b'{"event":"call_settled",' + memoryview(body)[1:])

    def publish(self) -> None:
        """Show what was counted since the last time: one look at each label set instead of one at each call."""
        for bound in self._bound.values():
            bound.publish()

    def refused(self, code: str, request_id: str, path: str) -> None:
        """Count a request that was refused before it was admitted."""
        self._refused.labels(code).inc()
        if self._log_calls:
            # Somebody may have put a key where the route should be (T17).
            shown = _KEY_LIKE.sub("***", path[:256])
            self._keep(_encode({"event": "call_refused", "code": code, "request_id": request_id, "path": shown}))

    def flush(self, out: TextIO) -> None:
        """Write the waiting lines. May block on `out`: run it off the event loop."""
        lines, self._lines = self._lines, deque()
        if lines:
            out.write(b"\n".join(lines).decode() + "\n")
            out.flush()

    @property
    def waiting(self) -> int:
        """Give the number of lines not written yet."""
        return len(self._lines)

    def _keep(self, line: bytes) -> None:
        if len(self._lines) >= LINES_MAX:
            self._lines.popleft()
            self._dropped.inc()
        self._lines.append(line)

    def _labels(self, call: Call) -> Labels:
        team = call.tags.get("team", "")
        outcome = call.state if call.status < 400 else f"{call.status // 100}xx"
        labels = (team, call.provider_name, call.request_model, outcome)
        if labels in self._bound:
            return labels
        team = team if not team or self._known("team", team) else "other"
        model = call.request_model if self._known("request_model", call.request_model) else "other"
        labels = (team, call.provider_name, model, outcome)
        return labels if len(self._bound) < SERIES_MAX else ("other", "other", "other", "other")

    def _bind(self, labels: Labels) -> "_Bound":
        tokens = tuple(self._tokens.labels(*labels[:3], kind) for kind in TOKEN_TYPES)
        shown = (self._calls.labels(*labels), self._cost.labels(*labels), self._unknown.labels(*labels), *tokens)
        return _Bound(shown, self._seconds.labels(labels[1]))


class _Bound:
    """What one label set counted and has not shown yet: whole numbers, money in nano-dollars."""

    __slots__ = ("_counts", "_shown", "seconds")

    def __init__(self, shown: tuple[Counter, ...], seconds: Histogram) -> None:
        """Begin at zero; `shown` are the counters in the order of `_counts`."""
        self.seconds = seconds
        self._shown = shown
        self._counts = [0] * len(shown)

    def count(self, call: Call) -> None:
        """Count one call."""
        counts, usage = self._counts, call.usage
        counts[0] += 1
        if call.billed_cost is None:
            counts[2] += 1
        else:
            counts[1] += call.billed_cost
        if usage is not None:
            counts[3] += usage.input_tokens
            counts[4] += usage.output_tokens
            counts[5] += usage.cache_read_input_tokens
            counts[6] += usage.cache_creation_input_tokens
            counts[7] += usage.reasoning_output_tokens

    def publish(self) -> None:
        """Show the counts and begin again."""
        counts, self._counts = self._counts, [0] * len(self._shown)
        for place, (counter, count) in enumerate(zip(self._shown, counts, strict=True)):
            if count:
                # Prometheus counts in floats: good for trends and alerts. Money is added up in the ledger only.
                counter.inc(count / 10**9 if place == 1 else count)


_KEY_LIKE = re.compile(r"[A-Za-z0-9_-]{32,}")
_encode = msgspec.json.Encoder().encode
