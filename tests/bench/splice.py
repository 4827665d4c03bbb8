"""A yardstick: a proxy that copies bytes between two sockets and understands none of them."""

import asyncio
import sys
from typing import cast

import uvloop


class Side(asyncio.Protocol):
    """One end; what it receives is written to the other."""

    def __init__(self, upstream_port: int | None) -> None:
        self._upstream_port = upstream_port
        self._early = bytearray()
        self.other: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._upstream_port is not None:
            self._task = asyncio.ensure_future(self._connect(self._upstream_port))

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early += data
        else:
            self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.close()

    async def _connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: Side(None), "127.0.0.1", port)
        upstream.other = self.transport
        self.other = upstream.transport
        self.other.write(bytes(self._early))


async def _serve(port: int, upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Side(upstream_port), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
