"""From headers, body, session, branch and defaults to one value a dimension, with the channel it came by."""

import re
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

import msgspec

from gateway.attribution import Judged, judge
from gateway.errors import Refused
from gateway.ids import new_request_id
from gateway.ledger.entry import Entry
from gateway.records import Principal, SessionTagged
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.tag_channels import PROPERTY, TAG_HEADERS, Offer, read_body, read_header
from gateway.tag_channels import session_of as session_of
from policies.refusal import Refusal
from policies.tags import EXPLICIT, Chosen, Source, choose

IDENTITY = ("team", "application", "person")
"""Dimensions that say whose key it is: where the key has one, no client changes it."""

MEMO_BYTES_MAX = 1024
"""Requests that say more about themselves than this are worked out anew each time."""


class Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """What a call is booked under. `tags` and `sources` are shared between calls: nobody changes them.

    `remember` is an entry to journal, so that other workers learn what this session named.
    """

    tags: dict[str, str]
    sources: dict[str, str]
    initiative_status: str
    flags: tuple[str, ...] = ()
    warning: str | None = None
    remember: Entry | None = None


def resolve(  # noqa: PLR0913 - every channel by its own name, once, at the walk's call
    registry: Registry,
    principal: Principal,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    url_initiative: str | None,
    body_metadata: Mapping[str, str],
    user: str | None,
    session_id: str | None,
    settings: Settings,
    now: datetime,
) -> Tagged:
    """Give the tags of a request whose header names are in lower case; the same words give the same answer.

    Raises Refused: tag_malformed and tag_conflict (400), tag_not_allowed (403), and where the settings deny it
    attribution_required, initiative_unknown and initiative_closed (400).
    """
    # Taken before anything is read from the registry: a change in between then makes this memory void.
    memory = registry.memo.over(settings)
    carried = tuple([pair for pair in headers if pair[0] in TAG_HEADERS or pair[0].startswith(PROPERTY)])
    remembered = registry.session_initiative(principal.key_id, session_id) if session_id else None
    said = Said(carried, url_initiative, tuple(body_metadata.items()), user, remembered)
    key: Hashable = (principal.key_id, said)
    tagged = memory.get(key)
    if tagged is None:
        tagged = _worked_out(registry, principal, said, settings, now)
        # Grace ends with time, not with a change, and so is looked at each time.
        if tagged.initiative_status != "closed" and said.size() <= MEMO_BYTES_MAX:
            memory[key] = tagged
    assert isinstance(tagged, Tagged)
    if session_id and tagged.sources.get("initiative") in EXPLICIT and tagged.tags["initiative"] != remembered:
        remember = _remember(registry, principal, session_id, tagged.tags["initiative"], now)
        return msgspec.structs.replace(tagged, remember=remember)
    return tagged


class Said(msgspec.Struct, frozen=True, array_like=True):
    """All that a request says about what it is for."""

    headers: tuple[tuple[bytes, bytes], ...]
    url_initiative: str | None
    metadata: tuple[tuple[str, str], ...]
    user: str | None
    session_initiative: str | None

    def size(self) -> int:
        """Give its length in characters, about."""
        words = sum(len(a) + len(b) for a, b in self.headers) + sum(len(a) + len(b) for a, b in self.metadata)
        return words + len(self.url_initiative or "") + len(self.user or "")


def _worked_out(registry: Registry, principal: Principal, said: Said, settings: Settings, now: datetime) -> Tagged:
    """Read every channel, choose, and judge the initiative."""
    offers, labels, ignored = _offers(registry, said, settings)
    defaults = _defaults(registry, principal)
    locked = frozenset((*settings.locked_dimensions, *principal.locked, *_identity(principal)))
    chosen = choose(offers, locked, defaults)
    _complete(registry, chosen, labels)
    judged = judge(registry, chosen, settings, now)
    _allow(principal, judged)
    return Tagged(
        tags=judged.tags,
        sources=chosen.sources,
        initiative_status=judged.status,
        flags=tuple(dict.fromkeys((*chosen.flags, *ignored, *judged.flags))),
        warning=judged.warning,
    )


def _offers(
    registry: Registry, said: Said, settings: Settings
) -> tuple[dict[Source, dict[str, str]], list[str], list[str]]:
    """Give what each channel offers, the bare labels, and flags for what was passed over."""
    aliases = settings.tag_aliases
    header = Offer("headers", aliases, registry.person)
    body = Offer("body", aliases, registry.person)
    baggage = Offer("baggage", aliases, registry.person)
    url = Offer("address", aliases, registry.person)
    for name, raw in said.headers:
        read_header(name, raw, baggage if name == b"baggage" else header, aliases)
    read_body(dict(said.metadata), said.user, body, aliases)
    if said.url_initiative:
        url.add("initiative", said.url_initiative, "the address", strict=True)
    offers: dict[Source, dict[str, str]] = {
        "header": header.tags, "body": body.tags, "baggage": baggage.tags, "url": url.tags,
    }  # fmt: skip
    branches = [offer.pop("branch") for offer in offers.values() if "branch" in offer]
    found = initiative_in(branches[0], settings.initiative_pattern, registry) if branches else None
    offers["branch"] = {"initiative": found} if found else {}
    offers["session"] = {"initiative": said.session_initiative} if said.session_initiative else {}
    return offers, header.labels, [*header.flags, *body.flags, *baggage.flags]


def initiative_in(branch: str, pattern: str, registry: Registry) -> str | None:
    """Give the initiative a branch name holds: one the registry knows, in any case, or else the first as written."""
    exact = _found(pattern, branch, 0)
    for name in (*exact, *_found(pattern, branch, re.IGNORECASE)):
        if registry.initiative(name)[1] is not None:
            return name
    return exact[0] if exact else None


def _found(pattern: str, branch: str, flags: int) -> list[str]:
    """Give what the pattern finds: its first group, or all of it when it has none."""
    every = (found.group(1) if found.re.groups else found.group(0) for found in re.finditer(pattern, branch, flags))
    return [name for name in every if name]


def _defaults(registry: Registry, principal: Principal) -> dict[Source, dict[str, str]]:
    """Give what the key says, and below it what its application says."""
    of_key = dict(principal.tags) | _identity(principal)
    of_application: dict[str, str] = {}
    application = registry.applications.get(of_key.get("application", ""))
    if application is not None:
        of_application = dict(application.tags)
        if application.team:
            of_application["team"] = application.team
    return {"key_default": of_key, "app_default": of_application}


def _identity(principal: Principal) -> dict[str, str]:
    """Give the dimensions that say whose key it is."""
    named = {"team": principal.team, "application": principal.application, "person": principal.person}
    assert tuple(named) == IDENTITY
    return {name: value for name, value in named.items() if value}


def _complete(registry: Registry, chosen: Chosen, labels: list[str]) -> None:
    """Add what follows from the rest: the team's cost centre, and the labels in one line."""
    team = registry.teams.get(chosen.tags.get("team", ""))
    if team is not None and team.cost_centre and "cost_centre" not in chosen.tags:
        chosen.tags["cost_centre"] = team.cost_centre
        chosen.sources["cost_centre"] = chosen.sources["team"]
    line = ""
    for label in labels:
        if len(line) + len(label) + 1 <= 128:
            line = f"{line},{label}" if line else label
    if line:
        chosen.tags["labels"], chosen.sources["labels"] = line, "header"


def may_charge(patterns: Sequence[str], initiative: str) -> bool:
    """Say whether a key with these patterns may charge an initiative; no patterns allow all."""
    return not patterns or any(fnmatchcase(initiative, pattern) for pattern in patterns)


def _allow(principal: Principal, judged: Judged) -> None:
    """Refuse an initiative outside those the key may charge, by whatever channel it came."""
    initiative = judged.tags.get("initiative")
    if initiative is not None and not may_charge(principal.initiatives, initiative):
        raise Refused(
            Refusal(
                "tag_not_allowed",
                f"This key may not charge {initiative}; it may charge {', '.join(principal.initiatives[:5])}. "
                "Name one of those, or ask whoever gave you the key.",
                403,
            )
        )


def _remember(registry: Registry, principal: Principal, session_id: str, initiative: str, now: datetime) -> Entry:
    """Keep what a session named, here at once and for other workers as an entry."""
    registry.remember(principal.key_id, session_id, initiative, now)
    body = SessionTagged(session_id=session_id, key_id=principal.key_id, initiative=initiative)
    return Entry(
        id=f"session_tag:{new_request_id()}",
        kind="session_tag",
        occurred_at=now,
        recorded_at=now,
        source="gateway",
        body=msgspec.Raw(msgspec.json.encode(body)),
    )
