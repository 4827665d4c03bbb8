"""The meter of a streamed answer: whole events pass, the last with usage waits for its cost."""

from enum import IntEnum
from typing import Protocol

from gateway.providers.answer import Malformed
from gateway.providers.provider import Ending, Reading
from gateway.providers.sse import Splitter, data_of, plain_data
from policies.money import NanoUsd


class Step(IntEnum):
    """What an event means for the client's bytes."""

    CONTENT = 0
    """Goes on at once, and so does whatever was held: the usage before it was not the last."""
    USAGE = 1
    """Carries usage: held until the next content shows that it was not the last, or until the end."""
    HIDDEN = 2
    """Was not asked for by the client."""
    ASIDE = 3
    """Says nothing of its own: goes on, or waits behind what is held."""
    LAST = 4
    """The answer's own end: held."""
    FINAL = 5
    """Carries usage and is the answer's own end."""


_CONTENT = Step.CONTENT


class EventReader(Protocol):
    """Reads the events of one dialect."""

    def take(self, data: bytes) -> Step:
        """Read one event's data; raises Malformed when it is not JSON, and for nothing else."""
        ...

    def reading(self) -> Reading:
        """Give what is known now."""
        ...

    def complete(self) -> bool:
        """Say whether the answer may end here."""
        ...

    def priced(self, event: bytes, cost: NanoUsd) -> bytes:
        """Give the event that carries the usage with the cost written into it."""
        ...


class StreamMeter:
    """Meters a stream: a Meter for any dialect, by its event reader."""

    def __init__(self, reader: EventReader, splitter: Splitter) -> None:
        """Start before the first byte."""
        self.ended = False
        self._reader = reader
        self._splitter = splitter
        self._held: list[bytes] = []
        self._usage_at: int | None = None
        self._fault: Ending | None = None

    def feed(self, piece: bytes) -> bytes:
        """Take bytes from upstream; give whole events that the client may have now."""
        if self._fault is not None:
            return b""
        splitter = self._splitter
        if not (splitter.tail or self._held or self.ended) and (data := plain_data(piece)):
            # The common piece is one event, and goes on as the object it came in.
            try:
                step = self._reader.take(data)
            except Malformed:
                self._fault, self.ended = "malformed", True
                return b""
            return piece if step is _CONTENT else self._pass_alone(step, piece)
        out: list[bytes] = []
        for event in splitter.push(piece):
            if not self._pass(event, out):
                self.ended = True
                return b"".join(out)
        if splitter.too_large:
            self._fault = "too_large"
            self.ended = True
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> None:
        """Read what is left as an event if it is one: some servers leave out the last empty line."""
        tail = bytes(self._splitter.tail)
        if self._fault is None and tail:
            self._finish_with(tail)
        self.ended = True

    def _finish_with(self, tail: bytes) -> None:
        """Read the last bytes as an event, if they are one."""
        out: list[bytes] = []
        self._splitter.tail.clear()
        if not self._pass(tail, out):
            # A cut, not a fault: the event would have gone on.
            self._fault = "truncated"
            return
        self._held[:0] = out
        if self._usage_at is not None:
            self._usage_at += len(out)

    def reading(self) -> Reading:
        """Give what is known now."""
        return self._reader.reading()

    def ending(self) -> Ending:
        """Say how the answer ended, or how it would if it ended now."""
        if self._fault is not None:
            return self._fault
        return "complete" if self._reader.complete() else "truncated"

    def close(self, cost: NanoUsd | None) -> bytes:
        """Give what was held back, once, with the cost in the event that carries the usage."""
        held, self._held = self._held, []
        if cost is not None and self._usage_at is not None and held:
            held[self._usage_at] = self._reader.priced(held[self._usage_at], cost)
        return b"".join(held)

    def _pass(self, event: bytes, out: list[bytes]) -> bool:
        """Read one event and put it where it belongs; False when the stream can't be read any further."""
        if self.ended:
            self._held.append(event)
            return True
        data = data_of(event)
        try:
            step = Step.ASIDE if not data else self._reader.take(data)
        except Malformed:
            self._fault = "malformed"
            return False
        if step is Step.CONTENT:
            if self._held:
                self._release(out)
            out.append(event)
            return True
        self._pass_aside(step, event, out)
        return True

    def _pass_alone(self, step: Step, event: bytes) -> bytes:
        """Put away one event; give what of it goes on."""
        out: list[bytes] = []
        self._pass_aside(step, event, out)
        return b"".join(out)

    def _pass_aside(self, step: Step, event: bytes, out: list[bytes]) -> None:
        """Put away an event that is not plain content."""
        if step is Step.HIDDEN:
            return
        if step in {Step.USAGE, Step.FINAL}:
            self._release(out)
            self._usage_at = 0
        if step in {Step.LAST, Step.FINAL}:
            self.ended = True
        if self._held or step is not Step.ASIDE:
            self._held.append(event)
        else:
            out.append(event)

    def _release(self, out: list[bytes]) -> None:
        """Let go what was held."""
        out.extend(self._held)
        self._held.clear()
        self._usage_at = None
