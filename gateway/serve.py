"""One worker process: it takes requests until it is told to stop, then ends them well.

python -m gateway.serve [--config FILE] [--worker N] [--fd N]
"""

import argparse
import asyncio
import gc
import json
import logging
import math
import resource
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop

from gateway.app import build, running
from gateway.house import House
from gateway.ingress import Ingress
from gateway.journal.journal import JournalUnusable
from gateway.ledger.errors import BadLedger, LedgerDown
from gateway.reload import reloaded
from gateway.settings import BadSettings, Settings
from gateway.settings_file import read_settings
from gateway.wire import CONNECTIONS_MAX, Wire, leave_all

STOP_S = 25
"""Calls under way may take this long to end after SIGTERM: less than the 30 s Kubernetes gives by default."""

LAST_WORDS_S = 2.0
"""A client has this long to take what it is told when its call is cut short."""

KEEP_ALIVE_S = 75
"""Longer than the 60 s that load balancers keep a connection, so that it is they who close it."""

FILES_KEPT = 96
"""Descriptors for the journal, the ledger, threads' wake-ups and the management API."""

EX_CONFIG = 78
EX_TEMPFAIL = 75
"""Exit codes of sysexits.h: a person must act; or another start may do."""

GC_THRESHOLD = 20_000
"""Objects made before the young are looked at: a request makes a few hundred, nearly none in a circle."""

SWITCH_S = 0.0005
"""A thread that ships entries gives the interpreter back to calls after this time; Python's own 5 ms would be the
longest part of a call."""

log = logging.getLogger("weighbridge.serve")


class Server(uvicorn.Server):
    """uvicorn's server, which tells the house at once that it is to stop."""

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        """Serve for `house`."""
        super().__init__(config)
        self._house = house

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Take no more requests; a second signal ends what is still under way (F58)."""
        again, self._house.draining = self._house.draining, True
        if again:
            self.force_exit = True
            for task in tuple(self.server_state.tasks):
                task.cancel()
        # Not uvicorn's own way, which raises the signal again at the end: a well-ended process exits with 0.
        self.should_exit = True


async def serve(house: House, app: Ingress, sock: socket.socket, worker: int) -> None:
    """Serve on `sock` until a signal; on return every call has ended and is booked."""
    config = uvicorn.Config(
        app,
        http=Wire,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        limit_concurrency=connections_max(),
        timeout_graceful_shutdown=min(STOP_S, math.ceil(house.settings.drain_timeout_s)),
        backlog=2048,
    )
    server = Server(config, house)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloaded, house)
    async with running(house, worker):
        log.info("worker_ready", extra={"listen": f"{house.settings.host}:{sock.getsockname()[1]}"})
        # What uvicorn puts back at its end: a signal that comes while the last entries are written changes nothing.
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, signal.SIG_IGN)
        await server.serve(sockets=[sock])
        # Calls cut short at the end of the drain still write their entries and tell their clients, but a client that
        # takes nothing is not waited for.
        tasks = tuple(server.server_state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_WORDS_S)
            leave_all()
            await asyncio.gather(*tasks, return_exceptions=True)


def connections_max() -> int:
    """Raise this process's limit of open files as far as it may be, and give how many clients that is enough for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS_MAX + FILES_KEPT
    files = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    # One descriptor for the client, one for its provider: past that a connection would fail at a worse moment (F60).
    return max(1, (files - FILES_KEPT) // 2)


def listening(settings: Settings) -> socket.socket:
    """Give a socket bound to the settings' address; raises BadSettings when it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
    except OSError as error:
        sock.close()
        raise BadSettings(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Stop what listens there, or set another [server] port."
        ) from error
    sock.listen(2048)
    return sock


def main() -> None:
    """Read the command line and serve; exits with 78 when the settings cannot be used."""
    parser = argparse.ArgumentParser(description="One worker of the gateway.")
    parser.add_argument("--config", type=Path, default=None, help="weighbridge.toml")
    parser.add_argument("--worker", type=int, default=0, help="its number; each keeps a journal of its own")
    parser.add_argument("--fd", type=int, default=None, help="a listening socket to inherit")
    args = parser.parse_args()
    log_to_stderr()
    try:
        settings = read_settings(args.config)
        house, app = build(settings, args.worker)
        sock = listening(settings) if args.fd is None else socket.socket(fileno=args.fd)
    except (BadSettings, BadLedger, JournalUnusable, OSError) as error:
        sys.stderr.write(f"weighbridge: {error}\n")
        sys.exit(EX_CONFIG)
    except LedgerDown as error:
        sys.stderr.write(f"weighbridge: {error} The start is tried again.\n")
        sys.exit(EX_TEMPFAIL)
    # What the start made lives to the end: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(house, app, sock, args.worker))


class JsonLines(logging.Formatter):
    """Writes each record as one JSON object: no client's text can begin a line of its own (T56)."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line."""
        fields = {key: value for key, value in vars(record).items() if key not in _RECORD}
        line = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name, **fields}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def log_to_stderr() -> None:
    """Send every log record to standard error as JSON; calls' own lines go to standard output."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
