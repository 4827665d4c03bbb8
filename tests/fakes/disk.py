"""A real disk that fails when a script says so: refuses, takes half, dies with its process, forgets at a power cut."""

import contextlib
import errno
import os
import random
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from gateway.journal.disk import LOCAL_DISK

Result = TypeVar("Result")

Fault = Literal["kill", "half_kill", "kill_after"] | int
"""The process dies before, in the middle of, or after the operation; a number is the errno it fails with."""

OPERATIONS = ("open", "write", "read", "sync", "sync_directory", "allocate", "truncate", "rename", "remove", "close")


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was asked of the disk: the how-many-th, what, and of which file."""

    number: int
    name: str
    path: str


Script = Callable[[Operation], Fault | None]


def never(operation: Operation) -> None:
    """Let everything pass."""


class ScriptedDisk:
    """Does what the real one does, after asking the script. Any thread."""

    def __init__(self, script: Script = never) -> None:
        self.script = script
        self.done: list[Operation] = []
        self.paths: dict[int, Path] = {}
        self._disk = LOCAL_DISK
        self._lock = threading.Lock()

    def open(self, path: Path, flags: int) -> int:
        fault = self._ask("open", path)
        fd = self._disk.open(path, flags)
        self.paths[fd] = path
        return self._after(fault, fd)

    def write(self, fd: int, data: bytes, offset: int, /) -> int:
        fault = self._ask("write", self.paths[fd])
        if fault == "half_kill":
            self._disk.write(fd, data[: len(data) // 2], offset)
            self._die()
        return self._after(fault, self._disk.write(fd, data, offset))

    def read(self, fd: int, size: int, offset: int, /) -> bytes:
        fault = self._ask("read", self.paths[fd])
        return self._after(fault, self._disk.read(fd, size, offset))

    def sync(self, fd: int) -> None:
        fault = self._ask("sync", self.paths[fd])
        self._after(fault, self._disk.sync(fd))

    def sync_directory(self, path: Path) -> None:
        fault = self._ask("sync_directory", path)
        self._after(fault, self._disk.sync_directory(path))

    def allocate(self, fd: int, size: int) -> None:
        fault = self._ask("allocate", self.paths[fd])
        self._after(fault, self._disk.allocate(fd, size))

    def truncate(self, fd: int, size: int) -> None:
        fault = self._ask("truncate", self.paths[fd])
        self._after(fault, self._disk.truncate(fd, size))

    def rename(self, old: Path, new: Path) -> None:
        fault = self._ask("rename", new)
        self._after(fault, self._disk.rename(old, new))

    def remove(self, path: Path) -> None:
        fault = self._ask("remove", path)
        self._after(fault, self._disk.remove(path))

    def close(self, fd: int) -> None:
        fault = self._ask("close", self.paths.pop(fd))
        self._after(fault, self._disk.close(fd))

    def _ask(self, name: str, path: Path) -> Fault | None:
        with self._lock:
            operation = Operation(len(self.done) + 1, name, path.name)
            self.done.append(operation)
        fault = self.script(operation)
        if fault == "kill" or (fault == "half_kill" and name != "write"):
            self._die()
        if isinstance(fault, int):
            raise OSError(fault, os.strerror(fault), str(path))
        return fault

    def _after(self, fault: Fault | None, result: Result) -> Result:
        if fault == "kill_after":
            self._die()
        return result

    def _die(self) -> None:
        die()


@contextlib.contextmanager
def fast_directory() -> Iterator[Path]:
    """Give an empty directory in memory where there is such a thing: a kill, or a script, cannot tell."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def die() -> None:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


class FullDisk(ScriptedDisk):
    """Has `capacity` bytes for file contents. Like a real one it takes a part of a write before it refuses."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.allocations = 0
        self._sizes: dict[Path, int] = {}

    @property
    def free(self) -> int:
        return max(0, self.capacity - sum(self._sizes.values()))

    def write(self, fd: int, data: bytes, offset: int, /) -> int:
        path = self.paths[fd]
        size = self._sizes.get(path, 0)
        fits = min(len(data), size + self.free - offset)
        if fits <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._sizes[path] = max(size, offset + fits)
        return super().write(fd, data[:fits], offset)

    def allocate(self, fd: int, size: int) -> None:
        self.allocations += 1
        path = self.paths[fd]
        if size - self._sizes.get(path, 0) > self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._sizes[path] = max(size, self._sizes.get(path, 0))
        super().allocate(fd, size)

    def truncate(self, fd: int, size: int) -> None:
        super().truncate(fd, size)
        self._sizes[self.paths[fd]] = size

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self._sizes[new] = self._sizes.pop(old, 0)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._sizes.pop(path, None)


@dataclass(slots=True)
class _File:
    """A file and how to take back, newest last, what no sync covers."""

    path: Path
    undos: list[Callable[[], None]] = field(default_factory=list)

    def put_back(self, before: bytes, offset: int, size: int) -> None:
        if self.path.exists():
            with self.path.open("r+b") as file:
                file.seek(offset)
                file.write(before)
                file.truncate(size)


class PowerCutDisk(ScriptedDisk):
    """Where another dies with its process, here the power goes: what no sync covers is taken back, or some of it."""

    def __init__(self, script: Script, chance: random.Random, before_cut: Callable[[], None]) -> None:
        super().__init__(script)
        self._chance, self._before_cut = chance, before_cut
        self._files: dict[Path, _File] = {}
        self._names: list[Callable[[], None]] = []
        self._undo = threading.RLock()

    def open(self, path: Path, flags: int) -> int:
        with self._undo:
            if not path.exists():
                self._files.pop(path, None)
                self._names.append(lambda: path.unlink(missing_ok=True))
            return super().open(path, flags)

    def write(self, fd: int, data: bytes, offset: int, /) -> int:
        with self._undo:
            file, size = self._file(fd), os.fstat(fd).st_size
            before = os.pread(fd, len(data), offset)
            file.undos.append(lambda: file.put_back(before, offset, size))
            return super().write(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        with self._undo:
            file, before = self._file(fd), os.fstat(fd).st_size
            cut_off = os.pread(fd, max(0, before - size), size)
            file.undos.append(lambda: file.put_back(cut_off, size, before))
            super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        file = self._file(fd)
        covered = len(file.undos)
        super().sync(fd)
        with self._undo:
            del file.undos[:covered]

    def sync_directory(self, path: Path) -> None:
        covered = len(self._names)
        super().sync_directory(path)
        with self._undo:
            del self._names[:covered]

    def rename(self, old: Path, new: Path) -> None:
        with self._undo:
            before = new.read_bytes() if new.exists() else None
            super().rename(old, new)
            file = self._files.pop(old)
            file.path, self._files[new] = new, file
            self._names.append(lambda: new.unlink() if before is None else _restore(new, before))

    def _file(self, fd: int) -> _File:
        path = self.paths[fd]
        return self._files.setdefault(path, _File(path))

    def _die(self) -> None:
        with self._undo:
            self._before_cut()
            for file in self._files.values():
                for undo in reversed(file.undos):
                    if self._chance.random() < 0.7:
                        undo()
            kept = self._chance.randint(0, len(self._names))
            for undo in reversed(self._names[kept:]):
                undo()
            die()


def _restore(path: Path, data: bytes) -> None:
    path.write_bytes(data)
