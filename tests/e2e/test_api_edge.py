"""The edge of the management API: bodies and addresses that cannot be, what every answer carries, and what fails."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.app import make_api
from gateway.api.edge import BODY_BYTES_MAX, QUERY_BYTES_MAX
from gateway.ledger.errors import LedgerDown
from tests.fakes.api import Api, api_over, problem
from tests.fakes.front import NOW, FakeFront
from tests.fakes.ledger import MemoryLedger


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with api_over(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[" * 60_000, b'{"id":"\xff"}', b'{"id":"\\ud800"}', b"\x00", b'{"id":' + b"9" * 5000 + b"}"],
)
async def test_a_body_that_cannot_be_read_is_a_problem(api: Api, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await api.ask("admin", "POST", "/teams", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code, answer.json()["code"])


async def test_a_body_of_another_type_than_json_is_not_read(api: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"content-type": kind}
        answer = await api.ask("admin", "POST", "/teams", content=b'{"id":"new"}', headers=headers)
        problem(answer, 422, "bad_request")
    assert "new" not in api.front.registry.teams


async def test_a_body_of_64_kib_is_the_last_that_is_read(api: Api) -> None:
    padded = b'{"id":"new"}'.ljust(BODY_BYTES_MAX)
    headers = {"content-type": "application/json"}
    answer = await api.ask("admin", "POST", "/teams", content=padded + b" ", headers=headers)
    problem(answer, 413, "too_large")
    assert (await api.ask("admin", "POST", "/teams", content=padded, headers=headers)).status_code == 201
    problem(await api.get("admin", "/spend", team="x" * QUERY_BYTES_MAX), 413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "", 404, "not_found"),
        ("GET", "/keys/", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/people/per_1", 404, "not_found"),
        ("DELETE", "/keys", 405, "method_not_allowed"),
        ("PUT", "/teams/search", 405, "method_not_allowed"),
        ("OPTIONS", "/keys", 405, "method_not_allowed"),
    ],
)
async def test_what_is_no_route_is_a_problem_too(api: Api, method: str, path: str, status: int, code: str) -> None:
    problem(await api.ask("admin", method, path), status, code)


async def test_no_page_of_the_framework_is_served(api: Api) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/docs", "/docs/oauth2-redirect"):
        assert (await api.client.get(path)).status_code == 404


async def test_every_answer_has_an_id_and_is_kept_by_nobody(api: Api) -> None:
    answers = [
        await api.get("admin", "/keys"),
        await api.get(None, "/keys"),
        await api.get("admin", "/nothing"),
        await api.get(None, "/openapi.json"),
        await api.post("admin", "/teams", {"id": "Bad Id"}),
    ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


async def test_a_book_that_is_away_is_a_problem_and_not_a_crash(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    def away(*args: object, **named: object) -> None:
        raise LedgerDown("the disk with sk-canary is gone")

    api.front.ledger.spend = away
    answer = await api.get("admin", "/spend")
    problem(answer, 503, "ledger_down")
    assert answer.headers["retry-after"] == "5"
    assert "sk-canary" not in answer.text


async def test_a_change_whose_fate_is_not_known_is_made_once_when_it_is_repeated(api: Api) -> None:
    append = api.front.ledger.append

    def cut(entries: tuple[object, ...]) -> None:
        append(entries)
        raise LedgerDown("the answer to the commit was lost")

    api.front.ledger.append = cut
    problem(await api.post("admin", "/keys", {"team": "search"}, idempotency_key="i-1"), 503, "ledger_down")
    api.front.ledger.append = append
    before = len(api.front.ledger.entries())
    assert (await api.post("admin", "/keys", {"team": "search"}, idempotency_key="i-1")).json()["key"] is None
    assert len(api.front.ledger.entries()) == before


async def answered(api: Api, said: Iterator[dict[str, object]]) -> list[Any]:
    """Give what is answered to an admin who posts a team, piece by piece as `said`."""
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return next(said)

    async def send(message: object) -> None:
        sent.append(message)

    key = api.keys["admin"].encode()
    headers = [(b"host", b"gate"), (b"content-type", b"application/json"), (b"x-api-key", key)]
    path = "/api/v1/teams"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": ""}  # fmt: skip
    await make_api(api.front, lambda: NOW)(scope, receive, send)
    return sent


async def test_a_client_that_leaves_before_its_body_is_whole_changes_nothing(api: Api) -> None:
    piece = {"type": "http.request", "body": b'{"id":"new"}', "more_body": True}
    assert await answered(api, iter([piece, {"type": "http.disconnect"}])) == []
    assert "new" not in api.front.registry.teams


async def test_a_body_without_an_end_is_refused_at_the_limit_and_read_no_further(api: Api) -> None:
    pieces = BODY_BYTES_MAX // 1024 + 1
    piece = {"type": "http.request", "body": b" " * 1024, "more_body": True}
    sent = await answered(api, iter([piece] * pieces))
    assert sent[0]["status"] == 413


async def test_a_mistake_of_ours_is_logged_with_its_id_and_told_in_one_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(MemoryLedger):
        def spend(self, query: object) -> None:
            raise KeyError("sk-canary")

    front = FakeFront(Broken())
    _, key = front.key("admin")
    transport = httpx.ASGITransport(make_api(front, lambda: NOW))
    async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
        answer = await client.get("/api/v1/spend", headers={"x-api-key": key})
    told = problem(answer, 500, "internal_error")
    assert "sk-canary" not in answer.text
    assert [record.message for record in caplog.records] == ["api_failed"]
    assert caplog.records[0].request_id == told["request_id"]


async def test_an_expired_key_of_the_api_is_refused_at_its_instant(api: Api) -> None:
    _, key = api.front.key("auditor", expires_at=NOW + timedelta(microseconds=1))
    assert (await api.client.get("/api/v1/me", headers={"x-api-key": key})).status_code == 200
    transport = httpx.ASGITransport(make_api(api.front, lambda: NOW + timedelta(microseconds=1)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
        problem(await client.get("/api/v1/me", headers={"x-api-key": key}), 401, "invalid_api_key")
