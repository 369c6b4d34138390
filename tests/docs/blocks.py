"""The pages, and what is marked in them: code that stands in a file, and what running it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = (DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md")))
"Whose code is all part of a file."

_BLOCK: Final = re.compile(r"^(?:<!-- (\w+): ([^\n]+) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Block:
    """A fenced block, and the comment above it, as in ``<!-- file: docs/examples/waiter.py -->``."""

    page: str
    kind: str
    "What the comment begins with; empty if there is none."
    of: str
    "What it goes on with."
    language: str
    text: str


def blocks(*pages: Path) -> Iterator[Block]:
    """Every block of these pages."""
    for page in pages:
        for kind, of, language, text in _BLOCK.findall(page.read_text("utf-8")):
            yield Block(str(page.relative_to(ROOT)), kind, of, language, text)
