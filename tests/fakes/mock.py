"""The mock provider in a process of its own, the TOML that names it, and the calls that are made to it."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = {"chat": "gpt-4o-mini", "messages": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
"""Models of each dialect that have a price."""


class MockProvider:
    """The mock provider in its own process."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.fakes.provider", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def bill(self) -> list[dict[str, object]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/bill") as answer:
            rows: list[dict[str, object]] = json.load(answer)
            return rows

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def providers(port: int, extra: str = "") -> str:
    """Give the TOML of three providers at one port, each priced as the real one."""
    return "\n".join(
        f'[providers.{name}]\nbase_url = "http://127.0.0.1:{port}"\n'
        f'dialects = ["{name}"]\nprivate_network = true\n{extra}'
        for name in ("openai", "anthropic", "gemini")
    )


def chat(text: str, **more: object) -> dict[str, object]:
    return {"model": MODELS["chat"], "messages": [{"role": "user", "content": text}], **more}
