"""Links within the repository lead somewhere, on GitHub as in the built docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT

PAGES = sorted({*ROOT.glob("*.md"), *DOCS.rglob("*.md")})
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> set[str]:
    """Relative links of a page."""
    found = {first or second for first, second in LINK.findall(FENCED.sub("", page.read_text("utf-8")))}
    return {link for link in found if not re.match(r"[a-z]+:|#", link)}


def anchors(page: Path) -> set[str]:
    """What its headings are called in links."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_repository_leads_to_a_file(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve()
        assert target.is_file(), f"{link} is no file"  # a folder has a page on GitHub alone
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


def test_links_are_found() -> None:
    assert "diagrams/lifecycle.svg" in links(ROOT / "README.md")
    assert "../stores.md" in links(DOCS / "how-to" / "write-a-store.md")
