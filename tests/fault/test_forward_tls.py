"""Certificates are always verified: against the name that was configured, against time, against who is trusted."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.errors import UpstreamFailed
from gateway.forward import Forwarder
from gateway.providers.provider import Outgoing
from gateway.settings import Provider
from tests.fakes.upstream import Upstream, Wire, answering, chunk, reply

POST = Outgoing("POST", "/v1/chat/completions", (), b"{}")


class Loopback:
    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.cert))


AUTHORITY = """
[ca]
default_ca = own
[own]
database = {folder}/index
new_certs_dir = {folder}
default_md = sha256
rand_serial = yes
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{name}
"""


def certificate(folder: Path, name: str, *, ends: str = "20991231235959Z") -> Certificate:
    """Make a certificate that signs itself, valid from 2020 until `ends`."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    (folder / "index").write_text("")
    (folder / "ca").write_text(AUTHORITY.format(folder=folder, name=name))
    wish = folder / "wish"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(made.key)]
    openssl("req", "-new", *key, "-subj", f"/CN={name}", "-out", str(wish))
    sign = ["-config", str(folder / "ca"), "-selfsign", "-keyfile", str(made.key), "-in", str(wish)]
    openssl("ca", "-batch", *sign, "-startdate", "20200101000000Z", "-enddate", ends, "-out", str(made.cert), "-notext")
    return made


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"), "provider.example")


@pytest.fixture
async def upstream(good: Certificate) -> AsyncIterator[Upstream]:
    async with Upstream(answering(reply(200, b"x")), tls=good.server()) as upstream:
        yield upstream


async def attempt(port: int, name: str, trusted: ssl.SSLContext | None) -> bytes:
    forwarder = Forwarder(resolver=Loopback(), tls=trusted)
    provider = Provider("fake", f"https://{name}:{port}", ("openai",), private_network=True, connect_timeout_s=2.0)
    try:
        answer = await forwarder.send(provider, POST, None)
        return await answer.piece()
    finally:
        await forwarder.close()


async def test_a_valid_certificate_for_the_name_is_accepted(upstream: Upstream, good: Certificate) -> None:
    assert await attempt(upstream.port, "provider.example", good.trusted()) == b"x"
    assert upstream.requests[0].header(b"host") == b"provider.example:%d" % upstream.port


async def test_a_certificate_for_another_name_is_refused(upstream: Upstream, good: Certificate) -> None:
    with pytest.raises(UpstreamFailed, match=r"(?i)hostname mismatch") as failed:
        await attempt(upstream.port, "other.example", good.trusted())
    assert (failed.value.reason, failed.value.sent) == ("tls", False)
    assert upstream.requests == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(upstream: Upstream) -> None:
    with pytest.raises(UpstreamFailed, match="self-signed certificate") as failed:
        await attempt(upstream.port, "provider.example", None)
    assert failed.value.reason == "tls"


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    old = certificate(tmp_path, "provider.example", ends="20210101000000Z")
    async with Upstream(answering(reply(200)), tls=old.server()) as upstream:
        with pytest.raises(UpstreamFailed, match="expired") as failed:
            await attempt(upstream.port, "provider.example", old.trusted())
        assert failed.value.reason == "tls"


async def test_a_server_that_speaks_no_tls_is_refused(good: Certificate) -> None:
    async def script(wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await wire.gone()

    async with Upstream(script) as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            await attempt(upstream.port, "provider.example", good.trusted())
        assert (failed.value.reason, failed.value.sent) == ("tls", False)


async def test_a_stream_over_tls_that_is_cut_is_never_silently_short(good: Certificate) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"data: 1\n\n"))

    async with Upstream(script, tls=good.server()) as upstream:
        forwarder = Forwarder(resolver=Loopback(), tls=good.trusted())
        provider = Provider("fake", f"https://provider.example:{upstream.port}", ("openai",), private_network=True)
        answer = await forwarder.send(provider, POST, None)
        assert await answer.piece() == b"data: 1\n\n"
        with pytest.raises(UpstreamFailed) as failed:
            await answer.piece()
        assert failed.value.reason == "reset"
        await forwarder.close()
