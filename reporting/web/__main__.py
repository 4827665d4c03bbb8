"""`python -m reporting.web --config FILE [--link]`: serves the pages on `pages_port`."""

import argparse
import socket
import sys
from pathlib import Path

import uvicorn

from gateway import clock
from gateway.keys import read_pepper
from gateway.ledger.errors import BadLedger, LedgerDown
from gateway.ledger.open import open_ledger
from gateway.registry import Registry
from gateway.settings import BadSettings, Settings
from gateway.settings_file import read_settings
from reporting.web.app import make_app
from reporting.web.marks import Marks
from reporting.web.pages import Pages
from reporting.web.sessions import Sessions

EX_CONFIG = 78
EX_TEMPFAIL = 75
MARKS_DIR = "pages"
STOP_S = 5


def main() -> int:
    """Serve the pages until SIGTERM or SIGINT; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reporting.web", description="The pages of Weighbridge.")
    parser.add_argument("--config", type=Path, default=None, help="weighbridge.toml")
    parser.add_argument("--link", action="store_true", help="print an address that signs its first visitor in")
    asked = parser.parse_args()
    try:
        settings = read_settings(asked.config)
        listener = listening(settings)
        pages, marks = build(settings)
    except (BadSettings, BadLedger) as error:
        return _no(str(error), EX_CONFIG)
    except LedgerDown as error:
        return _no(str(error), EX_TEMPFAIL)
    if asked.link:
        address = f"http://{_host(settings)}:{listener.getsockname()[1]}"
        _tell_link(f"{address}/sign-in/once/{marks.new_link(clock.now())}")
    serve(pages, listener)
    return 0


def _tell_link(address: str) -> None:
    sys.stdout.write(f"\n  Sign in    {address}\n             once, within ten minutes; after that with a key\n")
    sys.stdout.flush()


def build(settings: Settings) -> tuple[Pages, Marks]:
    """Make the pages of these settings. Raises BadLedger, LedgerDown."""
    pepper = read_pepper(settings.data_dir)
    ledger = open_ledger(settings.ledger_url, settings.data_dir)
    registry, marks = Registry(pepper), Marks(settings.data_dir / MARKS_DIR)
    return Pages(ledger, registry, Sessions(pepper, registry, marks)), marks


def serve(pages: Pages, listener: socket.socket) -> None:
    """Serve until told to stop."""
    config = uvicorn.Config(
        make_app(pages),
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_S,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        pages.ledger.close()


def listening(settings: Settings) -> socket.socket:
    """Give a socket on the settings' host and pages_port; raises BadSettings."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.pages_port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.pages_port}"
        raise BadSettings(f"The pages cannot listen on {where}: {error.strerror}. Set another pages_port.") from error
    listener.listen(512)
    return listener


def _host(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - what is shown
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _no(text: str, code: int) -> int:
    sys.stderr.write(f"The pages do not start: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
