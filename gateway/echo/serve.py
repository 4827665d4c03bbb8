"""Serves the echo on a loopback port; anywhere else it refuses to listen, because it asks nobody for a key."""

import ipaddress
import logging
import socket
from collections.abc import Callable

import uvicorn

from gateway.echo.app import Echo

BACKLOG = 1024


def serve(port: int = 0, *, host: str = "127.0.0.1", ready: Callable[[int], None] | None = None) -> None:
    """Listen on `port` (0: any free one), tell `ready` which one it is, and answer until SIGINT or SIGTERM.

    Raises ValueError for a host that is not this machine's loopback, OSError when the port is taken.
    """
    listener = listening(host, port)
    server = uvicorn.Server(config())
    # A cut answer is what was asked for; the server's complaint about it would only alarm.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    if ready is not None:
        ready(listener.getsockname()[1])
    server.run(sockets=[listener])


def config() -> uvicorn.Config:
    """Give the server's settings: quick, quiet, no lifespan."""
    return uvicorn.Config(
        Echo(),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=2,
    )


def listening(host: str, port: int) -> socket.socket:
    """Give a socket that already takes connections, so that whoever is told the port may call at once."""
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"the echo provider listens on loopback only, and {host} is not; use 127.0.0.1 or ::1")
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((str(address), port))
    listener.listen(BACKLOG)
    return listener
