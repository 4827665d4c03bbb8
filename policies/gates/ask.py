"""What an admission rule may look at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as the gates see it; `priced` says whether every target has a price."""

    model: str
    models_allowed: tuple[str, ...]
    priced: bool
    unknown_price: Literal["allow", "deny"]
