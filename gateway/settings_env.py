"""The environment that processes started by us get: ours, and what is said for them."""

import os


def environment(**more: str) -> dict[str, str]:
    """Give a copy of this process's environment with `more` in it."""
    return {**os.environ, **more}
