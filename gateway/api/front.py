"""What the management API needs of the house: its parts to read from, and nothing of the hot path."""

from datetime import datetime
from typing import Protocol

from gateway.ledger.entry import Ledger
from gateway.registry import Registry
from gateway.secret import Secret
from gateway.settings import Settings
from policies.pricing import Price


class Prices(Protocol):
    """Knows what a model costs on a day."""

    def find(self, provider_name: str, model: str, at: datetime) -> Price | None:
        """Give the price in force, if there is one."""
        ...


class Front(Protocol):
    """The house as seen from the API; each part is read anew for every request, for settings can be replaced."""

    @property
    def settings(self) -> Settings:
        """Give the settings in force."""
        ...

    @property
    def book(self) -> Prices:
        """Give the prices in force."""
        ...

    @property
    def registry(self) -> Registry:
        """Give the fold of who and what there is."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Give the book."""
        ...

    @property
    def pepper(self) -> Secret:
        """Give what keys and names are hashed with."""
        ...
