"""The gateway on PostgreSQL: the same promises, and calls that go on while the database is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import postgres
from tests.e2e.running import RunningGateway, until
from tests.fakes.mock import MockProvider, chat, providers
from tests.fakes.provider_spec import note


@pytest.fixture
def mock() -> Iterator[MockProvider]:
    provider = MockProvider()
    yield provider
    provider.stop()


@pytest.fixture
def gateway(mock: MockProvider, tmp_path: Path) -> Iterator[RunningGateway]:
    running = RunningGateway(tmp_path, providers(mock.port), ledger_url=postgres.database_url()).start()
    yield running
    if running.process is not None:
        running.stop()


def ask(gateway: RunningGateway, key: str) -> str:
    reply = gateway.post("/v1/chat/completions", chat(note(input=11, output=7)), key)
    assert reply.status == 200
    return reply.headers["x-request-id"]


def test_G5_a_database_that_is_away_stops_no_call_and_loses_none(gateway: RunningGateway) -> None:
    key = gateway.key(team="search")
    before = [ask(gateway, key) for _ in range(5)]
    gateway.calls(5)
    postgres.stop()
    try:
        meanwhile = [ask(gateway, key) for _ in range(20)]
        assert gateway.get("/readyz").status == 200, "the journal keeps what the ledger cannot take"
        until(lambda: b'"ledger_unreachable"' in gateway.log.read_bytes(), "an operator is told")
    finally:
        postgres.start()
    after = [ask(gateway, key) for _ in range(5)]
    calls = gateway.calls(30, within_s=30)
    assert {call.request_id for call in calls} == {*before, *meanwhile, *after}
    assert all(call.billed_cost == 11 * 150 + 7 * 600 for call in calls)
    with gateway.ledger() as book:
        assert book.verify().intact
        assert not book.conflicts()


def test_G5_what_was_not_shipped_when_the_process_ended_is_shipped_at_its_next_start(gateway: RunningGateway) -> None:
    key = gateway.key(team="search")
    ask(gateway, key)
    gateway.calls(1)
    postgres.stop()
    try:
        unshipped = [ask(gateway, key) for _ in range(10)]
        gateway.kill()
    finally:
        postgres.start()
    gateway.start()
    assert {call.request_id for call in gateway.calls(11, within_s=30)} >= set(unshipped)


def test_two_gateways_on_one_database_share_keys_and_never_lose_to_one_another(
    gateway: RunningGateway, mock: MockProvider, tmp_path: Path
) -> None:
    other = RunningGateway(tmp_path / "other", providers(mock.port), ledger_url=gateway.ledger_url)
    other.data.mkdir()
    (other.data / "pepper").write_bytes((gateway.data / "pepper").read_bytes())
    other.start()
    try:
        key = gateway.key(team="search")
        header = {"authorization": f"Bearer {key}"}
        until(lambda: other.get("/v1/models", header).status == 200, "the other gateway knows the key", 5)
        sent = {ask(one, key) for one in (gateway, other) * 10}
        assert {call.request_id for call in gateway.calls(20, within_s=20)} == sent
    finally:
        other.stop()
