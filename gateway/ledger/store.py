"""What an SQL engine must offer so that the one ledger can be kept in it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

WAIT_S = 5.0
"""How long a writer waits for another one before it says so; a batch takes some 50 ms."""

Value = str | bytes | int | None
Work = TypeVar("Work")


class Session(Protocol):
    """One transaction. SQL is written with `?` and names tables without a schema."""

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and give its rows, none for one that gives none."""
        ...

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Add rows to a table as fast as the engine can."""
        ...

    def add_up(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> None:
        """Add to the sums of the rows with these keys, which begin at zero; `rows` hold the keys, then the sums."""
        ...


class Store(Protocol):
    """One database. Any thread may call; each call is a transaction of its own, repeated once if a connection broke."""

    day: str
    """The SQL that cuts the UTC day, as text, out of a column called occurred_at."""

    def read(self, work: Callable[[Session], Work]) -> Work:
        """Give what `work` makes of one unchanging view of the database."""
        ...

    def write(self, work: Callable[[Session], Work]) -> Work:
        """Give what `work` made once it is durable. One writer at a time, over all processes."""
        ...

    def close(self) -> None:
        """Release connections; every later call raises LedgerDown."""
        ...


def chunks(values: Iterable[Value], size: int = 500) -> list[tuple[str, tuple[Value, ...]]]:
    """Cut values into pieces, each with the text that stands for it behind IN."""
    listed = tuple(values)
    pieces = (listed[start : start + size] for start in range(0, len(listed), size))
    return [(f"({','.join('?' * len(piece))})", piece) for piece in pieces]
