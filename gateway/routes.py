"""Which addresses carry metered requests; a route that is not here does not exist."""

import re
from urllib.parse import unquote

from gateway.client import Asks
from gateway.providers.anthropic import ANTHROPIC
from gateway.providers.gemini import GEMINI
from gateway.providers.openai import OPENAI
from gateway.providers.provider import Dialect, Operation

EXACT: dict[str, Asks] = {
    "/v1/chat/completions": Asks(OPENAI, "chat"),
    "/v1/responses": Asks(OPENAI, "responses"),
    "/v1/completions": Asks(OPENAI, "text_completion"),
    "/v1/embeddings": Asks(OPENAI, "embeddings"),
    "/v1/messages": Asks(ANTHROPIC, "chat"),
    "/v1/messages/count_tokens": Asks(ANTHROPIC, "count_tokens"),
}

_GEMINI = re.compile(r"/v1(?:beta)?/models/([A-Za-z0-9._~@%/-]{1,256}):([a-zA-Z]+)")
_GEMINI_VERBS: dict[str, tuple[Operation, bool]] = {
    "generateContent": ("generate_content", False),
    "streamGenerateContent": ("generate_content", True),
    "countTokens": ("count_tokens", False),
}
_TAGGED = re.compile(r"/t/([^/]{1,384})(/.*)")


def metered(path: str) -> Asks | None:
    """Give what a POST to `path` asks; None where nothing is metered. `/t/INITIATIVE` may stand before any route."""
    found = EXACT.get(path)
    if found is not None:
        return found
    if path.startswith("/t/"):
        initiative, rest = untagged(path)
        inner = metered(rest) if initiative and not rest.startswith("/t/") else None
        return None if inner is None else _for(inner, initiative)
    match = _GEMINI.fullmatch(path)
    if match is None or match.group(2) not in _GEMINI_VERBS:
        return None
    operation, streamed = _GEMINI_VERBS[match.group(2)]
    return Asks(GEMINI, operation, unquote(match.group(1)), streamed)


def untagged(path: str) -> tuple[str | None, str]:
    """Give the initiative an address names, and the address without it."""
    match = _TAGGED.fullmatch(path)
    return (unquote(match.group(1)), match.group(2)) if match else (None, path)


def dialect_of(path: str) -> Dialect:
    """Give the dialect whose shape an error on this address takes."""
    _, rest = untagged(path)
    if rest.startswith("/v1beta/") or _GEMINI.fullmatch(rest):
        return GEMINI
    return ANTHROPIC if rest.startswith("/v1/messages") else OPENAI


def _for(asks: Asks, initiative: str | None) -> Asks:
    return Asks(asks.dialect, asks.operation, asks.model, asks.streamed, initiative)
