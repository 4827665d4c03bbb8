"""What the kernel says of a process: its memory and its open files."""

from pathlib import Path


def resident(pid: int) -> int:
    """Give the bytes of memory a process holds now."""
    return _status(pid, "VmRSS")


def resident_peak(pid: int) -> int:
    """Give the most bytes of memory a process has held since its start, or since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> int:
    """Begin a new peak; gives what is held now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident(pid)


def open_files(pid: int) -> int:
    """Give how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"{name} is not in /proc/{pid}/status")
