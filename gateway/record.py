"""Metrics and the log line of a call, both made from its entry and from nothing else."""

from collections import deque
from collections.abc import Callable
from typing import TextIO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.ledger.entry import Call

SERIES_MAX = 2_000
"""Label sets of one metric; the rest are counted as "other", so that no client can make the page grow (T55)."""

LINES_MAX = 10_000
"""Log lines that wait to be written; past it the oldest are dropped and counted, and no call waits for a log."""

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOKEN_TYPES = ("input", "output", "cache_read_input", "cache_creation_input", "reasoning_output")

Labels = tuple[str, str, str, str]


class Line(msgspec.Struct, omit_defaults=True):
    """One call in the log: never a key, a prompt or an answer."""

    event: str
    request_id: str
    state: str
    status: int
    operation: str
    provider_name: str
    request_model: str
    duration_ms: int
    streamed: bool = False
    reason: str | None = None
    team: str | None = None
    initiative: str | None = None
    application: str | None = None
    key_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    billed_cost: int | None = None
    cost_source: str = "computed"
    attempt: int = 0
    flags: tuple[str, ...] = ()


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

    def record(self, call: Call) -> None:
        """Count one call and keep its line."""
        labels = self._labels(call)
        bound = self._bound.get(labels)
        if bound is None:
            bound = self._bound[labels] = self._bind(labels)
        bound.calls.inc()
        bound.seconds.observe(call.duration_ms / 1000)
        if call.billed_cost is None:
            bound.unknown.inc()
        elif call.billed_cost:
            # Prometheus counts in floats: good for trends and alerts. Money is added up in the ledger only.
            bound.cost.inc(call.billed_cost / 10**9)
        usage = call.usage
        if usage is not None:
            counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens,
                      usage.cache_creation_input_tokens, usage.reasoning_output_tokens)  # fmt: skip
            for child, count in zip(bound.tokens, counts, strict=True):
                if count:
                    child.inc(count)
        if self._log_calls:
            self._keep(_encode(_line(call)))

    def refused(self, code: str, request_id: str, path: str) -> None:
        """Count a request that was refused before it was admitted."""
        self._refused.labels(code).inc()
        if self._log_calls:
            self._keep(_encode({"event": "call_refused", "code": code, "request_id": request_id, "path": path[:256]}))

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
        seconds = self._seconds.labels(labels[1])
        return _Bound(self._calls.labels(*labels), self._cost.labels(*labels), self._unknown.labels(*labels),
                      tokens, seconds)  # fmt: skip


class _Bound(msgspec.Struct, frozen=True):
    """Metrics of one label set, found once: finding them costs three times what counting does."""

    calls: Counter
    cost: Counter
    unknown: Counter
    tokens: tuple[Counter, ...]
    seconds: Histogram


def gauges(registry: CollectorRegistry, readings: dict[str, tuple[str, Callable[[], float]]]) -> None:
    """Register figures that are read when the page is asked for: name -> (help, reader)."""
    for name, (text, read) in readings.items():
        Gauge(f"weighbridge_{name}", text, registry=registry).set_function(read)


def _line(call: Call) -> Line:
    usage, tags = call.usage, call.tags
    return Line(
        event="call_settled",
        request_id=call.request_id,
        state=call.state,
        status=call.status,
        operation=call.operation,
        provider_name=call.provider_name,
        request_model=call.request_model,
        duration_ms=call.duration_ms,
        streamed=call.streamed,
        reason=call.reason,
        team=tags.get("team"),
        initiative=tags.get("initiative"),
        application=tags.get("application"),
        key_id=call.key_id,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        billed_cost=call.billed_cost,
        cost_source=call.cost_source,
        attempt=call.attempt,
        flags=call.flags,
    )


_encode = msgspec.json.Encoder().encode
