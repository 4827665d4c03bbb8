"""A whole gateway in processes of its own: started, spoken to, killed, started again, and read through its ledger."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway import clock
from gateway.change_rules import NewKey, NewTeam
from gateway.changes import Changes
from gateway.keys import read_pepper
from gateway.ledger.entry import Call, Entry, Ledger
from gateway.ledger.open import open_ledger
from gateway.records import By
from gateway.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
READY_S = 20.0
STOP_S = 40.0


def free_port() -> int:
    """Give a port of the loopback that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(holds: Callable[[], Any], what: str, within_s: float = 10.0) -> Any:
    """Wait for `holds` to give something true; fails by naming `what` did not come."""
    end = time.monotonic() + within_s
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.02)


@dataclass
class Reply:
    """An answer to a plain request."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningGateway:
    """One gateway below `folder`; `providers` and `more` are TOML, `server` are lines of [server]."""

    folder: Path
    providers: str
    workers: int = 1
    server: str = ""
    more: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    module: str = "gateway.serve"
    ledger_url: str = "sqlite"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_config()
        self.log = self.folder / "gateway.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "weighbridge.toml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def write_config(self) -> None:
        head = f"[server]\nport = {self.port}\npages_port = {free_port()}\nworkers = {self.workers}\n{self.server}\n"
        self.config.write_text(f'{head}\n[data]\ndir = "data"\n\n{self.more}\n\n{self.providers}\n')

    def start(self, *, ready: bool = True) -> "RunningGateway":
        """Start it; several workers under the supervisor, one by itself."""
        assert self.process is None
        run = "from gateway.supervise import Supervisor; from gateway.settings_file import read_settings; import sys; "
        run += "from pathlib import Path; sys.exit(Supervisor(read_settings(Path(sys.argv[1]))).run())"
        command = [sys.executable, "-m", self.module, "--config", str(self.config)]
        if self.workers > 1:
            command = [sys.executable, "-c", run, str(self.config)]
        # In the environment, because such a URL may hold a password and a file must not.
        ledger = {} if self.ledger_url == "sqlite" else {"WEIGHBRIDGE_LEDGER_URL": self.ledger_url}
        environment = os.environ | ledger | self.environment
        said_before = len(self.said())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        _started.append(self)
        if ready:
            self.wait_ready()
            # One worker answers before the others have recovered their journals.
            until(lambda: self.said()[said_before:].count('"worker_ready"') >= self.workers, "all workers", READY_S)
        return self

    def __enter__(self) -> "RunningGateway":
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Leave nothing running, however the test ended."""
        if self.process is not None:
            self.kill()

    def wait_ready(self) -> None:
        def answers() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.said()}")
            try:
                return self.get("/readyz").status == 200
            except OSError:
                return False

        try:
            until(answers, "the gateway is ready", READY_S)
        except AssertionError as error:
            if self.process is not None:
                self.kill()
            raise AssertionError(f"{error}\n{self.said()}") from None

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Stop it well; gives the exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(sign)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def kill(self) -> None:
        """kill -9, the process and its workers."""
        assert self.process is not None
        for pid in (*children(self.process.pid), self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None

    def said(self) -> str:
        """Give what it wrote to its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return self.send("GET", path, None, headers)

    def post(self, path: str, body: object, key: str, headers: dict[str, str] | None = None) -> Reply:
        more = {"content-type": "application/json", "authorization": f"Bearer {key}"} | (headers or {})
        return self.send("POST", path, json.dumps(body).encode(), more)

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None) -> Reply:
        request = urllib.request.Request(self.url + path, data=body, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Open the ledger beside the running gateway."""
        book = open_ledger(self.ledger_url, self.data)
        try:
            yield book
        finally:
            book.close()

    def key(self, **fields: Any) -> str:
        """Make a key, and its team when that is new; a running gateway knows the key once this returns."""
        by = By(actor="test")
        with self.changes() as (changes, registry):
            team = fields.get("team")
            if team and team not in registry.teams:
                changes.create_team(NewTeam(id=team), by=by, now=clock.now())
            principal, key = changes.create_key(NewKey(**fields), by=by, now=clock.now())
        assert key is not None
        if self.process is not None and principal.role in {"member", "lead", "service"}:
            header = {"authorization": f"Bearer {key}"}
            # Each new connection may reach another worker.
            tries = 1 if self.workers == 1 else 16
            until(
                lambda: all(self.get("/v1/models", header).status == 200 for _ in range(tries)), "the new key is known"
            )
        return key

    @contextmanager
    def changes(self) -> Iterator[tuple[Changes, Registry]]:
        """Give what makes keys, teams and initiatives, and the registry it folds into."""
        self.data.mkdir(parents=True, exist_ok=True)
        pepper = read_pepper(self.data)
        with self.ledger() as book:
            registry = Registry(pepper)
            registry.refresh(book)
            yield Changes(book, registry, pepper), registry

    def entries(self) -> list[Entry]:
        """Give every entry of calls and attempts in the ledger now."""
        found: list[Entry] = []
        with self.ledger() as book:
            after = 0
            while placed := book.entries(after=after, kinds=("call", "attempt"), limit=5000):
                found += [one.entry for one in placed]
                after = placed[-1].position
        return found

    def call(self, request_id: str, within_s: float = 10.0) -> Call:
        """Give the one call of a request once the ledger has it."""

        def found() -> list[Call]:
            with self.ledger() as book:
                return [placed.entry.call() for placed in book.find(request_id) if placed.entry.kind == "call"]

        calls: list[Call] = until(found, f"{request_id} in the ledger", within_s)
        assert len(calls) == 1, calls
        return calls[0]

    def calls(self, count: int, within_s: float = 10.0) -> list[Call]:
        """Give the calls (not attempts) once the ledger holds `count` of them."""

        def enough() -> list[Call]:
            calls = [entry.call() for entry in self.entries() if entry.kind == "call"]
            return calls if len(calls) >= count else []

        found = until(enough, f"{count} calls in the ledger", within_s) if count else self._none()
        assert len(found) == count, [call.request_id for call in found]
        return found

    def _none(self) -> list[Call]:
        return [entry.call() for entry in self.entries() if entry.kind == "call"]


def children(pid: int) -> list[int]:
    """Give the process ids below `pid`."""
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [grand for child in direct for grand in (*children(int(child)), int(child))]


_started: list[RunningGateway] = []


@atexit.register
def _kill_what_is_left() -> None:
    for gateway in _started:
        if gateway.process is not None:
            gateway.kill()
