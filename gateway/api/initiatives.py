"""Initiatives over the API: the work that calls are charged to."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from gateway.api.permissions import Allow, Caller, IdempotencyKey, not_found
from gateway.api.shapes import Asked, Moment, Page, Paging, Text, Told, page
from gateway.change_rules import NewInitiative
from gateway.records import Initiative, InitiativeKind

router = APIRouter(prefix="/api/v1/initiatives", tags=["initiatives"])


class InitiativeIn(Asked):
    """A piece of work to be. `owner_role` names a role, never a person."""

    id: Text
    title: Text = ""
    kind: InitiativeKind = "epic"
    parent: Text | None = None
    team: Text | None = None
    owner_role: Text | None = None
    funding: Text | None = None
    aliases: Annotated[tuple[Text, ...], Field(max_length=32)] = ()
    opened_at: Moment | None = None


class InitiativeOut(Told):
    """An initiative as it stands now."""

    id: str
    title: str
    kind: InitiativeKind
    parent: str | None
    team: str | None
    owner_role: str | None
    funding: str | None
    aliases: tuple[str, ...]
    status: Literal["open", "closed"]
    opened_at: Moment
    closed_at: Moment | None


class AliasIn(Asked):
    """Another name."""

    alias: Text


class CloseIn(Asked):
    """When an initiative ended, where that is not now."""

    closed_at: Moment | None = None


class InitiativePaging(Paging):
    """Which initiatives."""

    status: Literal["open", "closed"] | None = None


Writer = Annotated[Caller, Depends(Allow("registry:write"))]


@router.post("", status_code=201)
def create_initiative(new: InitiativeIn, caller: Writer, idempotency_key: IdempotencyKey = None) -> InitiativeOut:
    """Add an initiative; calls can be charged to it from now on."""
    asked = NewInitiative(**dict(new))
    return InitiativeOut.model_validate(
        caller.changes.create_initiative(asked, by=caller.by(idempotency_key), now=caller.now)
    )


@router.get("")
def list_initiatives(
    caller: Annotated[Caller, Depends(Allow("registry:read"))], paging: Annotated[InitiativePaging, Query()]
) -> Page[InitiativeOut]:
    """List the initiatives; a lead sees the own team's and those of no team."""
    fitting = (
        (one.id, one)
        for one in list(caller.house.registry.initiatives.values())
        if _sees(caller, one) and paging.status in {None, one.status}
    )
    items, cursor = page(fitting, paging)
    return Page[InitiativeOut](items=[InitiativeOut.model_validate(one) for one in items], next_cursor=cursor)


@router.get("/{initiative_id}")
def get_initiative(initiative_id: str, caller: Annotated[Caller, Depends(Allow("registry:read"))]) -> InitiativeOut:
    """Tell what one initiative is, by its id or another of its names."""
    known = caller.house.registry.initiative(initiative_id)[1]
    if known is None or not _sees(caller, known):
        raise not_found("initiative")
    return InitiativeOut.model_validate(known)


@router.post("/{initiative_id}/aliases", status_code=201)
def alias_initiative(
    initiative_id: str, new: AliasIn, caller: Writer, idempotency_key: IdempotencyKey = None
) -> InitiativeOut:
    """Let another name lead to this initiative."""
    by = caller.by(idempotency_key)
    return InitiativeOut.model_validate(
        caller.changes.alias_initiative(initiative_id, new.alias, by=by, now=caller.now)
    )


@router.post("/{initiative_id}/close")
def close_initiative(
    initiative_id: str, caller: Writer, ended: CloseIn | None = None, idempotency_key: IdempotencyKey = None
) -> InitiativeOut:
    """End an initiative; its calls are taken for 14 days more, and flagged."""
    by = caller.by(idempotency_key)
    closed_at = ended.closed_at if ended else None
    return InitiativeOut.model_validate(
        caller.changes.close_initiative(initiative_id, closed_at=closed_at, by=by, now=caller.now)
    )


@router.post("/{initiative_id}/reopen")
def reopen_initiative(initiative_id: str, caller: Writer, idempotency_key: IdempotencyKey = None) -> InitiativeOut:
    """Let a closed initiative go on."""
    by = caller.by(idempotency_key)
    return InitiativeOut.model_validate(caller.changes.reopen_initiative(initiative_id, by=by, now=caller.now))


def _sees(caller: Caller, initiative: Initiative) -> bool:
    return initiative.team is None or caller.sees_team(initiative.team)
