"""weighbridge person: people, by pseudonym only. Nothing here leads from a pseudonym to a name or to a spend."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.opening import Json, desk
from gateway.commands.printing import Column, as_json, say, table

if TYPE_CHECKING:
    from gateway.records import PersonCreated

app = typer.Typer(help="People, by pseudonym only.", no_args_is_help=True)


@app.command("create")
def create(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(help="A name or address; only a pseudonym made from it is kept.")],
    *,
    team: Annotated[str | None, typer.Option(help="Team the person works in.")] = None,
    json: Json = False,
) -> None:
    """Add a person to a team."""
    with desk(ctx, create=True) as open_desk:
        made = open_desk.changes.create_person(person, team=team, by=open_desk.by, now=open_desk.now)
    if json:
        as_json(told(made))
    else:
        say(f"In the book this person is {made.id}; the name you gave is not kept.")


@app.command("list")
def list_(ctx: typer.Context, *, json: Json = False) -> None:
    """List pseudonyms and teams."""
    with desk(ctx) as open_desk:
        found = sorted(open_desk.registry.people.values(), key=lambda one: one.id)
    if json:
        as_json([told(one) for one in found])
    elif not found:
        say("No people. Add one: weighbridge person create ana@example.com --team TEAM")
    else:
        table([Column("PERSON"), Column("TEAM")], [(one.id, one.team) for one in found])


def told(person: "PersonCreated") -> dict[str, Any]:
    """Give a person in the words of the API."""
    return {"id": person.id, "team": person.team}
