"""The egress policy: one reading of a base URL, and every address of a name checked before a connection."""

import asyncio
from ipaddress import ip_address

import pytest

from gateway.egress import (
    ADDRESSES_MAX,
    DNS_CACHE_S,
    EgressRefused,
    SystemResolver,
    checked_addresses,
    origin_of,
    reach_of,
)
from gateway.settings import Provider

PUBLIC = "93.184.215.14"


def provider(base_url: str, *, private_network: bool = False) -> Provider:
    return Provider("fake", base_url, ("openai",), private_network=private_network)


class FakeDns:
    """Gives the answers it holds in turn, the last one again and again."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://api.openai.com", "api.openai.com", ""),
        ("https://API.openai.com/v1/", "api.openai.com", "/v1"),
        ("https://api.openai.com:443/v1", "api.openai.com", "/v1"),
        ("https://a_b.example:8443/openai/v1", "a_b.example:8443", "/openai/v1"),
        ("https://xn--bcher-kva.example/v1beta/openai", "xn--bcher-kva.example", "/v1beta/openai"),
        ("https://1.1.1.1/v1", "1.1.1.1", "/v1"),
        ("https://[2606:4700::1111]:8443", "[2606:4700::1111]:8443", ""),
    ],
)
def test_a_plain_base_url_has_one_reading(url: str, authority: str, path: str) -> None:
    origin = origin_of(provider(url))
    assert (origin.authority, origin.path) == (authority, path)


def test_http_is_for_the_private_network_only() -> None:
    assert origin_of(provider("http://localhost:11434/v1", private_network=True)).port == 11434
    with pytest.raises(ValueError, match="private_network"):
        origin_of(provider("http://localhost:11434/v1"))


UNREADABLE = (
    "", "api.openai.com", "//api.openai.com", "ftp://a.example", "file:///etc/passwd", "gopher://a.example", "https://",
    "https:///v1", "https://user@a.example", "https://user:pw@a.example", "https://a.example@evil.example",
    "https://a.example/v1?x=1", "https://a.example/v1?", "https://a.example#evil", "https://a.example/#",
    "https://evil#.openai.azure.com", "https://evil?.openai.azure.com", "https://a.example\\@evil.example",
    "https://a.example\\evil", "https://a.example/%2e%2e/x", "https://a.example/../x", "https://a.example/./x",
    "https://a.example//x", "https://a.example/v1//", "https://a.example:0", "https://a.example:", "https://a.example:x",
    "https://a.example:65536", "https://a.example:-1", "https://a .example", "https://a\t.example", "https://a\n.example",
    "https://a.example\r\nx: y", "https://a\0.example", "https://a.example.", "https://localhost.", "https://.a.example",
    "https://a..example", "https://-a.example", "https://a-.example", "https://bücher.example", "https://127。0。0。1",
    "https://①②⑦.0.0.1", "https://" + "a" * 64 + ".example", "https://" + "a." * 127 + "aa", "https://a%2eexample",
    "https://2130706433", "https://017700000001", "https://0x7f000001", "https://0x7f.1", "https://127.1", "https://0",
    "https://0177.0.0.1", "https://127.0.0.01", "https://0x7f.0.0.0x1", "https://127.0.0.0x1", "https://127.0.0.1.1",
    "https://1.2.3.256", "https://169.254.43518", "https://[::1", "https://[::1%eth0]", "https://[127.0.0.1]",
    "https://[fe80::1%25lo]", "https://[::ffff:0x7f.0.0.1]", "https://[v1.a]", "https://a.0x",
)  # fmt: skip


@pytest.mark.parametrize("url", UNREADABLE)
def test_a_base_url_that_parsers_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        origin_of(provider(url, private_network=True))


PRIVATE = (
    "127.0.0.1", "127.255.255.255", "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0",
    "192.168.255.255", "100.64.0.0", "100.127.255.255", "::1", "fc00::", "fd00::1", "fdff:ffff::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:0a00:0001::1", "64:ff9b::7f00:1",
    "64:ff9b::192.168.0.1",
)  # fmt: skip
NEVER = (
    "0.0.0.0", "0.1.2.3", "169.254.0.0", "169.254.169.254", "169.254.255.255", "224.0.0.1",
    "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "168.63.129.16", "100.100.100.200", "::", "fe80::1", "febf::1", "fec0::1", "ff02::1",
    "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "2002:a9fe:a9fe::", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "2001::1", "2001:0:7f00:1::1", "2001:db8::1",
    "3fff::1", "100::1", "fe80::1%eth0", "fd00::1%lo", "not an address", "",
)  # fmt: skip
OUTSIDE = (
    PUBLIC, "1.1.1.1", "9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0", "172.15.255.255", "172.32.0.0",
    "192.167.255.255", "192.169.0.0", "100.63.255.255", "100.128.0.0", "169.253.255.255", "169.255.0.0",
    "223.255.255.255", "2606:4700::1111", "2002:0101:0101::1", "::ffff:1.1.1.1", "64:ff9b::101:101",
)  # fmt: skip


@pytest.mark.parametrize("address", OUTSIDE)
async def test_an_address_on_the_internet_is_reached_by_https(address: str) -> None:
    assert reach_of(ip_address(address)) == "public"
    origin = origin_of(provider("https://name.example"))
    assert await checked_addresses(origin, FakeDns((address,)), private_network=False) == (address,)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_private_address_needs_private_network(address: str) -> None:
    origin = origin_of(provider("https://name.example"))
    with pytest.raises(EgressRefused, match="private_network"):
        await checked_addresses(origin, FakeDns((address,)), private_network=False)
    assert await checked_addresses(origin, FakeDns((address,)), private_network=True) == (address,)


@pytest.mark.parametrize("address", NEVER)
async def test_link_local_metadata_and_unroutable_addresses_are_never_reached(address: str) -> None:
    origin = origin_of(provider("https://name.example"))
    for private_network in (False, True):
        with pytest.raises(EgressRefused):
            await checked_addresses(origin, FakeDns((address,)), private_network=private_network)


@pytest.mark.parametrize("inside", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"])
@pytest.mark.parametrize("first", [True, False])
async def test_one_forbidden_address_among_others_refuses_the_name(inside: str, first: bool) -> None:
    answer = (inside, PUBLIC) if first else (*["1.1.1.1"] * ADDRESSES_MAX, inside)
    with pytest.raises(EgressRefused):
        await checked_addresses(origin_of(provider("https://name.example")), FakeDns(answer), private_network=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_an_address_in_the_url_is_checked_without_asking_dns(host: str) -> None:
    dns = FakeDns((PUBLIC,))
    with pytest.raises(EgressRefused):
        await checked_addresses(origin_of(provider(f"https://{host}")), dns, private_network=False)
    assert dns.asked == []


async def test_http_is_not_sent_to_the_internet_even_by_a_provider_of_the_private_network() -> None:
    origin = origin_of(provider("http://model.lan", private_network=True))
    with pytest.raises(EgressRefused, match="http"):
        await checked_addresses(origin, FakeDns((PUBLIC,)), private_network=True)


async def test_an_empty_answer_is_no_address() -> None:
    with pytest.raises(OSError, match="no address"):
        await checked_addresses(origin_of(provider("https://name.example")), FakeDns(()), private_network=False)


async def test_the_system_resolver_remembers_an_answer_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [
            (2, 1, 6, "", ("127.0.0.1", port)),
            (2, 1, 6, "", ("127.0.0.1", port)),
            (10, 1, 6, "", ("::1", port, 0, 0)),
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    moment = 0.0
    resolver = SystemResolver(lambda: moment)
    assert await resolver.addresses("a.example", 443) == ("127.0.0.1", "::1")
    moment = DNS_CACHE_S - 0.001
    await resolver.addresses("a.example", 443)
    assert len(asked) == 1
    moment = DNS_CACHE_S
    await resolver.addresses("a.example", 443)
    assert len(asked) == 2
