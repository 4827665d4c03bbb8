"""Reads every channel a client can tag by, into one form: dimension and value."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import msgspec

from gateway.errors import Refused
from policies.refusal import Refusal
from policies.tags import TAGS_MAX, dimension, is_known, value_fits

HEADER_BYTES_MAX = 8192
"""The W3C bound for baggage, kept for every tag header."""

BAGGAGE_MEMBERS_MAX = 64

LABELS_MAX = 64
"""More do not fit into the one line they are kept in."""

PROPERTY = b"helicone-property-"

Aliases = Mapping[str, str]
Pseudonym = Callable[[str], str]


class Offer:
    """What one channel says, gathered header by header; the same dimension twice must say the same."""

    __slots__ = ("_aliases", "_pseudonym", "channel", "flags", "labels", "tags")

    def __init__(self, channel: str, aliases: Aliases, pseudonym: Pseudonym) -> None:
        """Start with nothing said."""
        self.channel = channel
        self.tags: dict[str, str] = {}
        self.labels: list[str] = []
        self.flags: list[str] = []
        self._aliases = aliases
        self._pseudonym = pseudonym

    def add(self, said: str, value: str, where: str, *, strict: bool = False) -> None:
        """Take one pair. What does not fit is refused where it is ours (`strict`) or where money hangs on it."""
        name = dimension(said, self._aliases)
        value = value.strip()
        if name is None:
            if strict:
                raise Refused(_bad(where, f'"{_shown(said)}" cannot be the name of a tag'))
            self.flags.append(f"tag_ignored:{where}")
            return
        if not value:
            return
        value = self._personal(name, value)
        if not value_fits(value):
            if strict or name == "initiative":
                raise Refused(_bad(where, f"{name} must be 1 to 128 visible ASCII characters"))
            self.flags.append(f"tag_ignored:{name}")
            return
        self._put(name, value, where, strict=strict)

    def _personal(self, name: str, value: str) -> str:
        """Give a person, and a customer by e-mail address, no other name than a pseudonym."""
        if name == "person" or (name == "customer" and ("@" in value or not value_fits(value))):
            return self._pseudonym(value)
        return value

    def _put(self, name: str, value: str, where: str, *, strict: bool) -> None:
        known = self.tags.get(name)
        if known is None and len(self.tags) >= TAGS_MAX:
            if strict:
                raise Refused(_bad(where, f"a request has at most {TAGS_MAX} tags"))
            self.flags.append("tags_over_limit")
        elif known is not None and known != value:
            raise Refused(
                Refusal(
                    "tag_conflict",
                    f"{name} is said twice in the {self.channel} with different values: "
                    f"{_shown(known)} and {_shown(value)}. Send one.",
                )
            )
        else:
            self.tags[name] = value


def read_header(name: bytes, raw: bytes, offer: Offer, aliases: Aliases) -> None:
    """Take in one tag header; which ones there are says `is_tag_header`. Raises Refused."""
    where = name.decode("ascii", "replace")
    if len(raw) > HEADER_BYTES_MAX:
        raise Refused(_bad(where, f"it is longer than {HEADER_BYTES_MAX} bytes"))
    text = raw.decode("utf-8", "replace")
    if name.startswith(PROPERTY):
        offer.add(where[len(PROPERTY) :], text, where)
    elif name == b"baggage":
        _read_baggage(text, offer, aliases)
    else:
        _READERS[name](text, offer)


def read_body(metadata: Mapping[str, str], user: str | None, offer: Offer, aliases: Aliases) -> None:
    """Take in the body's metadata: what names a dimension is a tag, the rest is the client's own."""
    for said, value in metadata.items():
        if not is_known(said, aliases):
            continue
        if session_in(value) is None:
            offer.add(said, value, "metadata")
    if user and "customer" not in offer.tags and session_in(user) is None:
        offer.add("customer", user, "user")


def is_tag_header(name: bytes) -> bool:
    """Say whether a header, its name in lower case, can carry tags."""
    return name in TAG_HEADERS or name.startswith(PROPERTY)


_MEMBER = re.compile(
    r"""[ \t]*(?P<key>[A-Za-z_*][A-Za-z0-9_.*-]*)[ \t]*
        (?:=(?:[ \t]*"(?P<quoted>(?:[^"\\]|\\["\\])*)"[ \t]*|(?P<bare>[^",;]*)))?
        (?:;[^",;]*)*(?:,|\Z)""",
    re.VERBOSE,
)
"""One member with its parameters. No two parts of it can take the same character: what fails, fails at once."""


def _structured(text: str, offer: Offer) -> None:
    """Read X-AI-Tags: a dictionary of tokens and strings (RFC 9651, 3.2), forgiving about what a token may hold.

    A key alone is true there; here it is a label, as a bare tag is in LiteLLM.
    """
    at = 0
    while at < len(text):
        found = _MEMBER.match(text, at)
        if found is None or found.end() == at:
            raise Refused(_bad("x-ai-tags", "write it as: epic=PROJ-42, env=run"))
        quoted, bare = found.group("quoted"), found.group("bare")
        if quoted is None and bare is None:
            _label(found.group("key"), offer)
        else:
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            offer.add(found.group("key"), value, "x-ai-tags", strict=True)
        at = found.end()


def _litellm(text: str, offer: Offer) -> None:
    """Read x-litellm-tags: "a,b,k=v,k:v"; a bare tag is a label, which never carries cost."""
    for part in text.split(","):
        name, separator, value = (
            re.sub(":", "=", part, count=1).partition("=") if "=" not in part else part.partition("=")
        )
        if separator:
            offer.add(name, value, "x-litellm-tags")
        else:
            _label(part, offer)


def _json_object(text: str, offer: Offer) -> None:
    """Read a header that holds a JSON object of words, as Portkey's metadata does."""
    try:
        pairs = _object.decode(text)
    except msgspec.DecodeError as error:
        raise Refused(_bad("x-portkey-metadata", "it must be a JSON object of strings")) from error
    for said, value in pairs.items():
        offer.add(said, str(value), "x-portkey-metadata")


def _customer(text: str, offer: Offer) -> None:
    offer.add("customer", text, "customer id")


def _branch(text: str, offer: Offer) -> None:
    offer.add("branch", text[:128], "x-weighbridge-branch")


def _read_baggage(text: str, offer: Offer, aliases: Aliases) -> None:
    """Read W3C baggage (Recommendation of 2024-05-23, 3.3): only what names a dimension is a tag."""
    for member in text.split(",")[:BAGGAGE_MEMBERS_MAX]:
        said, separator, value = member.partition(";")[0].partition("=")
        if separator and is_known(said, aliases):
            offer.add(said, unquote(value.strip()), "baggage")


def _label(text: str, offer: Offer) -> None:
    """Keep a bare tag, if it is a short word."""
    label = text.strip()
    if len(offer.labels) < LABELS_MAX and re.fullmatch(r"[!-+\--~]{1,64}", label) and label not in offer.labels:
        offer.labels.append(label)


_object: msgspec.json.Decoder[dict[str, str | int | bool | None]] = msgspec.json.Decoder(
    dict[str, str | int | bool | None]
)
_READERS: Mapping[bytes, Callable[[str, Offer], None]] = {
    b"x-ai-tags": _structured,
    b"x-litellm-tags": _litellm,
    b"x-portkey-metadata": _json_object,
    b"x-litellm-spend-logs-metadata": _json_object,
    b"x-litellm-customer-id": _customer,
    b"x-litellm-end-user-id": _customer,
    b"helicone-user-id": _customer,
    b"x-weighbridge-branch": _branch,
}
TAG_HEADERS = frozenset((*_READERS, b"baggage"))

SESSION_HEADERS = frozenset((b"x-claude-code-session-id", b"session-id", b"session_id", b"x-session-id"))
_SESSION_ID = re.compile(r"[!-~]{1,128}")
_OLD_USER_ID = re.compile(r"user_[0-9a-f]+_account_[0-9a-f-]*_session_([0-9a-f-]{8,64})")


class _UserId(msgspec.Struct):
    session_id: str


_user_id = msgspec.json.Decoder(_UserId)


def session_in(user: str) -> str | None:
    """Give the session that Claude Code writes into metadata.user_id, as JSON or in its older form."""
    if user[:1] == "{" and len(user) <= 1024:
        try:
            session_id = _user_id.decode(user).session_id
        except msgspec.DecodeError:
            return None
        return session_id if _SESSION_ID.fullmatch(session_id) else None
    found = _OLD_USER_ID.fullmatch(user)
    return found.group(1) if found else None


def session_of(headers: tuple[tuple[bytes, bytes], ...], user: str | None) -> str | None:
    """Give the id of the session a request belongs to, as its client says it."""
    for name, value in headers:
        if name in SESSION_HEADERS:
            text = value.decode("ascii", "replace").strip()
            return text if _SESSION_ID.fullmatch(text) else None
    return session_in(user) if user else None


def _bad(where: str, why: str) -> Refusal:
    """Say which channel cannot be read, and why."""
    return Refusal("tag_malformed", f"The tags in {where} cannot be read: {why}.")


def _shown(text: str) -> str:
    """Give a client's text fit for an answer: visible ASCII, short."""
    return "".join(c if "!" <= c <= "~" else "?" for c in text[:40])
