"""Chromium without a screen, and the pages of the admin as a person uses them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from deploy.services import packages
from dnsorch.tests.services.harness import RealStack

SCREENSHOTS: Path = settings.VAR_DIR / "screenshots"
PATIENCE_MS = 30_000
WIDTH, HEIGHT = 1280, 900


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium; without it a test fails."""
    path = packages.program("chromium")
    assert path is not None, "Chromium is missing: deploy/services/install"
    # Its sandbox wants an ordinary user; in CI the tests are often run by root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


class Admin:
    """A window on the admin, and what a person does in it."""

    def __init__(
        self, browser: Browser, stack: RealStack, session: StorageState | None = None
    ) -> None:
        """Open it; ``session`` is that of somebody who has logged in."""
        self.stack = stack
        self.errors: list[str] = []
        context = browser.new_context(
            base_url=stack.about["api"],
            viewport={"width": WIDTH, "height": HEIGHT},
            storage_state=session,
        )
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def log_in(self) -> None:
        """Log in by the form, with the keyboard."""
        self.page.goto("/admin/")
        self.shoot("login")
        self.page.get_by_label("Username").fill(self.stack.about["admin_user"])
        self.page.get_by_label("Password").fill(self.stack.about["admin_password"])
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("heading", name="DNS changes")).to_be_visible()

    def shoot(self, name: str) -> None:
        """Keep the whole page as a picture, light and dark."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)
            path = SCREENSHOTS / f"{name}-{scheme}.png"
            self.page.screenshot(path=path, full_page=True, animations="disabled")

    def search(self, text: str) -> None:
        """Type into the search box of a list."""
        self.page.locator("#searchbar").fill(text)
        self.page.keyboard.press("Enter")

    def open_request(self, text: str) -> None:
        """Find the one request that ``text`` means, and open it."""
        self.page.goto("/admin/requests_tracker/request/")
        self.search(text)
        rows = self.page.locator("#result_list tbody tr")
        expect(rows).to_have_count(1)
        rows.locator("th a").click()
        expect(self.page.get_by_role("heading", name="Timeline")).to_be_visible()

    @property
    def request_id(self) -> str:
        """The id of the request whose page is shown."""
        found = re.search(r"/request/([0-9a-f-]{36})/", self.page.url)
        assert found is not None, self.page.url
        return found[1]

    def steps(self) -> list[str]:
        """Return the steps of the timeline, in order."""
        table = self.page.get_by_role("table", name="Timeline")
        return table.locator("tbody .dnsorch-badge").all_inner_texts()

    def messages(self) -> list[str]:
        """Return what the admin says on top of the page."""
        return self.page.locator(".messagelist li").all_inner_texts()


def unlabelled(page: Page) -> list[str]:
    """Return the controls of a page that a screen reader could not name."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("input, select, textarea, button")]
            .filter(each => each.type !== "hidden" && !each.hidden)
            .filter(each => !(each.labels && each.labels.length)
                && !each.getAttribute("aria-label")
                && !each.getAttribute("aria-labelledby") && !each.title
                && !(each.type === "submit" && (each.value || each.innerText.trim()))
                && !(each.tagName === "BUTTON" && each.innerText.trim()))
            .map(each => each.outerHTML)"""
    )
    return found
