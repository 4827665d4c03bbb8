"""Puts a dialect's path behind a provider's base URL without saying the version twice."""

import re

_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")


def joined(base_path: str, path: str) -> str:
    """Give the path to request: a base that names a version anywhere keeps its own.

    "" and "/v1/chat/completions" make "/v1/chat/completions"; "/openai/v1", "/v1beta/openai" and "/api/paas/v4"
    make "/openai/v1/chat/completions", "/v1beta/openai/chat/completions", "/api/paas/v4/chat/completions".
    """
    base = base_path.rstrip("/")
    if _VERSION.search(base):
        version = _VERSION.match(path)
        return base + (path[version.end() :] if version else path)
    return base + path
