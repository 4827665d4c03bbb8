"""Intents and ends of requests such as a gateway journals, made from their ids alone."""

from datetime import UTC, datetime

import msgspec

from gateway.ledger.entry import Call, Entry, Intent

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
COST_UPPER = 900


def intent_of(request_id: str) -> Intent:
    return Intent(
        request_id=request_id,
        occurred_at=NOON,
        operation="chat",
        dialect="openai",
        provider_name="openai",
        request_model="gpt-5.2",
        streamed=True,
        cost_upper=COST_UPPER,
        key_id="key_1",
        tags={"team": "search", "initiative": "PROJ-42"},
        tag_sources={"team": "key", "initiative": "header"},
        initiative_status="active",
        session_id="session-1",
        client="openai-python",
        input_bytes=1000,
    )


def call_of(request_id: str, billed_cost: int = 123) -> Call:
    return Call(
        request_id=request_id,
        state="settled",
        operation="chat",
        dialect="openai",
        provider_name="openai",
        request_model="gpt-5.2",
        status=200,
        billed_cost=billed_cost,
    )


def end_of(request_id: str, billed_cost: int = 123) -> Entry:
    return entry_of(f"{request_id}:call", call_of(request_id, billed_cost))


def attempt_of(request_id: str, number: int) -> Entry:
    call = msgspec.structs.replace(call_of(request_id, 0), state="voided", attempt=number)
    return msgspec.structs.replace(entry_of(f"{request_id}:attempt:{number}", call), kind="attempt")


def entry_of(entry_id: str, call: Call) -> Entry:
    body = msgspec.Raw(msgspec.json.encode(call))
    return Entry(id=entry_id, kind="call", occurred_at=NOON, recorded_at=NOON, source="gateway", body=body)


def note_of(entry_id: str) -> Entry:
    return Entry(
        id=entry_id,
        kind="session_tag",
        occurred_at=NOON,
        recorded_at=NOON,
        source="gateway",
        body=msgspec.Raw(b'{"session_id":"session-1","initiative":"PROJ-42"}'),
    )
