"""The systems under test: for each, whether it can run here, how it is set up and how it is started."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MODEL = "gpt-4o-mini"
"""A model with a well-known price, so that every gateway that prices can price it."""

ROOT = Path(__file__).resolve().parents[2]
_SETUP_TIMEOUT_S = 60


class SetupFailed(Exception):
    """A gateway could not be set up; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a prepared gateway is started and asked."""

    command: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One system under test.

    `prepare(folder, port, upstream_port)` writes what it needs below `folder` and tells how to start it.
    """

    name: str
    note: str
    prepare: Callable[[Path, int, int], Launch]
    ready_timeout_s: float = 30.0


def weighbridge() -> Gateway:
    """Give our own gateway: keys, prices, journal, ledger, caps' engine and metrics all on."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        config = folder / "weighbridge.toml"
        config.write_text(_WEIGHBRIDGE.format(port=port, pages_port=free_port(), upstream_port=upstream_port))
        environment = {"BENCH_PROVIDER_KEY": "sk-bench-upstream"}
        cli = (sys.executable, "-m", "gateway.cli", "--config", str(config))
        made = _said((*cli, "key", "create", "--team", "bench", "--json"), environment)
        key = _first(json.loads(made), ("key", "secret", "token"))
        command = (sys.executable, "-m", "gateway.serve", "--config", str(config))
        return Launch(command, {"authorization": f"Bearer {key}"}, environment)

    return Gateway("weighbridge", "keys, prices, durable journal, ledger, caps, metrics on; 1 worker", prepare)


def nginx(binary: str) -> Gateway:
    """Give nginx as a plain reverse proxy: the floor that a proxy in C sets."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        config = folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(_NGINX % {"user": user, "folder": folder, "port": port, "upstream_port": upstream_port})
        return Launch((binary, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")))

    return Gateway("nginx", "proxy_pass, keep-alive, 1 worker, no log, no keys, no metering", prepare)


def splice() -> Gateway:
    """Give a proxy in Python that copies bytes and understands none: the floor that the language sets."""
    return _module("splice", "Python, asyncio + uvloop, copies bytes, no HTTP, no metering", "tests.bench.splice")


def fastapi_httpx() -> Gateway:
    """Give the gateway one writes first: FastAPI in front, httpx behind, nothing metered."""
    return _module("fastapi+httpx", "naive forwarder, 1 uvicorn worker, no keys, no metering", "tests.bench.naive")


def litellm_sdk(python: str) -> Gateway:
    """Give litellm's SDK behind a raw ASGI route: not its proxy, which does more."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        app = str(Path(__file__).with_name("litellm_forwarder.py"))
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        return Launch((python, app, str(port), str(upstream_port)), environment=environment)

    note = "litellm.acompletion behind raw ASGI, 1 uvicorn worker, its cost calculation; no keys, no proxy"
    return Gateway("litellm SDK", note, prepare, ready_timeout_s=90.0)


def litellm_proxy(python: str) -> Gateway:
    """Give litellm's proxy with a master key and no database."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        config = folder / "litellm.yaml"
        config.write_text(_LITELLM.format(model=MODEL, upstream_port=upstream_port))
        run = "from litellm import run_server; run_server()"
        command = (python, "-c", run, "--config", str(config), "--host", "127.0.0.1", "--port", str(port))
        headers = {"authorization": "Bearer sk-bench"}
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        return Launch(command, headers, environment)

    return Gateway("litellm proxy", "master key, no database, 1 worker", prepare, ready_timeout_s=120.0)


def available(litellm_python: str | None) -> tuple[Gateway, ...]:
    """Give what can run on this machine; Weighbridge is always first."""
    found = [weighbridge()]
    binary = shutil.which("nginx")
    if binary is not None:
        found.append(nginx(binary))
    found += [splice(), fastapi_httpx()]
    if litellm_python is not None:
        found.append(litellm_sdk(litellm_python))
        probe = (litellm_python, "-c", "import litellm.proxy.proxy_server")
        if subprocess.run(probe, capture_output=True, check=False, timeout=_SETUP_TIMEOUT_S).returncode == 0:
            found.append(litellm_proxy(litellm_python))
    return tuple(found)


def free_port() -> int:
    """Give a port of the loopback that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


def environment_for(launch: Launch) -> dict[str, str]:
    """Give the environment of a system under test: ours, without what would slow down imports."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | launch.environment | {"PYTHONPATH": str(ROOT)}


def _module(name: str, note: str, module: str) -> Gateway:
    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        return Launch((sys.executable, "-m", module, str(port), str(upstream_port)))

    return Gateway(name, note, prepare)


def _said(command: tuple[str, ...], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SETUP_TIMEOUT_S,
        cwd=ROOT,
        env=environment_for(Launch(command, environment=environment)),
    )
    if done.returncode != 0:
        raise SetupFailed(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _first(made: dict[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        if name in made:
            return made[name]
    raise SetupFailed(f"no key among {sorted(made)}")


_WEIGHBRIDGE = """
[server]
host = "127.0.0.1"
port = {port}
pages_port = {pages_port}
workers = 1

[data]
dir = "data"

[providers.mock]
base_url = "http://127.0.0.1:{upstream_port}"
dialects = ["openai", "anthropic", "gemini"]
api_key = "${{BENCH_PROVIDER_KEY}}"
private_network = true
models = ["*"]
priced_as = "openai"
"""

_NGINX = """
%(user)s
daemon off;
worker_processes 1;
pid %(folder)s/nginx.pid;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path %(folder)s/body;
  proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi;
  scgi_temp_path %(folder)s/scgi;
  keepalive_requests 100000000;
  client_body_buffer_size 1m;
  upstream provider {
    server 127.0.0.1:%(upstream_port)d;
    keepalive 512;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:%(port)d backlog=2048;
    tcp_nodelay on;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
"""

_LITELLM = """
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: http://127.0.0.1:{upstream_port}/v1
      api_key: sk-bench-upstream
general_settings:
  master_key: sk-bench
litellm_settings:
  telemetry: false
"""
