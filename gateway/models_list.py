"""GET /v1/models: what a key may call, in each dialect's own shape."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway import clock
from gateway.errors import Refused
from gateway.exchange import Headers
from gateway.house import House
from gateway.identify import Principal, identify
from gateway.routes import untagged
from gateway.settings import Provider
from policies.refusal import Refusal

LISTED_MAX = 2_000
_LIST = re.compile(r"/v1(?:beta)?/models(?:/(?P<id>[A-Za-z0-9._~@/-]{1,256}))?")


def wants_models(path: str) -> bool:
    """Say whether a GET to `path` asks for models."""
    return _LIST.fullmatch(untagged(path)[1]) is not None


def listed(house: House, path: str, headers: Headers, query: bytes) -> bytes:
    """Give the models this key may call, or the one asked for; raises Refused (401, 403, 404)."""
    path = untagged(path)[1]
    principal = identify(house.registry, headers, house.pepper, clock.now(), query)
    names = served(house, principal)
    match = _LIST.fullmatch(path)
    wanted = match.group("id") if match else None
    shape = _shape(path, headers)
    if wanted is None:
        return msgspec.json.encode(shape.many([shape.one(name, names[name]) for name in names]))
    if wanted not in names:
        raise Refused(Refusal("model_not_found", f"No provider here serves {wanted} to this key.", 404))
    return msgspec.json.encode(shape.one(wanted, names[wanted]))


def served(house: House, principal: Principal) -> dict[str, str]:
    """Give each model's name with who serves it: configured names first, then what the providers are priced for."""
    found: dict[str, str] = {}
    for model in house.settings.models:
        for name in (model.name, *model.aliases):
            found[name] = model.targets[0].partition("/")[0]
    for provider in house.settings.providers:
        for name in _of_provider(house, provider):
            found.setdefault(name, provider.name)
    allowed = principal.models
    kept = [name for name in found if not allowed or any(fnmatchcase(name, pattern) for pattern in allowed)]
    return {name: found[name] for name in kept[:LISTED_MAX]}


def _of_provider(house: House, provider: Provider) -> Iterable[str]:
    """Give the models of a provider: those it names, and for patterns those that have a price."""
    for pattern in provider.models:
        if not set(pattern) & set("*?["):
            yield pattern
        else:
            yield from house.planner.priced_models(provider.priced_as, pattern)


class _Shape:
    """How one dialect writes a model."""

    def one(self, name: str, owner: str) -> dict[str, Any]:
        """Write one model as OpenAI does (platform.openai.com/docs/api-reference/models, read 2026-11-25)."""
        return {"id": name, "object": "model", "created": 0, "owned_by": owner}

    def many(self, models: list[dict[str, Any]]) -> Mapping[str, Any]:
        """Write a list."""
        return {"object": "list", "data": models}


class _Anthropic(_Shape):
    def one(self, name: str, owner: str) -> dict[str, Any]:  # noqa: ARG002 - there is no owner in this shape
        """Write one model (platform.claude.com/docs/en/api/models-list, read 2026-11-25)."""
        return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}

    def many(self, models: list[dict[str, Any]]) -> Mapping[str, Any]:
        """Write a list, whole on one page."""
        ends = (models[0]["id"], models[-1]["id"]) if models else (None, None)
        return {"data": models, "has_more": False, "first_id": ends[0], "last_id": ends[1]}


class _Gemini(_Shape):
    def one(self, name: str, owner: str) -> dict[str, Any]:  # noqa: ARG002
        """Write one model (ai.google.dev/api/models, read 2026-11-25)."""
        verbs = ["generateContent", "streamGenerateContent", "countTokens"]
        return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": verbs}

    def many(self, models: list[dict[str, Any]]) -> Mapping[str, Any]:
        """Write a list."""
        return {"models": models}


def _shape(path: str, headers: Headers) -> _Shape:
    """Give the shape the client reads: the address tells Gemini's, a header Anthropic's."""
    if path.startswith("/v1beta/") or any(name == b"x-goog-api-key" for name, _ in headers):
        return _Gemini()
    return _Anthropic() if any(name == b"anthropic-version" for name, _ in headers) else _Shape()
