"""Who there is at the made-up company, as registry entries: teams, applications, people, initiatives and keys."""

import hmac
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from gateway.demo.calls import SOURCE
from gateway.demo.company import INITIATIVES, KEYS_SHOWN, TEAMS, WORKS, Funded, Work
from gateway.keys import CALLER_PREFIX, MANAGEMENT_PREFIX, digest_of, key_from, pseudonym
from gateway.ledger.entry import Entry, Kind
from gateway.records import (
    ApplicationCreated,
    By,
    InitiativeClosed,
    InitiativeCreated,
    KeyCreated,
    PersonCreated,
    RegistryChange,
    Role,
    TeamCreated,
)
from gateway.secret import Secret

READERS: tuple[tuple[str, Role], ...] = (("admin", "admin"), ("finops", "finops"))
"""Keys that manage and read; the others call models."""

LAST_KEY = f"key_demo_{READERS[-1][0]}"
"""The last entry of all: where it is, the demo is whole."""

_BY = By(actor=SOURCE)
_encode = msgspec.json.Encoder().encode


def key_of(pepper: Secret, name: str, prefix: str = CALLER_PREFIX) -> Secret:
    """Give the demo's key of this name: always the same under one pepper, and unknown without it.

    So it can be shown again at every start, and is still kept nowhere.
    """
    return Secret(key_from(hmac.digest(pepper.reveal().encode(), f"demo key:{name}".encode(), "sha256"), prefix))


def key_id(application: str) -> str:
    """Give the id of an application's key."""
    return f"key_demo_{application}"


def shown(pepper: Secret) -> tuple[tuple[str, Role, str | None, Secret], ...]:
    """Give the keys to print: name, role, team and the key."""
    readers = tuple((name, role, None, key_of(pepper, name, MANAGEMENT_PREFIX)) for name, role in READERS)
    works = tuple(work for work in WORKS if work.application in KEYS_SHOWN)
    role: Role = "service"
    return (*readers, *((work.application, role, work.team, key_of(pepper, work.application)) for work in works))


def people_of(pepper: Secret, work: Work) -> tuple[str, ...]:
    """Give the pseudonyms of the people behind a stream."""
    return tuple(pseudonym(pepper, f"demo person {number}") for number in work.people)


def staff(pepper: Secret, today: date, days: int) -> tuple[Entry, ...]:
    """Give the entries that say who there was on the first day; none of them is a name."""
    start = datetime.combine(today - timedelta(days=days), time(), UTC)
    changes: list[tuple[Kind, RegistryChange, datetime]] = [
        ("team", TeamCreated(id=team.id, by=_BY, name=team.name, cost_centre=team.cost_centre), start) for team in TEAMS
    ]
    changes += [("initiative", _opened(one, today), start) for one in INITIATIVES]
    changes += [
        ("application", ApplicationCreated(id=work.application, by=_BY, team=work.team), start) for work in WORKS
    ]
    people = {person: work.team for work in WORKS for person in people_of(pepper, work)}
    changes += [("person", PersonCreated(id=person, by=_BY, team=team), start) for person, team in people.items()]
    changes += [("key", _key(pepper, work.application, "service", work), start) for work in WORKS]
    return tuple(_entry(kind, change, at, today) for kind, change, at in changes)


def endings(pepper: Secret, today: date) -> tuple[Entry, ...]:
    """Give the entries that come last: initiatives that were closed, and the keys of those who read."""
    entries = []
    for one in INITIATIVES:
        closed = closed_at(one, today)
        if closed is not None:
            change = InitiativeClosed(id=one.id, by=_BY, closed_at=closed)
            entries.append(_entry("initiative", change, closed, today, "closed"))
    midnight = datetime.combine(today, time(), UTC)
    entries += [_entry("key", _key(pepper, name, role), midnight, today) for name, role in READERS]
    return tuple(entries)


def closed_at(one: Funded, today: date) -> datetime | None:
    """Give when an initiative was closed, if it was."""
    if one.closed_days_ago is None:
        return None
    return datetime.combine(today - timedelta(days=one.closed_days_ago), time(17), UTC)


def seal(today: date) -> str:
    """Give the id of the last entry of a demo that was made for this day."""
    return _entry_id("key", LAST_KEY, today)


def _opened(one: Funded, today: date) -> InitiativeCreated:
    return InitiativeCreated(
        id=one.id,
        by=_BY,
        title=one.title,
        kind=one.kind,
        team=one.team,
        owner_role=one.owner_role,
        funding=one.funding,
        opened_at=datetime.combine(today - timedelta(days=one.opened_days_ago), time(), UTC),
    )


def _key(pepper: Secret, name: str, role: Role, work: Work | None = None) -> KeyCreated:
    key = key_of(pepper, name, CALLER_PREFIX if work else MANAGEMENT_PREFIX).reveal()
    return KeyCreated(
        id=f"key_demo_{name}",
        digest=digest_of(pepper, key.encode()).hex(),
        last4=key[-4:],
        by=_BY,
        name=f"demo: {name}",
        role=role,
        team=work.team if work else None,
        application=work.application if work else None,
    )


def _entry(kind: Kind, change: RegistryChange, at: datetime, today: date, suffix: str = "") -> Entry:
    name = f"{change.id}:{suffix}" if suffix else change.id
    return Entry(
        id=_entry_id(kind, name, today),
        kind=kind,
        occurred_at=at,
        recorded_at=at,
        source=SOURCE,
        body=msgspec.Raw(_encode(change)),
    )


def _entry_id(kind: str, name: str, today: date) -> str:
    return f"demo:{today.isoformat()}:{kind}:{name}"
