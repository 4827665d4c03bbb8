"""`python -m gateway.echo [--port N]`: answers until it is told to stop; where it chose the port it says which."""

import argparse
import sys

from gateway.echo.serve import serve


def main() -> int:
    """Serve the echo; 2 when it may not or cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m gateway.echo", description="The built-in echo provider.")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on; 0 takes any free one")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    asked = parser.parse_args()
    try:
        serve(asked.port, host=asked.host, ready=None if asked.port else _say)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"The echo provider does not start: {error}.\n")
        return 2
    return 0


def _say(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
