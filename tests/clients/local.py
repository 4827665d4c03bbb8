"""The real small model in a process of its own, and its server's own count of the tokens it has worked on."""

import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field

from tests.clients.weighing import Counts, without_zeros
from tests.e2e.running import ROOT, free_port, until

READY_S = 60.0
STOP_S = 20.0
COUNTERS = {
    "input": "llamacpp:prompt_tokens_total",
    "cache_read": "llamacpp:prompt_tokens_cached_total",
    "output": "llamacpp:tokens_predicted_total",
}
"""What llama.cpp's server counts by itself, whatever it tells its clients: the first without cached tokens."""


@dataclass
class LocalModel:
    """llama.cpp's server with SmolLM2, started and ready."""

    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "gateway.local_model", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        until(self._answers, "the model is ready", READY_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counted(self) -> dict[str, int]:
        """Give its counters once it works on nothing any more."""
        lines: dict[str, str] = {}

        def idle() -> bool:
            lines.update(line.rsplit(" ", 1) for line in self._get("/metrics").splitlines() if line[:1] != "#")
            return float(lines["llamacpp:requests_processing"]) == 0

        until(idle, "the model is idle", READY_S)
        return {name: int(float(lines[counter])) for name, counter in COUNTERS.items()}

    def since(self, before: Counts) -> Counts:
        """Give what it worked on since then."""
        return without_zeros({name: count - before[name] for name, count in self.counted().items()})

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(STOP_S)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the model's server has ended"
        try:
            return bool(self._get("/health"))
        except OSError:
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())
