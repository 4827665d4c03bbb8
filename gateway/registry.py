"""The registry: a fold over the ledger's entries of keys, teams, applications, people, initiatives and sessions."""

import logging
import threading
from collections import OrderedDict
from datetime import datetime
from typing import Literal, assert_never

import msgspec

from gateway.keys import pseudonym
from gateway.ledger.entry import Entry, Ledger
from gateway.memo import Memo
from gateway.records import (
    DECODERS,
    REGISTRY_KINDS,
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
    SessionTagged,
    TeamCreated,
)
from gateway.secret import Secret

SESSIONS_MAX = 50_000
"""Sessions remembered at once: 400 bytes each; the one that named its work longest ago is forgotten."""

REPLAYS_MAX = 10_000
"""Idempotency keys remembered: more than a day of changes made by people and scripts."""

VOIDS_MAX = 1_000
"""Changes without effect remembered: each is asked for right after it was written."""

BATCH = 5_000

Found = Literal["ok", "ok_alias", "closed", "unknown"]

log = logging.getLogger("weighbridge.registry")


class Replay(msgspec.Struct, frozen=True):
    """What an Idempotency-Key was used for: the request's hash, and what it made."""

    request: str
    id: str


class Registry:
    """Who there is and what work there is, as of the last refresh. Reads are lookups; one thread folds at a time."""

    def __init__(self, pepper: Secret) -> None:
        """Start empty, at the beginning of the book; `pepper` makes people's pseudonyms."""
        self._pepper = pepper
        self._lock = threading.Lock()
        self.position = 0
        self.keys: dict[str, Principal] = {}
        self.by_digest: dict[bytes, Principal] = {}
        self.teams: dict[str, TeamCreated] = {}
        self.applications: dict[str, ApplicationCreated] = {}
        self.people: dict[str, PersonCreated] = {}
        self.initiatives: dict[str, Initiative] = {}
        self.replays: OrderedDict[str, Replay] = OrderedDict()
        self.memo = Memo()
        self._names: dict[str, str] = {}
        self._digests: dict[str, bytes] = {}
        self._voids: OrderedDict[str, None] = OrderedDict()
        self._sessions: OrderedDict[tuple[str, str], tuple[str, datetime]] = OrderedDict()

    def refresh(self, ledger: Ledger) -> int:
        """Fold in what the book has more of; gives the number of new entries. Blocks; call it off the loop."""
        with self._lock:
            folded = 0
            while placed := ledger.entries(after=self.position, kinds=REGISTRY_KINDS, limit=BATCH):
                for one in placed:
                    self._fold(one.entry)
                    self.position = one.position
                folded += len(placed)
                if len(placed) < BATCH:
                    break
            return folded

    def initiative(self, said: str) -> tuple[Found, Initiative | None]:
        """Give what a client's word for an initiative means: exact, by another name, closed, or unknown."""
        found = self.initiatives.get(said)
        status: Found = "ok"
        if found is None:
            canonical = self._names.get(said.casefold())
            if canonical is None:
                return "unknown", None
            found, status = self.initiatives[canonical], "ok_alias"
        return ("closed" if found.status == "closed" else status), found

    def names(self) -> tuple[str, ...]:
        """Give every name an initiative can be called by, folded in case."""
        return tuple(self._names)

    def session_initiative(self, key_id: str, session_id: str) -> str | None:
        """Give the initiative this key's session named last."""
        known = self._sessions.get((key_id, session_id))
        return known[0] if known else None

    def remember(self, key_id: str, session_id: str, initiative: str, at: datetime) -> None:
        """Keep what a session named, unless something later is known of it. Other keys' sessions stay apart."""
        place = (key_id, session_id)
        known = self._sessions.get(place)
        if known is not None and known[1] > at:
            return
        self._sessions[place] = (initiative, at)
        self._sessions.move_to_end(place)
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)

    def person(self, said: str) -> str:
        """Give the pseudonym of a person."""
        return pseudonym(self._pepper, said)

    def void(self, entry_id: str) -> bool:
        """Say whether a change just folded in had no effect, because an earlier one in the book excludes it."""
        return entry_id in self._voids

    def _fold(self, entry: Entry) -> None:
        """Take one entry in; one that cannot be read is logged and passed, so that it stops nothing else."""
        try:
            change = DECODERS[entry.kind].decode(entry.body)
        except msgspec.DecodeError as error:
            log.warning("registry_entry_unread", extra={"entry_id": entry.id, "kind": entry.kind, "reason": str(error)})
            return
        if isinstance(change, SessionTagged):
            self.remember(change.key_id, change.session_id, change.initiative, entry.occurred_at)
            return
        if change.by.idempotency in self.replays or not self._apply(change, entry.occurred_at):
            self._remember_void(entry.id)
            return
        self._remember_replay(change.by, change.id)
        # After the change, never before: an answer worked out meanwhile must not outlive it.
        self.memo.clear()

    def _apply(self, change: RegistryChange, at: datetime) -> bool:
        """Bring the standing up to date by one change; says whether it had an effect."""
        match change:
            case KeyCreated():
                return self._key_created(change, at)
            case KeyRevoked():
                return self._key_revoked(change, at)
            case TeamCreated():
                return self.teams.setdefault(change.id, change) is change
            case ApplicationCreated():
                return self.applications.setdefault(change.id, change) is change
            case PersonCreated():
                return self.people.setdefault(change.id, change) is change
            case InitiativeCreated():
                return self._initiative_created(change, at)
            case InitiativeAliased() | InitiativeClosed() | InitiativeReopened():
                return self._initiative_changed(change, at)
            case _:
                assert_never(change)

    def _key_created(self, change: KeyCreated, at: datetime) -> bool:
        if change.id in self.keys:
            return False
        principal = Principal(
            key_id=change.id,
            role=change.role,
            name=change.name,
            last4=change.last4,
            team=change.team,
            application=change.application,
            person=change.person,
            tags=change.tags,
            locked=change.locked,
            models=change.models,
            initiatives=change.initiatives,
            created_at=at,
            expires_at=change.expires_at,
        )
        digest = bytes.fromhex(change.digest)
        self.keys[change.id], self.by_digest[digest], self._digests[change.id] = principal, principal, digest
        return True

    def _key_revoked(self, change: KeyRevoked, at: datetime) -> bool:
        known = self.keys.get(change.id)
        if known is None or known.revoked_at is not None:
            return False
        revoked = msgspec.structs.replace(known, revoked_at=at)
        self.keys[change.id] = self.by_digest[self._digests[change.id]] = revoked
        return True

    def _initiative_created(self, change: InitiativeCreated, at: datetime) -> bool:
        if change.id in self.initiatives or change.id.casefold() in self._names:
            return False
        self.initiatives[change.id] = Initiative(
            id=change.id,
            title=change.title,
            kind=change.kind,
            parent=change.parent,
            team=change.team,
            owner_role=change.owner_role,
            funding=change.funding,
            aliases=change.aliases,
            status="open",
            opened_at=change.opened_at or at,
        )
        for name in (change.id, *change.aliases):
            self._names.setdefault(name.casefold(), change.id)
        return True

    def _initiative_changed(
        self, change: InitiativeAliased | InitiativeClosed | InitiativeReopened, at: datetime
    ) -> bool:
        known = self.initiatives.get(change.id)
        if known is None:
            return False
        match change:
            case InitiativeAliased():
                if change.alias.casefold() in self._names:
                    return False
                self._names[change.alias.casefold()] = change.id
                now = msgspec.structs.replace(known, aliases=(*known.aliases, change.alias))
            case InitiativeClosed():
                if known.status == "closed":
                    return False
                now = msgspec.structs.replace(known, status="closed", closed_at=change.closed_at or at)
            case InitiativeReopened():
                if known.status == "open":
                    return False
                now = msgspec.structs.replace(known, status="open", closed_at=None)
            case _:
                assert_never(change)
        self.initiatives[change.id] = now
        return True

    def _remember_replay(self, by: By, made: str) -> None:
        if by.idempotency is None or by.request is None or by.idempotency in self.replays:
            return
        self.replays[by.idempotency] = Replay(by.request, made)
        if len(self.replays) > REPLAYS_MAX:
            self.replays.popitem(last=False)

    def _remember_void(self, entry_id: str) -> None:
        self._voids[entry_id] = None
        if len(self._voids) > VOIDS_MAX:
            self._voids.popitem(last=False)
