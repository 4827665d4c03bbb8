"""Reads weighbridge.toml and the environment once; what is wrong is said with file and line."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from gateway.egress import origin_of
from gateway.providers.provider import DialectName
from gateway.secret import Secret
from gateway.settings import Model, Provider, Settings

FILE_NAME = "weighbridge.toml"
_PLACEHOLDER = re.compile(r"\$\{(file:)?([^}]+)\}")


class BadSettings(Exception):
    """The configuration cannot be used; the text says which file, which line and what to do."""


class _Server(msgspec.Struct, forbid_unknown_fields=True):
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


class _Data(msgspec.Struct, forbid_unknown_fields=True):
    dir: str = "weighbridge-data"


class _Journal(msgspec.Struct, forbid_unknown_fields=True):
    durability: Literal["process", "group", "strict"] = "group"
    group_ms: int = 20
    segment_bytes: int = 64 * 2**20
    retention_s: int = 7 * 86400


class _Ledger(msgspec.Struct, forbid_unknown_fields=True):
    url: str = "sqlite"


class _Tags(msgspec.Struct, forbid_unknown_fields=True):
    locked_dimensions: tuple[str, ...] = ("team", "cost_centre")
    aliases: dict[str, str] = {}


class _Initiatives(msgspec.Struct, forbid_unknown_fields=True):
    unknown: Literal["allow", "flag", "deny"] = "allow"
    pattern: str = r"[A-Z][A-Z0-9]+-\d+"


class _Prices(msgspec.Struct, forbid_unknown_fields=True):
    overrides: str | None = None
    unknown: Literal["allow", "deny"] = "allow"


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    base_url: str
    dialects: tuple[DialectName, ...] = ("openai",)
    api_key: str | None = None
    models: tuple[str, ...] = ("*",)
    priced_as: str | None = None
    private_network: bool = False
    headers: dict[str, str] = {}
    retries: int = 2
    connections_max: int = 256
    connect_timeout_s: float = 5.0
    head_timeout_s: float = 600.0
    idle_timeout_s: float = 120.0
    total_timeout_s: float = 1800.0


class _Model(msgspec.Struct, forbid_unknown_fields=True):
    targets: tuple[str, ...]
    aliases: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    server: _Server = msgspec.field(default_factory=_Server)
    data: _Data = msgspec.field(default_factory=_Data)
    journal: _Journal = msgspec.field(default_factory=_Journal)
    ledger: _Ledger = msgspec.field(default_factory=_Ledger)
    tags: _Tags = msgspec.field(default_factory=_Tags)
    initiatives: _Initiatives = msgspec.field(default_factory=_Initiatives)
    prices: _Prices = msgspec.field(default_factory=_Prices)
    providers: dict[str, _Provider] = {}
    models: dict[str, _Model] = {}


WELL_KNOWN = {
    "openai": ("OPENAI_API_KEY", "https://api.openai.com", "openai"),
    "anthropic": ("ANTHROPIC_API_KEY", "https://api.anthropic.com", "anthropic"),
    "gemini": ("GEMINI_API_KEY", "https://generativelanguage.googleapis.com", "gemini"),
}
"""Providers that are set up from the environment when no file names any."""


def read_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Give the settings of `path`, of WEIGHBRIDGE_CONFIG, or of ./weighbridge.toml; defaults without a file.

    Raises BadSettings.
    """
    environ = os.environ if environ is None else environ
    if path is None:
        named = environ.get("WEIGHBRIDGE_CONFIG")
        path = Path(named) if named else Path(FILE_NAME)
        if not named and not path.exists():
            return _settings(_File(), None, "", environ)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} cannot be read: {error}. Check --config or WEIGHBRIDGE_CONFIG.") from error
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path} is not valid TOML: {error}.") from error
    try:
        file = msgspec.convert(tree, _File, strict=True)
    except msgspec.ValidationError as error:
        raise BadSettings(_located(path, text, str(error))) from error
    return _settings(file, path, text, environ)


def _settings(file: _File, path: Path | None, text: str, environ: Mapping[str, str]) -> Settings:
    """Resolve placeholders and references; check what a schema cannot."""
    base = path.parent if path else Path()
    where = _Where(path, text)
    providers = tuple(_provider(name, raw, where, environ) for name, raw in file.providers.items())
    providers = providers or _from_environment(environ)
    models = tuple(Model(name, raw.targets, raw.aliases) for name, raw in file.models.items())
    _check(file, providers, models, where)
    data_dir = environ.get("WEIGHBRIDGE_DATA_DIR") or file.data.dir
    server, journal = file.server, file.journal
    return Settings(
        data_dir=(base / Path(data_dir).expanduser()).resolve(),
        **msgspec.structs.asdict(server),
        durability=journal.durability,
        group_ms=journal.group_ms,
        segment_bytes=journal.segment_bytes,
        journal_retention_s=journal.retention_s,
        ledger_url=_expand(file.ledger.url, where.at("ledger", "url"), environ),
        unknown_initiative=file.initiatives.unknown,
        initiative_pattern=file.initiatives.pattern,
        unknown_price=file.prices.unknown,
        price_overrides=(base / file.prices.overrides).resolve() if file.prices.overrides else None,
        locked_dimensions=file.tags.locked_dimensions,
        tag_aliases=file.tags.aliases,
        providers=providers,
        models=models,
        config_file=path.resolve() if path else None,
    )


class _Where:
    """Names a place of the file for people."""

    def __init__(self, path: Path | None, text: str) -> None:
        """Keep the file's path and text."""
        self.path, self.text = path, text

    def at(self, *keys: str) -> str:
        """Give "file:line [table] key"."""
        line = line_of(self.text, keys)
        return f"{self.path or 'environment'}:{line}: {'.'.join(keys)}"


def _provider(name: str, raw: _Provider, where: _Where, environ: Mapping[str, str]) -> Provider:
    """Make one provider; its key comes from the environment or a file, never from the text itself."""
    place = where.at("providers", name, "api_key")
    if raw.api_key and not _PLACEHOLDER.fullmatch(raw.api_key):
        raise BadSettings(f'{place} holds a secret in clear. Write "${{NAME}}" or "${{file:/path}}" instead.')
    headers = {
        key.lower(): _expand(value, where.at("providers", name, "headers"), environ)
        for key, value in raw.headers.items()
    }
    provider = Provider(
        name=name,
        base_url=raw.base_url,
        dialects=raw.dialects,
        api_key=Secret(_expand(raw.api_key, place, environ)) if raw.api_key else None,
        models=raw.models,
        priced_as=raw.priced_as or name,
        private_network=raw.private_network,
        headers=tuple(headers.items()),
        retries=raw.retries,
        connections_max=raw.connections_max,
        connect_timeout_s=raw.connect_timeout_s,
        head_timeout_s=raw.head_timeout_s,
        idle_timeout_s=raw.idle_timeout_s,
        total_timeout_s=raw.total_timeout_s,
    )
    try:
        origin_of(provider)
    except ValueError as error:
        raise BadSettings(f"{where.at('providers', name, 'base_url')}: {error}") from error
    return provider


def _from_environment(environ: Mapping[str, str]) -> tuple[Provider, ...]:
    """Set up the well-known providers whose keys the environment holds."""
    found: list[Provider] = []
    for name, (variable, base_url, dialect) in WELL_KNOWN.items():
        if environ.get(variable):
            assert dialect in get_args(DialectName)
            secret = Secret(environ[variable])
            found.append(Provider(name, base_url, (dialect,), secret, priced_as=name))  # type: ignore[arg-type]
    return tuple(found)


def _check(file: _File, providers: tuple[Provider, ...], models: tuple[Model, ...], where: _Where) -> None:
    """Refuse dangling references, names used twice and numbers that cannot work."""
    known = {provider.name for provider in providers}
    taken: dict[str, str] = {}
    for model in models:
        for target in model.targets or ("",):
            provider_name, _, rest = target.partition("/")
            if provider_name not in known or not rest:
                names = ", ".join(sorted(known)) or "none are configured"
                raise BadSettings(
                    f'{where.at("models", model.name, "targets")}: "{target}" names no provider. '
                    f'Write "provider/model" with one of: {names}.'
                )
        for name in (model.name, *model.aliases):
            if name in taken:
                raise BadSettings(f'{where.at("models", model.name)}: "{name}" is also a name of {taken[name]}.')
            taken[name] = model.name
    for key, least in (("workers", 1), ("body_bytes_max", 1024), ("inflight_max", 1), ("port", 0)):
        if getattr(file.server, key) < least:
            raise BadSettings(f"{where.at('server', key)} must be at least {least}.")
    try:
        re.compile(file.initiatives.pattern)
    except re.error as error:
        raise BadSettings(f"{where.at('initiatives', 'pattern')} is not a regular expression: {error}.") from error


def _expand(value: str, place: str, environ: Mapping[str, str]) -> str:
    """Replace ${NAME} and ${file:/path}."""

    def one(match: re.Match[str]) -> str:
        from_file, name = match.groups()
        if from_file:
            try:
                return Path(name).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise BadSettings(f"{place}: the secret file {name} cannot be read: {error.strerror}.") from error
        if name not in environ:
            raise BadSettings(f"{place}: the environment variable {name} is not set. Set it before starting.")
        return environ[name]

    return _PLACEHOLDER.sub(one, value)


def _located(path: Path, text: str, message: str) -> str:
    """Turn msgspec's "... - at `$.server.port`" into file, line and words."""
    said, _, place = message.partition(" - at `$")
    keys = [key for key in re.split(r"[.\[\]`]+", place) if key and key != "..."]
    unknown = re.search(r"unknown field `([^`]+)`", said)
    if unknown:
        keys.append(unknown.group(1))
        said = f"there is no setting of this name; see docs/configuration.md ({said})"
    return f"{path}:{line_of(text, tuple(keys))}: {'.'.join(keys)}: {said}."


def line_of(text: str, keys: tuple[str, ...]) -> int:
    """Give the line where `keys` are set, or that of the nearest table above them."""
    table: tuple[str, ...] = ()
    best, best_depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            table = _key_path(header.group(1))
            here = table
        else:
            key = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)
            if not key:
                continue
            here = table + _key_path(key.group(1))
        depth = sum(1 for a, b in zip(here, keys, strict=False) if a == b)
        if here == keys[: len(here)] and depth > best_depth:
            best, best_depth = number, depth
    return best


def _key_path(dotted: str) -> tuple[str, ...]:
    """Split a dotted TOML key, quotes respected."""
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([^.\"'\s]+)", dotted)
    return tuple(next(part for part in match if part) for match in parts if any(match))


def described(settings: Settings) -> Mapping[str, Any]:
    """Give the settings for the start-up line, secrets masked."""
    return {
        "config_file": str(settings.config_file) if settings.config_file else None,
        "data_dir": str(settings.data_dir),
        "listen": f"{settings.host}:{settings.port}",
        "workers": settings.workers,
        "durability": settings.durability,
        "ledger": re.sub(r"//[^@/]*@", "//***@", settings.ledger_url),
        "providers": [provider.name for provider in settings.providers],
        "models": [model.name for model in settings.models],
    }
