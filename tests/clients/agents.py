"""Coding agents without a terminal: one task each run, in a home and a folder of their own, and what they reported."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.programs import bare
from tests.needs import needs

RUN_S = 120.0
"""Past this an agent hangs; a good run takes two seconds."""


@dataclass(frozen=True)
class Ran:
    """How a run ended, and the events or the result the agent printed."""

    code: int
    told: list[dict[str, Any]]
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """Give the last thing it said."""
        return self.told[-1]


@dataclass(frozen=True)
class Agents:
    """Runs agents in `home`, against the gateway at `url`, with `key`."""

    home: Path
    url: str
    key: str

    def claude(self, task: str, *arguments: str, url: str | None = None, key: str | None = None, **more: str) -> Ran:
        """Run Claude Code with what its own documentation says of gateways, and nothing else."""
        environment = bare(
            self.home,
            ANTHROPIC_BASE_URL=url or self.url,
            ANTHROPIC_AUTH_TOKEN=key or self.key,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            DISABLE_AUTOUPDATER="1",
            IS_SANDBOX="1",  # It refuses root otherwise.
            **more,
        )
        return self._run(("claude", "-p", task, *arguments, "--output-format", "json"), environment)

    def codex(self, *task: str, model: str, headers: str = "", key: str | None = None, retries: int = 0) -> Ran:
        """Run Codex with the gateway as a provider of its config.toml; `headers` is TOML."""
        folder = self.home / "codex"
        folder.mkdir(exist_ok=True)
        (folder / "config.toml").write_text(
            f'model = "{model}"\nmodel_provider = "weighbridge"\n[model_providers.weighbridge]\nname = "Weighbridge"\n'
            f'base_url = "{self.url}/v1"\nenv_key = "WEIGHBRIDGE_KEY"\nwire_api = "responses"\n'
            f"request_max_retries = {retries}\nstream_max_retries = {retries}\nhttp_headers = {{ {headers} }}\n"
        )
        environment = bare(self.home, CODEX_HOME=str(folder), WEIGHBRIDGE_KEY=key or self.key)
        return self._run(("codex", "exec", "--skip-git-repo-check", "--json", *task), environment)

    def _run(self, command: tuple[str, ...], environment: dict[str, str]) -> Ran:
        program = needs("npm") / ".bin" / command[0]
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert told, done.stderr
        return Ran(done.returncode, told, done.stderr)
