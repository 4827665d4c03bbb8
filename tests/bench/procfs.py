"""What a tree of processes costs, read from Linux's /proc: CPU time of every thread, and memory.

CPU is `/proc/PID/task/TID/schedstat` (nanoseconds on the CPU), or, when a thread has ended meanwhile,
`utime + stime` of its process (ticks), which remembers ended threads. See man 5 proc, read 2026-11-23.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_QUIET_NS = 3_000_000
_QUIET_STEP_S = 0.1


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU time of a tree at one moment: by thread in nanoseconds, by process in ticks."""

    threads: dict[tuple[int, int], int]
    ticks: dict[int, int]


def tree(pid: int) -> tuple[int, ...]:
    """Give `pid` and all its descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo.extend(children.get(one, ()))
    return tuple(found)


def cpu(pid: int) -> CpuReading:
    """Read the CPU time of the tree under `pid`."""
    threads: dict[tuple[int, int], int] = {}
    ticks: dict[int, int] = {}
    for one in tree(pid):
        fields = _stat(one)
        if not fields:
            continue
        ticks[one] = int(fields[11]) + int(fields[12])
        for tid in _listed(f"/proc/{one}/task"):
            text = _text(f"/proc/{one}/task/{tid}/schedstat")
            if text:
                threads[one, int(tid)] = int(text.split()[0])
    return CpuReading(threads, ticks)


def spent_ns(before: CpuReading, after: CpuReading) -> int:
    """Give the CPU time between two readings; processes that ended meanwhile are not in it."""
    total = 0
    for pid, ticks in after.ticks.items():
        had = {tid for one, tid in before.threads if one == pid}
        has = {tid for one, tid in after.threads if one == pid}
        if had <= has:
            total += sum(after.threads[pid, tid] - before.threads.get((pid, tid), 0) for tid in has)
        else:
            total += (ticks - before.ticks.get(pid, 0)) * _TICK_NS
    return total


def cpu_when_quiet(pid: int, timeout_s: float = 5.0, *, sleep: Callable[[float], None] = time.sleep) -> CpuReading:
    """Read the CPU time once the tree has nothing left to do, so that work put off is counted too."""
    deadline = time.monotonic() + timeout_s
    reading = cpu(pid)
    while time.monotonic() < deadline:
        sleep(_QUIET_STEP_S)
        later = cpu(pid)
        idle = spent_ns(reading, later) < _QUIET_NS
        reading = later
        if idle:
            break
    return reading


def memory_bytes(pid: int) -> int:
    """Give the proportional set size of the tree: shared pages are counted once."""
    total = 0
    for one in tree(pid):
        for line in _text(f"/proc/{one}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def _stat(pid: int) -> list[str]:
    """Give the fields after the command's name, which may itself hold spaces: state is first."""
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, ProcessLookupError):
        return []


def _text(path: str) -> str:
    # A process may end between being listed and being read.
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
