"""Admission rules: each says no in one sentence, the first no counts, and what no rule forbids is admitted."""

import pytest

from policies.gates import GATES, first_refusal
from policies.gates.ask import Ask
from policies.gates.model_allowed import model_allowed
from policies.gates.price_known import price_known


def ask(model: str = "gpt-4o", *allowed: str, priced: bool = True, unknown_price: str = "allow") -> Ask:
    return Ask(model, allowed, priced, unknown_price)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "allowed", "admitted"),
    [
        ("gpt-4o", (), True),
        ("", (), True),
        ("gpt-4o", ("gpt-4o",), True),
        ("gpt-4o", ("gpt-*",), True),
        ("gpt-4o", ("claude-*", "gpt-4?"), True),
        ("gpt-4o", ("*",), True),
        ("gpt-4o", ("gpt-4",), False),
        ("gpt-4", ("gpt-4o",), False),
        ("gpt-4o", ("claude-*",), False),
        ("GPT-4o", ("gpt-*",), False),
        ("openai/gpt-4o", ("gpt-*",), False),
        ("gpt-4o\n", ("gpt-4o",), False),
        ("gpt-4o", ("",), False),
    ],
)
def test_a_key_calls_the_models_it_names_and_no_others(model: str, allowed: tuple[str, ...], admitted: bool) -> None:
    refusal = model_allowed(ask(model, *allowed))
    assert (refusal is None) is admitted
    if refusal is not None:
        assert (refusal.code, refusal.status) == ("model_not_allowed", 403)
        assert all(pattern in refusal.message for pattern in allowed)


@pytest.mark.parametrize(
    ("priced", "unknown_price", "admitted"),
    [(True, "allow", True), (True, "deny", True), (False, "allow", True), (False, "deny", False)],
)
def test_F67_a_model_without_a_price_is_called_only_where_that_is_allowed(
    priced: bool, unknown_price: str, admitted: bool
) -> None:
    refusal = price_known(ask(priced=priced, unknown_price=unknown_price))
    assert (refusal is None) is admitted
    if refusal is not None:
        assert (refusal.code, refusal.status) == ("price_unknown", 400)
        assert "gpt-4o" in refusal.message


def test_the_first_no_is_the_answer() -> None:
    both = ask("gpt-4o", "claude-*", priced=False, unknown_price="deny")
    assert first_refusal(both) == model_allowed(both)
    assert price_known(both) is not None
    only_price = ask(priced=False, unknown_price="deny")
    assert first_refusal(only_price) == price_known(only_price)


def test_what_no_gate_refuses_is_admitted() -> None:
    fine = ask("gpt-4o", "gpt-*")
    assert [gate(fine) for gate in GATES] == [None] * len(GATES)
    assert first_refusal(fine) is None


def test_every_refusal_says_what_to_do_and_is_one_paragraph() -> None:
    refusals = [model_allowed(ask("x", "y")), price_known(ask(priced=False, unknown_price="deny"))]
    for refusal in refusals:
        assert refusal is not None
        assert refusal.message.endswith(".")
        assert "\n" not in refusal.message
        assert refusal.retry_after_s is None
