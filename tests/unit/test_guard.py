"""What HTTP allows and a gateway must not take."""

import pytest

from gateway.errors import Refused
from gateway.guard import (
    HEADER_BYTES_MAX,
    HEADER_LINES_MAX,
    SINGLE,
    content_type_refusal,
    guard_path,
    guarded,
)

HOST = (b"host", b"gw.example:8080")


def passed(*headers: tuple[bytes, bytes], version: str = "1.1") -> list[tuple[bytes, bytes]]:
    return guarded(list(headers), version)


@pytest.mark.parametrize("host", [b"gw", b"gw.example:8080", b"127.0.0.1:1", b"[::1]:8080", b"[fe80::1]"])
def test_a_host_with_an_optional_port_passes(host: bytes) -> None:
    assert passed((b"host", host)) == [(b"host", host)]


@pytest.mark.parametrize(
    "host", [b"a/?x#", b"a?", b"a#", b"a\\", b"a b", b"", b"a:b", b"a:123456", b"user@a", b"[::1", b"a,b", b"\xff"]
)
def test_T09_a_host_that_is_no_host_is_refused(host: bytes) -> None:
    with pytest.raises(Refused) as refused:
        passed((b"host", host))
    assert refused.value.refusal.code == "bad_message"


@pytest.mark.parametrize("hosts", [(), (HOST, HOST)])
def test_T09_no_host_and_two_hosts_are_refused(hosts: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(Refused):
        passed(*hosts)


@pytest.mark.parametrize("name", sorted(SINGLE - {b"transfer-encoding"}))
def test_T41_a_header_that_decides_something_comes_once(name: bytes) -> None:
    assert passed(HOST, (name, b"1"))
    with pytest.raises(Refused) as refused:
        passed(HOST, (name, b"1"), (name, b"1"))
    assert name.decode() in refused.value.refusal.message


@pytest.mark.parametrize(
    ("value", "version", "passes"),
    [
        (b"chunked", "1.1", True),
        (b"Chunked", "1.1", True),
        (b"gzip, chunked", "1.1", False),
        (b"chunked, chunked", "1.1", False),
        (b"identity", "1.1", False),
        (b"xchunked", "1.1", False),
        (b"chunked", "1.0", False),
    ],
)
def test_T41_chunked_alone_in_http_1_1_is_the_one_transfer_encoding(value: bytes, version: str, passes: bool) -> None:
    if passes:
        assert passed(HOST, (b"transfer-encoding", value), version=version)
    else:
        with pytest.raises(Refused):
            passed(HOST, (b"transfer-encoding", value), version=version)


@pytest.mark.parametrize(
    ("connection", "kept"),
    [
        (b"keep-alive", True),
        (b"close", True),
        (b"x-ai-tags", False),
        (b"Keep-Alive, X-AI-Tags", False),
        (b"authorization,x-ai-tags", False),
    ],
)
def test_T43_headers_named_in_connection_are_dropped_before_policy_reads_them(connection: bytes, kept: bool) -> None:
    headers = passed(HOST, (b"x-ai-tags", b"epic=A-1"), (b"connection", connection))
    assert any(name == b"x-ai-tags" for name, _ in headers) is kept


def test_header_lines_and_bytes_have_a_last_number_that_fits() -> None:
    lines = [(b"x-%d" % n, b"v") for n in range(HEADER_LINES_MAX - 1)]
    assert len(passed(HOST, *lines)) == HEADER_LINES_MAX
    with pytest.raises(Refused) as refused:
        passed(HOST, *lines, (b"x-more", b"v"))
    assert refused.value.refusal.status == 431
    room = HEADER_BYTES_MAX - len(HOST[0]) - len(HOST[1]) - 1
    assert passed(HOST, (b"x", b"v" * room))
    with pytest.raises(Refused):
        passed(HOST, (b"x", b"v" * (room + 1)))


@pytest.mark.parametrize(
    "path", [b"/v1/chat/completions", b"/t/PROJ-42/v1/messages", b"/v1beta/models/gemini-2.5-pro:generateContent", b"/"]
)
def test_a_plain_path_passes(path: bytes) -> None:
    assert guard_path(path) == path.decode()


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/../admin", b"/v1/./x", b"/v1/%2e%2e/admin", b"/v1/%2E%2e/admin", b"/v1%2fchat", b"/v1%2Fchat",
        b"/v1/a%5cb", b"//v1/chat", b"/v1//chat", b"/v1;x/chat", b"/v1/chat\\x", b"/v1/%00", b"/v1/%0a", b"v1/chat",
        b"http://elsewhere/v1", b"/v1/ch at", b"*", b"", b"/v1/\xc3\xa4",
    ],
)  # fmt: skip
def test_T66_a_path_that_could_lead_elsewhere_is_refused(path: bytes) -> None:
    with pytest.raises(Refused) as refused:
        guard_path(path)
    assert refused.value.refusal.status == 404


@pytest.mark.parametrize(
    "kind",
    [b"application/json", b"Application/JSON", b"application/json; charset=utf-8", b'application/json;charset="UTF-8"'],
)
def test_json_in_utf_8_is_taken(kind: bytes) -> None:
    assert content_type_refusal([(b"content-type", kind)]) is None


@pytest.mark.parametrize(
    "kind",
    [
        b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
        b"application/json; charset=utf-16", b"application/json; charset=latin-1", b"application/jsonp",
        b"text/json", b"application/json, text/plain", b"application/xml", b"application/octet-stream",
        b"application/vnd.api+json",
    ],
)  # fmt: skip
def test_T39_any_other_type_is_refused(kind: bytes) -> None:
    refusal = content_type_refusal([(b"content-type", kind)] if kind else [])
    assert refusal is not None
    assert refusal.status == 415


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"deflate", b"gzip, identity"])
def test_T50_a_compressed_body_is_refused(coding: bytes) -> None:
    pairs = [(b"content-type", b"application/json"), (b"content-encoding", coding)]
    for headers in (pairs, pairs[::-1]):
        refusal = content_type_refusal(headers)
        assert refusal is not None
        assert refusal.code == "unsupported_content_encoding"
