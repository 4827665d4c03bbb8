"""Plans the targets of a request, passes the gates, and bounds what the request may cost."""

from datetime import datetime
from fnmatch import fnmatchcase

from gateway.crossing import Destination
from gateway.errors import Refused
from gateway.identify import Principal
from gateway.prices.book import PriceBook
from gateway.providers.outside import brings_more, runs_tools
from gateway.providers.provider import Asked
from gateway.settings import Settings
from policies.gates import first_refusal
from policies.gates.ask import Ask
from policies.money import NanoUsd
from policies.pricing import Price, tier_of, worst_cost
from policies.refusal import Refusal
from policies.routing import Route, Serves, Target, Unroutable, plan

PLANS_MAX = 4096
"""Remembered plans: clients name models, so the memory of them has an end."""

HIDDEN_INPUT_TOKENS = 4096
"""What a provider may add to a prompt on its own: tool and format instructions, message framing."""


class Planner:
    """Knows who serves what; made anew when the settings change."""

    def __init__(self, settings: Settings, book: PriceBook) -> None:
        """Keep the routes, the providers and the price book."""
        self._settings = settings
        self._book = book
        self._providers = {provider.name: provider for provider in settings.providers}
        self._serves = tuple(Serves(p.name, p.dialects, p.models) for p in settings.providers)
        self._routes = tuple(Route(m.name, m.targets, m.aliases) for m in settings.models)
        self._plans: dict[tuple[str, str], tuple[Target, ...] | Unroutable] = {}
        self._priced: dict[tuple[str, str], tuple[str, ...]] = {}

    def destinations(self, asked: Asked, principal: Principal, at: datetime) -> tuple[Destination, ...]:
        """Give the targets in order, each with its price on that day; raises Refused."""
        key = (asked.model, asked.dialect)
        planned = self._plans.get(key)
        if planned is None:
            planned = plan(asked.model, asked.dialect, self._routes, self._serves)
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            self._plans[key] = planned
        if isinstance(planned, Unroutable):
            raise Refused(self._unroutable(planned, asked))
        found: list[Destination] = []
        priced = True
        for target in planned:
            provider = self._providers[target.provider_name]
            price = self._book.find(provider.priced_as, target.model, at)
            priced = priced and price is not None
            found.append(Destination(provider, target.model, price))
        refusal = first_refusal(Ask(asked.model, principal.models, priced, self._settings.unknown_price))
        if refusal is not None:
            raise Refused(refusal)
        return tuple(found)

    def priced_models(self, priced_as: str, pattern: str) -> tuple[str, ...]:
        """Give the models of a provider's price list that a pattern takes, in order of name."""
        known = self._priced.get((priced_as, pattern))
        if known is None:
            known = tuple(name for name in self._book.models(priced_as) if fnmatchcase(name, pattern))
            self._priced[priced_as, pattern] = known
        return known

    def _unroutable(self, found: Unroutable, asked: Asked) -> Refusal:
        """Say why nobody serves a model, and what would."""
        if not self._providers:
            return Refusal(
                "no_providers",
                "This gateway has no providers yet. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY before "
                "starting it, or name providers in weighbridge.toml.",
                503,
            )
        if found.other_dialects:
            ways = " or ".join(found.other_dialects)
            return Refusal(
                "model_not_in_dialect",
                f"{found.model} is served here in the {ways} dialect, not through this {asked.dialect} route.",
                404,
            )
        return Refusal(
            "model_not_found",
            f"No provider here serves {found.model}. GET /v1/models lists what is served.",
            404,
        )


def cost_upper(asked: Asked, destinations: tuple[Destination, ...]) -> NanoUsd | None:
    """Bound what the request may cost at the dearest of its targets; None where nothing bounds it."""
    if asked.operation == "count_tokens":
        return NanoUsd(0)
    if runs_tools(asked.body):
        return None
    beyond = asked.operation != "embeddings" and brings_more(asked.body)
    dearest = 0
    for destination in destinations:
        bound = _bound_at(asked, destination.price, beyond=beyond)
        if bound is None:
            return None
        dearest = max(dearest, bound)
    return NanoUsd(dearest)


def _bound_at(asked: Asked, price: Price | None, *, beyond: bool) -> NanoUsd | None:
    """Bound the cost at one target: bytes bound tokens, or the context window does; the limit bounds the output."""
    if price is None:
        return None
    input_max = price.max_input_tokens if beyond else asked.input_bytes + HIDDEN_INPUT_TOKENS
    output_max = 0 if asked.operation == "embeddings" else asked.max_output_tokens or price.max_output_tokens
    if input_max is None or output_max is None:
        return None
    return worst_cost(
        price,
        input_tokens_max=input_max,
        output_tokens_max=output_max * asked.choices,
        tier=tier_of(asked.service_tier),
    )
