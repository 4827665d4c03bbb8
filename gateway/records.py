"""What the registry's entries say: who there is, what work there is, and each change to it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Role = Literal["admin", "finops", "auditor", "lead", "member", "service"]
CALLER_ROLES: frozenset[str] = frozenset({"lead", "member", "service"})
"""Roles whose keys may call models. The others manage and read; they cannot spend."""

InitiativeKind = Literal[
    "portfolio", "strategic_theme", "value_stream", "product", "capability", "epic", "feature", "story", "pi_objective"
]


class By(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who made a change (a key's id, or "cli"), and under which Idempotency-Key (both as hashes)."""

    actor: str
    idempotency: str | None = None
    request: str | None = None


class KeyCreated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="created"):
    """A key was given out. `digest` is its keyed hash in hex; the key itself is nowhere."""

    id: str
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    last4: str
    by: By
    name: str = ""
    role: Role = "member"
    team: str | None = None
    application: str | None = None
    person: str | None = None
    tags: dict[str, str] = {}
    locked: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    initiatives: tuple[str, ...] = ()
    expires_at: datetime | None = None


class KeyRevoked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="revoked"):
    """A key stopped working for ever."""

    id: str
    by: By
    reason: str = ""


class TeamCreated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="created"):
    """A team, the cost centre that pays for it, and the team it belongs to."""

    id: str
    by: By
    name: str = ""
    cost_centre: str | None = None
    parent: str | None = None


class ApplicationCreated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="created"):
    """An application, the team that runs it, and the tags of its calls that say nothing themselves."""

    id: str
    by: By
    name: str = ""
    team: str | None = None
    tags: dict[str, str] = {}


class PersonCreated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="created"):
    """A person, by pseudonym only."""

    id: str
    by: By
    team: str | None = None


class InitiativeCreated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="created"):
    """A piece of work that can be charged. `owner_role` names a role, never a person."""

    id: str
    by: By
    title: str = ""
    kind: InitiativeKind = "epic"
    parent: str | None = None
    team: str | None = None
    owner_role: str | None = None
    funding: str | None = None
    aliases: tuple[str, ...] = ()
    opened_at: datetime | None = None


class InitiativeAliased(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="aliased"):
    """Another name leads to an initiative from now on."""

    id: str
    alias: str
    by: By


class InitiativeClosed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="closed"):
    """An initiative ended; calls are booked on it for a while longer, and flagged."""

    id: str
    by: By
    closed_at: datetime | None = None


class InitiativeReopened(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="reopened"):
    """A closed initiative goes on."""

    id: str
    by: By


class SessionTagged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", tag="tagged"):
    """The initiative that a session of one key named last."""

    session_id: str
    key_id: str
    initiative: str


KeyChange = KeyCreated | KeyRevoked
InitiativeChange = InitiativeCreated | InitiativeAliased | InitiativeClosed | InitiativeReopened
RegistryChange = KeyChange | TeamCreated | ApplicationCreated | PersonCreated | InitiativeChange
"""What somebody changes, and so is made by someone."""

Change = RegistryChange | SessionTagged

DECODERS: dict[str, msgspec.json.Decoder[Change]] = {
    "key": msgspec.json.Decoder(KeyChange),
    "team": msgspec.json.Decoder(TeamCreated),
    "application": msgspec.json.Decoder(ApplicationCreated),
    "person": msgspec.json.Decoder(PersonCreated),
    "initiative": msgspec.json.Decoder(InitiativeChange),
    "session_tag": msgspec.json.Decoder(SessionTagged),
}
"""By an entry's kind; the kinds the registry is made of."""

REGISTRY_KINDS = tuple(DECODERS)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls: one key as the hot path sees it. `models` and `initiatives` are globs; empty allows all."""

    key_id: str
    role: Role
    name: str = ""
    last4: str = ""
    team: str | None = None
    application: str | None = None
    person: str | None = None
    tags: dict[str, str] = {}
    locked: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    initiatives: tuple[str, ...] = ()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Initiative(msgspec.Struct, frozen=True, kw_only=True):
    """An initiative as it stands now."""

    id: str
    title: str
    kind: InitiativeKind
    parent: str | None
    team: str | None
    owner_role: str | None
    funding: str | None
    aliases: tuple[str, ...]
    status: Literal["open", "closed"]
    opened_at: datetime
    closed_at: datetime | None = None
