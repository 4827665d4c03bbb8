"""A fast mock provider in its own process: three dialects, faults on demand, and a bill of its own.

    python -m tests.fakes.provider [--port 0] [--seed N] [--rates JSON] [--faults JSON] [--bill-file PATH]

prints its port on one line. `GET /bill` gives every row as JSON, `DELETE /bill` forgets them.
"""

import argparse
import asyncio
import gc
import json
import re
import signal
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from tests.fakes import provider_answers as answers
from tests.fakes import provider_http as http
from tests.fakes.provider_bill import NOTHING, RATES_DEFAULT, Bill, Row, Tokens
from tests.fakes.provider_spec import STATUS_FAULTS, Asked, Faults, Spec, read

_GEMINI = re.compile(r"/v1(?:beta)?/models/([^/:?]+):(generateContent|streamGenerateContent)(?:\?.*)?")
_GOLDEN = 0.618033988749895
_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"


@dataclass(slots=True)
class Call:
    """One request being answered."""

    number: int
    asked: Asked
    spec: Spec
    request_id: str | None
    mock_id: str | None
    billed: bool = False
    sent: int = 0


class Provider:
    """What all connections share: the bill and the faults."""

    def __init__(self, bill: Bill, faults: Faults) -> None:
        self.bill = bill
        self.faults = faults
        self.calls = 0

    def call(self, request: http.Request) -> Call:
        """Read `request`; raises ValueError or AssertionError for what no provider would take."""
        self.calls += 1
        asked = _asked(request)
        spec = self.faults.applied(asked, self.calls)
        mock_id = request.text(b"x-mock-id") or asked.mock_id
        return Call(self.calls, asked, spec, request.text(b"x-request-id"), mock_id)

    def charge(self, call: Call, tokens: Tokens, outcome: str, *, usage_sent: bool, status: int = 200) -> None:
        """Book `call` once; what comes later changes nothing."""
        if call.billed:
            return
        call.billed = True
        asked = call.asked
        prefix = {"openai": "chatcmpl-", "anthropic": "msg_", "gemini": ""}[asked.dialect]
        self.bill.add(
            Row(
                number=call.number,
                request_id=call.request_id,
                mock_id=call.mock_id,
                response_id=f"{prefix}{call.number:012d}",
                dialect=asked.dialect,
                model=asked.model,
                streamed=asked.streamed,
                status=status,
                outcome=outcome,
                usage_sent=usage_sent,
                tokens=tokens,
            )
        )


class Connection(asyncio.Protocol):
    """One client connection: requests are answered one after another, in order."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._buffer = bytearray()
        self._call: Call | None = None
        self._frames: answers.Answer | None = None
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports do not descend from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._call is None:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        call = self._call
        if call is not None and not call.billed:
            # A whole answer is generated to its end whoever listens; a stream stops where the client left.
            tokens = call.spec.tokens
            if call.asked.streamed:
                tokens = tokens.after(call.sent, call.spec.chunks)
            outcome = "stall" if call.spec.fault == "stall" else "client_left"
            self._provider.charge(call, tokens, outcome, usage_sent=False)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._frames is not None and self._timer is None:
            self._stream()

    def _next(self) -> None:
        while self._call is None and self._buffer and not self._transport.is_closing():
            try:
                request = http.take(self._buffer)
            except http.BadMessage as error:
                self._refuse_message(str(error))
                return
            if request is None:
                return
            self._serve(request)

    def _refuse_message(self, why: str) -> None:
        body = json.dumps({"error": {"message": why, "type": "invalid_request_error"}}).encode()
        extra = b"connection: close\r\n"
        self._transport.write(http.head(400, _JSON, 0, length=len(body), extra=extra) + body)
        self._transport.close()

    def _serve(self, request: http.Request) -> None:
        bill = self._provider.bill
        if request.target == b"/bill":
            if request.method == b"DELETE":
                bill.clear()
            body = bill.as_json()
            self._transport.write(http.head(200, _JSON, 0, length=len(body)) + body)
            return
        try:
            call = self._provider.call(request)
        except (msgspec.DecodeError, ValueError, AssertionError, TypeError) as error:
            self._refuse_message(f"{type(error).__name__}: {error}")
            return
        self._call = call
        if call.spec.first_byte_ms:
            self._timer = self._loop.call_later(call.spec.first_byte_ms / 1000, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        self._timer = None
        call = self._call
        assert call is not None
        fault = call.spec.fault
        if fault in STATUS_FAULTS:
            self._status(call, int(fault or 0))
        elif fault == "reset_before_head":
            self._provider.charge(call, NOTHING, fault, usage_sent=False, status=0)
            self._reset()
        elif fault == "lost_answer":
            self._provider.charge(call, call.spec.tokens, fault, usage_sent=False, status=0)
            self._reset()
        elif call.asked.streamed:
            self._open_stream(call)
        else:
            self._whole(call)

    def _status(self, call: Call, status: int) -> None:
        self._provider.charge(call, NOTHING, str(status), usage_sent=False, status=status)
        body = answers.error(call.asked.dialect, status)
        extra = b"" if status == 500 else b"retry-after: 1\r\n"
        self._transport.write(http.head(status, _JSON, call.number, length=len(body), extra=extra) + body)
        self._done()

    def _whole(self, call: Call) -> None:
        fault = call.spec.fault
        if fault == "stall":
            return
        body = answers.whole(call.asked.dialect, call.asked.model, _plain(call.spec), fault != "no_usage")
        body = body.replace(answers.ID_PLACE, b"%012d" % call.number)
        if fault == "malformed_frame":
            body = body[:-2] + b",}"
        head = http.head(200, _JSON, call.number, length=len(body))
        cut = fault in ("reset_mid", "eof_mid", "eof_no_done")
        usage_sent = not cut and fault not in ("no_usage", "malformed_frame") and not self._transport.is_closing()
        self._provider.charge(call, call.spec.tokens, fault or "complete", usage_sent=usage_sent)
        if cut:
            self._transport.write(head + body[: len(body) // 2])
            self._cut(call)
        else:
            self._transport.write(head + body)
            self._done()

    def _open_stream(self, call: Call) -> None:
        usage = call.asked.include_usage and call.spec.fault != "no_usage"
        frames = answers.streamed(call.asked.dialect, call.asked.model, _plain(call.spec), usage)
        self._frames = frames
        self._transport.write(http.head(200, _EVENTS, call.number, length=None, extra=b"cache-control: no-cache\r\n"))
        if frames.opening:
            self._write(call, frames.opening)
        self._stream()

    def _stream(self) -> None:
        """Send pieces until it is time to wait, to fail or to close."""
        self._timer = None
        call, frames = self._call, self._frames
        assert call is not None
        assert frames is not None
        spec = call.spec
        while call.sent < spec.chunks and not self._paused:
            if spec.fault is not None and call.sent == spec.strikes_after and self._struck(call):
                return
            self._write(call, frames.pieces[call.sent])
            call.sent += 1
            if spec.chunk_delay_ms:
                # Streams that begin together must not stay in step: that would spare a gateway wake-ups.
                phase = call.number * _GOLDEN % 1 if call.sent == 1 else 0
                self._timer = self._loop.call_later((1 + phase) * spec.chunk_delay_ms / 1000, self._stream)
                return
        if call.sent == spec.chunks and not self._paused:
            self._close_stream(call, frames)

    def _struck(self, call: Call) -> bool:
        """Do what the fault does in the middle of a stream; true when nothing more is sent."""
        fault = call.spec.fault
        if fault == "malformed_frame":
            self._write(call, b'data: {"id":"broken","choices":[{"delta":\n\n')
        if fault in ("reset_mid", "eof_mid"):
            self._provider.charge(call, call.spec.tokens.after(call.sent, call.spec.chunks), fault, usage_sent=False)
            self._cut(call)
        return fault in ("reset_mid", "eof_mid", "stall")

    def _close_stream(self, call: Call, frames: answers.Answer) -> None:
        fault = call.spec.fault
        if fault is not None and call.spec.strikes_after == call.spec.chunks and self._struck(call):
            return
        # Gemini's usage and its last event are one frame: without the mark there is no usage.
        marked = fault != "eof_no_done" or frames.closing != frames.end
        usage_sent = frames.usage_inside and marked and not self._transport.is_closing()
        self._provider.charge(call, call.spec.tokens, fault or "complete", usage_sent=usage_sent)
        if fault == "eof_no_done":
            self._write(call, frames.closing.removesuffix(frames.end))
            self._transport.close()
            return
        closing = frames.closing.replace(answers.ID_PLACE, b"%012d" % call.number)
        self._transport.write(http.chunk(closing) + b"0\r\n\r\n")
        self._done()

    def _write(self, call: Call, frame: bytes) -> None:
        if frame:
            self._transport.write(http.chunk(frame.replace(answers.ID_PLACE, b"%012d" % call.number)))

    def _cut(self, call: Call) -> None:
        if call.spec.fault == "reset_mid":
            # The reset overtakes what the client has not read: wait until it had a chance to.
            self._timer = self._loop.call_later(0.02, self._reset)
        else:
            self._transport.close()

    def _reset(self) -> None:
        linger_zero = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
        self._transport.abort()

    def _done(self) -> None:
        self._call = None
        self._frames = None
        if self._buffer:
            self._loop.call_soon(self._next)


def _plain(spec: Spec) -> Spec:
    """Drop what does not change the bytes, so that prepared answers are found again."""
    if spec.fault is None and not spec.chunk_delay_ms and not spec.first_byte_ms:
        return spec
    return Spec(
        input=spec.input,
        output=spec.output,
        cached=spec.cached,
        cache_write=spec.cache_write,
        reasoning=spec.reasoning,
        chunks=spec.chunks,
        text_bytes=spec.text_bytes,
    )


def _asked(request: http.Request) -> Asked:
    if request.method == b"POST":
        target = request.target
        if target == b"/v1/chat/completions":
            return read("openai", None, request.body)
        if target.partition(b"?")[0] == b"/v1/messages":
            return read("anthropic", None, request.body)
        found = _GEMINI.fullmatch(target.decode())
        if found is not None:
            return read("gemini", found[1], request.body, streamed=found[2] == "streamGenerateContent")
    raise ValueError(f"no such route: {request.method.decode()} {request.target.decode()}")


async def serve(port: int, provider: Provider) -> None:
    """Serve until SIGTERM or SIGINT; the port is printed once it accepts."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopped.set)
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", port, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stopped.wait()
    server.close()


def _json_or_file(text: str) -> dict[str, dict[str, int]]:
    loaded = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text())
    assert isinstance(loaded, dict)
    return loaded


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rates", default=json.dumps(RATES_DEFAULT), help="nano-USD per million tokens")
    parser.add_argument("--faults", default="{}", help='for example {"rate": 0.1, "kinds": ["429", "reset_mid"]}')
    parser.add_argument("--bill-file", default=None)
    parser.add_argument("--no-bill", action="store_true", help="count calls only: for benchmarks")
    args = parser.parse_args()
    bill = Bill(_json_or_file(args.rates), args.bill_file, kept=not args.no_bill)
    provider = Provider(bill, Faults(args.seed, dict(_json_or_file(args.faults))))
    # Prepared answers live for ever and rows are strings: a full collection would only add pauses.
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(args.port, provider))


if __name__ == "__main__":
    main()
