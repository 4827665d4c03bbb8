"""A yardstick: litellm's SDK behind one raw ASGI route, run by a Python that has litellm and uvicorn.

It imports nothing of ours: litellm lives in an environment of its own.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import litellm  # type: ignore[import-not-found, unused-ignore]
import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_ASKED = ("model", "messages", "max_tokens", "stream", "stream_options")


class Forwarder:
    """Forwards each chat request through `litellm.acompletion` and prices it with litellm's own table."""

    def __init__(self, upstream_port: int) -> None:
        self._api_base = f"http://127.0.0.1:{upstream_port}/v1"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", scope["type"]
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = json.loads(body)
        asked = {name: said[name] for name in _ASKED if name in said}
        asked["model"] = "openai/" + asked["model"]
        answer = await litellm.acompletion(**asked, api_base=self._api_base, api_key="sk-bench-upstream")
        if said.get("stream"):
            await _stream(answer, send)
        else:
            await _whole(answer, send)


async def _whole(answer: Any, send: Send) -> None:
    cost = str(litellm.completion_cost(answer)).encode()
    body = answer.model_dump_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"x-cost", cost)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _stream(answer: Any, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    async for piece in answer:
        event = b"data: " + piece.model_dump_json().encode() + b"\n\n"
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


if __name__ == "__main__":
    litellm.telemetry = False
    config = {"host": "127.0.0.1", "port": int(sys.argv[1]), "log_level": "warning", "access_log": False}
    uvicorn.run(Forwarder(int(sys.argv[2])), lifespan="off", **config)  # type: ignore[arg-type, unused-ignore]
