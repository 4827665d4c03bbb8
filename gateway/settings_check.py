"""What a schema cannot say: references that lead nowhere, names used twice, values that exclude each other."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from gateway.settings import BadSettings
from gateway.settings_lines import Place
from gateway.settings_pattern import pattern_problem
from gateway.settings_schema import File, ModelTable, ProviderTable
from gateway.settings_secrets import has_placeholder
from policies.tags import dimension

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""A label of metrics and the first part of "provider/model"."""

_MODEL_NAME = re.compile(r"[!-~]{1,200}")
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,4094}[!-~])?")
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)

FRAMING = frozenset(
    (
        "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive",
        "proxy-connection", "content-type", "content-encoding", "accept-encoding", "expect",
    )
)  # fmt: skip
"""Headers that say where a message ends, where it goes and how it is to be read: the gateway's own."""

CREDENTIAL_HEADERS = frozenset(("authorization", "x-api-key", "x-goog-api-key"))


def check(file: File, folder: Path, place: Place) -> None:
    """Raise BadSettings for the first thing that cannot work; `folder` is where relative paths start."""
    _server(file, place)
    _no_stray_placeholders(file, place)
    for name, provider in file.providers.items():
        _provider(name, provider, place)
    _ledger(file.ledger.url, place)
    problem = pattern_problem(file.initiatives.pattern)
    if problem is not None:
        raise BadSettings(f"{place.at('initiatives', 'pattern')} {problem}.")
    _tags(file, place)
    overrides = file.prices.overrides
    if overrides is not None and not (folder / Path(overrides).expanduser()).is_file():
        raise BadSettings(f"{place.at('prices', 'overrides')}: there is no file {overrides}.")


def check_models(models: Mapping[str, ModelTable], providers: frozenset[str], place: Place) -> None:
    """Raise BadSettings for a target that leads nowhere, or a name that two models have."""
    taken: dict[str, str] = {}
    for name, model in models.items():
        for number, target in enumerate(model.targets):
            _target(target, providers, place.at("models", name, "targets", number))
            if target in model.targets[:number]:
                raise BadSettings(f'{place.at("models", name, "targets", number)}: "{target}" is there twice.')
        for alias in (name, *model.aliases):
            where = place.at("models", name, "aliases" if alias != name else "targets")
            if not _MODEL_NAME.fullmatch(alias) or any(sign in alias for sign in "*?["):
                raise BadSettings(
                    f'{where}: "{alias}" cannot be the name of a model; it is 1 to 200 visible ASCII characters '
                    "without * ? [. Patterns belong into the models of a provider."
                )
            if alias in taken:
                raise BadSettings(f'{where}: "{alias}" is also a name of the model {taken[alias]}. Keep one.')
            taken[alias] = name


def _target(target: str, providers: frozenset[str], where: str) -> None:
    provider_name, _, model = target.partition("/")
    if provider_name in providers and model:
        return
    close = get_close_matches(provider_name, providers, n=1)
    known = f'did you mean "{close[0]}"' if close else f"configured are: {', '.join(sorted(providers)) or 'none'}"
    raise BadSettings(f'{where}: "{target}" leads to no provider. Write "provider/model"; {known}.')


def _server(file: File, place: Place) -> None:
    server = file.server
    if not _HOST.fullmatch(server.host):
        raise BadSettings(f'{place.at("server", "host")}: "{server.host}" is no address. Write one such as 127.0.0.1.')
    if server.port == server.pages_port != 0:
        raise BadSettings(f"{place.at('server', 'pages_port')}: gateway and pages both want port {server.port}.")


def _no_stray_placeholders(file: File, place: Place) -> None:
    """Refuse "${...}" where it would be taken as it stands."""
    for keys, value in (
        (("server", "host"), file.server.host),
        (("data", "dir"), file.data.dir),
        (("prices", "overrides"), file.prices.overrides or ""),
        *(((("providers", name, "base_url")), one.base_url) for name, one in file.providers.items()),
    ):
        if has_placeholder(value):
            raise BadSettings(
                f"{place.at(*keys)}: ${{...}} is only read in api_key, headers and ledger.url. Write the value itself."
            )


def _provider(name: str, provider: ProviderTable, place: Place) -> None:
    if not _PROVIDER_NAME.fullmatch(name):
        raise BadSettings(
            f'{place.at("providers", name)}: "{name}" cannot be the name of a provider; '
            "use up to 64 small letters, digits, _ and -."
        )
    for header, value in provider.headers.items():
        where = place.at("providers", name, "headers", header)
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(value):
            raise BadSettings(f"{where}: a header has a plain name and one line of visible ASCII characters.")
        if header.lower() in FRAMING:
            raise BadSettings(f"{where}: the gateway writes this header itself. Leave it out.")
        if provider.api_key is not None and header.lower() in CREDENTIAL_HEADERS:
            raise BadSettings(f"{where} and api_key would send two credentials. Keep one.")
        if _SECRET_HEADER.search(header) and not has_placeholder(value):
            raise BadSettings(f'{where} holds a secret in clear. Write "${{NAME}}" or "${{file:path}}" instead.')


def _ledger(url: str, place: Place) -> None:
    where = place.at("ledger", "url")
    if has_placeholder(url):
        return  # What a placeholder brings is looked at where it is filled in.
    check_ledger_url(url, where)
    in_file = ("ledger", "url") not in place.variables
    if in_file and urlsplit(url).password is not None:
        raise BadSettings(f'{where} holds a password in clear. Put the whole address into "${{NAME}}".')


def check_ledger_url(url: str, where: str) -> None:
    """Raise BadSettings, never showing the address, for one that no engine answers to."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    file = parts.scheme == "sqlite" and parts.path.startswith("/") and not parts.netloc
    server = parts.scheme in {"postgres", "postgresql"} and bool(parts.netloc or parts.query)
    if url != "sqlite" and not file and not server:
        raise BadSettings(f'{where} must be "sqlite", or start with sqlite:/ or postgresql://.')


def _tags(file: File, place: Place) -> None:
    for number, name in enumerate(file.tags.locked_dimensions):
        if dimension(name, file.tags.aliases) != name:
            raise BadSettings(f'{place.at("tags", "locked_dimensions", number)}: "{name}" is no dimension.')
    for said, name in file.tags.aliases.items():
        where = place.at("tags", "aliases", said)
        if dimension(said, {}) is None or said != said.strip().lower().replace("-", "_").replace(".", "_"):
            raise BadSettings(f'{where}: "{said}" must be small letters, digits and _, and none of our own words.')
        if dimension(name, {}) != name:
            raise BadSettings(f'{where}: "{name}" is no dimension.')
