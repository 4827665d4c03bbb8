"""The client's side of one metered request: what it asks, by which program, and the way back to it."""

from dataclasses import dataclass

from gateway.exchange import Exchange
from gateway.providers.provider import Dialect, Operation


@dataclass(frozen=True, slots=True)
class Asks:
    """What the address of a request says: dialect and operation, and for some the model, the stream, the work."""

    dialect: Dialect
    operation: Operation
    model: str | None = None
    streamed: bool = False
    initiative: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """One request whose head has passed the guard: `headers` are those policy may read."""

    exchange: Exchange
    asks: Asks
    headers: tuple[tuple[bytes, bytes], ...]


FAMILIES = (
    "claude-cli", "codex", "gemini-cli", "opencode", "aider", "pydantic-ai", "langchain", "litellm",
    "google-genai", "ai-sdk", "openai", "anthropic", "curl", "python-httpx", "node", "python",
)  # fmt: skip
"""Closed, so that a client's own words never become a dimension without end. A program stands before what it is built
on, for its User-Agent may name both."""


def family_of(headers: tuple[tuple[bytes, bytes], ...]) -> str | None:
    """Give the program family a client's User-Agent names; "other" for one that is not known."""
    for name, value in headers:
        if name == b"user-agent":
            return _family(value)
    return None


def _family(agent: bytes) -> str:
    known = _families.get(agent)
    if known is None:
        text = agent.decode("latin-1").lower().replace("geminicli", "gemini-cli")
        known = next((family for family in FAMILIES if family in text), "other")
        if len(_families) < FAMILIES_REMEMBERED_MAX:
            _families[agent] = known
    return known


FAMILIES_REMEMBERED_MAX = 1024
_families: dict[bytes, str] = {}
