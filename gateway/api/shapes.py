"""What the API's bodies are made of: strict ones in, plain ones out, and lists a page at a time."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from gateway.errors import Refused
from policies.refusal import Refusal

PAGE_MAX = 500
PAGE = 100


class Asked(BaseModel):
    """A body or query as a client sends it: what is not foreseen is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """A body as we send it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def _written(moment: object) -> object:
    """Pass what is text: numbers could be seconds, or milliseconds."""
    if not isinstance(moment, str | datetime):
        raise ValueError("write it like 2027-01-31T00:00:00Z")  # noqa: TRY004 - pydantic reads ValueError
    return moment


def _utc(moment: datetime) -> datetime:
    """Give the moment in UTC; raises ValueError where no year we keep books for holds it."""
    if not 2000 <= moment.year < 2200:
        raise ValueError("the year must be between 2000 and 2199")
    return moment.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written),
    AfterValidator(_utc),
    PlainSerializer(lambda at: at.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
]
"""RFC 3339, in UTC on the way out."""

Text = Annotated[str, Field(max_length=128)]
Tags = Annotated[dict[Text, Text], Field(max_length=16)]
Globs = Annotated[tuple[Text, ...], Field(max_length=64)]

One = TypeVar("One")


class Page(Told, Generic[One]):
    """A part of a list. `next_cursor` leads to the next part, and is null at the end."""

    items: list[One]
    next_cursor: str | None


class Paging(Asked):
    """How much of a list, from where on."""

    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE
    cursor: Annotated[str | None, Field(max_length=128, description="next_cursor of the page before")] = None


def page(things: Iterable[tuple[str, Any]], paging: Paging) -> tuple[list[Any], str | None]:
    """Give the things of a page, in order of their ids, and the cursor of the next one."""
    after = sorted(
        (pair for pair in things if paging.cursor is None or pair[0] > paging.cursor), key=lambda pair: pair[0]
    )
    shown = after[: paging.limit]
    return [thing for _, thing in shown], shown[-1][0] if len(after) > paging.limit else None


def place(cursor: str | None) -> int:
    """Give the number a cursor stands for, 0 without one; raises Refused."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise Refused(
            Refusal("bad_cursor", "This cursor is not one of ours; take next_cursor of the page before.", 400)
        )
    return int(cursor)
