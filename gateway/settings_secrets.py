"""Secrets come from the environment or from files, never from the text of weighbridge.toml itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.settings import BadSettings

SECRET_BYTES_MAX = 16_384
"""Longer than any key or token; a service account's JSON fits too."""

_PLACEHOLDER = re.compile(r"\$\{(file:)?([^{}]+)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VISIBLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where placeholders are looked up: the environment, and files relative to the folder of the settings.

    Who is not `serving` sends nothing to providers, and is given none of their keys.
    """

    environ: Mapping[str, str]
    folder: Path
    serving: bool = True

    def key(self, value: str, place: str) -> str | None:
        """Give a provider's key that stands in `value` as one placeholder and nothing else; raises BadSettings."""
        if not _PLACEHOLDER.fullmatch(value):
            raise BadSettings(
                f'{place} holds a secret in clear, or something around it. Write "${{NAME}}" to take it from '
                'the environment, or "${file:path}" to take it from a file.'
            )
        if not self.serving:
            return None
        key = self.expanded(value, place)
        if key.startswith(("wb_", "wba_")):
            raise BadSettings(
                f"{place} leads to a Weighbridge key; a provider would refuse it. Name the provider's own key."
            )
        return key

    def expanded(self, value: str, place: str) -> str:
        """Replace ${NAME} and ${file:path} in `value`; raises BadSettings."""
        rest = _PLACEHOLDER.sub("", value)
        if "${" in rest:
            raise BadSettings(f'{place}: a placeholder is not closed. Write "${{NAME}}" or "${{file:path}}".')
        return _PLACEHOLDER.sub(lambda found: self._one(found, place), value)

    def _one(self, placeholder: re.Match[str], place: str) -> str:
        in_file, name = placeholder.groups()
        found, said = self._from_file(name, place) if in_file else self._from_environment(name, place)
        if not _VISIBLE.fullmatch(found):
            raise BadSettings(f"{place}: {said} must hold one line of visible ASCII characters.")
        return found

    def _from_environment(self, name: str, place: str) -> tuple[str, str]:
        if not _NAME.fullmatch(name):
            raise BadSettings(f'{place}: "{name}" cannot be the name of an environment variable.')
        found = self.environ.get(name, "").strip()
        if not found:
            state = "empty" if name in self.environ else "not set"
            raise BadSettings(f"{place}: the environment variable {name} is {state}. Set it before starting.")
        return found, f"the environment variable {name}"

    def _from_file(self, name: str, place: str) -> tuple[str, str]:
        path = self.folder / Path(name).expanduser()
        try:
            if not path.is_file():
                raise BadSettings(f"{place}: there is no secret file {name}.")
            with path.open("rb") as file:
                raw = file.read(SECRET_BYTES_MAX + 1)
        except OSError as error:
            raise BadSettings(f"{place}: the secret file {name} cannot be read: {error.strerror}.") from error
        if len(raw) > SECRET_BYTES_MAX:
            raise BadSettings(f"{place}: the secret file {name} is longer than {SECRET_BYTES_MAX} bytes.")
        return raw.decode("utf-8", "replace").strip(), f"the secret file {name}"


def has_placeholder(value: str) -> bool:
    """Say whether anything in `value` is taken from elsewhere."""
    return _PLACEHOLDER.search(value) is not None
