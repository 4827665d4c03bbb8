"""Tags by rule: what may be said, which channel wins for a dimension, and when an initiative is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Source = Literal[
    "locked_key", "header", "body", "baggage", "url", "session", "branch", "key_default", "app_default"
]  # fmt: skip
Policy = Literal["allow", "flag", "deny"]
Status = Literal["ok", "ok_alias", "closed", "unknown", "none"]

CLIENT_SOURCES: tuple[Source, ...] = ("header", "body", "baggage", "url", "session", "branch")
"""Channels a client speaks by, strongest first. A lock is above them, the defaults are below."""

DEFAULT_SOURCES: tuple[Source, ...] = ("key_default", "app_default")

EXPLICIT: frozenset[str] = frozenset(("header", "body", "baggage", "url"))
"""Channels in which somebody named an initiative for this very request."""

TAGS_MAX = 16
VALUE_CHARACTERS_MAX = 128
"""As Portkey's metadata values; no header or label we write grows past a line."""

CLOSED_GRACE_DAYS = 14

DIMENSIONS = frozenset(
    (
        "team", "cost_centre", "application", "environment", "initiative", "use_case", "workflow", "product",
        "funding_line", "data_class", "customer", "person", "mode", "branch",
    )
)  # fmt: skip

RESERVED = frozenset(
    (
        "day", "key_id", "provider_name", "request_model", "response_model", "operation", "state", "source", "labels",
        "request_id", "session_id",
    )
)  # fmt: skip
"""Names that reports group by and that the gateway alone fills in."""

ALIASES: Mapping[str, str] = {
    **{name: name for name in DIMENSIONS},
    **dict.fromkeys(("epic", "jira", "ticket", "project", "issue", "story", "initiative_id"), "initiative"),
    **dict.fromkeys(("env", "stage"), "environment"),
    **dict.fromkeys(("app", "service"), "application"),
    **dict.fromkeys(("cost_center", "costcentre", "costcenter", "cc"), "cost_centre"),
    **dict.fromkeys(("user", "_user", "user_id", "end_user", "end_user_id", "customer_id"), "customer"),
    **dict.fromkeys(("engineer", "developer"), "person"),
    **dict.fromkeys(("team_id",), "team"),
    **dict.fromkeys(("git_branch",), "branch"),
}
"""What people call a dimension, and its one name. The user of a call is whom its application serves: the customer."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_VALUE = re.compile(rf"[!-~](?:[ -~]{{0,{VALUE_CHARACTERS_MAX - 2}}}[!-~])?")


def dimension(said: str, aliases: Mapping[str, str]) -> str | None:
    """Give the one name of a dimension, or None when the word cannot name one; `aliases` go before ours."""
    name = said.strip().lower().replace("-", "_").replace(".", "_")
    name = aliases.get(name) or ALIASES.get(name, name)
    return name if _NAME.fullmatch(name) and name not in RESERVED else None


def is_known(said: str, aliases: Mapping[str, str]) -> bool:
    """Say whether the word is a dimension's name or one of its other names."""
    name = said.strip().lower().replace("-", "_").replace(".", "_")
    return name in ALIASES or name in aliases


def value_fits(value: str) -> bool:
    """Say whether a value is visible ASCII, at most 128 characters, blanks only inside."""
    return _VALUE.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Chosen:
    """One value a dimension, the channel it came by, and what was set aside."""

    tags: dict[str, str]
    sources: dict[str, str]
    flags: tuple[str, ...]


def choose(
    offers: Mapping[Source, Mapping[str, str]], locked: frozenset[str], defaults: Mapping[Source, Mapping[str, str]]
) -> Chosen:
    """Give each dimension its value: a lock first, then the client's channels in order, then the defaults.

    A client's value for a locked dimension is set aside; where it differs it is flagged "locked:<dimension>".
    """
    tags: dict[str, str] = {}
    sources: dict[str, str] = {}
    for source in DEFAULT_SOURCES:
        for name, value in defaults.get(source, {}).items():
            if name not in tags:
                tags[name], sources[name] = value, "locked_key" if name in locked else source
    flags: list[str] = []
    for source in reversed(CLIENT_SOURCES):
        for name, value in offers.get(source, {}).items():
            if name not in locked:
                tags[name], sources[name] = value, source
            elif tags.get(name) != value and f"locked:{name}" not in flags:
                flags.append(f"locked:{name}")
    return Chosen(tags, sources, tuple(flags))


def verdict(status: Status, policy: Policy, *, in_grace: bool, grandfathered: bool) -> Policy:
    """Say what becomes of a call with this initiative: allow, flag or deny.

    An initiative in its days of grace is flagged at most, and so is what a running session named before:
    nobody's work is stopped in the middle.
    """
    if status in {"ok", "ok_alias"}:
        return "allow"
    if status == "closed" and in_grace:
        return "flag"
    if policy == "deny" and grandfathered:
        return "flag"
    return policy
