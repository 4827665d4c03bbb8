"""Keys over the API: give one out, list them, end one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from gateway.api.permissions import Allow, Caller, IdempotencyKey, not_found
from gateway.api.shapes import Asked, Globs, Moment, Page, Paging, Tags, Text, Told, page
from gateway.change_rules import NewKey
from gateway.records import Principal, Role

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])


class KeyIn(Asked):
    """A key to be given out."""

    role: Role = "member"
    name: Text = ""
    team: Text | None = None
    application: Text | None = None
    person: Text | None = None
    tags: Annotated[Tags, Field(default_factory=dict)]
    locked: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    models: Globs = ()
    initiatives: Globs = ()
    expires_at: Moment | None = None


class KeyOut(Told):
    """A key as it can be told by: never the key itself."""

    key_id: str
    role: Role
    name: str
    last4: str
    team: str | None
    application: str | None
    tags: dict[str, str]
    locked: tuple[str, ...]
    models: tuple[str, ...]
    initiatives: tuple[str, ...]
    created_at: Moment | None
    expires_at: Moment | None
    revoked_at: Moment | None


class KeyMade(KeyOut):
    """A key just given out. `key` is shown this once; null when this answer was given before."""

    key: str | None


class Reason(Asked):
    """Why a key is ended."""

    reason: Text = ""


@router.post("", status_code=201)
def create_key(
    new: KeyIn, caller: Annotated[Caller, Depends(Allow("keys:write"))], idempotency_key: IdempotencyKey = None
) -> KeyMade:
    """Give out a key; it works at once here, and within a second in every other process."""
    asked = NewKey(**dict(new))
    principal, key = caller.changes.create_key(asked, by=caller.by(idempotency_key), now=caller.now)
    return KeyMade(**KeyOut.model_validate(principal).model_dump(), key=key)


@router.get("")
def list_keys(
    caller: Annotated[Caller, Depends(Allow("keys:read"))], paging: Annotated[Paging, Query()]
) -> Page[KeyOut]:
    """List the keys this key may see: a lead's are those of the own team."""
    known = list(caller.house.registry.keys.values())
    items, cursor = page(((one.key_id, one) for one in known if caller.sees_team(one.team)), paging)
    return Page[KeyOut](items=[KeyOut.model_validate(one) for one in items], next_cursor=cursor)


@router.get("/{key_id}")
def get_key(key_id: str, caller: Annotated[Caller, Depends(Allow("keys:read"))]) -> KeyOut:
    """Tell what one key is."""
    return KeyOut.model_validate(_seen(caller, key_id))


@router.post("/{key_id}/revoke")
def revoke_key(
    key_id: str,
    caller: Annotated[Caller, Depends(Allow("keys:write"))],
    why: Reason | None = None,
    idempotency_key: IdempotencyKey = None,
) -> KeyOut:
    """End a key for ever; within a second it is refused by every process."""
    reason = why.reason if why else ""
    ended = caller.changes.revoke_key(key_id, reason=reason, by=caller.by(idempotency_key), now=caller.now)
    return KeyOut.model_validate(ended)


def _seen(caller: Caller, key_id: str) -> Principal:
    known = caller.house.registry.keys.get(key_id)
    if known is None or not caller.sees_team(known.team):
        raise not_found("key")
    return known
