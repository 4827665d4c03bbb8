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
PEERS = ROOT / ".venv-bench" / "bin"
"""Where tests/setup/bench.sh puts the gateways and libraries that Weighbridge is measured beside."""

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
    """Give our own gateway: keys, tags, prices, journal, ledger, log and metrics all on."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        config = folder / "weighbridge.toml"
        config.write_text(_WEIGHBRIDGE.format(port=port, pages_port=free_port(), upstream_port=upstream_port))
        environment = {"BENCH_PROVIDER_KEY": "sk-bench-upstream"}
        cli = (sys.executable, "-m", "gateway.cli", "--config", str(config))
        made = _said((*cli, "key", "create", "--team", "bench", "--json"), environment)
        key = _first(json.loads(made), ("key", "secret", "token"))
        command = (sys.executable, "-m", "gateway.serve", "--config", str(config))
        return Launch(command, {"authorization": f"Bearer {key}"}, environment)

    return Gateway("weighbridge", "keys, tags, prices, durable journal, ledger, log, metrics on; 1 worker", prepare)


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
    """Give litellm's SDK behind a raw ASGI route: not its proxy, which needs a package that is not open."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        app = str(Path(__file__).with_name("litellm_forwarder.py"))
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        return Launch((python, app, str(port), str(upstream_port)), environment=environment)

    note = "litellm.acompletion behind raw ASGI, 1 uvicorn worker, its cost calculation; no keys, no proxy"
    return Gateway("litellm SDK", note, prepare, ready_timeout_s=90.0)


def ferrogw(binary: str) -> Gateway:
    """Give ferrogw, the fastest gateway in Go that was found: one key, its budget in memory, on one core."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        config = folder / "ferrogw.yaml"
        config.write_text(_FERROGW)
        environment = {
            "GATEWAY_CONFIG": str(config),
            "PORT": str(port),
            "MASTER_KEY": "fgw_bench",
            "OPENAI_API_KEY": "sk-bench-upstream",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}",
            "RATE_LIMIT_RPS": "0",  # By itself it takes 20 requests a second from one address.
            "LOG_LEVEL": "error",
            "GOMAXPROCS": "1",
        }
        return Launch((binary, "serve"), {"authorization": "Bearer fgw_bench"}, environment)

    return Gateway("ferrogw", "Go, one key, budget in memory, no store, GOMAXPROCS=1", prepare)


def smg(binary: str) -> Gateway:
    """Give smg, a router in Rust: it chooses where a request goes and counts nothing."""

    def prepare(folder: Path, port: int, upstream_port: int) -> Launch:
        upstream = f"http://127.0.0.1:{upstream_port}"
        where = ("--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port()))
        less = ("--policy", "round_robin", "--backend", "openai", "--log-level", "error", "--disable-health-check")
        return Launch((binary, "launch", *where, "--worker-urls", upstream, *less))

    return Gateway("smg", "Rust, router only: no keys, no spend", prepare, ready_timeout_s=60.0)


def available(peers: Path = PEERS) -> tuple[Gateway, ...]:
    """Give what can run on this machine; Weighbridge is always first. `peers` holds what PyPI has of others."""
    found = [weighbridge()]
    binary = shutil.which("nginx")
    if binary is not None:
        found.append(nginx(binary))
    found += [splice(), fastapi_httpx()]
    if (peers / "python").exists():
        found += [ferrogw(str(peers / "ferrogw")), smg(str(peers / "smg")), litellm_sdk(str(peers / "python"))]
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

_FERROGW = """
strategy:
  mode: single
targets:
  - virtual_key: openai
plugins:
  - name: budget
    type: ratelimit
    stage: before_request
    enabled: true
    config: &budget
      store_id: bench
      spend_limit_usd: 1000000
      input_per_m_tokens: 0.15
      output_per_m_tokens: 0.6
  - name: budget
    type: ratelimit
    stage: after_request
    enabled: true
    config: *budget
"""
