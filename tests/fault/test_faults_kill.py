"""kill -9 at any moment, over and over: no answered call is lost, and each that began has exactly one end.

The provider keeps a bill of its own; what it bills and what the ledger holds are compared call by call.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
import urllib.error
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from gateway.journal.frame import ENDED, INTENT, Frame, frames
from gateway.journal.record import Ended
from gateway.ledger.entry import Call, Intent
from tests.e2e.running import RunningGateway, children, until
from tests.fakes.mock import MODELS, MockProvider, chat, providers
from tests.fakes.provider_spec import note

CLIENTS = 6
RATES = {"gpt-4o-mini": (150, 75, 600), "claude-sonnet-4-5": (3000, 300, 15000), "gemini-2.5-flash": (300, 30, 2500)}
"""Nano-dollars for a token of input, of cached input and of output."""


@dataclass
class Clients:
    """Threads that call without end; `answered` are the requests whose answer came whole, to its last byte."""

    gateway: RunningGateway
    key: str
    seed: int
    answered: list[str] = field(default_factory=list)
    cut: int = 0
    stopping: bool = False
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def _run(self, number: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        while not self.stopping:
            try:
                self._call(chance)
            except (OSError, http.client.HTTPException, urllib.error.URLError):
                self.cut += 1
                time.sleep(0.01)

    def _call(self, chance: random.Random) -> None:
        path, body, mark = question(chance)
        answer = self.gateway.post(path, body, self.key)
        if answer.status == 200:
            assert mark in answer.body, answer.body[-300:]
            self.answered.append(answer.headers["x-request-id"])
        else:
            assert answer.status == 503, answer


def question(chance: random.Random) -> tuple[str, dict[str, object], bytes]:
    """Give a request of any dialect, whole or streamed, and what its whole answer holds."""
    spec = note(
        input=chance.randint(1, 500), output=chance.randint(1, 90), chunks=chance.randint(1, 8), text_bytes=200,
        chunk_delay_ms=chance.choice((0, 0, 3, 10)), first_byte_ms=chance.choice((0, 0, 5, 20)),
    )  # fmt: skip
    streamed = chance.random() < 0.6
    match chance.choice(("openai", "openai", "anthropic", "gemini")):
        case "openai":
            more = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
            return "/v1/chat/completions", chat(spec, max_tokens=100, **more), b"[DONE]" if streamed else b"usage"
        case "anthropic":
            body = {"model": MODELS["messages"], "max_tokens": 100, "messages": [{"role": "user", "content": spec}]}
            more = {"stream": True} if streamed else {}
            return "/v1/messages", body | more, b"message_stop" if streamed else b"usage"
    verb = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    content = {"contents": [{"parts": [{"text": spec}]}], "generationConfig": {"maxOutputTokens": 100}}
    return f"/v1beta/models/{MODELS['gemini']}:{verb}", content, b"usageMetadata"


def kill_worker(gateway: RunningGateway) -> None:
    """Kill the worker that takes requests now, as soon as there is one."""
    assert gateway.process is not None
    parent = gateway.process.pid

    def killed() -> bool:
        # A worker that ended between the look and the kill is none that takes requests.
        with contextlib.suppress(ValueError, ProcessLookupError):
            (worker,) = children(parent)
            os.kill(worker, signal.SIGKILL)
            return True
        return False

    until(killed, "a worker runs and is killed")


def is_ready(gateway: RunningGateway) -> bool:
    try:
        return gateway.get("/readyz").status == 200
    except (OSError, http.client.HTTPException):
        return False


def owed(row: dict[str, object]) -> int:
    """Give what the provider bills for a row."""
    fresh, cached, out = RATES[str(row["model"])]
    tokens = {name: int(str(row[f"{name}_tokens"])) for name in ("input", "cached", "output")}
    return (tokens["input"] - tokens["cached"]) * fresh + tokens["cached"] * cached + tokens["output"] * out


def journaled(data: Path) -> tuple[Counter[str], Counter[str]]:
    """Give how often each request begins and ends in the journal; a record that was written again counts once."""
    begun: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    seen: set[int] = set()
    for segment in sorted((data / "journal" / "0").glob("*.seg")):
        for frame in frames(segment.read_bytes()):
            if not isinstance(frame, Frame) or frame.sequence in seen:
                continue
            if frame.kind == INTENT:
                begun[msgspec.json.decode(frame.payload, type=Intent).request_id] += 1
            elif frame.kind == ENDED:
                ended[msgspec.json.decode(frame.payload, type=Ended).request_id] += 1
            else:
                continue
            seen.add(frame.sequence)
    return begun, ended


@pytest.mark.parametrize("kills", [30, pytest.param(1000, marks=pytest.mark.heavy)])
def test_G1_G2_F55_killed_at_any_moment_nothing_answered_is_lost_and_all_that_began_has_one_end(
    tmp_path: Path, kills: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance, bill = random.Random(seed), tmp_path / "bill.jsonl"
    mock = MockProvider("--bill-file", str(bill))
    gateway = RunningGateway(
        tmp_path / "gateway", providers(mock.port), module="tests.fault.respawn",
        more="[journal]\nsegment_bytes = 1048576",
    ).start()  # fmt: skip
    try:
        clients = Clients(gateway, gateway.key(team="kill"), seed)
        clients.start()
        try:
            for _ in range(kills):
                time.sleep(chance.uniform(0.0, 0.3))
                kill_worker(gateway)
            until(lambda: is_ready(gateway), "the last one is ready", 20)
        finally:
            clients.stop()
        assert gateway.stop() == 0
        rows = [json.loads(line) for line in bill.read_text().splitlines()]
    finally:
        mock.stop()
        if gateway.process is not None:
            gateway.kill()
    entries = [entry.call() for entry in gateway.entries() if entry.kind == "call"]
    calls = {call.request_id: call for call in entries}
    assert len(calls) == len(entries)
    begun, ended = journaled(gateway.data)
    told = Counter(call.state for call in entries)
    print(
        f"{kills} kills: {len(clients.answered)} calls answered, {clients.cut} cut, {len(begun)} begun, "
        f"{len(ended)} ended, {len(calls)} in the ledger ({dict(told)}), {len(rows)} billed"
    )
    assert len(clients.answered) > kills
    # G1: what was answered is there, to the nano-dollar.
    billed = {str(row["request_id"]): owed(row) for row in rows}
    assert len(billed) == len(rows)
    for request_id in clients.answered:
        assert (calls[request_id].state, calls[request_id].billed_cost) == ("settled", billed[request_id])
    # G2: what began has one end, in the journal and in the ledger, and what was billed is among it.
    assert begun == ended == Counter(call.request_id for call in entries)
    assert billed.keys() <= calls.keys()
    for request_id, call in calls.items():
        assert holds(call, billed.get(request_id, 0)), (call, billed.get(request_id))
    with gateway.ledger() as book:
        assert book.verify().intact


def holds(call: Call, cost: int) -> bool:
    """Say whether an entry is true to what the provider bills."""
    if call.state == "settled":
        return call.billed_cost == cost
    if call.state == "voided":
        return cost == 0
    return call.cost_lower is not None and call.cost_upper is not None and call.cost_lower <= cost <= call.cost_upper
