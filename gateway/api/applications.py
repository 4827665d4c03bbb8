"""Applications over the API: what calls, and what its calls are for when they say nothing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from gateway.api.permissions import Allow, Caller, IdempotencyKey, not_found
from gateway.api.shapes import Asked, Page, Paging, Tags, Text, Told, page
from gateway.change_rules import NewApplication

router = APIRouter(prefix="/api/v1/applications", tags=["applications"])


class ApplicationIn(Asked):
    """An application to be."""

    id: Text
    name: Text = ""
    team: Text | None = None
    tags: Annotated[Tags, Field(default_factory=dict)]


class ApplicationOut(Told):
    """An application, the team that runs it, and the tags of its calls that say nothing themselves."""

    id: str
    name: str
    team: str | None
    tags: dict[str, str]


@router.post("", status_code=201)
def create_application(
    new: ApplicationIn,
    caller: Annotated[Caller, Depends(Allow("registry:write"))],
    idempotency_key: IdempotencyKey = None,
) -> ApplicationOut:
    """Add an application."""
    asked = NewApplication(**dict(new))
    return ApplicationOut.model_validate(
        caller.changes.create_application(asked, by=caller.by(idempotency_key), now=caller.now)
    )


@router.get("")
def list_applications(
    caller: Annotated[Caller, Depends(Allow("registry:read"))], paging: Annotated[Paging, Query()]
) -> Page[ApplicationOut]:
    """List the applications; a lead sees those of the own team."""
    known = list(caller.house.registry.applications.values())
    items, cursor = page(((one.id, one) for one in known if caller.sees_team(one.team)), paging)
    return Page[ApplicationOut](items=[ApplicationOut.model_validate(one) for one in items], next_cursor=cursor)


@router.get("/{application_id}")
def get_application(application_id: str, caller: Annotated[Caller, Depends(Allow("registry:read"))]) -> ApplicationOut:
    """Tell what one application is."""
    known = caller.house.registry.applications.get(application_id)
    if known is None or not caller.sees_team(known.team):
        raise not_found("application")
    return ApplicationOut.model_validate(known)
