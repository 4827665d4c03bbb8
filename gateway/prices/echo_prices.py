"""Prices of the built-in echo provider: made up, round, and with most meters, so that a demonstration shows them."""

from gateway.prices.listing import Listing
from policies.money import NanoUsd
from policies.pricing import Rate

ORIGIN = "weighbridge: made up, for the echo provider"

_DOLLAR = 1_000_000_000

PAID = (
    "echo", "echo-reason", "echo-cached", "echo-slow", "echo-cut", "echo-nousage", "echo-large",
    "echo-429", "echo-500", "echo-503", "echo-529",
)  # fmt: skip
"""Models at the same price, whatever becomes of their answers."""

_RATES = (
    Rate("input", NanoUsd(_DOLLAR)),
    Rate("input", NanoUsd(2 * _DOLLAR), above_input_tokens=200_000),
    Rate("input", NanoUsd(_DOLLAR // 2), tier="batch"),
    Rate("input", NanoUsd(_DOLLAR // 2), tier="flex"),
    Rate("input", NanoUsd(2 * _DOLLAR), tier="priority"),
    Rate("cache_read", NanoUsd(_DOLLAR // 10)),
    Rate("cache_write", NanoUsd(_DOLLAR * 5 // 4)),
    Rate("cache_write_1h", NanoUsd(2 * _DOLLAR)),
    Rate("output", NanoUsd(5 * _DOLLAR)),
    Rate("output", NanoUsd(5 * _DOLLAR // 2), tier="batch"),
    Rate("output", NanoUsd(5 * _DOLLAR // 2), tier="flex"),
    Rate("output", NanoUsd(10 * _DOLLAR), tier="priority"),
    Rate("input_audio", NanoUsd(10 * _DOLLAR)),
    Rate("output_audio", NanoUsd(20 * _DOLLAR)),
    Rate("input_image", NanoUsd(2 * _DOLLAR)),
    Rate("web_search", NanoUsd(10 * _DOLLAR), per=1_000),
)
_SMALL = (
    Rate("input", NanoUsd(_DOLLAR // 10)),
    Rate("cache_read", NanoUsd(_DOLLAR // 100)),
    Rate("output", NanoUsd(_DOLLAR // 2)),
)
_FREE = (Rate("input", NanoUsd(0)), Rate("output", NanoUsd(0)))
_EMBEDDING = (Rate("input", NanoUsd(_DOLLAR // 50)), Rate("output", NanoUsd(0)))


def echo_listings() -> tuple[Listing, ...]:
    """Give the rows of the echo provider; what it serves under any other name has no price, on purpose."""
    paid = tuple(_listing(model, _RATES) for model in PAID)
    return (
        *paid,
        _listing("echo-small", _SMALL),
        _listing("echo-free", _FREE),
        _listing("echo-embedding", _EMBEDDING),
    )


def _listing(model: str, rates: tuple[Rate, ...]) -> Listing:
    return Listing("echo", model, rates, max_input_tokens=1_000_000, max_output_tokens=100_000)
