"""Takes the README's picture of the Spend page: the demo company in a real Chromium, 1200 pixels wide.

python -m tests.browser.picture docs/img/spend.png
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from gateway.demo.fill import seed
from tests.browser.test_pages import ARGUMENTS, served
from tests.e2e.pages_world import NOW, PEPPER, world
from tests.needs import needs

VIEW = "/spend?by=initiative"
SIZE = {"width": 1200, "height": 900}


def main(target: Path) -> None:
    """Seed the company, open its page, save the picture."""
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as made:
        seed(Path(folder) / "journal", made.ledger, PEPPER, NOW)
        with served(made) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(needs("chromium")), args=list(ARGUMENTS))
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            page.goto(site.link())
            page.goto(site.url + VIEW)
            page.screenshot(path=target, full_page=True)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
