"""One echo provider, one gateway before it, and every client beside them, for all tests of clients."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.programs import Program
from tests.e2e.running import ROOT, RunningGateway

STOP_S = 20.0


@pytest.fixture(scope="package")
def echo() -> Iterator[str]:
    """Where the built-in echo provider answers."""
    command = [sys.executable, "-m", "gateway.echo", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.terminate()
    process.wait(STOP_S)
    process.stdout.close()


def table(name: str, url: str, dialects: str, models: str) -> str:
    return f'[providers.{name}]\nbase_url = "{url}"\ndialects = {dialects}\nmodels = {models}\nprivate_network = true\n'


@pytest.fixture(scope="package")
def gateway(echo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway whose every provider is the echo, priced under the name it stands for."""
    providers = (
        table("echo", echo, '["openai", "anthropic", "gemini"]', '["echo", "echo-*"]')
        + table("openai", echo, '["openai"]', '["gpt-*"]')
        + table("anthropic", echo, '["anthropic"]', '["claude-*"]')
        + table("gemini", echo, '["gemini"]', '["gemini-*"]')
    )
    running = RunningGateway(tmp_path_factory.mktemp("gateway"), providers).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="package")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="search", name="clients")


@pytest.fixture(scope="package")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Program]]:
    """Give a client by its name; each is started once."""
    home: Path = tmp_path_factory.mktemp("home")
    started: dict[str, Program] = {}

    def named(name: str) -> Program:
        return started.setdefault(name, Program(name, home))

    yield named
    for one in started.values():
        one.stop()
