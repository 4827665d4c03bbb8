"""Keeps one worker alive by forking it anew whenever it is killed: a restart without the time of the imports.

python -m tests.fault.respawn --config FILE
"""

import os
import signal
import sys

from gateway import serve


def main() -> None:
    """Fork workers until one ends by itself or a SIGTERM is passed on; gives its exit code."""
    while True:
        child = os.fork()
        if child == 0:
            serve.main()
            os._exit(0)
        signal.signal(signal.SIGTERM, lambda sign, _, pid=child: os.kill(pid, sign))
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
