"""Who else draws: a browser, Graphviz and Mermaid. Without CI a test may do without them, and says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

CI: Final = bool(os.environ.get("CI"))
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ALONE: Final = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync", "--disable-component-update",
    "--disable-background-networking",
]  # fmt: skip
"For a browser that asks nobody for anything."
DOT: Final = shutil.which("dot")
MMDC: Final = shutil.which("mmdc")

needs_browser: Final = pytest.mark.skipif(not (CHROMIUM or CI), reason="needs Chromium: apt-get install chromium")
needs_graphviz: Final = pytest.mark.skipif(not (DOT or CI), reason="needs Graphviz: apt-get install graphviz")
needs_mermaid: Final = pytest.mark.skipif(
    not ((CHROMIUM and MMDC) or CI), reason="needs Chromium and mmdc: npm install -g @mermaid-js/mermaid-cli"
)


def drawn_by_mermaid(text: str, folder: Path) -> str:
    """The SVG that the real Mermaid makes of a text."""
    source, picture, browser = folder / "a.mmd", folder / "a.svg", folder / "browser.json"
    source.write_text(text, "utf-8")
    browser.write_text(json.dumps({"executablePath": CHROMIUM, "args": ALONE}))
    subprocess.run(
        [MMDC or "mmdc", "--quiet", "-p", str(browser), "-i", str(source), "-o", str(picture)],
        check=True,
        timeout=240,
    )
    svg = picture.read_text("utf-8")
    assert "Syntax error" not in svg
    return svg
