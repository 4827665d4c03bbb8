"""Reads weighbridge.toml and the environment once; what is wrong is said with file and line."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.egress import origin_of
from gateway.providers.provider import DialectName
from gateway.secret import Secret
from gateway.settings import BadSettings, Model, Provider, Settings
from gateway.settings_check import check, check_ledger_url, check_models
from gateway.settings_errors import explained
from gateway.settings_lines import Keys, Place, lines_of
from gateway.settings_names import KEYS, MAY_CHANGE
from gateway.settings_schema import File, ProviderTable
from gateway.settings_secrets import Secrets

FILE_NAME = "weighbridge.toml"

FILE_BYTES_MAX = 2**20
"""Ten thousand models fit; a disk image named by mistake does not."""

WELL_KNOWN: Mapping[str, tuple[str, str, DialectName]] = {
    "openai": ("OPENAI_API_KEY", "https://api.openai.com", "openai"),
    "anthropic": ("ANTHROPIC_API_KEY", "https://api.anthropic.com", "anthropic"),
    "gemini": ("GEMINI_API_KEY", "https://generativelanguage.googleapis.com", "gemini"),
}
"""Providers that are set up from the environment when no file names any: variable, address, dialect."""

LOCAL_MODEL = "WEIGHBRIDGE_LOCAL_MODEL_URL"
"""Where `weighbridge up --with-local-model` has started a model; it is then a provider beside those that are named."""

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "WEIGHBRIDGE_HOST": ("server", "host"),
    "WEIGHBRIDGE_PORT": ("server", "port"),
    "WEIGHBRIDGE_PAGES_PORT": ("server", "pages_port"),
    "WEIGHBRIDGE_WORKERS": ("server", "workers"),
    "WEIGHBRIDGE_DATA_DIR": ("data", "dir"),
    "WEIGHBRIDGE_LEDGER_URL": ("ledger", "url"),
}
"""Settings that a variable of the environment can set; it wins over the file. Containers have no other way."""


def read_settings(
    path: Path | None = None, environ: Mapping[str, str] | None = None, *, serving: bool = True
) -> Settings:
    """Give the settings of `path`, of WEIGHBRIDGE_CONFIG, or of ./weighbridge.toml; defaults without a file.

    Without `serving` the providers' secrets are left alone: who only reads the ledger need not have them.
    Raises BadSettings.
    """
    environ = os.environ if environ is None else environ
    path = _chosen(path, environ)
    text = _text(path) if path else ""
    tree = _tree(path, text)
    variables = _set_from(environ, tree)
    place = Place(path, lines_of(text), variables)
    try:
        file = msgspec.convert(tree, File, strict=True)
    except msgspec.ValidationError as error:
        raise BadSettings(explained(str(error), tree, place)) from error
    folder = path.parent if path else Path()
    check(file, folder, place)
    return _settings(file, path, place, Secrets(environ, folder, serving=serving))


def reload_settings(current: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """Give the settings as the file has them now, for a process that runs with `current`.

    Raises BadSettings when they cannot be used, or when something changed that only a restart can bring about:
    the old settings stay as they are, as a whole (fault F63).
    """
    new = read_settings(current.config_file, environ)
    fixed = [name for name in KEYS if name not in MAY_CHANGE and getattr(new, name) != getattr(current, name)]
    if fixed:
        keys = ", ".join(KEYS[name] for name in fixed)
        raise BadSettings(
            f"{new.config_file or 'environment'}: {keys} changed, which needs a restart. "
            "Nothing has been taken over: restart the gateway, or put the old value back."
        )
    return new


def _chosen(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Give the file to read: the one that is named, or the one that is there, or none."""
    if path is None and environ.get("WEIGHBRIDGE_CONFIG"):
        path = Path(environ["WEIGHBRIDGE_CONFIG"])
    if path is None:
        return Path(FILE_NAME) if Path(FILE_NAME).exists() else None
    return path


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise BadSettings(f"{path}: there is no such file. Check --config or WEIGHBRIDGE_CONFIG.")
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}. Check --config or WEIGHBRIDGE_CONFIG.") from error
    if len(raw) > FILE_BYTES_MAX:
        raise BadSettings(f"{path} is longer than {FILE_BYTES_MAX} bytes. Is it the right file?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadSettings(f"{path}:{line}: this is not UTF-8 text. Save the file as UTF-8.") from error


def _tree(path: Path | None, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = re.search(r" \(at line (\d+), column \d+\)$", said)
        line = int(found.group(1)) if found else text.rstrip("\n").count("\n") + 1
        said = said[: found.start()] if found else said
        raise BadSettings(f"{path}:{line}: this is not valid TOML: {said}.") from error
    except RecursionError as error:
        raise BadSettings(f"{path}: lists or tables are nested too deeply to be read.") from error


def _set_from(environ: Mapping[str, str], tree: dict[str, Any]) -> dict[Keys, str]:
    """Put what VARIABLES say into the tree; gives which variable set which key."""
    used: dict[Keys, str] = {}
    for name, keys in VARIABLES.items():
        said = environ.get(name, "").strip()
        table = tree.setdefault(keys[0], {})
        if said and isinstance(table, dict):
            # Digits are a number here as they would be in the file.
            table[keys[1]] = int(said) if re.fullmatch(r"-?[0-9]{1,18}", said) else said
            used[keys] = name
    return used


def _settings(file: File, path: Path | None, place: Place, secrets: Secrets) -> Settings:
    """Resolve placeholders and references."""
    providers = tuple(_provider(name, raw, place, secrets) for name, raw in file.providers.items())
    providers = (providers or _from_environment(secrets)) + _local_model(secrets.environ, file)
    check_models(file.models, frozenset(provider.name for provider in providers), place)
    journal, tags, overrides = file.journal, file.tags, file.prices.overrides
    data_dir = Path(file.data.dir).expanduser()
    by_variable = ("data", "dir") in place.variables
    return Settings(
        data_dir=(data_dir if by_variable else secrets.folder / data_dir).resolve(),
        **msgspec.structs.asdict(file.server),
        durability=journal.durability,
        group_ms=journal.group_ms,
        segment_bytes=journal.segment_bytes,
        journal_retention_s=journal.retention_s,
        ledger_url=_ledger_url(file, place, secrets),
        unknown_initiative=file.initiatives.unknown,
        initiative_pattern=file.initiatives.pattern,
        unknown_price=file.prices.unknown,
        price_overrides=(secrets.folder / Path(overrides).expanduser()).resolve() if overrides else None,
        locked_dimensions=tags.locked_dimensions,
        tag_aliases=tags.aliases,
        providers=providers,
        models=tuple(Model(name, raw.targets, raw.aliases) for name, raw in file.models.items()),
        config_file=path.resolve() if path else None,
    )


def _provider(name: str, raw: ProviderTable, place: Place, secrets: Secrets) -> Provider:
    """Make one provider; its key comes from the environment or a file, never from the text itself."""
    at = ("providers", name)
    headers = {
        key.lower(): secrets.expanded(value, place.at(*at, "headers", key)) if secrets.serving else ""
        for key, value in raw.headers.items()
    }
    key = secrets.key(raw.api_key, place.at(*at, "api_key")) if raw.api_key else None
    settings = msgspec.structs.asdict(raw)
    settings.update(
        api_key=Secret(key) if key else None,
        priced_as=raw.priced_as or name,
        headers=tuple(headers.items()),
    )
    provider = Provider(name=name, **settings)
    try:
        origin_of(provider)
    except ValueError as error:
        raise BadSettings(f"{place.at(*at, 'base_url')}: {error}.") from error
    return provider


def _from_environment(secrets: Secrets) -> tuple[Provider, ...]:
    """Set up the well-known providers whose keys the environment holds; a key of our own there is a client's."""
    found: list[Provider] = []
    for name, (variable, base_url, dialect) in WELL_KNOWN.items():
        said = secrets.environ.get(variable, "").strip()
        if said and not said.startswith(("wb_", "wba_")):
            key = secrets.key(f"${{{variable}}}", "environment")
            found.append(Provider(name, base_url, (dialect,), Secret(key) if key else None, priced_as=name))
    return tuple(found)


def _local_model(environ: Mapping[str, str], file: File) -> tuple[Provider, ...]:
    """Give the model that runs beside the gateway, if one does and the file names none of its own as "local"."""
    url = environ.get(LOCAL_MODEL)
    if not url or "local" in file.providers:
        return ()
    return (
        Provider("local", url, ("openai", "anthropic"), models=("smollm2",), priced_as="local", private_network=True),
    )


def _ledger_url(file: File, place: Place, secrets: Secrets) -> str:
    where = place.at("ledger", "url")
    url = secrets.expanded(file.ledger.url, where)
    check_ledger_url(url, where)
    return url
