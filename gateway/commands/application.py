"""weighbridge application: what makes calls, and the tags of its calls that say nothing themselves."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.opening import Json, desk
from gateway.commands.pairs import pairs
from gateway.commands.printing import Column, as_json, say, table

if TYPE_CHECKING:
    from gateway.records import ApplicationCreated

app = typer.Typer(help="Applications: what makes calls.", no_args_is_help=True)


@app.command("create")
def create(
    ctx: typer.Context,
    application_id: Annotated[str, typer.Argument(metavar="ID", help="What calls are booked under, such as shop.")],
    *,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    team: Annotated[str | None, typer.Option(help="Team that runs it and pays.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Tag of calls that say nothing; repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Add an application."""
    from gateway.change_rules import NewApplication

    new = NewApplication(id=application_id, name=name, team=team, tags=pairs(tag or (), "--tag"))
    with desk(ctx, create=True) as open_desk:
        made = open_desk.changes.create_application(new, by=open_desk.by, now=open_desk.now)
    if json:
        as_json(told(made))
    else:
        say(f"Application {made.id} is there. Give it a key: weighbridge key create --application {made.id}")


@app.command("list")
def list_(ctx: typer.Context, *, json: Json = False) -> None:
    """List applications."""
    with desk(ctx) as open_desk:
        found = sorted(open_desk.registry.applications.values(), key=lambda one: one.id)
    if json:
        as_json([told(one) for one in found])
    elif not found:
        say("No applications. Add one: weighbridge application create ID --team TEAM")
    else:
        headings = ("APPLICATION", "NAME", "TEAM", "TAGS")
        rows = [(one.id, one.name, one.team, ", ".join(f"{k}={v}" for k, v in one.tags.items())) for one in found]
        table([Column(heading) for heading in headings], rows)


def told(application: "ApplicationCreated") -> dict[str, Any]:
    """Give an application in the words of the API."""
    return {"id": application.id, "name": application.name, "team": application.team, "tags": application.tags}
