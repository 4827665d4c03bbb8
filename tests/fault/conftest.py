"""The client to upstreams, closed behind each test that broke it."""

from collections.abc import AsyncIterator

import pytest

from gateway.forward import Forwarder


@pytest.fixture
async def forwarder() -> AsyncIterator[Forwarder]:
    forwarder = Forwarder()
    yield forwarder
    await forwarder.close()
