"""Where the gateway may connect to: a base URL read in one way only, and every address behind its name checked.

Address ranges: IANA IPv4 and IPv6 Special-Purpose Address Registries; embedded IPv4: RFC 4291 2.5.5, RFC 3056 2,
RFC 6052 2.1. Metadata services: the "instance metadata" pages of AWS, Google Cloud, Azure, Oracle and Alibaba.
All read 2026-11-23.
"""

import asyncio
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal, Protocol
from urllib.parse import urlsplit

from gateway.settings import Provider

Address = IPv4Address | IPv6Address
Reach = Literal["public", "private", "never"]

DNS_CACHE_S = 30.0  # A provider that moves is found again within this time.
DNS_NAMES_MAX = 256  # More names than any configuration has providers.
ADDRESSES_MAX = 4  # Of a long answer the first few are tried; a dead provider is not dialled for minutes.

_ASCII = re.compile(r"[!-\[\]-~]+")  # Printable, without space and backslash: parsers disagree about both.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_PATH = re.compile(r"(?:/[A-Za-z0-9~!$&'()*+,;=:@_-][A-Za-z0-9.~!$&'()*+,;=:@_-]*)*/?")

_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254",
        ),
    )
)  # fmt: skip
_NEVER_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
_PRIVATE_4 = tuple(map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_PRIVATE_6 = tuple(map(IPv6Network, ("::1/128", "fc00::/7")))
_GLOBAL_6 = IPv6Network("2000::/3")
_NEVER_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64 = IPv6Network("64:ff9b::/96")


class EgressRefused(Exception):
    """The policy does not let the gateway connect there; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One upstream as it is dialled: the name for Host and TLS, the port, the path that every request starts with."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Give the Host header: brackets around IPv6, no port where the scheme implies it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


class Resolver(Protocol):
    """Turns a name into addresses."""

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Give every address of `host`; raises OSError when there is none."""
        ...


class SystemResolver:
    """Asks the system's resolver, and remembers the answer for DNS_CACHE_S."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start knowing nothing."""
        self._monotonic = monotonic
        self._known: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Give every address of `host`, at most DNS_CACHE_S old; raises OSError when there is none."""
        known = self._known.get((host, port))
        now = self._monotonic()
        if known is not None and now < known[0]:
            return known[1]
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        if len(self._known) >= DNS_NAMES_MAX:
            self._known.clear()
        self._known[host, port] = (now + DNS_CACHE_S, addresses)
        return addresses


def origin_of(provider: Provider) -> Origin:
    """Read a provider's base URL; raises ValueError with one sentence that says what to change."""
    url = provider.base_url
    if not _ASCII.fullmatch(url):
        raise ValueError("base_url holds a space, a backslash or a non-ASCII character; write a name in its xn-- form")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("base_url starts with neither https:// nor http://")
    if "@" in parts.netloc:
        raise ValueError("base_url holds a user or password; put the key into api_key")
    if "?" in url or "#" in url:
        raise ValueError("base_url ends with a query or fragment; only scheme, host, port and path are used")
    if parts.scheme == "http" and not provider.private_network:
        raise ValueError("http:// would carry the key in clear; use https://, or set private_network for a local model")
    if not _PATH.fullmatch(parts.path):
        raise ValueError("the path of base_url holds an empty segment, one that starts with a dot, or a % escape")
    return Origin(
        scheme="https" if parts.scheme == "https" else "http",
        host=_host(parts.netloc, parts.hostname or ""),
        port=_port(parts.port, parts.netloc, parts.scheme),
        path=parts.path.rstrip("/"),
    )


async def checked_addresses(origin: Origin, resolver: Resolver, *, private_network: bool) -> tuple[str, ...]:
    """Resolve an origin and give the addresses to connect to, and to no others; there is no second look-up.

    One forbidden address refuses the name: an answer that mixes inside and outside is an attack or a mistake.
    Raises EgressRefused, or OSError when the name does not resolve.
    """
    literal = _literal(origin.host)
    found = (str(literal),) if literal is not None else await resolver.addresses(origin.host, origin.port)
    if not found:
        raise OSError(f"{origin.host} has no address")
    for address in found:
        where = _reach_of_text(address)
        if where == "never" or (where == "private" and not private_network):
            hint = "" if where == "never" else "; set private_network on a provider that is meant to be local"
            raise EgressRefused(f"{origin.host} leads to {address}, which is not to be reached{hint}")
        if where == "public" and origin.scheme == "http":
            raise EgressRefused(f"{origin.host} leads to {address} on the internet, where http:// is not used")
    return found[:ADDRESSES_MAX]


def reach_of(address: Address) -> Reach:
    """Say whether an address is on the internet, on a private network, or never to be connected to."""
    if address in _METADATA:
        return "never"
    if isinstance(address, IPv4Address):
        if any(address in network for network in _NEVER_4):
            return "never"
        return "private" if any(address in network for network in _PRIVATE_4) else "public"
    embedded = _embedded(address)
    if embedded is not None:
        return reach_of(embedded)
    if any(address in network for network in _PRIVATE_6):
        return "private"
    if address not in _GLOBAL_6 or any(address in network for network in _NEVER_6):
        return "never"
    return "public"


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Give the IPv4 address that a mapped, 6to4 or NAT64 address stands for."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _reach_of_text(address: str) -> Reach:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "never"
    if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
        return "never"
    return reach_of(parsed)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _host(netloc: str, host: str) -> str:
    """Give the host in its one form; what some parser would read as an address must be a plain one."""
    if netloc.startswith("["):
        try:
            address = IPv6Address(host)
        except ValueError as error:
            raise ValueError("the host of base_url is not an IPv6 address in brackets") from error
        if address.scope_id is not None:
            raise ValueError("the host of base_url names an interface; leave out the part after %")
        return str(address)
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError as error:
            raise ValueError("the host of base_url is a number; write an address as four decimal parts") from error
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("the host of base_url is not a host name (letters, digits, hyphens, no dot at the end)")
    return host


def _port(port: int | None, netloc: str, scheme: str) -> int:
    if port is None and netloc.endswith(":"):
        raise ValueError("base_url has a colon but no port")
    if port == 0:
        raise ValueError("port 0 of base_url cannot be connected to")
    return port or (443 if scheme == "https" else 80)
