"""The thread that brings the journal to disk: in groups, or at once for those who wait."""

import logging
import threading
from collections.abc import Callable

from gateway.journal.spares import RETRY_S
from gateway.journal.writer import GROUP_RECORDS, Writer

log = logging.getLogger("weighbridge.journal")


class Keeper:
    """Syncs `group_s` after the first record of a group, or when GROUP_RECORDS are written, or when hurried."""

    def __init__(self, writer: Writer, group_s: float, synced: Callable[[], None]) -> None:
        """Keep `writer`; `synced` is called on this thread after each group, whether it reached the disk or not."""
        self._writer, self._group_s, self._synced = writer, group_s, synced
        self._some = threading.Event()
        self._now = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep, name="journal-keeper", daemon=True)
        writer.wake = self._written

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def hurry(self) -> None:
        """Sync without waiting for the group; `synced` is called even when there is nothing to sync."""
        self._now.set()
        self._some.set()

    def stop(self) -> None:
        """End the thread; what is written by then is synced by whoever closes the writer."""
        self._stopping = True
        self.hurry()
        self._thread.join()

    def _written(self, waiting: int) -> None:
        """Take note of a group's first record, and of the one that fills it."""
        if waiting >= GROUP_RECORDS:
            self._now.set()
        self._some.set()

    def _keep(self) -> None:
        writer = self._writer
        troubled: str | None = None
        while not self._stopping:
            if self._some.wait(RETRY_S if writer.strained else None):
                self._now.wait(self._group_s)
            # Cleared before the group is taken: a record written from here on wakes us again.
            self._some.clear()
            self._now.clear()
            writer.sync()
            writer.prepare()
            troubled = _told(troubled, writer.problem)
            self._synced()


def _told(before: str | None, problem: str | None) -> str | None:
    """Log when the journal stops taking requests, and when it takes them again."""
    if problem and not before:
        log.error("journal_stopped", extra={"reason": problem})
    if before and not problem:
        log.warning("journal_resumed", extra={"reason": before})
    return problem
