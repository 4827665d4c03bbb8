"""Connections at rest, lent to one thread at a time."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from gateway.ledger.errors import LedgerDown

IDLE_MAX = 8
"""Connections kept between calls. More threads at once open more, and close them again."""


class Closable(Protocol):
    """A connection that can be closed."""

    def close(self) -> None:
        """Close it."""
        ...


Connection = TypeVar("Connection", bound=Closable)


class Pool(Generic[Connection]):
    """Lends connections; those that broke are not given back."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """Begin empty; `connect` makes a connection or raises LedgerDown."""
        self._connect = connect
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> tuple[Connection, bool]:
        """Give a connection, and whether it has rested, so that it may have died meanwhile."""
        with self._lock:
            if self._closed:
                raise LedgerDown("The ledger is closed.")
            if self._idle:
                return self._idle.pop(), True
        return self._connect(), False

    def give(self, connection: Connection) -> None:
        """Take a connection back in good order."""
        with self._lock:
            if not self._closed and len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def drain(self) -> None:
        """Close the connections at rest: one of them was found dead."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close what rests now, and each other one when it comes back."""
        with self._lock:
            self._closed = True
        self.drain()
