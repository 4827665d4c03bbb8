"""weighbridge key: give a key out, list them, end one."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.commands.failed import Failed
from gateway.commands.moments import moment, rfc3339, written
from gateway.commands.opening import Desk, Json, desk
from gateway.commands.pairs import pairs
from gateway.commands.printing import Column, as_json, box, fields, note, say, table
from gateway.commands.starting import command

if TYPE_CHECKING:
    from gateway.change_rules import NewKey
    from gateway.records import Principal

app = typer.Typer(help="Keys: give one out, list them, end one.", no_args_is_help=True)

LISTED_MAX = 5

RoleName = Literal["admin", "finops", "auditor", "lead", "member", "service"]


@app.command("create")
def create(  # noqa: PLR0913 - each is an option
    ctx: typer.Context,
    *,
    role: Annotated[RoleName, typer.Option(help="lead, member and service call models; the others manage.")] = "member",
    name: Annotated[str, typer.Option(help="What people will know it by.")] = "",
    team: Annotated[str | None, typer.Option(help="Team that pays; it is made if it is not known.")] = None,
    application: Annotated[str | None, typer.Option(help="Application that uses it.")] = None,
    person: Annotated[str | None, typer.Option(help="Who has it; kept as a pseudonym only.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What its calls are booked under when they say nothing; repeatable."),
    ] = None,
    lock: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Dimension its clients cannot change; repeatable.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Models it may call, all if not said; repeatable.")
    ] = None,
    initiative: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Initiatives it may charge, all if not said; repeatable.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="Date or moment after which it stops working.")] = None,
    json: Json = False,
) -> None:
    """Give out a key; it is shown this once and kept only as a hash."""
    from gateway.change_rules import NewKey
    from gateway.records import CALLER_ROLES

    tags = pairs(tag or (), "--tag")
    with desk(ctx, create=True) as open_desk:
        expires_at = moment(expires, open_desk.now, "--expires") if expires else None
        new = NewKey(
            role=role,
            name=name,
            team=team,
            application=application,
            person=person,
            tags=tags,
            locked=tuple(lock or ()),
            models=tuple(model or ()),
            initiatives=tuple(initiative or ()),
            expires_at=expires_at,
        )
        if team is not None:
            _make_team(open_desk, team, new)
        made, key = open_desk.changes.create_key(new, by=open_desk.by, now=open_desk.now)
    assert key is not None, "without an Idempotency-Key nothing is replayed"
    if json:
        as_json({**told(made), "key": key})
        return
    box(f"Key {made.key_id}: shown once, it cannot be shown again", [key])
    if made.role in CALLER_ROLES:
        where = f" --config {open_desk.settings.config_file}" if open_desk.settings.config_file else ""
        say(f'Use it:  export WEIGHBRIDGE_KEY={key} && eval "$({command()} env{where})"')
    else:
        say(f"Role: {made.role}")


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Show revoked and expired keys too.")] = False,
    team: Annotated[str | None, typer.Option(help="Only this team's.")] = None,
    json: Json = False,
) -> None:
    """List keys, never the keys themselves."""
    with desk(ctx) as open_desk:
        found = [
            one
            for one in open_desk.registry.keys.values()
            if (all_ or state(one, open_desk) == "active") and team in {None, one.team}
        ]
        if json:
            as_json([told(one) for one in found])
            return
        rows = [
            (
                one.key_id,
                one.name,
                one.role,
                one.team,
                one.application,
                f"...{one.last4}",
                _day(one),
                state(one, open_desk),
            )
            for one in found
        ]
    if not rows:
        say("No keys. Give one out: weighbridge key create --team TEAM")
        return
    headings = ("KEY", "NAME", "ROLE", "TEAM", "APPLICATION", "ENDS IN", "CREATED", "STATE")
    table([Column(heading) for heading in headings], rows)


@app.command("revoke")
def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Its id (key_...), or the key itself.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the book.")] = "",
    json: Json = False,
) -> None:
    """End a key for ever; every process refuses it within a second."""
    with desk(ctx) as open_desk:
        known = _resolved(open_desk, key_id)
        ended = open_desk.changes.revoke_key(known, reason=reason, by=open_desk.by, now=open_desk.now)
    if json:
        as_json(told(ended))
    else:
        say(f"{ended.key_id} is revoked.")


@app.command("show")
def show(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Its id (key_...), or the key itself.")],
    *,
    json: Json = False,
) -> None:
    """Tell what a key is and may do."""
    with desk(ctx) as open_desk:
        known = open_desk.registry.keys[_resolved(open_desk, key_id)]
        if json:
            as_json(told(known))
            return
        fields({"state": state(known, open_desk), **{name: _words(value) for name, value in told(known).items()}})


def told(key: "Principal") -> dict[str, Any]:
    """Give a key as it can be told by, in the words of the API."""
    return {
        "key_id": key.key_id,
        "role": key.role,
        "name": key.name,
        "last4": key.last4,
        "team": key.team,
        "application": key.application,
        "tags": key.tags,
        "locked": list(key.locked),
        "models": list(key.models),
        "initiatives": list(key.initiatives),
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "revoked_at": rfc3339(key.revoked_at),
    }


def state(key: "Principal", open_desk: Desk) -> str:
    """Say whether a key works."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= open_desk.now else "active"


def _make_team(open_desk: Desk, team: str, new: "NewKey") -> None:
    """Add a team that is not known: it is only a name until a cost centre is given.

    Raises Refused, and adds none, for a key that is refused for another reason than its team.
    """
    from gateway.change_rules import NewTeam, check_key

    if team not in open_desk.registry.teams:
        check_key(open_desk.registry, replace(new, team=None, role="admin"), open_desk.now)
        open_desk.changes.create_team(NewTeam(id=team), by=open_desk.by, now=open_desk.now)
        note(f"Team {team} was not known and has been made, without a cost centre.")


def _resolved(open_desk: Desk, said: str) -> str:
    """Give the id of a key that is told by its id, or by itself; raises Failed."""
    if said in open_desk.registry.keys:
        return said
    from gateway.keys import digest_of, read_pepper, well_formed

    if well_formed(said.encode()):
        pepper = read_pepper(open_desk.settings.data_dir)
        known = open_desk.registry.by_digest.get(digest_of(pepper, said.encode()))
        if known is not None:
            return known.key_id
        raise Failed("This key is not one of this gateway. Is it another gateway's, or is --config another's?")
    named = [key.key_id for key in open_desk.registry.keys.values() if key.name == said and key.revoked_at is None]
    if named:
        # A name is for people and can be had twice: what ends for ever is told by its id.
        raise Failed(f"{said[:64]!a} is a name. Give the id of the key that has it: {', '.join(named[:LISTED_MAX])}")
    raise Failed(f"There is no key {said[:64]!a}. weighbridge key list --all shows all.")


def _day(key: "Principal") -> str | None:
    return written(key.created_at)[:10] if key.created_at else None


def _words(value: Any) -> str | None:  # noqa: ANN401 - what JSON can hold
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return ", ".join(value) if isinstance(value, list) else value
