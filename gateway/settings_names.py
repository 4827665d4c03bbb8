"""What each setting is called in weighbridge.toml, which may change while running, and how all are shown."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.settings import Provider, Settings

KEYS: Mapping[str, str] = {
    "data_dir": "data.dir",
    "host": "server.host",
    "port": "server.port",
    "pages_port": "server.pages_port",
    "workers": "server.workers",
    "body_bytes_max": "server.body_bytes_max",
    "answer_bytes_max": "server.answer_bytes_max",
    "inflight_max": "server.inflight_max",
    "drains_max": "server.drains_max",
    "on_client_gone": "server.on_client_gone",
    "drain_timeout_s": "server.drain_timeout_s",
    "log_calls": "server.log_calls",
    "durability": "journal.durability",
    "group_ms": "journal.group_ms",
    "segment_bytes": "journal.segment_bytes",
    "journal_retention_s": "journal.retention_s",
    "ledger_url": "ledger.url",
    "unknown_initiative": "initiatives.unknown",
    "initiative_pattern": "initiatives.pattern",
    "unknown_price": "prices.unknown",
    "price_overrides": "prices.overrides",
    "locked_dimensions": "tags.locked_dimensions",
    "tag_aliases": "tags.aliases",
    "providers": "providers",
    "models": "models",
}
"""By the field of Settings."""

MAY_CHANGE = frozenset(
    (
        "providers", "models", "unknown_price", "price_overrides", "unknown_initiative", "initiative_pattern",
        "locked_dimensions", "tag_aliases",
    )
)  # fmt: skip
"""Taken over by a running gateway; the others are built into its processes."""


def described(settings: Settings) -> Mapping[str, Any]:
    """Give every setting as it is in force, by its name in the file; secrets are masked."""
    shown: dict[str, Any] = {"config_file": str(settings.config_file) if settings.config_file else None}
    for name, key in KEYS.items():
        shown[key] = _plain(getattr(settings, name))
    shown["ledger.url"] = masked_url(settings.ledger_url)
    shown["providers"] = {provider.name: _described(provider) for provider in settings.providers}
    shown["models"] = {model.name: list(model.targets) for model in settings.models}
    return shown


def masked_url(url: str) -> str:
    """Give a ledger's address without what stands before its host, and without its parameters."""
    return re.sub(r"\?.*", "?***", re.sub(r"//[^/]*@", "//***@", url))


def _described(provider: Provider) -> dict[str, Any]:
    return {
        "base_url": provider.base_url,
        "dialects": list(provider.dialects),
        "api_key": "***" if provider.api_key else None,
        "models": list(provider.models),
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, str | int | float | dict) or value is None else str(value)
