"""Admission rules, one a file: each takes an Ask and gives a Refusal or None."""

from policies.gates.ask import Ask
from policies.gates.model_allowed import model_allowed
from policies.gates.price_known import price_known
from policies.refusal import Refusal

GATES = (model_allowed, price_known)


def first_refusal(ask: Ask) -> Refusal | None:
    """Give the first no of the gates, in order."""
    for gate in GATES:
        refusal = gate(ask)
        if refusal is not None:
            return refusal
    return None
