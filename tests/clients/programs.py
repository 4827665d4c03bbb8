"""A client of a provider in a process of its own: asked over a line of JSON, it answers with what it saw."""

import json
import os
import selectors
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.needs import needs

SPEAKING = Path(__file__).with_name("speaking")
ANSWER_S = 60.0
"""Past this a client hangs. The slowest of them loads its libraries for some seconds first."""

Seen = dict[str, Any]


def bare(home: Path, **more: str) -> dict[str, str]:
    """Give an environment with nothing in it that could steer a client: no key, no proxy, no settings of a person."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    } | more


@dataclass
class Program:
    """One client, started when it is first asked and then kept."""

    name: str
    home: Path
    process: "subprocess.Popen[str] | None" = None

    def ask(self, way: str, url: str, key: str, *, model: str, said: str, **more: Any) -> Seen:
        """Have a call made, in one of the client's ways; fails when the client neither answers nor errs."""
        self.process = process = self.process or self._start()
        assert process.stdin is not None
        line = {"way": way, "url": url, "key": key, "model": model, "said": said, **more}
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        seen: Seen = json.loads(self._line(process, line))
        return seen

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.close()
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def _start(self) -> "subprocess.Popen[str]":
        """Start it where its libraries are."""
        if self.name.endswith("_node"):
            command = ["node", str(SPEAKING / f"{self.name}.mjs"), str(needs("npm"))]
        else:
            command = [str(needs("clients")), str(SPEAKING / f"{self.name}.py")]
        pipe = subprocess.PIPE
        with (self.home / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=log, text=True, bufsize=1, cwd=self.home, env=bare(self.home)
            )

    def _line(self, process: "subprocess.Popen[str]", line: Seen) -> str:
        """Wait for one line, with a deadline: a client that waits for ever is what some of these tests are about."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            came = process.stdout.readline() if ready.select(ANSWER_S) else None
        if came:
            return came
        self.stop()
        said = (self.home / f"{self.name}.log").read_text(errors="replace")[-2000:]
        raise AssertionError(f"{self.name} {'ended' if came == '' else 'hangs'} at {line}\n{said}")
