"""Spend over the API: sums from the book, grouped and filtered, as JSON or CSV, each caller within its share."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from gateway.api.permissions import Allow, Caller, not_found
from gateway.api.shapes import PAGE_MAX, Asked, Moment, Text, Told, place
from gateway.errors import Refused
from gateway.ledger.entry import FIGURES, SpendQuery, SpendRow
from gateway.spend_table import BY_MAX, OFFERED, SPOKEN, added, as_csv, figures
from policies.refusal import Refusal
from policies.tags import value_fits

router = APIRouter(prefix="/api/v1", tags=["spend"])

WITHIN_SHARE = frozenset(OFFERED) - {"key_id"}
"""To a lead a key is a colleague; to a member it is always the own one."""


class SpendAsked(Asked):
    """A period, what to group by, and what to keep. Days are UTC; `until` is not in the period."""

    since: Annotated[str | None, Field(max_length=40, description="date or RFC 3339; this month if left out")] = None
    until: Annotated[str | None, Field(max_length=40, description="date or RFC 3339; now if left out")] = None
    by: Annotated[str, Field(max_length=128, description="up to 4 dimensions, separated by commas")] = ""
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_MAX
    cursor: Annotated[str | None, Field(max_length=128)] = None
    team: Text | None = None
    initiative: Text | None = None
    application: Text | None = None
    environment: Text | None = None
    workflow: Text | None = None
    product: Text | None = None
    cost_centre: Text | None = None
    customer: Text | None = None
    key_id: Text | None = None
    provider_name: Text | None = None
    request_model: Text | None = None
    response_model: Text | None = None
    operation: Text | None = None
    state: Text | None = None
    source: Text | None = None


class Figures(Told):
    """Sums. Money is a decimal string in USD, null where nothing of it is known.

    `unknown_calls` are calls whose cost is not known, and not in it.
    """

    calls: int
    billed_cost: str | None
    unknown_calls: int
    estimated_cost: str | None
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    reasoning_output_tokens: int


class SpendGroup(Figures):
    """One group: its value for each dimension asked for, null where calls had none."""

    group: dict[str, str | None]


class Spend(Told):
    """The groups in order of cost, largest first, and the total of all of them, on other pages too."""

    since: Moment
    until: Moment
    currency: Literal["USD"]
    by: tuple[str, ...]
    rows: list[SpendGroup]
    total: Figures
    next_cursor: str | None


@router.get("/spend", response_model=Spend, responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
def get_spend(
    caller: Annotated[Caller, Depends(Allow("spend:read"))], asked: Annotated[SpendAsked, Query()]
) -> Spend | Response:
    """Sum what was spent: everything, the own team's (lead), or the own key's (member, service)."""
    query = _query(caller, asked)
    rows = caller.house.ledger.spend(query)
    if asked.format == "csv":
        name = f"spend-{query.since:%Y%m%d}-{query.until:%Y%m%d}.csv"
        head = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(as_csv(query.by, rows), media_type="text/csv; charset=utf-8", headers=head)
    start = place(asked.cursor)
    shown = rows[start : start + asked.limit]
    return Spend(
        since=query.since,
        until=query.until,
        currency="USD",
        by=query.by,
        rows=[_group(query.by, row) for row in shown],
        total=Figures.model_validate(figures(added(rows))),
        next_cursor=str(start + asked.limit) if len(rows) > start + asked.limit else None,
    )


def _query(caller: Caller, asked: SpendAsked) -> SpendQuery:
    """Give the sum to make, kept within what the caller may see."""
    since, until = _period(asked, caller.now)
    said = [name.strip().lower() for name in asked.by.split(",") if name.strip()]
    by = tuple(dict.fromkeys(SPOKEN.get(name, name) for name in said))
    where = {name: value for name in OFFERED if (value := getattr(asked, name, None)) is not None}
    offered = frozenset(OFFERED) if caller.sees_all else WITHIN_SHARE
    for name in by:
        if name not in offered:
            raise _no(f"{name[:40]!a} is not among what this key can group by: {', '.join(sorted(offered))}.")
    if len(by) > BY_MAX:
        raise _no(f"Group by at most {BY_MAX} dimensions at once.")
    for name, value in where.items():
        if not value_fits(value):
            raise _no(f"{name} must be 1 to 128 visible ASCII characters.")
    return SpendQuery(since=since, until=until, by=by, where=where | _share(caller, where))


def _share(caller: Caller, where: dict[str, str]) -> dict[str, str]:
    """Give the filter that keeps a caller within its share; another's is as unknown as what is not there."""
    if caller.sees_all:
        return {}
    share = {"key_id": caller.principal.key_id}
    if caller.principal.role == "lead" and caller.team is not None:
        share = {"team": caller.team}
        if "key_id" in where and where["key_id"] != caller.principal.key_id:
            raise not_found("key")
    for name, value in share.items():
        if where.get(name, value) != value:
            raise not_found(name.removesuffix("_id"))
    return share


def _period(asked: SpendAsked, now: datetime) -> tuple[datetime, datetime]:
    """Give the period, half-open, in UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since = _moment("since", asked.since) if asked.since else first
    until = _moment("until", asked.until) if asked.until else now
    if since >= until:
        raise _no("since must be before until.")
    return since, until


def _moment(name: str, said: str) -> datetime:
    """Read a date, which is its midnight in UTC, or a moment with its zone."""
    try:
        at = datetime.fromisoformat(f"{said}T00:00:00Z" if len(said) == len("2027-01-31") else said)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 2000 <= at.year < 2200:
        raise _no(f"{name} must be a date like 2027-01-31 or a moment like 2027-01-31T12:00:00Z.")
    return at.astimezone(UTC)


def _group(by: tuple[str, ...], row: SpendRow) -> SpendGroup:
    return SpendGroup.model_validate({"group": dict(zip(by, row.group, strict=True)), **figures(row)})


def _no(message: str) -> Refused:
    return Refused(Refusal("bad_query", message, 400))


assert tuple(Figures.model_fields) == FIGURES
