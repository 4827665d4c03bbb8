"""What starting verbs have in common: free ports, waiting until the gateway is ready, and the way it is called here."""

import shutil
import socket
import threading
import time
from collections.abc import Callable

READY_WAIT_S = 30.0
LOOK_S = 0.1


def command() -> str:
    """Give the command as it can be typed here: an installed one by name, a checkout's by its path."""
    return "weighbridge" if shutil.which("weighbridge") else "./weighbridge"


def free_port(host: str = "127.0.0.1") -> int:
    """Give a port that nobody listens on now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether a port could be listened on now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def when_ready(host: str, port: int, then: Callable[[], None]) -> None:
    """Call `then` once /readyz says ready, from a thread of its own; never, when that takes too long."""

    def wait() -> None:
        deadline = time.monotonic() + READY_WAIT_S
        while time.monotonic() < deadline:
            if is_ready(host, port):
                then()
                return
            time.sleep(LOOK_S)

    threading.Thread(target=wait, name="when-ready", daemon=True).start()


def reached_at(host: str) -> str:
    """Give the host under which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def address(host: str, port: int) -> str:
    """Write http://host:port."""
    reached = reached_at(host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"


def is_ready(host: str, port: int) -> bool:
    """Say whether a gateway there is ready for requests."""
    import http.client

    connection = http.client.HTTPConnection(reached_at(host), port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
