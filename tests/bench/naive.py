"""A yardstick: the gateway one writes first, FastAPI in front and httpx behind, nothing metered."""

import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse


def app(upstream_port: int) -> FastAPI:
    """Give an app that forwards chat requests as they are."""
    made = FastAPI()
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{upstream_port}", limits=httpx.Limits(max_connections=512), timeout=60.0
    )

    @made.post("/v1/chat/completions")
    async def chat(request: Request) -> StreamingResponse:
        forwarded = client.build_request(
            "POST",
            "/v1/chat/completions",
            content=await request.body(),
            headers={"content-type": "application/json"},
        )
        answer = await client.send(forwarded, stream=True)

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in answer.aiter_raw():
                yield piece
            await answer.aclose()

        kept = {name: answer.headers[name] for name in ("content-type", "content-length") if name in answer.headers}
        return StreamingResponse(pieces(), status_code=answer.status_code, headers=kept)

    return made


if __name__ == "__main__":
    uvicorn.run(app(int(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
