"""Sessions: who may read the pages and until when, in a cookie that only this gateway's pepper can have signed."""

import base64
import hmac
import secrets
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.errors import Refused
from gateway.identify import authenticate
from gateway.records import Role
from gateway.registry import Registry
from gateway.secret import Secret
from policies.refusal import Refusal
from reporting.web.marks import Marks

COOKIE = "weighbridge_session"
LIFETIME = timedelta(hours=12)
"""A working day: who signs in in the morning is not asked again before the evening."""

READERS: frozenset[Role] = frozenset(("admin", "finops", "auditor"))
"""Roles whose keys open the pages."""

COOKIE_CHARACTERS_MAX = 512


class Session(msgspec.Struct, frozen=True):
    """A signed-in reader: by which key (none for a one-time link), with a name of its own, until when."""

    id: str
    key_id: str | None
    expires: int


class Sessions:
    """Opens sessions, finds them again in a cookie, and closes them."""

    def __init__(self, pepper: Secret, registry: Registry, marks: Marks) -> None:
        """Keep what signs, who there is, and what was used up or left."""
        self._pepper = pepper
        self._registry = registry
        self._marks = marks

    def by_key(self, key: str, now: datetime) -> str:
        """Give the cookie of a new session for a key with a reading role; raises Refused."""
        header = (b"authorization", b"Bearer " + key.strip().encode("utf-8", "replace"))
        principal = authenticate(self._registry, (header,), self._pepper, now)
        if principal.role not in READERS:
            raise Refused(
                Refusal(
                    "role_cannot_read_pages",
                    f"This is a key of the role {principal.role}: it calls models. The pages open with a key of the "
                    "role admin, finops or auditor.",
                    403,
                )
            )
        return self._open(principal.key_id, now)

    def by_link(self, token: str, now: datetime) -> str | None:
        """Give the cookie of a new session for a one-time link; None where it was used, is too old or unknown."""
        return self._open(None, now) if self._marks.take_link(token, now) else None

    def find(self, cookie: str | None, now: datetime) -> Session | None:
        """Give the session of a cookie: signed by us, not expired, not left, and its key still good."""
        session = self._signed(cookie)
        if session is None or session.expires <= int(now.timestamp()) or self._marks.left(session.id):
            return None
        if session.key_id is None:
            return session
        key = self._registry.keys.get(session.key_id)
        if key is None or key.revoked_at is not None or key.role not in READERS:
            return None
        return None if key.expires_at is not None and key.expires_at <= now else session

    def close(self, session: Session, now: datetime) -> None:
        """End a session for whoever holds its cookie."""
        self._marks.leave(session.id, datetime.fromtimestamp(session.expires, UTC), now)

    def _open(self, key_id: str | None, now: datetime) -> str:
        session = Session(secrets.token_hex(16), key_id, int((now + LIFETIME).timestamp()))
        payload = base64.urlsafe_b64encode(msgspec.json.encode(session)).decode().rstrip("=")
        return f"{payload}.{self._signature(payload)}"

    def _signed(self, cookie: str | None) -> Session | None:
        """Give what a cookie says if its signature is ours."""
        if not cookie or len(cookie) > COOKIE_CHARACTERS_MAX or not cookie.isascii():
            return None
        payload, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature, self._signature(payload)):
            return None
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Session)

    def _signature(self, payload: str) -> str:
        return hmac.digest(self._pepper.reveal().encode(), b"pages session:" + payload.encode(), "sha256").hex()
