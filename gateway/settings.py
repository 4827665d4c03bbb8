"""One frozen Settings: everything that can be set, as the rest of the gateway sees it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.providers.provider import DialectName
from gateway.secret import Secret


class BadSettings(Exception):
    """The configuration cannot be used; the text says which file, which line and what to do."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One upstream: where it is, what it speaks, what it serves and how long we wait for it."""

    name: str
    base_url: str
    dialects: tuple[DialectName, ...]
    api_key: Secret | None = None
    models: tuple[str, ...] = ("*",)
    priced_as: str = ""
    private_network: bool = False
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # May hold secrets.
    retries: int = 2
    connections_max: int = 256
    connect_timeout_s: float = 5.0
    head_timeout_s: float = 600.0
    idle_timeout_s: float = 120.0
    total_timeout_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Model:
    """A public model name, its aliases, and the targets tried in order ("provider/model")."""

    name: str
    targets: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; see docs/configuration.md for each field's sentence."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    pages_port: int = 8081
    workers: int = 1
    body_bytes_max: int = 32 * 2**20
    answer_bytes_max: int = 64 * 2**20
    inflight_max: int = 1000
    drains_max: int = 256
    on_client_gone: Literal["drain", "stop"] = "drain"
    drain_timeout_s: float = 30.0
    log_calls: bool = True
    durability: Literal["process", "group", "strict"] = "group"
    group_ms: int = 20
    segment_bytes: int = 64 * 2**20
    journal_retention_s: int = 7 * 86400
    ledger_url: str = field(default="sqlite", repr=False)  # May hold a password.
    unknown_initiative: Literal["allow", "flag", "deny"] = "allow"
    unknown_price: Literal["allow", "deny"] = "allow"
    locked_dimensions: tuple[str, ...] = ("team", "cost_centre")
    initiative_pattern: str = r"[A-Z][A-Z0-9]+-\d+"
    price_overrides: Path | None = None
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] = ()
    config_file: Path | None = None
    tag_aliases: dict[str, str] = field(default_factory=dict)
