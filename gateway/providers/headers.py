"""Which request headers and query parameters travel on to a provider: those listed here, no others."""

from urllib.parse import parse_qsl, quote

EXACT = frozenset((
    b"accept", b"user-agent", b"openai-beta", b"idempotency-key", b"traceparent", b"tracestate",
    b"x-goog-api-client", b"session-id", b"session_id", b"thread-id", b"conversation_id", b"originator",
    b"x-app", b"x-session-id", b"x-client-request-id", b"version",
))  # fmt: skip

OPEN = (b"anthropic-", b"x-stainless-", b"x-claude-code-", b"x-codex-")
"""Prefixes a provider adds to without notice; dropping one breaks its clients."""

OURS = ((b"content-type", b"application/json"), (b"accept-encoding", b"identity"))
"""The body is written anew as JSON, and an answer that is not compressed can be read as it passes."""

QUERY = ("beta", "alt")


def allowed(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Give the headers a provider may see, names in lower case; never a credential, cookie or tag of ours."""
    kept = [(name, value) for name, value in headers if name in EXACT or name.startswith(OPEN)]
    return (*OURS, *kept)


def allowed_query(query: bytes, always: tuple[tuple[str, str], ...] = ()) -> str:
    """Give "?..." with the parameters a provider may see, or nothing; `always` wins over the client's."""
    if not query and not always:
        return ""
    pairs = dict(parse_qsl(query.decode("ascii", "replace"), max_num_fields=64)) if query else {}
    kept = {name: pairs[name] for name in QUERY if name in pairs} | dict(always)
    return "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in kept.items()) if kept else ""
