"""People over the API: by pseudonym and team only. No route takes a person's id, so nobody can be looked up."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from gateway.api.permissions import Allow, Caller, IdempotencyKey
from gateway.api.shapes import Asked, Page, Paging, Text, Told, page

router = APIRouter(prefix="/api/v1/people", tags=["people"])


class PersonIn(Asked):
    """A person, named as people name them; what is kept is the pseudonym made from it."""

    person: Annotated[str, Field(min_length=1, max_length=128)]
    team: Text | None = None


class PersonOut(Told):
    """A person's pseudonym and team."""

    id: str
    team: str | None


@router.post("", status_code=201)
def create_person(
    new: PersonIn, caller: Annotated[Caller, Depends(Allow("people:write"))], idempotency_key: IdempotencyKey = None
) -> PersonOut:
    """Add a person to a team."""
    made = caller.changes.create_person(new.person, team=new.team, by=caller.by(idempotency_key), now=caller.now)
    return PersonOut.model_validate(made)


@router.get("")
def list_people(
    caller: Annotated[Caller, Depends(Allow("people:read"))], paging: Annotated[Paging, Query()]
) -> Page[PersonOut]:
    """List the pseudonyms."""
    known = list(caller.house.registry.people.values())
    items, cursor = page(((one.id, one) for one in known), paging)
    return Page[PersonOut](items=[PersonOut.model_validate(one) for one in items], next_cursor=cursor)
