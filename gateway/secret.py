"""A secret that prints as stars wherever it is printed."""


class Secret:
    """Wraps a provider key or pepper; only `reveal` gives it back."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Wrap `value`."""
        self._value = value

    def reveal(self) -> str:
        """Give the secret itself, for the one header or hash it is meant for."""
        return self._value

    def __repr__(self) -> str:
        """Show that there is one, never which."""
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        """Refuse to be pickled: a pickle would hold it in the clear."""
        raise TypeError("a Secret is not to be pickled")
