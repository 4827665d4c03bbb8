"""Changes to who there is and what work there is: each one an entry in the book, in force at once."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from gateway.change_rules import (
    NewApplication,
    NewInitiative,
    NewKey,
    NewTeam,
    check_alias,
    check_key,
    check_moment,
    check_new_application,
    check_new_initiative,
    check_new_team,
    check_past,
    check_team,
    check_text,
    shown,
)
from gateway.errors import Refused
from gateway.ids import new_request_id
from gateway.keys import CALLER_PREFIX, MANAGEMENT_PREFIX, digest_of, new_key
from gateway.ledger.entry import Entry, Ledger
from gateway.records import (
    CALLER_ROLES,
    ApplicationCreated,
    By,
    Initiative,
    InitiativeAliased,
    InitiativeClosed,
    InitiativeCreated,
    InitiativeReopened,
    KeyCreated,
    KeyRevoked,
    PersonCreated,
    Principal,
    RegistryChange,
    TeamCreated,
)
from gateway.registry import Registry
from gateway.secret import Secret
from policies.refusal import Refusal

FIRST_ADMIN = "key_first_admin"
"""One id for whoever starts first: of several keys under it the book's first counts, the others are void."""

ChangeKind = Literal["key", "team", "application", "person", "initiative"]


class Changes:
    """Makes changes, for the API and the command line alike.

    Every method blocks (call it off the event loop), reads the book before it decides, and raises Refused where
    a rule says no. What it returns is what the book's order made of the change: of two that exclude each other
    the later one is refused, between processes too. A `by` whose Idempotency-Key was used for the same request
    gets the same answer again and changes nothing; for another request it is refused (409).
    """

    def __init__(self, ledger: Ledger, registry: Registry, pepper: Secret, *, source: str = "management") -> None:
        """Keep the book, its fold, and the door its entries are marked with ("demo" for what may go again)."""
        self._ledger = ledger
        self._registry = registry
        self._pepper = pepper
        self._source = source

    def by(self, actor: str, *, idempotency_key: str | None = None, request: bytes = b"") -> By:
        """Give who changes (a key's id, or "cli") and under which Idempotency-Key; each actor has its own.

        `request` is all that makes the request this one: method, path and body. Both are kept as keyed hashes,
        because a body may name a person.
        """
        if idempotency_key is None:
            return By(actor=actor)
        scoped = b"idempotency:" + actor.encode() + b"\0" + idempotency_key.encode()
        return By(
            actor=actor,
            idempotency=digest_of(self._pepper, scoped).hex(),
            request=digest_of(self._pepper, b"request:" + request).hex(),
        )

    def create_key(self, new: NewKey, *, by: By, now: datetime) -> tuple[Principal, str | None]:
        """Give out a key: its principal, and the key itself, shown this once (None when this is a replay)."""
        key = new_key(CALLER_PREFIX if new.role in CALLER_ROLES else MANAGEMENT_PREFIX)

        def change() -> KeyCreated:
            tags = check_key(self._registry, new, now)
            return self._key(_fresh("key_"), new, key, tags, by)

        made = self._once("key", change, by, now)
        return self._registry.keys[made], key if self._is_known(key) else None

    def revoke_key(self, key_id: str, *, reason: str = "", by: By, now: datetime) -> Principal:
        """End a key for ever: refused here from now on, in other processes from their next refresh."""

        def change() -> KeyRevoked:
            check_text("reason", reason)
            known = self._registry.keys.get(key_id)
            if known is None:
                raise _unknown("key")
            if known.revoked_at is not None:
                raise Refused(Refusal("key_already_revoked", f"The key {key_id} was revoked before.", 409))
            return KeyRevoked(id=key_id, by=by, reason=reason)

        return self._registry.keys[self._once("key", change, by, now)]

    def create_team(self, new: NewTeam, *, by: By, now: datetime) -> TeamCreated:
        """Add a team."""

        def change() -> TeamCreated:
            check_new_team(self._registry, new)
            return TeamCreated(id=new.id, by=by, name=new.name, cost_centre=new.cost_centre, parent=new.parent)

        return self._registry.teams[self._once("team", change, by, now)]

    def create_application(self, new: NewApplication, *, by: By, now: datetime) -> ApplicationCreated:
        """Add an application."""

        def change() -> ApplicationCreated:
            tags = check_new_application(self._registry, new)
            return ApplicationCreated(id=new.id, by=by, name=new.name, team=new.team, tags=tags)

        return self._registry.applications[self._once("application", change, by, now)]

    def create_person(self, person: str, *, team: str | None = None, by: By, now: datetime) -> PersonCreated:
        """Add a person, named as people name them and kept by pseudonym only."""

        def change() -> PersonCreated:
            check_text("person", person)
            if not person.strip():
                raise Refused(Refusal("bad_value", "A person needs a name or an address to be told by.", 400))
            check_team(self._registry, team)
            pseudonym = self._registry.person(person)
            if pseudonym in self._registry.people:
                raise Refused(Refusal("person_taken", f"This person is already here, as {pseudonym}.", 409))
            return PersonCreated(id=pseudonym, by=by, team=team)

        return self._registry.people[self._once("person", change, by, now)]

    def create_initiative(self, new: NewInitiative, *, by: By, now: datetime) -> Initiative:
        """Add an initiative; calls can be charged to it from now on."""

        def change() -> InitiativeCreated:
            check_new_initiative(self._registry, new)
            return InitiativeCreated(
                id=new.id,
                by=by,
                title=new.title,
                kind=new.kind,
                parent=new.parent,
                team=new.team,
                owner_role=new.owner_role,
                funding=new.funding,
                aliases=new.aliases,
                opened_at=new.opened_at,
            )

        return self._registry.initiatives[self._once("initiative", change, by, now)]

    def alias_initiative(self, initiative_id: str, alias: str, *, by: By, now: datetime) -> Initiative:
        """Let another name lead to an initiative."""

        def change() -> InitiativeAliased:
            self._initiative(initiative_id)
            check_alias(self._registry, alias)
            return InitiativeAliased(id=initiative_id, alias=alias, by=by)

        return self._registry.initiatives[self._once("initiative", change, by, now)]

    def close_initiative(
        self, initiative_id: str, *, closed_at: datetime | None = None, by: By, now: datetime
    ) -> Initiative:
        """End an initiative now or at `closed_at`; its days of grace run from then."""

        def change() -> InitiativeClosed:
            if self._initiative(initiative_id).status == "closed":
                raise Refused(Refusal("initiative_closed", f"{initiative_id} is closed already.", 409))
            if closed_at is not None:
                check_moment("closed_at", closed_at)
                check_past("closed_at", closed_at, now)
            return InitiativeClosed(id=initiative_id, by=by, closed_at=closed_at)

        return self._registry.initiatives[self._once("initiative", change, by, now)]

    def reopen_initiative(self, initiative_id: str, *, by: By, now: datetime) -> Initiative:
        """Let a closed initiative go on."""

        def change() -> InitiativeReopened:
            if self._initiative(initiative_id).status == "open":
                raise Refused(Refusal("initiative_open", f"{initiative_id} is open already.", 409))
            return InitiativeReopened(id=initiative_id, by=by)

        return self._registry.initiatives[self._once("initiative", change, by, now)]

    def first_admin_key(self, now: datetime) -> str | None:
        """Give the first admin key, once in the life of a book; None where any admin key was ever made.

        Of several processes that start at once exactly one gets it. If it is lost, the command line makes
        another one for whoever can open the ledger.
        """
        self._registry.refresh(self._ledger)
        if any(principal.role == "admin" for principal in list(self._registry.keys.values())):
            return None
        key = new_key(MANAGEMENT_PREFIX)
        new = NewKey(role="admin", name="first admin key")
        self._append("key", self._key(FIRST_ADMIN, new, key, {}, By(actor="start")), now)
        return key if self._is_known(key) else None

    def _key(self, key_id: str, new: NewKey, key: str, tags: dict[str, str], by: By) -> KeyCreated:
        """Say what a key is, without the key."""
        return KeyCreated(
            id=key_id,
            digest=digest_of(self._pepper, key.encode()).hex(),
            last4=key[-4:],
            by=by,
            name=new.name,
            role=new.role,
            team=new.team,
            application=new.application,
            person=self._registry.person(new.person) if new.person else None,
            tags=tags,
            locked=new.locked,
            models=new.models,
            initiatives=new.initiatives,
            expires_at=new.expires_at,
        )

    def _is_known(self, key: str) -> bool:
        """Say whether this very key is in force."""
        return digest_of(self._pepper, key.encode()) in self._registry.by_digest

    def _initiative(self, initiative_id: str) -> Initiative:
        """Give an initiative by its id; raises Refused (404)."""
        known = self._registry.initiatives.get(initiative_id)
        if known is None:
            raise _unknown("initiative")
        return known

    def _once(self, kind: ChangeKind, change: Callable[[], RegistryChange], by: By, now: datetime) -> str:
        """Give the id of what was changed: now, or by the same request before. Raises Refused."""
        self._registry.refresh(self._ledger)
        before = self._replayed(by)
        if before is not None:
            return before
        made = change()
        if self._append(kind, made, now):
            return made.id
        # Another process came between: the same request, or one that took the name.
        meanwhile = self._replayed(by)
        if meanwhile is not None:
            return meanwhile
        raise Refused(Refusal("changed_meanwhile", f"Someone else changed {shown(made.id)} first; look again.", 409))

    def _replayed(self, by: By) -> str | None:
        """Give what this Idempotency-Key made before; raises Refused where it was for something else."""
        replay = self._registry.replays.get(by.idempotency) if by.idempotency is not None else None
        if replay is None:
            return None
        if replay.request != by.request:
            raise Refused(
                Refusal(
                    "idempotency_key_reused",
                    "This Idempotency-Key came with another request before. Use a new one for each change.",
                    409,
                )
            )
        return replay.id

    def _append(self, kind: ChangeKind, change: RegistryChange, now: datetime) -> bool:
        """Write a change into the book and fold it in; says whether it counts."""
        entry = Entry(
            id=_fresh(f"{kind}:"),
            kind=kind,
            occurred_at=now,
            recorded_at=now,
            source=self._source,
            body=msgspec.Raw(msgspec.json.encode(change)),
        )
        self._ledger.append((entry,))
        self._registry.refresh(self._ledger)
        return not self._registry.void(entry.id)


def _fresh(prefix: str) -> str:
    """Give an id nobody had."""
    return prefix + new_request_id().removeprefix("req_")


def _unknown(what: str) -> Refused:
    # What was asked for is not repeated: some paste a key where its id belongs.
    return Refused(Refusal(f"{what}_unknown", f"There is no such {what}. List those there are.", 404))
