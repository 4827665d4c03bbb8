"""One worker as gateway.serve starts it, but quick to ship, impatient, with a clock that jumps or a disk that fails.

The oddities come as JSON in WEIGHBRIDGE_TEST_ODDITIES; `with_oddities` gives the environment of a RunningGateway.
SIGUSR1 keeps the event loop busy for STALL_S.
"""

import errno
import json
import os
import resource
import signal
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from gateway import clock, exchange, serve
from gateway.journal import shipper
from gateway.journal.journal import Journal
from gateway.wire import Wire
from tests.fakes.disk import Operation, ScriptedDisk

ODDITIES = "WEIGHBRIDGE_TEST_ODDITIES"
STALL_S = 0.5


def with_oddities(**oddities: object) -> dict[str, str]:
    """Give the environment that asks for oddities.

    `grace_s`, `write_stall_s` and `linger_s` shorten the limits of a connection. The text of `clock_file` is added to
    the clock, in seconds. While `disk_file` is there, every sync of the journal fails with EIO. `descriptors` is the
    limit of open files, `bodies_bytes_max` that of all bodies.
    """
    return {ODDITIES: json.dumps(oddities, default=str)}


def impatient(oddities: dict[str, object]) -> type[Wire]:
    """Give a wire with the limits that are asked for."""
    limits = {name: oddities[name] for name in ("grace_s", "write_stall_s", "linger_s") if name in oddities}
    return type("ImpatientWire", (Wire,), limits)


def jumping(file: Path, told: object = clock.now) -> object:
    """Give a clock that is off by what `file` says."""

    def now() -> datetime:
        assert callable(told)
        true: datetime = told()
        return true + timedelta(seconds=float(file.read_text() or 0) if file.exists() else 0)

    return now


def failing(file: Path) -> ScriptedDisk:
    """Give a disk that cannot sync while `file` is there."""

    def script(operation: Operation) -> int | None:
        return errno.EIO if operation.name == "sync" and file.exists() else None

    return ScriptedDisk(script)


def main() -> None:
    """Set the oddities up, and serve. Entries are shipped without the rest between batches, which tests wait for."""
    shipper.REST_S = 0.005
    oddities = json.loads(os.environ.get(ODDITIES, "{}"))
    serve.Wire = impatient(oddities)
    if "descriptors" in oddities:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, oddities["descriptors"]))
    if "bodies_bytes_max" in oddities:
        exchange.BODIES_BYTES_MAX = oddities["bodies_bytes_max"]
    if "clock_file" in oddities:
        clock.now = jumping(Path(oddities["clock_file"]))
    if "disk_file" in oddities:
        Journal.open.__kwdefaults__["disk"] = failing(Path(oddities["disk_file"]))
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(STALL_S))
    sys.exit(serve.main())


if __name__ == "__main__":
    main()
