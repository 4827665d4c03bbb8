"""Things that happen once, kept as hashes in the data directory: a sign-in link being used, a session being left.

A mark is an empty file named by what it is for, the hash of a secret and the moment it expires. Making and taking
one are single steps of the file system, so that of several processes or requests exactly one succeeds.
"""

import hashlib
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

LINK_LIFETIME = timedelta(minutes=10)
MARKS_MAX = 10_000
"""Marks kept at once; past it the oldest go, expired or not, so that nobody fills a disk with sign-outs."""

_LINK, _LEFT = "link", "left"


class Marks:
    """The marks below one directory, which is made when it is first needed, for its owner only."""

    def __init__(self, directory: Path) -> None:
        """Keep where marks are."""
        self._directory = directory

    def new_link(self, now: datetime) -> str:
        """Give a token that signs its first bearer in within ten minutes; only its hash is kept."""
        token = secrets.token_urlsafe(32)
        self._make(_LINK, token, now + LINK_LIFETIME, now)
        return token

    def take_link(self, token: str, now: datetime) -> bool:
        """Use a link up; says whether it was good: known, in time, and not used before."""
        for path in self._of(_LINK, token):
            try:
                path.unlink()
            except FileNotFoundError:
                return False  # Somebody else was first.
            return _expiry(path) > int(now.timestamp())
        return False

    def leave(self, session: str, expires: datetime, now: datetime) -> None:
        """Remember until it would have expired that a session was left."""
        self._make(_LEFT, session, expires, now)

    def left(self, session: str) -> bool:
        """Say whether a session was left."""
        return any(True for _ in self._of(_LEFT, session))

    def _make(self, what: str, secret: str, expires: datetime, now: datetime) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep(now)
        path = self._directory / f"{what}-{_hash(secret)}-{int(expires.timestamp())}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

    def _of(self, what: str, secret: str) -> list[Path]:
        return list(self._directory.glob(f"{what}-{_hash(secret)}-*"))

    def _sweep(self, now: datetime) -> None:
        """Take out what has expired, and the oldest of too many."""
        marks = sorted(self._directory.iterdir(), key=_expiry)
        for index, path in enumerate(marks):
            if _expiry(path) <= int(now.timestamp()) or index < len(marks) - MARKS_MAX:
                path.unlink(missing_ok=True)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _expiry(path: Path) -> int:
    """Give the second a mark expires; a file that is no mark counts as expired."""
    last = path.name.rpartition("-")[2]
    return int(last) if last.isdigit() else 0
