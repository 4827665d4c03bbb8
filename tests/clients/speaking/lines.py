"""One JSON line asks, one answers: what a client of a provider saw, or with which error it ended."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

Ask = dict[str, Any]
Seen = dict[str, Any]
"""What a client saw; filled as it comes, so that what came before an error is in it too."""


def answer_lines(ways: Mapping[str, Callable[[Ask, Seen], None]]) -> None:
    """Answer every line of standard input, until there are no more."""
    for line in sys.stdin:
        ask = json.loads(line)
        seen: Seen = {"text": ""}
        try:
            ways[ask["way"]](ask, seen)
        except Exception as error:
            seen["error"] = told(error)
        print(json.dumps(seen), flush=True)


def told(error: Exception) -> dict[str, Any]:
    """Give what an error shows of itself: SDKs name the same things differently."""
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    return {
        "type": type(error).__name__,
        "status": status if isinstance(status, int) else None,
        "message": str(error),
        "request_id": getattr(error, "request_id", None),
    }


def head(seen: Seen, headers: Mapping[str, str]) -> None:
    """Keep what the answer's headers say of the call."""
    seen["request_id"] = headers.get("x-request-id")
    seen["cost"] = headers.get("x-weighbridge-cost")
    seen["initiative"] = headers.get("x-weighbridge-initiative")
