"""What operators and their tools ask: is it alive, should it get requests, what does it count."""

import asyncio

import msgspec

from gateway import clock
from gateway.errors import Refused
from gateway.exchange import Headers
from gateway.house import House
from gateway.identify import authenticate
from policies.refusal import Refusal

READERS = frozenset({"admin", "finops", "auditor"})
_JSON, _TEXT = b"application/json", b"text/plain; version=0.0.4; charset=utf-8"
_FRONT = b'{"product":"Weighbridge","models":"/v1/models","api":"/api/v1/openapi.json","health":"/readyz"}'

Answered = tuple[int, bytes, bytes]


async def operations(house: House, path: str, headers: Headers, peer: tuple[str, int] | None) -> Answered:
    """Give status, body and content type; raises Refused for what is not there or not for everyone."""
    match path:
        case "/":
            return 200, _FRONT, _JSON
        case "/livez":
            return 200, b'{"status":"alive"}', _JSON
        case "/readyz":
            return _ready(house, headers, peer)
        case "/metrics":
            _may_read(house, headers, peer)
            # Rendering thousands of series takes tens of milliseconds: not on the loop that carries requests.
            return 200, await asyncio.to_thread(house.metrics.page), _TEXT
    raise Refused(Refusal("not_found", "There is no such page here. GET / says what there is.", 404))


def _ready(house: House, headers: Headers, peer: tuple[str, int] | None) -> Answered:
    """Say whether this process should get requests. A ledger that is away is no reason: the journal keeps all."""
    problem = house.problem()
    if problem is None:
        return 200, b'{"status":"ready"}', _JSON
    # Why not names places inside (T81); the status alone is what a load balancer asks for.
    told = {"status": "not ready"} | ({"why": problem} if _is_near(headers, peer) else {})
    return 503, msgspec.json.encode(told), _JSON


def _may_read(house: House, headers: Headers, peer: tuple[str, int] | None) -> None:
    """Let this machine read the metrics, and others with a reading key: they name teams and models (T81)."""
    if _is_near(headers, peer):
        return
    principal = authenticate(house.registry, headers, house.pepper, clock.now())
    if principal.role not in READERS:
        text = "Metrics are read from this machine, or with a key of the role admin, finops or auditor."
        raise Refused(Refusal("permission_denied", text, 403))


def _is_near(headers: Headers, peer: tuple[str, int] | None) -> bool:
    """Say whether this machine asks, and not somebody through a proxy on it."""
    if peer is None or peer[0] not in ("127.0.0.1", "::1"):
        return False
    return not any(name in (b"x-forwarded-for", b"forwarded", b"x-real-ip") for name, _ in headers)
