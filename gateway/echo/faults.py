"""What a model's name asks to go wrong, so that refusals, retries and cut streams can be tried without a provider.

`echo-429`, `echo-500`, `echo-529`, any `echo-4xx` or `echo-5xx`: that status. `echo-slow`: a pause before every
piece. `echo-cut`: the connection ends in the middle. `echo-nousage`: nothing is said about tokens.
`echo-cached`: half of every prompt counts as read from the cache. Names with "reason": reasoning tokens.
"""

import re
from dataclasses import dataclass

PAUSE_S = 0.1
RETRY_AFTER_S = 1

NAMES = (
    "echo", "echo-reason", "echo-cached", "echo-slow", "echo-cut", "echo-nousage", "echo-429", "echo-500",
)  # fmt: skip
"""What the lists of models show; any other name is answered too."""

_STATUS = re.compile(r"echo-([45]\d\d)")


@dataclass(frozen=True, slots=True)
class Fault:
    """How an answer departs from a good one; the default is a good one."""

    status: int = 200
    pause_s: float = 0.0
    cut: bool = False
    usage: bool = True


def fault_of(model: str) -> Fault:
    """Give what this model's name asks for."""
    status = _STATUS.fullmatch(model)
    if status:
        return Fault(status=int(status.group(1)))
    return _FAULTS.get(model, _GOOD)


_GOOD = Fault()
_FAULTS = {
    "echo-slow": Fault(pause_s=PAUSE_S),
    "echo-cut": Fault(cut=True),
    "echo-nousage": Fault(usage=False),
}
