"""From a request's credential to the principal behind it, or to a sentence that says what is wrong with it."""

from collections.abc import Sequence
from datetime import datetime

from gateway.errors import Refused
from gateway.keys import digest_of, well_formed
from gateway.records import CALLER_ROLES
from gateway.records import Principal as Principal
from gateway.registry import Registry
from gateway.secret import Secret
from policies.refusal import Refusal

CREDENTIALS = frozenset((b"authorization", b"x-api-key", b"x-goog-api-key"))
KEY_BYTES_MAX = 512
"""Longer than any provider's key seen; nothing longer is hashed."""


def identify(
    registry: Registry, headers: Sequence[tuple[bytes, bytes]], pepper: Secret, now: datetime, query: bytes = b""
) -> Principal:
    """Give the principal that may call models with this request's one credential; raises Refused (401, 403)."""
    principal = authenticate(registry, headers, pepper, now, query)
    if principal.role not in CALLER_ROLES:
        raise Refused(
            Refusal(
                "admin_key_cannot_call",
                f"This is a key of the role {principal.role}: it manages and reads, and cannot call models. "
                "Make one that can: weighbridge key create --team TEAM.",
                403,
            )
        )
    return principal


def authenticate(
    registry: Registry, headers: Sequence[tuple[bytes, bytes]], pepper: Secret, now: datetime, query: bytes = b""
) -> Principal:
    """Give the principal of any role; names of headers are in lower case. Raises Refused (401).

    The only thing looked up is the keyed hash of the whole key, so no two keys can be taken for one another
    and nothing a client writes reaches a store.
    """
    if query and b"key=" in query:
        _refuse_key_in_query(query)
    key = _credential(headers)
    if not well_formed(key):
        raise Refused(_malformed(key))
    principal = registry.by_digest.get(digest_of(pepper, key))
    if principal is None:
        raise Refused(
            _no("This key is not known here. Check that it is whole and from this gateway, or ask for a new one.")
        )
    if principal.revoked_at is not None:
        raise Refused(_no("This key was revoked. Ask whoever gave it to you for a new one."))
    if principal.expires_at is not None and principal.expires_at <= now:
        on = principal.expires_at.strftime("%Y-%m-%d %H:%M UTC")
        raise Refused(_no(f"This key expired on {on}. Ask whoever gave it to you for a new one."))
    return principal


def _credential(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Give the one credential of a request; the same one in two headers is one."""
    found: bytes | None = None
    for name, value in headers:
        if name not in CREDENTIALS:
            continue
        key = _bearer(value) if name == b"authorization" else value.strip()
        if found is not None and found != key:
            raise Refused(
                _no(
                    "Two different credentials came with this request. Send one: "
                    "Authorization: Bearer, x-api-key or x-goog-api-key. "
                    "Often a provider's own key is still set in the environment."
                )
            )
        found = key
    if not found:
        raise Refused(
            _no(
                "No key came with this request. Send your Weighbridge key as Authorization: Bearer wb_..., "
                "x-api-key or x-goog-api-key."
            )
        )
    return found


def _bearer(value: bytes) -> bytes:
    """Give the token of an Authorization header."""
    scheme, _, token = value.strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise Refused(_no("The Authorization header must read: Bearer, a blank, and your Weighbridge key."))
    return token.strip()


def _malformed(key: bytes) -> Refusal:
    """Say what is wrong with a text that cannot be a key, never showing it."""
    if key.startswith(b"wb") and len(key) <= KEY_BYTES_MAX:
        return _no("This key has a typo or is cut short: its checksum does not fit. Copy it again, whole.")
    return _no(
        "This is not a Weighbridge key (they begin with wb_). If it is a provider's key: the gateway holds those; "
        "use the key you were given for the gateway."
    )


def _refuse_key_in_query(query: bytes) -> None:
    """Refuse a key in the address, where proxies and histories would keep it."""
    if query.startswith(b"key=") or b"&key=" in query:
        raise Refused(
            _no("A key in the address ends up in logs, so ?key= is not read. Send it as the header x-goog-api-key.")
        )


def _no(message: str) -> Refusal:
    """Every failed identification has one code: programs need no more."""
    return Refusal("invalid_api_key", message, 401)
