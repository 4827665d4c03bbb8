"""The pages in a real Chromium: without JavaScript, at every width, in both schemes, for keyboard and screen reader."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from gateway.demo.fill import seed
from reporting.web.app import make_app
from tests.e2e.pages_world import NOW, PEPPER, World, world
from tests.e2e.payloads import XSS
from tests.e2e.running import until
from tests.needs import needs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
WIDTHS = (320, 390, 768, 1024, 1200, 1600)
VIEWS = (
    "/spend",
    "/spend?by=initiative&then=model",
    "/spend?since=2026-11-24&until=2026-11-25&team=platform&by=application",
    "/spend?since=2026-01-01&until=2026-11-26&by=model",
    "/spend?since=2020-01-01&until=2020-02-01",
    "/spend?by=wrong&since=2026-13-01",
    "/nothing",
)
AXE = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}


class Site:
    """The pages on a port of this machine, over a small made-up company."""

    def __init__(self, made: World, port: int) -> None:
        self.world = made
        self.url = f"http://127.0.0.1:{port}"

    def link(self) -> str:
        now = self.world.clock[0]
        return f"{self.url}/sign-in/once/{self.world.marks.new_link(now)}"


@contextmanager
def served(made: World) -> Iterator[Site]:
    made.book()
    config = uvicorn.Config(make_app(made.pages), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the pages listen")
    try:
        yield Site(made, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    program = needs("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pages")
    with world(folder) as made:
        seed(folder / "journal", made.ledger, PEPPER, NOW, days=40)
        with served(made) as running:
            yield running


@contextmanager
def reader(chromium: "Browser", site: Site, **options: Any) -> Iterator["BrowserContext"]:
    """Sign in, and give the browser's window onto the site; nothing else may be asked of the network."""
    context = chromium.new_context(**({"java_script_enabled": False} | options))
    context.set_default_timeout(20_000)
    strangers: list[str] = []
    context.on("request", lambda request: None if request.url.startswith(site.url) else strangers.append(request.url))
    page = context.new_page()
    page.goto(site.link())
    assert page.url == f"{site.url}/spend"
    page.close()
    yield context
    assert [url for url in strangers if not url.startswith(("data:", "about:"))] == []
    context.close()


def test_a_reader_without_javascript_signs_in_with_a_key_chooses_a_view_and_signs_out(chromium, site):
    key = site.world.key("finops")[1]
    site.world.pages._refreshed = 0.0
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/spend?by=model")
    assert page.url.startswith(f"{site.url}/sign-in?next=")
    page.get_by_label("Key").fill("wb_wrong")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").is_visible()
    page.get_by_label("Key").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/spend?by=model")
    page.get_by_label("Group by").select_option("initiative")
    page.get_by_label("Then by").select_option("model")
    page.get_by_role("button", name="Show").click()
    assert "by=initiative&then=model" in page.url
    assert page.get_by_role("heading", name="By initiative, then by model").is_visible()
    page.get_by_role("link", name="Claims assistant").click()
    assert "initiative=CLM-204" in page.url
    page.get_by_role("link", name="Remove Initiative Claims assistant").click()
    assert "initiative=CLM-204" not in page.url
    page.get_by_text("The same numbers as a table").click()
    assert page.get_by_role("table", name="Spend per day").is_visible()
    page.get_by_role("button", name="Sign out").click()
    assert page.url == f"{site.url}/sign-in"
    page.goto(f"{site.url}/spend")
    assert page.url == f"{site.url}/sign-in"
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_or_written_over_at_any_width(chromium, site, width):
    with reader(chromium, site, java_script_enabled=True, viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        for view in VIEWS:
            page.goto(site.url + view)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, f"{view} is {wide} px wider than {width}"
            assert page.evaluate(OVERLAPPING) == [], view


OVERLAPPING = """() => {
    const shown = [...document.querySelectorAll('.plot text')].filter(t => t.getBoundingClientRect().width > 0);
    const wrong = [];
    shown.forEach((a, i) => shown.slice(i + 1).forEach(b => {
        const p = a.getBoundingClientRect(), q = b.getBoundingClientRect();
        if (p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom)
            wrong.push(a.textContent + ' | ' + b.textContent);
    }));
    const edge = document.documentElement.clientWidth;
    return wrong.concat(shown.filter(t => t.getBoundingClientRect().right > edge).map(t => t.textContent));
}"""


@pytest.mark.npm
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(chromium, site, scheme, width):
    axe = (needs("npm") / "axe-core" / "axe.min.js").read_text("utf-8")
    options = {"java_script_enabled": True, "color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with reader(chromium, site, bypass_csp=True, **options) as context:
        page = context.new_page()
        for view in (*VIEWS, "/sign-in"):
            page.goto(site.url + view)
            for details in page.locator("details").all():
                details.locator("summary").click()
            page.evaluate(axe)
            found = page.evaluate("options => axe.run(document, options)", AXE)
            said = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]
            assert said == [], f"{view}: {said}"


def test_the_keyboard_reaches_everything_in_the_order_it_is_read(chromium, site):
    with reader(chromium, site, java_script_enabled=True) as context:
        page = context.new_page()
        page.goto(f"{site.url}/spend")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.append(page.evaluate(FOCUSED))
            if seen[-1] is None:
                break
        places = [place for place in seen if place is not None]
        assert len(places) > 15
        assert [place["text"] for place in places if not place["outline"]] == []
        words = [place["text"] for place in places]
        assert [words.index(word) for word in ("28 days", "Show", "The same numbers as a table", "CSV")] == sorted(
            words.index(word) for word in ("28 days", "Show", "The same numbers as a table", "CSV")
        )


FOCUSED = """() => {
    // A date field shows by itself which of its parts has the focus.
    const at = document.activeElement;
    if (!at || at === document.body) return null;
    return {text: at.textContent.trim(), outline: at.type === 'date' || getComputedStyle(at).outlineStyle !== 'none'};
}"""


def test_T58_no_name_runs_a_script_in_a_real_browser(chromium, tmp_path):
    with world(tmp_path) as made:
        for number, name in enumerate(XSS):
            made.call(10**9 + number, team=name, application=name, customer=name, at=NOW - timedelta(days=number % 20))
        with (
            served(made) as running,
            reader(chromium, running, java_script_enabled=True, bypass_csp=True) as context,
        ):
            # Without the policy: escaping alone must hold.
            ran: list[str] = []
            context.expose_function("pwned", lambda: ran.append("script"))
            page = context.new_page()
            page.on("dialog", lambda dialog: ran.append(dialog.message))
            for view in ("by=team", "by=application&then=customer", "by=customer&then=team"):
                page.goto(f"{running.url}/spend?{view}")
                page.mouse.move(600, 400)
                for _ in range(30):
                    page.keyboard.press("Tab")
                page.wait_for_load_state("networkidle")
            assert page.locator("tbody th").count() > 30
            for name in XSS[::7]:
                page.goto(f"{running.url}/spend?{_encoded(team=name)}")
                page.goto(f"{running.url}/sign-in?{_encoded(next=name)}")
            assert ran == []


def _encoded(**pairs: str) -> str:
    from urllib.parse import urlencode

    return urlencode(pairs)


def test_the_policy_stops_a_script_that_got_in_all_the_same(chromium, site):
    with reader(chromium, site, java_script_enabled=True) as context:
        page = context.new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        page.goto(f"{site.url}/spend")
        assert refused == []
        page.evaluate("""() => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            const image = document.createElement('img');
            image.setAttribute('onerror', 'window.ran = true');
            image.src = '/nothing';
            document.body.append(image);
            const style = document.createElement('style');
            style.textContent = 'body { --got: in }';
            document.head.append(style);
        }""")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.ran") is None
        assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--got')") == ""
        assert any("Content Security Policy" in said for said in refused)


def test_on_paper_the_page_has_its_figures_and_none_of_its_controls(chromium, site, tmp_path: Path):
    with reader(chromium, site) as context:
        page: Page = context.new_page()
        page.goto(f"{site.url}/spend?by=initiative")
        page.emulate_media(media="print")
        assert page.get_by_role("heading", name="By initiative", exact=True).is_visible()
        assert page.locator(".plot .bars").is_visible()
        assert not page.get_by_role("button", name="Show").is_visible()
        assert not page.get_by_role("button", name="Sign out").is_visible()
        printed = page.pdf(format="A4", prefer_css_page_size=True)
        assert printed.count(b"/Type /Page\n") == 1
