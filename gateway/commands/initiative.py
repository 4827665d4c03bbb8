"""weighbridge initiative: the work that calls are charged to."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.commands.moments import moment, rfc3339, written
from gateway.commands.opening import Json, desk
from gateway.commands.printing import Column, as_json, say, table

if TYPE_CHECKING:
    from gateway.records import Initiative

app = typer.Typer(help="Initiatives: the work that calls are charged to.", no_args_is_help=True)

KindName = Literal[
    "portfolio", "strategic_theme", "value_stream", "product", "capability", "epic", "feature", "story", "pi_objective"
]
Id = Annotated[str, typer.Argument(metavar="ID", help="Its id, such as PROJ-42.")]


@app.command("create")
def create(  # noqa: PLR0913 - each is an option
    ctx: typer.Context,
    initiative_id: Id,
    *,
    title: Annotated[str, typer.Option(help="What it is about.")] = "",
    kind: Annotated[KindName, typer.Option(help="Which level of work it is.")] = "epic",
    parent: Annotated[str | None, typer.Option(help="Initiative above it.")] = None,
    team: Annotated[str | None, typer.Option(help="Team that works on it.")] = None,
    owner_role: Annotated[str | None, typer.Option(help="Role that answers for it; never a person.")] = None,
    funding: Annotated[str | None, typer.Option(help="What pays for it.")] = None,
    alias: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another name that leads to it; repeatable.")
    ] = None,
    opened: Annotated[str | None, typer.Option(help="Date it began, if that is not now.")] = None,
    json: Json = False,
) -> None:
    """Add an initiative; calls can be charged to it from now on."""
    from gateway.change_rules import NewInitiative

    with desk(ctx, create=True) as open_desk:
        new = NewInitiative(
            id=initiative_id,
            title=title,
            kind=kind,
            parent=parent,
            team=team,
            owner_role=owner_role,
            funding=funding,
            aliases=tuple(alias or ()),
            opened_at=moment(opened, open_desk.now, "--opened") if opened else None,
        )
        made = open_desk.changes.create_initiative(new, by=open_desk.by, now=open_desk.now)
    _tell(made, f"{made.id} can be charged. Name it in a call: X-AI-Tags: initiative={made.id}", json=json)


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    status: Annotated[Literal["open", "closed", "all"], typer.Option(help="Which.")] = "all",
    json: Json = False,
) -> None:
    """List initiatives."""
    with desk(ctx) as open_desk:
        known = open_desk.registry.initiatives.values()
        found = sorted((one for one in known if status in {"all", one.status}), key=lambda one: one.id)
    if json:
        as_json([told(one) for one in found])
    elif not found:
        say("No initiatives. Add one: weighbridge initiative create PROJ-42 --title 'Faster checkout'")
    else:
        headings = ("INITIATIVE", "TITLE", "KIND", "PARENT", "TEAM", "STATUS", "OPENED", "OTHER NAMES")
        rows = [
            (one.id, one.title, one.kind, one.parent, one.team, one.status, written(one.opened_at)[:10],
             ", ".join(one.aliases))
            for one in found
        ]  # fmt: skip
        table([Column(heading) for heading in headings], rows)


@app.command("alias")
def alias(
    ctx: typer.Context,
    initiative_id: Id,
    other: Annotated[str, typer.Argument(metavar="NAME", help="Another name for it.")],
    *,
    json: Json = False,
) -> None:
    """Let another name lead to an initiative."""
    with desk(ctx) as open_desk:
        made = open_desk.changes.alias_initiative(initiative_id, other, by=open_desk.by, now=open_desk.now)
    _tell(made, f"{other} leads to {made.id} from now on.", json=json)


@app.command("close")
def close(
    ctx: typer.Context,
    initiative_id: Id,
    *,
    at: Annotated[str | None, typer.Option(help="When it ended, if that is not now.")] = None,
    json: Json = False,
) -> None:
    """End an initiative; its calls are taken for 14 days more, and flagged."""
    with desk(ctx) as open_desk:
        closed_at = moment(at, open_desk.now, "--at") if at else None
        made = open_desk.changes.close_initiative(
            initiative_id, closed_at=closed_at, by=open_desk.by, now=open_desk.now
        )
    _tell(made, f"{made.id} is closed; its calls are taken for 14 days more, and flagged.", json=json)


@app.command("reopen")
def reopen(ctx: typer.Context, initiative_id: Id, *, json: Json = False) -> None:
    """Let a closed initiative go on."""
    with desk(ctx) as open_desk:
        made = open_desk.changes.reopen_initiative(initiative_id, by=open_desk.by, now=open_desk.now)
    _tell(made, f"{made.id} is open again.", json=json)


def told(initiative: "Initiative") -> dict[str, Any]:
    """Give an initiative in the words of the API."""
    return {
        "id": initiative.id,
        "title": initiative.title,
        "kind": initiative.kind,
        "parent": initiative.parent,
        "team": initiative.team,
        "owner_role": initiative.owner_role,
        "funding": initiative.funding,
        "aliases": list(initiative.aliases),
        "status": initiative.status,
        "opened_at": rfc3339(initiative.opened_at),
        "closed_at": rfc3339(initiative.closed_at),
    }


def _tell(made: "Initiative", text: str, *, json: bool) -> None:
    if json:
        as_json(told(made))
    else:
        say(text)
