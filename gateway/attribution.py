"""Holds a call's initiative against the registry: its one id, its standing, and what the settings make of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

from gateway.errors import Refused
from gateway.records import Initiative
from gateway.registry import Registry
from gateway.settings import Settings
from policies.refusal import Refusal
from policies.tags import CLOSED_GRACE_DAYS, Chosen, Policy, Status, verdict

CANDIDATES_MAX = 100
"""Names compared to find the nearest: about a millisecond, spent only on words nobody knows."""

LISTED_MAX = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """The tags with the initiative's one id in them, its standing, and what to tell the caller."""

    tags: dict[str, str]
    status: Status
    flags: tuple[str, ...] = ()
    warning: str | None = None


def judge(registry: Registry, chosen: Chosen, settings: Settings, now: datetime) -> Judged:
    """Give the verdict on a call's initiative; raises Refused where the settings deny it.

    An empty registry denies nothing: there would be no right answer to give.
    """
    said = chosen.tags.get("initiative")
    status, known = _standing(registry, said)
    tags = chosen.tags | {"initiative": known.id} if known else chosen.tags
    policy = settings.unknown_initiative if registry.initiatives else "allow"
    until = _grace_end(known)
    outcome: Policy = verdict(
        status,
        policy,
        in_grace=until is not None and now < until,
        grandfathered=chosen.sources.get("initiative") == "session",
    )
    if outcome == "allow":
        return Judged(tags, status)
    code = {"none": "initiative_missing"}.get(status, f"initiative_{status}")
    text = _text(registry, said, known, tags.get("team"))
    if outcome == "deny":
        raise Refused(Refusal("attribution_required" if status == "none" else code, text))
    return Judged(tags, status, (code,), text)


def nearest(registry: Registry, said: str, limit: int = 3) -> tuple[str, ...]:
    """Give the initiatives whose names are most like `said`, nearest first."""
    word = said.casefold()
    alike = [name for name in registry.names() if name[:1] == word[:1] and abs(len(name) - len(word)) <= 2]
    close = get_close_matches(word, alike[:CANDIDATES_MAX], n=limit, cutoff=0.6)
    return tuple(dict.fromkeys(found.id for name in close if (found := registry.initiative(name)[1])))


def open_initiatives(registry: Registry, team: str | None) -> tuple[str, ...]:
    """Give up to five open initiatives, the team's own first, the newest first."""
    still = [one for one in list(registry.initiatives.values()) if one.status == "open"]
    still.sort(key=lambda one: (one.team == team and team is not None, one.opened_at), reverse=True)
    return tuple(one.id for one in still[:LISTED_MAX])


def _standing(registry: Registry, said: str | None) -> tuple[Status, Initiative | None]:
    """Give how the registry knows an initiative."""
    if said is None:
        return "none", None
    return registry.initiative(said)


def _grace_end(known: Initiative | None) -> datetime | None:
    """Give the moment until which a closed initiative can still be charged."""
    if known is None or known.closed_at is None:
        return None
    return known.closed_at + timedelta(days=CLOSED_GRACE_DAYS)


def _text(registry: Registry, said: str | None, known: Initiative | None, team: str | None) -> str:
    """Say what is wrong and what to send instead."""
    listed = open_initiatives(registry, team)
    way = f"Send X-AI-Tags: epic={listed[0] if listed else 'ID'}."
    choice = f" Open now: {', '.join(listed)}." if listed else ""
    if said is None:
        return f"This call names no initiative. {way}{choice}"
    if known is not None and known.closed_at is not None:
        closed, until = known.closed_at.date(), (known.closed_at + timedelta(days=CLOSED_GRACE_DAYS)).date()
        return f"{known.id} was closed on {closed}; calls are taken on it until {until}. {way}{choice}"
    near = nearest(registry, said)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"Nobody here knows the initiative {said}.{hint} {way}{choice}"
