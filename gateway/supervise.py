"""Keeps a gateway's processes running: workers that share one listening socket, and companions beside them."""

import logging
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType

from gateway.metrics import METRICS_DIR, forget_worker
from gateway.serve import STOP_S, listening
from gateway.settings import Settings
from gateway.settings_env import environment

RESTART_S_MAX = 10.0
"""A process that keeps dying is started again at most this often."""

HEALTHY_S = 30.0
"""After this long alive a death is no longer counted against the next start."""

EX_CONFIG = 78

log = logging.getLogger("weighbridge.supervise")


@dataclass(frozen=True, slots=True)
class Companion:
    """Another process that runs beside the workers: the pages, a model server, the echo provider."""

    name: str
    command: tuple[str, ...]


@dataclass(slots=True)
class _Kept:
    """One process slot: what it runs, and when it may run again after a death."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Starts what it is given, restarts what dies, and stops all when told to."""

    settings: Settings
    companions: tuple[Companion, ...] = ()
    stopping: int = 0
    _kept: list[_Kept] = field(default_factory=list)

    def run(self, *, started: Callable[[int], None] | None = None) -> int:
        """Keep everything running until SIGTERM or SIGINT; gives the exit code.

        `started` is called with the port once the workers have been started. Raises BadSettings when the address
        cannot be had.
        """
        sock = listening(self.settings)
        sock.set_inheritable(True)
        surroundings = self._environment()
        for number in range(self.settings.workers):
            self._keep(f"worker {number}", self._worker(number, sock.fileno()), surroundings, (sock.fileno(),))
        for companion in self.companions:
            self._keep(companion.name, companion.command, environment(), ())
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sign, self._on_signal)
        for kept in self._kept:
            self._start(kept)
        if started is not None:
            started(sock.getsockname()[1])
        try:
            return self._watch(sock)
        finally:
            sock.close()

    def _worker(self, number: int, descriptor: int) -> tuple[str, ...]:
        command = (sys.executable, "-m", "gateway.serve", "--worker", str(number), "--fd", str(descriptor))
        config = self.settings.config_file
        return (*command, "--config", str(config)) if config else command

    def _environment(self) -> Mapping[str, str]:
        """Give the workers' environment; several of them count into one directory, emptied at each start."""
        if self.settings.workers == 1:
            return environment()
        shared = self.settings.data_dir / METRICS_DIR
        shutil.rmtree(shared, ignore_errors=True)
        shared.mkdir(parents=True)
        return environment(PROMETHEUS_MULTIPROC_DIR=str(shared))

    def _keep(
        self, name: str, command: tuple[str, ...], surroundings: Mapping[str, str], passed: tuple[int, ...]
    ) -> None:
        def start() -> subprocess.Popen[bytes]:
            # A session of its own: Ctrl-C reaches this process, which then stops the others in order.
            return subprocess.Popen(command, env=dict(surroundings), pass_fds=passed, start_new_session=True)  # noqa: S603 - our own program

        self._kept.append(_Kept(name, start))

    def _start(self, kept: _Kept) -> None:
        kept.process, kept.started = kept.start(), time.monotonic()

    def _on_signal(self, sign: int, _frame: FrameType | None) -> None:
        """Pass the signal on; the first TERM or INT begins the end, the second hastens it."""
        if sign != signal.SIGHUP:
            self.stopping += 1
        for kept in self._kept:
            meant = sign != signal.SIGHUP or kept.name.startswith("worker")
            if meant and kept.process is not None and kept.process.poll() is None:
                kept.process.send_signal(signal.SIGHUP if sign == signal.SIGHUP else signal.SIGTERM)

    def _watch(self, sock: socket.socket) -> int:
        """Restart what dies; end when all has ended after a signal, or when a worker's settings are refused."""
        deadline: float | None = None
        while True:
            if self.stopping and deadline is None:
                deadline = time.monotonic() + STOP_S + 10
                # Held open here, it would take connections that no worker takes any more.
                sock.close()
            alive = [kept for kept in self._kept if kept.process is not None and kept.process.poll() is None]
            if self.stopping and not alive:
                return 0
            if deadline is not None and time.monotonic() > deadline:
                for kept in alive:
                    assert kept.process is not None
                    kept.process.kill()
            for kept in self._kept:
                if self._died(kept) == EX_CONFIG and not self.stopping:
                    self._on_signal(signal.SIGTERM, None)
                    return EX_CONFIG
            time.sleep(0.1)

    def _died(self, kept: _Kept) -> int | None:
        """Notice a death, and start again when its time has come; gives the exit code of one just noticed."""
        now = time.monotonic()
        if kept.process is None:
            if not self.stopping and now >= kept.not_before:
                self._start(kept)
            return None
        code = kept.process.poll()
        if code is None or self.stopping:
            return None
        if self.settings.workers > 1 and kept.name.startswith("worker"):
            forget_worker(self.settings.data_dir / METRICS_DIR, kept.process.pid)
        kept.deaths = 1 if now - kept.started > HEALTHY_S else kept.deaths + 1
        pause = 0.0 if kept.deaths == 1 else min(RESTART_S_MAX, 0.25 * 2**kept.deaths)
        kept.process, kept.not_before = None, now + pause
        log.error("process_died", extra={"name_of": kept.name, "exit_code": code, "pause_s": round(pause, 1)})
        return code


def pages(settings: Settings) -> Companion:
    """Give the companion that serves the pages: another package, started by name and never imported.

    It prints an address that signs in whoever started it.
    """
    command = [sys.executable, "-m", "reporting.web", "--link"]
    if settings.config_file:
        command += ["--config", str(settings.config_file)]
    return Companion("pages", tuple(command))
