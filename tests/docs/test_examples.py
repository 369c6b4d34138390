"""What the pages show as Python runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT

PAGES = [DOCS / "design.md", *sorted((DOCS / "explanation").glob("*.md")), *sorted((DOCS / "reference").rglob("*.md"))]


def examples(page: Path) -> str:
    """All blocks of a page, one after another."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL))


def test_there_are_some() -> None:
    assert sum(bool(examples(page)) for page in PAGES) >= 2


@pytest.mark.parametrize(
    "page", [page for page in PAGES if examples(page)], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_an_example_runs(page: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", examples(page)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
