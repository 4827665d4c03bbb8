"""weighbridge team: who pays."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.opening import Json, desk
from gateway.commands.printing import Column, as_json, say, table

if TYPE_CHECKING:
    from gateway.records import TeamCreated

app = typer.Typer(help="Teams: who pays.", no_args_is_help=True)


@app.command("create")
def create(
    ctx: typer.Context,
    team_id: Annotated[str, typer.Argument(metavar="ID", help="What calls are booked under, such as search.")],
    *,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    cost_centre: Annotated[str | None, typer.Option(help="Cost centre that pays for it.")] = None,
    parent: Annotated[str | None, typer.Option(help="Team it belongs to.")] = None,
    json: Json = False,
) -> None:
    """Add a team."""
    from gateway.change_rules import NewTeam

    new = NewTeam(id=team_id, name=name, cost_centre=cost_centre, parent=parent)
    with desk(ctx, create=True) as open_desk:
        made = open_desk.changes.create_team(new, by=open_desk.by, now=open_desk.now)
    if json:
        as_json(told(made))
    else:
        say(f"Team {made.id} is there. Give it a key: weighbridge key create --team {made.id}")


@app.command("list")
def list_(ctx: typer.Context, *, json: Json = False) -> None:
    """List teams."""
    with desk(ctx) as open_desk:
        found = sorted(open_desk.registry.teams.values(), key=lambda one: one.id)
    if json:
        as_json([told(one) for one in found])
    elif not found:
        say("No teams. Add one: weighbridge team create ID")
    else:
        headings = ("TEAM", "NAME", "COST CENTRE", "PARENT")
        rows = [(one.id, one.name, one.cost_centre, one.parent) for one in found]
        table([Column(heading) for heading in headings], rows)


def told(team: "TeamCreated") -> dict[str, Any]:
    """Give a team in the words of the API."""
    return {"id": team.id, "name": team.name, "cost_centre": team.cost_centre, "parent": team.parent}
