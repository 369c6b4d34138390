"""A browser, for tests that look at the page as people do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect, sync_playwright
from tests.diagrams.others import ALONE, CHROMIUM
from tests.timeline.traces import collected

from relive.core.table import TABLE
from relive.diagrams import of_table
from relive.diagrams.timeline import page as drawn

Open = Callable[..., Page]
PATIENCE = 60_000.0
"Milliseconds that a busy machine may take; nothing waits that long for what comes at once."
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI has to look at the page: install chromium"
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a trace. At the end nothing may have been asked for, said or raised in it."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def refused(dialog: Dialog) -> None:
        trouble.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def opened(*lines: str, width: int = 1280, theme: Any = "light", name: str = "a.jsonl", **how: Any) -> Page:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(drawn(collected(*lines, name=name), of_table(TABLE)), "utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **how)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("request", lambda request: trouble.append(request.url) if request.url != path.as_uri() else None)
        page.on("dialog", refused)
        page.on("console", lambda message: trouble.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in trouble if not one.startswith("data:,")] == []
