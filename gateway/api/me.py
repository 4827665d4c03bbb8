"""What a key is and what it may call: the questions every key may ask about itself."""

from fnmatch import fnmatchcase
from typing import Annotated

from fastapi import APIRouter, Depends

from gateway.api.keys import KeyOut
from gateway.api.permissions import ALLOWED, Allow, Caller
from gateway.api.shapes import Told

router = APIRouter(prefix="/api/v1", tags=["me"])


class Me(KeyOut):
    """The key that asks, whose it is, and what it may do here."""

    person: str | None
    permissions: list[str]


class ModelTarget(Told):
    """One place a model's calls go to; without a price version its cost is not known beforehand."""

    provider_name: str
    model: str
    price_version: str | None


class ModelOut(Told):
    """A model by its public name, and where its calls go, in order."""

    name: str
    aliases: tuple[str, ...]
    targets: list[ModelTarget]


class ProviderOut(Told):
    """A provider: what it speaks and which models (globs) it serves."""

    name: str
    dialects: tuple[str, ...]
    models: tuple[str, ...]


class Models(Told):
    """The named models, and the providers that serve others by their own names."""

    models: list[ModelOut]
    providers: list[ProviderOut]


@router.get("/me")
def get_me(caller: Annotated[Caller, Depends(Allow("self:read"))]) -> Me:
    """Tell what this key is."""
    principal = caller.principal
    may: list[str] = sorted(name for name, roles in ALLOWED.items() if principal.role in roles)
    told = KeyOut.model_validate(principal).model_dump() | {"team": caller.team}
    return Me(**told, person=principal.person, permissions=may)


@router.get("/models")
def list_models(caller: Annotated[Caller, Depends(Allow("self:read"))]) -> Models:
    """List what this key may call."""
    settings = caller.house.settings
    allowed = caller.principal.models
    priced_as = {provider.name: provider.priced_as for provider in settings.providers}
    models = []
    for model in settings.models:
        if allowed and not any(fnmatchcase(model.name, glob) for glob in allowed):
            continue
        pairs = [target.partition("/")[::2] for target in model.targets]
        targets = [_target(caller, name, served, priced_as.get(name, name)) for name, served in pairs]
        models.append(ModelOut(name=model.name, aliases=model.aliases, targets=targets))
    return Models(models=models, providers=[ProviderOut.model_validate(one) for one in settings.providers])


def _target(caller: Caller, provider_name: str, model: str, priced_as: str) -> ModelTarget:
    price = caller.house.book.find(priced_as, model, caller.now)
    return ModelTarget(provider_name=provider_name, model=model, price_version=price.version if price else None)
