"""How often a failed attempt may be tried again: rarely enough that retries never double a provider's trouble."""

import random

EXTRA_LOAD = 0.2
"""Retries may add this share to the load (fault F04): each first attempt earns a fifth of a retry."""

SAVED_MAX = 50.0
"""Retries that can be saved up in quiet times."""

RETRYABLE = frozenset({408, 409, 425, 500, 502, 503, 504})
"""Answers that may be tried again at the same provider; 429 and 529 ask for less load, so only elsewhere."""

ELSEWHERE = RETRYABLE | {401, 403, 404, 429, 529}
"""Answers after which another target may do better."""


class RetryBudget:
    """Counts attempts of one process; not shared, so N processes keep the share each for itself."""

    def __init__(self) -> None:
        """Start with a few retries saved."""
        self._saved = 10.0

    def first_attempt(self) -> None:
        """Earn a fraction of a retry."""
        self._saved = min(SAVED_MAX, self._saved + EXTRA_LOAD)

    def take(self) -> bool:
        """Spend one retry when one is saved."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


def backoff_s(number: int) -> float:
    """Give the pause before retry `number` (1, 2, ...): 0.1 s doubled each time, with full jitter, at most 2 s."""
    return random.uniform(0.0, min(2.0, 0.1 * 2**number))  # noqa: S311 - jitter is no secret
