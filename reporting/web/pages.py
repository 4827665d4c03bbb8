"""What the pages are made of: the book, who there is, who is signed in, and the templates that print it."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from gateway import clock
from gateway.ledger.entry import Ledger
from gateway.ledger.errors import LedgerDown
from gateway.registry import Registry
from reporting.web.edge import guarded
from reporting.web.sessions import Session, Sessions

HERE = Path(__file__).parent
STATIC = HERE / "static"

REFRESH_S = 1.0
"""A key that was revoked opens no page a second later."""


@dataclass(slots=True)
class Pages:
    """What the pages are made of."""

    ledger: Ledger
    registry: Registry
    sessions: Sessions
    now: Callable[[], datetime] = clock.now
    _templates: Environment = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _refreshed: float = 0.0

    def __post_init__(self) -> None:
        """Load the templates; everything they print is escaped, and a name they do not know is an error."""
        loader = FileSystemLoader(HERE / "templates")
        self._templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.globals["style"] = f"/static/style.css?{_digest(STATIC / 'style.css')}"

    def html(self, template: str, status: int = 200, **context: object) -> Response:
        """Give a page."""
        text = self._templates.get_template(template).render(**context)
        return guarded(HTMLResponse(text, status))

    def refresh(self) -> None:
        """Learn of new and revoked keys, at most once a second; what is known stays known while the book is away."""
        with self._lock:
            if time.monotonic() - self._refreshed < REFRESH_S:
                return
            self._refreshed = time.monotonic()
        try:
            self.registry.refresh(self.ledger)
        except LedgerDown:
            return

    def session(self, cookie: str | None) -> Session | None:
        """Give the session of a request's cookie. Blocks."""
        self.refresh()
        return self.sessions.find(cookie, self.now())


def _digest(path: Path) -> str:
    """Name a file's content, so that a browser keeps it for as long as it is the same."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
