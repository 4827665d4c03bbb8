"""From a public model name to the ordered targets that may serve it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Serves:
    """What a provider says of itself: its name, the dialects it speaks and the models it serves (globs)."""

    name: str
    dialects: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A public model name with its aliases and its targets in order, each "provider/model"."""

    name: str
    targets: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One place a request may go."""

    provider_name: str
    model: str


@dataclass(frozen=True, slots=True)
class Unroutable:
    """Nobody serves this model in this dialect; `other_dialects` names those in which somebody does."""

    model: str
    other_dialects: tuple[str, ...]


def plan(
    model: str, dialect: str, routes: Sequence[Route], providers: Sequence[Serves]
) -> tuple[Target, ...] | Unroutable:
    """Give the targets for `model` in order: a named route, then "provider/model", then who serves the name.

    Among providers that match by glob, a pattern longer than another is more specific and wins; equals
    keep the order of the configuration. Only the best match is a target: fallbacks are named, never guessed.
    """
    found = _candidates(model, routes, providers)
    speaks = {provider.name: provider.dialects for provider in providers}
    targets = tuple(target for target in found if dialect in speaks[target.provider_name])
    if targets:
        return targets if _is_named(model, routes) else targets[:1]
    others = {name for target in found for name in speaks[target.provider_name]}
    return Unroutable(model, tuple(sorted(others)))


def _is_named(model: str, routes: Sequence[Route]) -> bool:
    """Say whether a configured route carries this name."""
    return any(model == route.name or model in route.aliases for route in routes)


def _candidates(model: str, routes: Sequence[Route], providers: Sequence[Serves]) -> tuple[Target, ...]:
    """Give every target the name could mean, whatever the dialect."""
    for route in routes:
        if model == route.name or model in route.aliases:
            return tuple(Target(*target.split("/", 1)) for target in route.targets)
    prefix, _, rest = model.partition("/")
    if rest and any(provider.name == prefix for provider in providers):
        return (Target(prefix, rest),)
    matches = [
        (-max(len(pattern) for pattern in patterns), order, provider.name)
        for order, provider in enumerate(providers)
        if (patterns := [p for p in provider.models if fnmatchcase(model, p)])
    ]
    return tuple(Target(name, model) for _, _, name in sorted(matches))
