"""Where an unknown price is not allowed, a model without one is not called."""

from policies.gates.ask import Ask
from policies.refusal import Refusal


def price_known(ask: Ask) -> Refusal | None:
    """Refuse an unpriced model when the settings deny it."""
    if ask.priced or ask.unknown_price == "allow":
        return None
    return Refusal(
        "price_unknown",
        f"No price is known for {ask.model}, so its cost cannot be booked. "
        "Name the provider whose prices it has (priced_as), add it to the price overrides, or "
        'set [prices] unknown = "allow" to book tokens and price them later.',
    )
