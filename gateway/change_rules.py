"""What can be asked to be added to the registry, and the rules that say no to it."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from gateway.errors import Refused
from gateway.keys import CALLER_PREFIX, MANAGEMENT_PREFIX
from gateway.records import CALLER_ROLES, InitiativeKind, Role
from gateway.registry import Registry
from gateway.tag_channels import Offer
from gateway.tags import IDENTITY, may_charge
from policies.refusal import Refusal
from policies.tags import dimension, value_fits

TEXT_CHARACTERS_MAX = 128
"""Names, titles and reasons: one line of a table."""

GLOBS_MAX = 64
"""Patterns a key carries; each is tried for each call."""

ALIASES_MAX = 32

KEYS = (CALLER_PREFIX, MANAGEMENT_PREFIX, "sk-", "AIza")
"""How our keys and those of providers begin."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_INITIATIVE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ALIAS = re.compile(r"[!#-+\--:<-\[\]-~]{1,128}")
"""Visible ASCII that X-AI-Tags can hold without quotes, so that every name can be sent everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to be given out.

    `team` can be left out where the application has one. `models` and `initiatives` are globs, empty for all.
    `tags` are what its calls are booked under when they say nothing themselves.
    """

    role: Role = "member"
    name: str = ""
    team: str | None = None
    application: str | None = None
    person: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    locked: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    initiatives: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTeam:
    """A team to be; its id is what calls are booked under."""

    id: str
    name: str = ""
    cost_centre: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApplication:
    """An application to be; `tags` are those of its calls that say nothing themselves."""

    id: str
    name: str = ""
    team: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInitiative:
    """A piece of work to be. `owner_role` names a role, never a person."""

    id: str
    title: str = ""
    kind: InitiativeKind = "epic"
    parent: str | None = None
    team: str | None = None
    owner_role: str | None = None
    funding: str | None = None
    aliases: tuple[str, ...] = ()
    opened_at: datetime | None = None


def check_key(registry: Registry, new: NewKey, now: datetime) -> dict[str, str]:
    """Give the key's tags under their one names; raises Refused for a key that must not be."""
    check_text("name", new.name)
    check_team(registry, new.team)
    application = registry.applications.get(new.application) if new.application is not None else None
    if new.application is not None and application is None:
        raise _no("application_unknown", f'No application "{shown(new.application)}" is known; create it first.')
    if new.role in CALLER_ROLES and new.team is None and (application is None or application.team is None):
        raise _no(
            "team_required", f"A key of the role {new.role} spends money, so it needs a team (or an application's)."
        )
    if new.person is not None and not 0 < len(new.person.strip()) <= TEXT_CHARACTERS_MAX:
        raise _no("bad_value", f"A person is named by 1 to {TEXT_CHARACTERS_MAX} characters.")
    if new.expires_at is not None:
        check_moment("expires_at", new.expires_at)
        if new.expires_at <= now:
            raise _no("expiry_past", "expires_at is in the past; a key must work for a while at least.")
    _check_scope(new)
    tags = check_tags(registry, new.tags)
    initiative = registry.initiative(tags["initiative"])[1] if "initiative" in tags else None
    if initiative is not None and not may_charge(new.initiatives, initiative.id):
        raise _no("tag_not_allowed", f"The key's own initiative {initiative.id} is not among those it may charge.")
    return tags


def _check_scope(new: NewKey) -> None:
    """Pass for patterns and locks that can ever match; raises Refused."""
    for what, globs in (("models", new.models), ("initiatives", new.initiatives)):
        if len(globs) > GLOBS_MAX or not all(value_fits(glob) for glob in globs):
            raise _no("bad_value", f"{what} holds at most {GLOBS_MAX} patterns of 1 to 128 visible ASCII characters.")
    for name in new.locked:
        if dimension(name, {}) != name:
            raise _no("bad_value", f'"{shown(name)}" cannot be locked: it is not the name of a dimension.')


def check_new_team(registry: Registry, new: NewTeam) -> None:
    """Pass where this team can be added; raises Refused."""
    check_id("team", new.id)
    check_text("name", new.name)
    if new.cost_centre is not None and not value_fits(new.cost_centre):
        raise _no("bad_value", "cost_centre must be 1 to 128 visible ASCII characters.")
    if new.id in registry.teams:
        raise _taken("team", new.id)
    if new.parent == new.id:
        raise _no("parent_cycle", f"{new.id} cannot be its own parent.")
    check_team(registry, new.parent)


def check_new_application(registry: Registry, new: NewApplication) -> dict[str, str]:
    """Give the application's tags under their one names; raises Refused where it must not be."""
    check_id("application", new.id)
    check_text("name", new.name)
    if new.id in registry.applications:
        raise _taken("application", new.id)
    check_team(registry, new.team)
    return check_tags(registry, new.tags)


def check_new_initiative(registry: Registry, new: NewInitiative) -> None:
    """Pass where this initiative can be added; raises Refused."""
    if not _INITIATIVE_ID.fullmatch(new.id):
        raise _no("bad_id", "An initiative's id is 1 to 64 letters, digits, dots, dashes or underscores, like PROJ-42.")
    for what, text in (("title", new.title), ("owner_role", new.owner_role), ("funding", new.funding)):
        check_text(what, text or "")
    check_name_free(registry, new.id)
    if len(new.aliases) > ALIASES_MAX:
        raise _no("bad_value", f"An initiative begins with at most {ALIASES_MAX} other names.")
    for alias in new.aliases:
        check_alias(registry, alias)
    if new.parent is not None and new.parent.casefold() == new.id.casefold():
        raise _no("parent_cycle", f"{new.id} cannot be its own parent.")
    if new.parent is not None and new.parent not in registry.initiatives:
        raise _no("initiative_unknown", f'No initiative "{shown(new.parent)}" is known; create the parent first.')
    check_team(registry, new.team)
    if new.opened_at is not None:
        check_moment("opened_at", new.opened_at)


def check_alias(registry: Registry, alias: str) -> None:
    """Pass where an initiative can have this other name; raises Refused."""
    if not _ALIAS.fullmatch(alias):
        raise _no("bad_id", "Another name is 1 to 128 visible ASCII characters, without blank, quote, comma, ; or \\.")
    check_name_free(registry, alias)


def check_name_free(registry: Registry, name: str) -> None:
    """Pass where no initiative answers to this name, whatever its case; raises Refused."""
    known = registry.initiative(name)[1]
    if known is not None:
        raise Refused(
            Refusal(
                "name_taken", f"{shown(name)} already leads to the initiative {known.id}; choose another name.", 409
            )
        )


def check_tags(registry: Registry, tags: dict[str, str]) -> dict[str, str]:
    """Give default tags under their one names, people in them as pseudonyms; raises Refused."""
    offer = Offer("defaults", {}, registry.person)
    for name, value in tags.items():
        offer.add(name, value, "tags", strict=True)
    for name in IDENTITY:
        if name in offer.tags:
            raise _no(
                "bad_value",
                f"Give {name} as a field of its own (--{name}), not as a tag, so that no client changes it.",
            )
    initiative = offer.tags.get("initiative")
    if initiative is not None and registry.initiative(initiative)[1] is None:
        raise _no("initiative_unknown", f"No initiative {shown(initiative)} is known; create it first.")
    return offer.tags


def check_team(registry: Registry, team: str | None) -> None:
    """Pass for no team or one that there is; raises Refused."""
    if team is not None and team not in registry.teams:
        raise _no(
            "team_unknown", f'No team "{shown(team)}" is known. Create it: weighbridge team create {shown(team)}.'
        )


def check_id(what: str, said: str) -> None:
    """Pass for an id that fits tags, addresses and file names; raises Refused."""
    if not _ID.fullmatch(said):
        raise _no("bad_id", f"The id of a {what} is 1 to 64 lower-case letters, digits, dots, dashes or underscores.")


def check_text(what: str, text: str) -> None:
    """Pass for one line of text; raises Refused."""
    if len(text) > TEXT_CHARACTERS_MAX or not text.isprintable():
        raise _no("bad_value", f"{what} is one line of at most {TEXT_CHARACTERS_MAX} printable characters.")


def check_moment(what: str, moment: datetime) -> None:
    """Pass for a moment with a zone; raises Refused."""
    if moment.tzinfo is None:
        raise _no("bad_value", f"{what} needs a zone: write it like 2027-01-31T00:00:00Z.")


def check_past(what: str, moment: datetime, now: datetime) -> None:
    """Pass for a moment that has been; raises Refused. A change is in force at once, never later."""
    if moment > now:
        raise _no("bad_value", f"{what} is in the future; make the change when it is time.")


def shown(text: str) -> str:
    """Give a caller's text fit for an answer: printable, short, and no key that was pasted in the wrong place."""
    if text.startswith(KEYS):
        return "***"
    return "".join(c if c.isprintable() else "?" for c in text[:64])


def _taken(what: str, said: str) -> Refused:
    return Refused(Refusal(f"{what}_taken", f"There is already a {what} {said}; nothing was changed.", 409))


def _no(code: str, message: str) -> Refused:
    return Refused(Refusal(code, message, 400))
