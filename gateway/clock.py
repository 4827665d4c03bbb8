"""The one reader of the wall clock."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Give the present moment, aware, in UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """Give the present moment in whole milliseconds since 1970."""
    return time.time_ns() // 1_000_000
