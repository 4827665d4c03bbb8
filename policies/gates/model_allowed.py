"""A key that names its models calls no others."""

from fnmatch import fnmatchcase

from policies.gates.ask import Ask
from policies.refusal import Refusal


def model_allowed(ask: Ask) -> Refusal | None:
    """Refuse a model that matches none of the key's patterns; no patterns allow every model."""
    if not ask.models_allowed or any(fnmatchcase(ask.model, pattern) for pattern in ask.models_allowed):
        return None
    return Refusal(
        "model_not_allowed",
        f"This key may not call {ask.model}; it may call {', '.join(ask.models_allowed)}. "
        "Ask whoever gave you the key for one that allows it.",
        403,
    )
