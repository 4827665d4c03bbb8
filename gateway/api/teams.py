"""Teams over the API: who pays."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from gateway.api.permissions import Allow, Caller, IdempotencyKey, not_found
from gateway.api.shapes import Asked, Page, Paging, Text, Told, page
from gateway.change_rules import NewTeam

router = APIRouter(prefix="/api/v1/teams", tags=["teams"])


class TeamIn(Asked):
    """A team to be."""

    id: Text
    name: Text = ""
    cost_centre: Text | None = None
    parent: Text | None = None


class TeamOut(Told):
    """A team, the cost centre that pays for it, and the team it belongs to."""

    id: str
    name: str
    cost_centre: str | None
    parent: str | None


@router.post("", status_code=201)
def create_team(
    new: TeamIn, caller: Annotated[Caller, Depends(Allow("registry:write"))], idempotency_key: IdempotencyKey = None
) -> TeamOut:
    """Add a team."""
    made = caller.changes.create_team(NewTeam(**dict(new)), by=caller.by(idempotency_key), now=caller.now)
    return TeamOut.model_validate(made)


@router.get("")
def list_teams(
    caller: Annotated[Caller, Depends(Allow("registry:read"))], paging: Annotated[Paging, Query()]
) -> Page[TeamOut]:
    """List the teams; a lead sees the own one."""
    known = list(caller.house.registry.teams.values())
    items, cursor = page(((one.id, one) for one in known if caller.sees_team(one.id)), paging)
    return Page[TeamOut](items=[TeamOut.model_validate(one) for one in items], next_cursor=cursor)


@router.get("/{team_id}")
def get_team(team_id: str, caller: Annotated[Caller, Depends(Allow("registry:read"))]) -> TeamOut:
    """Tell what one team is."""
    known = caller.house.registry.teams.get(team_id)
    if known is None or not caller.sees_team(team_id):
        raise not_found("team")
    return TeamOut.model_validate(known)
