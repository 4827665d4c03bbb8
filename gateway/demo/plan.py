"""Where the demo lives: a directory, a weighbridge.toml and a data directory of its own, apart from real data."""

import os
from dataclasses import dataclass
from pathlib import Path

DIRECTORY_NAME = "weighbridge-demo"

_SETTINGS = """\
# Written by `weighbridge demo` at each start; what you change here is lost. Demo data only.
# Every provider is the echo on this machine: it says back what it is told, and is priced as the real one.

[server]
host = "127.0.0.1"
port = {port}
pages_port = {pages_port}
log_calls = false

[data]
dir = "data"

[providers.openai]
base_url = "{echo}"
dialects = ["openai"]
models = ["gpt-*", "ft:*", "o1*", "o3*", "o4*", "text-embedding-*"]
priced_as = "openai"
private_network = true

[providers.anthropic]
base_url = "{echo}"
dialects = ["anthropic"]
models = ["claude-*"]
priced_as = "anthropic"
private_network = true

[providers.gemini]
base_url = "{echo}"
dialects = ["gemini"]
models = ["gemini-*"]
priced_as = "gemini"
private_network = true

[providers.echo]
base_url = "{echo}"
dialects = ["openai", "anthropic", "gemini"]
models = ["echo", "echo-*"]
priced_as = "echo"
private_network = true
"""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """Where the demo's settings and data are, and the ports they name."""

    directory: Path
    config_file: Path
    data_dir: Path
    echo_port: int
    port: int
    pages_port: int


def prepare(directory: Path, *, echo_port: int, port: int = 8080, pages_port: int = 8081) -> DemoPlan:
    """Write the demo's weighbridge.toml below `directory`; an older one is replaced, data is left alone."""
    plan = DemoPlan(
        directory=directory,
        config_file=directory / "weighbridge.toml",
        data_dir=directory / "data",
        echo_port=echo_port,
        port=port,
        pages_port=pages_port,
    )
    directory.mkdir(parents=True, exist_ok=True)
    echo = f"http://127.0.0.1:{echo_port}"
    draft = plan.config_file.with_suffix(f".{os.getpid()}.new")
    draft.write_text(_SETTINGS.format(port=port, pages_port=pages_port, echo=echo), encoding="utf-8")
    draft.replace(plan.config_file)
    return plan
