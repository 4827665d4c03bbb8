"""The trail of changes over the API: who changed what, when, in the book's own order."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from gateway.api.permissions import Allow, Caller
from gateway.api.shapes import Moment, Page, Paging, Told, place
from gateway.ledger.entry import Placed
from gateway.records import REGISTRY_KINDS

router = APIRouter(prefix="/api/v1/changes", tags=["changes"])

KINDS = tuple(kind for kind in REGISTRY_KINDS if kind != "session_tag")
WITHHELD = frozenset(("digest", "by", "op", "id"))
"""What a change's entry holds beside what was changed; the hash of a key is nobody's business."""


class ChangeOut(Told):
    """One change: by whom (a key's id, "cli" or "start"), to what, and what it set."""

    position: int
    entry_id: str
    occurred_at: Moment
    source: str
    actor: str
    kind: str
    op: str
    id: str
    set: dict[str, Any]


@router.get("")
def list_changes(
    caller: Annotated[Caller, Depends(Allow("changes:read"))], paging: Annotated[Paging, Query()]
) -> Page[ChangeOut]:
    """List the changes, oldest first."""
    placed = caller.house.ledger.entries(after=place(paging.cursor), kinds=KINDS, limit=paging.limit)
    cursor = str(placed[-1].position) if len(placed) == paging.limit else None
    return Page[ChangeOut](items=[_told(one) for one in placed], next_cursor=cursor)


def _told(one: Placed) -> ChangeOut:
    fields = one.entry.fields()
    return ChangeOut(
        position=one.position,
        entry_id=one.entry.id,
        occurred_at=one.entry.occurred_at,
        source=one.entry.source,
        actor=fields["by"]["actor"],
        kind=one.entry.kind,
        op=fields["op"],
        id=fields["id"],
        set={name: value for name, value in fields.items() if name not in WITHHELD},
    )
