"""The management API in process, over a real book, with a key of each role and two teams to keep apart."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from gateway.api.app import make_api
from gateway.ledger.open import open_ledger
from gateway.records import Role
from tests.fakes.front import NOW, FakeFront

ROLES: tuple[Role, ...] = ("admin", "finops", "auditor", "lead", "member", "service")


@dataclass(frozen=True)
class Seed:
    """A book with two teams and their callers, the key of each by name, and the key's id."""

    book: bytes
    keys: dict[str, str]
    ids: dict[str, str]


@cache
def seed() -> Seed:
    """Make the book all these tests begin with, once: every change in it is synced to the disk."""
    keys: dict[str, str] = {}
    ids: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger("sqlite", Path(folder))
        front = FakeFront(ledger)
        front.team("search", "ads")
        front.initiative("PROJ-1", team="search", aliases=("old-1",))
        front.initiative("ADS-1", team="ads")
        front.initiative("OPEN-1")
        front.application("shop", team="search")
        front.application("banner", team="ads")
        callers: list[tuple[str, Role, str]] = [(role, role, "search") for role in ROLES[3:]]
        managers: list[tuple[str, Role, None]] = [(role, role, None) for role in ROLES[:3]]
        for name, role, team in (*managers, *callers, ("other", "member", "ads")):
            principal, keys[name] = front.key(role, team=team, name=name)
            ids[name] = principal.key_id
        ledger.close()
        return Seed((Path(folder) / "ledger.sqlite").read_bytes(), keys, ids)


class Api:
    """Speaks to the API as a key of some role. The house has the teams search and ads, both with callers."""

    def __init__(self, front: FakeFront, client: httpx.AsyncClient) -> None:
        self.front = front
        self.client = client
        self.keys, self.ids = seed().keys, seed().ids

    async def ask(self, who: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**({"authorization": f"Bearer {self.keys[who]}"} if who else {}), **more.pop("headers", {})}
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def get(self, who: str | None, path: str, **params: object) -> httpx.Response:
        return await self.ask(who, "GET", path, params=params)

    async def post(self, who: str | None, path: str, body: object = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask(who, "POST", path, headers=named, **({"json": body} if body is not None else {}))


@asynccontextmanager
async def api_over(data_dir: Path) -> AsyncIterator[Api]:
    (data_dir / "ledger.sqlite").write_bytes(seed().book)
    ledger = open_ledger("sqlite", data_dir)
    front = FakeFront(ledger)
    front.registry.refresh(ledger)
    transport = httpx.ASGITransport(make_api(front, lambda: NOW))
    async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
        yield Api(front, client)
    ledger.close()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """Check that this is an error as all of them are, and give it."""
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["type"] == "about:blank"
    assert told["title"]
    assert told["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return told
