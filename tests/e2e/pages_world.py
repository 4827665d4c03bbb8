"""A small world for the pages' tests: a real ledger with known calls, names and keys, and the application over it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx
import msgspec

from gateway.change_rules import NewInitiative, NewKey, NewTeam
from gateway.changes import Changes
from gateway.ledger.entry import Call, Entry, Ledger
from gateway.ledger.open import open_ledger
from gateway.records import By, Role
from gateway.registry import Registry
from gateway.secret import Secret
from policies.usage import Usage
from reporting.web.app import make_app
from reporting.web.marks import Marks
from reporting.web.pages import Pages
from reporting.web.sessions import COOKIE, Sessions

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PEPPER = Secret("q" * 64)
BY = By(actor="test")


@dataclass
class World:
    """The pages over a ledger of their own, at a time that the test sets."""

    folder: Path
    ledger: Ledger
    registry: Registry
    marks: Marks
    pages: Pages
    clock: list[datetime] = field(default_factory=lambda: [NOW])
    waiting: list[Entry] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def changes(self) -> Changes:
        return Changes(self.ledger, self.registry, PEPPER)

    def key(self, role: Role, *, expires_at: datetime | None = None) -> tuple[str, str]:
        """Make a key; gives its id and the key."""
        team = None if role in {"admin", "finops", "auditor"} else self.team("keyed")
        new = NewKey(role=role, team=team, expires_at=expires_at)
        principal, key = self.changes().create_key(new, by=BY, now=NOW - timedelta(days=1))
        assert key is not None
        return principal.key_id, key

    def team(self, team: str, name: str = "") -> str:
        if team not in self.registry.teams:
            self.changes().create_team(NewTeam(id=team, name=name), by=BY, now=NOW)
        return team

    def initiative(self, initiative: str, title: str) -> str:
        self.changes().create_initiative(NewInitiative(id=initiative, title=title), by=BY, now=NOW)
        return initiative

    def call(self, cost: int | None, at: datetime = NOW, *, source: str = "gateway", **said: object) -> None:
        """Make a call; `said` are its tags, or fields of it."""
        fields = {name: said.pop(name) for name in tuple(said) if name in Call.__struct_fields__}
        number = next(self.numbers)
        call = Call(
            **{
                "request_id": f"req_{number}",
                "state": "settled",
                "operation": "chat",
                "dialect": "openai",
                "provider_name": "openai",
                "request_model": "gpt-5.4",
                "status": 200,
                "usage": Usage(input_tokens=100, output_tokens=10, cache_read_input_tokens=40),
                "billed_cost": cost,
                "cost_source": "unknown" if cost is None else "computed",
                "tags": {name: str(value) for name, value in said.items()},
            }
            | fields
        )
        body = msgspec.Raw(msgspec.json.encode(call))
        entry = Entry(id=f"req_{number}:call", kind="call", occurred_at=at, recorded_at=at, source=source, body=body)
        self.waiting.append(entry)

    def book(self) -> None:
        """Put the calls made so far into the ledger."""
        assert self.ledger.append(tuple(self.waiting)).added == len(self.waiting)
        self.waiting.clear()

    def client(self, cookie: str | None = None, **more: object) -> httpx.AsyncClient:
        """Give a browser without JavaScript, signed in where a cookie is given; what was called is booked by then."""
        self.book()
        transport = httpx.ASGITransport(app=make_app(self.pages), raise_app_exceptions=True)
        cookies = {COOKIE: cookie} if cookie else {}
        return httpx.AsyncClient(transport=transport, base_url="http://pages.test", cookies=cookies, **more)  # type: ignore[arg-type]

    def signed_in(self) -> httpx.AsyncClient:
        """Give a browser that followed a one-time link."""
        cookie = self.pages.sessions.by_link(self.marks.new_link(self.clock[0]), self.clock[0])
        assert cookie is not None
        return self.client(cookie)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Make one, and close it at the end."""
    ledger = open_ledger("sqlite", folder)
    registry, marks = Registry(PEPPER), Marks(folder / "pages")
    clock = [NOW]
    pages = Pages(ledger, registry, Sessions(PEPPER, registry, marks), now=lambda: clock[0])
    try:
        yield World(folder, ledger, registry, marks, pages, clock)
    finally:
        ledger.close()


class Structure(HTMLParser):
    """What a browser would make of a page: its elements and attributes, its texts, and what must not be there."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.wrong: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            if (
                name.startswith("on")
                or name == "style"
                or tag in {"script", "style", "iframe", "object", "embed", "base"}
            ):
                self.wrong.append(f"{tag} {name}")
            if name in {"href", "src", "action"}:
                self.links.append(value or "")
                if not re.match(r"[/#][^/]?", value or ""):
                    self.wrong.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def structure(html: str) -> Structure:
    """Read a page."""
    found = Structure()
    found.feed(html)
    found.close()
    return found
