"""One request to a scripted upstream, and how it failed."""

from dataclasses import replace

import pytest

from gateway.errors import UpstreamFailed
from gateway.forward import Answer, Forwarder
from gateway.providers.provider import Outgoing
from gateway.settings import Provider

POST = Outgoing("POST", "/v1/chat/completions", (), b"{}")
OPENING = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def provider_at(where: str, **changes: object) -> Provider:
    plain = Provider("fake", where, ("openai",), private_network=True, connect_timeout_s=2.0, idle_timeout_s=5.0)
    return replace(plain, **changes)


async def whole(answer: Answer) -> bytes:
    body = b""
    while piece := await answer.piece():
        body += piece
    return body


async def failure(forwarder: Forwarder, provider: Provider, outgoing: Outgoing = POST) -> UpstreamFailed:
    with pytest.raises(UpstreamFailed) as failed:
        await whole(await forwarder.send(provider, outgoing, None))
    return failed.value
