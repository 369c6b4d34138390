"""Takes the pictures of a timeline that the pages show: `python -m tests.docs.screens`. Needs Chromium.

It is the tutorial's plan, as `relive timeline` draws it. Browsers draw text in their own ways, so no test compares the
pictures: take them anew when the page has changed.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import sync_playwright
from tests.diagrams.others import ALONE, CHROMIUM
from tests.docs.blocks import DOCS

from relive.core.table import TABLE
from relive.diagrams import of_table
from relive.diagrams.timeline import collect, page
from relive.testing.simulation.campaign import attempt
from relive.testing.simulation.plan import Plan

PLAN: Final = DOCS / "examples" / "tutorial" / "plan.json"
PICTURES: Final = DOCS / "pictures"
THEMES: Final[dict[str, Literal["light", "dark"]]] = {"timeline.png": "light", "timeline-dark.png": "dark"}
KEYS: Final = ("n",) * 8
"Pressed before: to a loss, whose details are shown."


def main() -> None:
    """Take them."""
    lines = attempt(Plan.from_json(PLAN.read_bytes()), "runtime", trace=True).trace
    timeline = collect(io.BytesIO("".join(f"{line}\n" for line in lines).encode()), "run.jsonl")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "run.html"
        file.write_text(page(timeline, of_table(TABLE)), "utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        for name, theme in THEMES.items():
            shown = browser.new_page(viewport={"width": 1280, "height": 1236}, color_scheme=theme)
            shown.goto(file.as_uri())
            shown.locator("#plot").focus()
            for key in KEYS:
                shown.keyboard.press(key)
            shown.screenshot(path=PICTURES / name)
        browser.close()


if __name__ == "__main__":
    main()
