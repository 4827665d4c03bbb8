"""Who gets into the pages: nobody without a session, and a session only by a reading key or a link used once."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from gateway.records import Role
from gateway.registry import Registry
from gateway.secret import Secret
from reporting.web.edge import FORM_BYTES_MAX
from reporting.web.marks import LINK_LIFETIME, Marks
from reporting.web.sessions import COOKIE, LIFETIME, Sessions
from tests.e2e.pages_world import NOW, PEPPER, World, structure, world
from tests.e2e.running import free_port, until

SECOND = timedelta(seconds=1)
SAME = {"origin": "http://pages.test"}


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


async def sign_in(pages: World, key: str, **more: str) -> httpx.Response:
    async with pages.client() as browser:
        return await browser.post("/sign-in", data={"key": key, **more}, headers=SAME)


def text(answer: httpx.Response) -> str:
    return " ".join(" ".join(structure(answer.text).texts).split())


async def opens(pages: World, cookie: str | None) -> bool:
    async with pages.client(cookie) as browser:
        return (await browser.get("/spend")).status_code == 200


def cookie_of(answer: httpx.Response) -> str:
    return answer.cookies[COOKIE]


@pytest.mark.parametrize("path", ["/", "/spend", "/spend?by=model", "/nothing", "/sign-out", "/static", "/livez/x",
                                  "/spend/", "//spend", "/Spend", "/%73pend", "/static/../spend"])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
async def test_T65_every_address_is_closed_but_those_listed(pages, path, method):
    pages.call(12_345_678_900, team="secret-team")
    async with pages.client() as browser:
        answer = await browser.request(method, path, headers=SAME)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/spend.json", "/spend.csv", "/other.json"])
async def test_programs_are_told_that_they_are_not_signed_in(pages, path):
    async with pages.client() as browser:
        answer = await browser.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert "/api/v1/spend" in answer.json()["detail"]


async def test_T81_what_is_open_tells_nothing(pages):
    pages.call(12_345_678_900, team="secret-team")
    async with pages.client() as browser:
        answers = [await browser.get(path) for path in ("/livez", "/sign-in", "/static/style.css", "/static/mark.svg")]
        unknown = await browser.get("/static/other")
    assert [answer.status_code for answer in answers] == [200] * 4
    assert unknown.status_code == 404
    for answer in (*answers, unknown):
        assert "secret-team" not in answer.text
        assert "server" not in answer.headers
    assert answers[0].text == "ok"


@pytest.mark.parametrize("role", ["admin", "finops", "auditor"])
async def test_a_key_that_may_read_opens_the_pages_for_twelve_hours(pages, role: Role):
    answer = await sign_in(pages, pages.key(role)[1])
    assert (answer.status_code, answer.headers["location"]) == (303, "/spend")
    said = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= {part.strip() for part in said.split(";")}
    cookie = cookie_of(answer)
    assert await opens(pages, cookie)
    pages.clock[0] = NOW + LIFETIME - SECOND
    assert await opens(pages, cookie)
    pages.clock[0] = NOW + LIFETIME
    assert not await opens(pages, cookie)


@pytest.mark.parametrize("role", ["lead", "member", "service"])
async def test_a_key_that_calls_models_opens_nothing(pages, role: Role):
    answer = await sign_in(pages, pages.key(role)[1])
    assert answer.status_code == 403
    assert COOKIE not in answer.cookies
    assert f"a key of the role {role}" in text(answer)


async def test_a_key_that_is_wrong_opens_nothing_and_says_why(pages):
    key_id, key = pages.key("finops")
    expired = pages.key("finops", expires_at=NOW)[1]
    pages.changes().revoke_key(key_id, by=pages.changes().by("t"), now=NOW)
    cases = {
        "": (400, "Enter a key."),
        "   ": (400, "Enter a key."),
        key: (401, "was revoked"),
        expired: (401, "expired on 2026-11-25 12:00 UTC"),
        key[:-1]: (401, "typo or is cut short"),
        "sk-1234": (401, "not a Weighbridge key"),
        "<script>pwned()</script>": (401, "not a Weighbridge key"),
        "ä\udcff\0".encode("utf-8", "replace").decode(): (401, "not a Weighbridge key"),
    }
    for said, (status, why) in cases.items():
        answer = await sign_in(pages, said)
        assert (answer.status_code, COOKIE in answer.cookies) == (status, False)
        assert why in text(answer)
        assert not said.strip() or said not in answer.text
        assert not structure(answer.text).wrong


async def test_T76_a_session_ends_with_its_key(pages, monkeypatch):
    monkeypatch.setattr("reporting.web.pages.REFRESH_S", 0)
    key_id, key = pages.key("auditor", expires_at=NOW + timedelta(hours=1))
    cookie = cookie_of(await sign_in(pages, key))
    assert await opens(pages, cookie)
    pages.clock[0] = NOW + timedelta(hours=1)
    assert not await opens(pages, cookie)
    pages.clock[0] = NOW
    pages.changes().revoke_key(key_id, by=pages.changes().by("t"), now=NOW)
    assert not await opens(pages, cookie)


async def test_T65_a_cookie_that_was_touched_anywhere_opens_nothing(pages):
    cookie = cookie_of(await sign_in(pages, pages.key("finops")[1]))
    sessions = pages.pages.sessions
    assert sessions.find(cookie, NOW)
    for at, character in enumerate(cookie):
        other = "A" if character != "A" else "B"
        assert sessions.find(cookie[:at] + other + cookie[at + 1 :], NOW) is None
    for wrong in ("", ".", cookie[:-1], cookie + "0", cookie.partition(".")[0], "a" * 513, "ä.ö", None):
        assert sessions.find(wrong, NOW) is None
    elsewhere = Sessions(Secret("r" * 64), pages.registry, pages.marks)
    assert elsewhere.find(cookie, NOW) is None


async def test_T65_a_session_cannot_be_chosen_for_somebody_else(pages):
    theirs = cookie_of(await sign_in(pages, pages.key("auditor")[1]))
    key = pages.key("finops")[1]
    async with pages.client(theirs) as browser:
        answer = await browser.post("/sign-in", data={"key": key}, headers=SAME)
    assert cookie_of(answer) not in {theirs, ""}
    assert not await opens(pages, "chosen-by-somebody")


async def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(pages):
    cookie = cookie_of(await sign_in(pages, pages.key("finops")[1]))
    other = cookie_of(await sign_in(pages, pages.key("finops")[1]))
    async with pages.client(cookie) as browser:
        assert (await browser.get("/sign-out")).status_code == 405
        assert await opens(pages, cookie)
        answer = await browser.post("/sign-out", headers=SAME)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert not await opens(pages, cookie)
    assert await opens(pages, other)
    again = Sessions(PEPPER, Registry(PEPPER), Marks(pages.folder / "pages"))
    assert again.find(cookie, NOW) is None


@pytest.mark.parametrize(
    ("headers", "trusted"),
    [
        (SAME, True),
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://evil.test"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://pages.test.evil.test"}, False),
        ({"origin": "http://pages.test:81"}, False),
        ({"origin": "http://evil.test", "sec-fetch-site": "same-origin"}, False),
    ],
)
async def test_T65_forms_of_other_sites_do_nothing(pages, headers, trusted):
    key = pages.key("finops")[1]
    cookie = cookie_of(await sign_in(pages, key))
    async with pages.client() as browser:
        answer = await browser.post("/sign-in", data={"key": key}, headers=headers)
    assert (answer.status_code, COOKIE in answer.cookies) == ((303, True) if trusted else (403, False))
    async with pages.client(cookie) as browser:
        assert (await browser.post("/sign-out", headers=headers)).status_code == (303 if trusted else 403)
    assert await opens(pages, cookie) is not trusted


@pytest.mark.parametrize(
    ("said", "leads_to"),
    [
        ("/spend?by=model&team=a", "/spend?by=model&team=a"),
        ("/spend", "/spend"),
        ("", "/spend"),
        ("//evil.test/spend", "/spend"),
        ("https://evil.test/spend", "/spend"),
        ("/\\evil.test", "/spend"),
        ("/spend\r\nset-cookie: a=b", "/spend"),
        ("/spend?a=\r\nset-cookie: a=b", "/spend"),
        ("/spend@evil.test", "/spend"),
        ("/spend/../../evil", "/spend"),
        ("javascript:pwned()", "/spend"),
        ("/sign-out", "/spend"),
        ("/spend?" + "a" * 2000, "/spend?" + "a" * 2000),
        ("/spend?" + "a" * 2001, "/spend"),
    ],
)
async def test_T65_signing_in_leads_to_a_page_of_ours_and_nowhere_else(pages, said, leads_to):
    answer = await sign_in(pages, pages.key("finops")[1], next=said)
    assert answer.headers["location"] == leads_to
    assert answer.headers.get_list("set-cookie")[0].startswith(COOKIE)
    assert len(answer.headers.get_list("set-cookie")) == 1


async def test_whoever_is_sent_to_sign_in_comes_back_to_the_view(pages):
    async with pages.client() as browser:
        answer = await browser.get("/spend?by=model&team=a%20b")
        assert answer.headers["location"] == "/sign-in?next=" + quote("/spend?by=model&team=a%20b", safe="")
        page = await browser.get(answer.headers["location"])
    assert 'name="next" value="/spend?by=model&amp;team=a%20b"' in page.text


@pytest.mark.parametrize(("size", "status"), [(FORM_BYTES_MAX, 401), (FORM_BYTES_MAX + 1, 400)])
async def test_a_form_has_a_largest_size(pages, size, status):
    async with pages.client() as browser:
        answer = await browser.post(
            "/sign-in",
            content=b"key=" + b"a" * (size - 4),
            headers={"content-type": "application/x-www-form-urlencoded", **SAME},
        )
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"key": "a"}', "application/json"),
        (b"key=a", "text/plain"),
        (b"key=a", "multipart/form-data; boundary=x"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"&".join(b"a=%d" % n for n in range(9)), "application/x-www-form-urlencoded"),
    ],
)
async def test_what_is_no_form_is_refused(pages, content, kind):
    async with pages.client() as browser:
        answer = await browser.post("/sign-in", content=content, headers={"content-type": kind, **SAME})
    assert answer.status_code == 400


async def test_a_link_signs_its_first_visitor_in_and_nobody_after(pages):
    token = pages.marks.new_link(NOW)
    async with pages.client() as browser:
        first = await browser.get(f"/sign-in/once/{token}")
        assert (first.status_code, first.headers["location"]) == (303, "/spend")
        assert await opens(pages, cookie_of(first))
    async with pages.client() as browser:
        second = await browser.get(f"/sign-in/once/{token}")
    assert (second.status_code, COOKIE in second.cookies) == (401, False)
    assert "was used before" in text(second)


@pytest.mark.parametrize(("later", "good"), [(LINK_LIFETIME - SECOND, True), (LINK_LIFETIME, False)])
def test_a_link_is_good_for_ten_minutes(tmp_path, later, good):
    marks = Marks(tmp_path)
    token = marks.new_link(NOW)
    assert marks.take_link(token, NOW + later) is good


@pytest.mark.parametrize("token", ["", "x", "*", "?" * 43, "../../etc/passwd", "a/b", "%2e%2e"])
async def test_T66_a_token_is_never_taken_for_a_path_or_a_pattern(pages, token):
    real = pages.marks.new_link(NOW)
    assert not pages.marks.take_link(token, NOW)
    async with pages.client() as browser:
        answer = await browser.get(f"/sign-in/once/{token}")
    assert COOKIE not in answer.cookies
    assert pages.marks.take_link(real, NOW)


def test_of_many_who_follow_one_link_at_once_exactly_one_gets_in(tmp_path):
    marks = Marks(tmp_path)
    token = marks.new_link(NOW)
    gate, won = threading.Barrier(8), []

    def follow() -> None:
        gate.wait()
        if marks.take_link(token, NOW):
            won.append(1)

    threads = [threading.Thread(target=follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1]


def test_no_token_is_kept_and_old_marks_go(tmp_path, monkeypatch):
    marks = Marks(tmp_path / "pages")
    token = marks.new_link(NOW)
    [path] = (tmp_path / "pages").iterdir()
    assert token not in path.name
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    marks.leave("session", NOW + LIFETIME, NOW + LINK_LIFETIME)
    assert not path.exists()
    assert marks.left("session")
    monkeypatch.setattr("reporting.web.marks.MARKS_MAX", 3)
    for number in range(9):
        marks.leave(str(number), NOW + LIFETIME + number * SECOND, NOW)
    assert len(list((tmp_path / "pages").iterdir())) <= 4
    assert marks.left("8")


@pytest.mark.parametrize("path", ["/spend", "/spend.json", "/spend.csv", "/sign-in", "/livez", "/static/style.css",
                                  "/nothing", "/", "/spend?by=wrong"])  # fmt: skip
async def test_T65_every_answer_keeps_strangers_out_of_the_page(pages, path):
    async with pages.signed_in() as browser:
        answer = await browser.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert ("no-store" in answer.headers["cache-control"]) is not path.startswith("/static")
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert not structure(answer.text).wrong


def start(folder: Path, *more: str, port: int) -> subprocess.Popen[str]:
    config = folder / "weighbridge.toml"
    config.write_text(f'[server]\nport = {free_port()}\npages_port = {port}\n[data]\ndir = "data"\n')
    command = [sys.executable, "-m", "reporting.web", "--config", str(config), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_pages_are_a_process_that_prints_a_link_and_stops_well(tmp_path):
    port = free_port()
    process = start(tmp_path, "--link", port=port)
    assert process.stdout is not None
    try:
        link = until(lambda: next((w for w in process.stdout.readline().split() if w.startswith("http")), ""), "a link")
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=20) as browser:
            assert browser.get(f"http://127.0.0.1:{port}/livez").text == "ok"
            answer = browser.get(link)
            assert (answer.status_code, answer.url.path) == (200, "/spend")
            assert "No calls" in answer.text
        with httpx.Client(trust_env=False, timeout=20) as browser:
            assert browser.get(link).status_code == 401
    finally:
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert process.returncode in {0, -15}
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(tmp_path, port=taken.getsockname()[1])
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (78, "")
    assert err.startswith("The pages do not start: The pages cannot listen on 127.0.0.1:")
    assert "Traceback" not in err
