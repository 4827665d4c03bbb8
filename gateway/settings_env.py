"""The environment that processes started by us get: ours, and what is said for them."""

import os


def environment(**more: str) -> dict[str, str]:
    """Give a copy of this process's environment with `more` in it."""
    return {**os.environ, **more}


def tell_children(**more: str) -> None:
    """Put variables where every process started from now on finds them, and where settings are read from."""
    os.environ.update(more)
