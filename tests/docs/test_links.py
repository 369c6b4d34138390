"""Links in the prose lead somewhere, in the repository; and where they must lead once the pages are built."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import DOCS, FROM_SOURCES, ROOT, anchors, links as links_of, pages, slug

from relive_docs import links

pytestmark = FROM_SOURCES


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for path, anchor in links_of(page):
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or ROOT not in there.parents:
            lost.append(path)
        elif anchor and there.suffix == ".md" and "{rendered}" not in there.read_text("utf-8"):
            if anchor not in anchors(there):
                lost.append(f"{path}#{anchor}")
        elif anchor.startswith("L") and there.suffix == ".py":
            assert int(anchor[1:]) <= len(there.read_text("utf-8").splitlines())
    assert lost == []


def test_the_links_of_these_pages_were_seen() -> None:
    found = [path for page in pages() for path, _ in links_of(page)]
    assert len(found) > 100
    assert "../src/relive/testing/simulation/faults.py" in found


@pytest.mark.parametrize(
    ("link", "folder", "home", "expected"),
    [
        ("https://example.org/a.py", "docs", "docs", "https://example.org/a.py"),
        ("#here", "docs", "docs", "#here"),
        ("stores.md#one-owner", "docs", "docs", "stores.md#one-owner"),
        ("../SECURITY.md", "docs", "docs", "security.md"),
        ("../../CHANGELOG.md#added", "docs/reference", "docs/reference", "../changelog.md#added"),
        ("docs/stores.md", "", "docs", "stores.md"),
        ("README.md", "", "docs", "index.md"),
        ("diagrams/matrix.md", "", "docs", "reference/matrix.md"),
        ("src/relive/core/table.py", "", "docs", "source:src/relive/core/table.py"),
        ("../src/relive/core/table.py#L9", "docs", "docs", "source:src/relive/core/table.py#L9"),
        ("diagrams/lifecycle.svg", "", "docs", "../diagrams/lifecycle.svg"),
        ("no-such-page.md", "docs", "docs", "no-such-page.md"),
    ],
)
def test_a_link_leads_to_a_page_of_ours(link: str, folder: str, home: str, expected: str) -> None:
    assert links.led(link, folder, home) == expected


def test_code_is_left_alone() -> None:
    page = "see [it](../SECURITY.md)\n```md\n[it](../SECURITY.md)\n```\n[it](../SECURITY.md)\n"
    expected = "see [it](security.md)\n```md\n[it](../SECURITY.md)\n```\n[it](security.md)\n"
    assert links.rewritten(page, "docs") == expected


def test_a_link_may_be_broken_across_lines_but_not_across_paragraphs() -> None:
    assert links.rewritten("a [b\nc](docs/stores.md) d", "", "docs") == "a [b\nc](stores.md) d"
    assert links.rewritten("a [b\n\nc](docs/stores.md) d", "", "docs") == "a [b\n\nc](docs/stores.md) d"


def test_a_picture_in_two_themes_becomes_two_pictures() -> None:
    page = (
        '<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="diagrams/a-dark.svg">\n'
        '  <img alt="what it shows" src="diagrams/a.svg">\n</picture>\n'
    )
    shown = links.rewritten(page, "", "docs")
    assert "{image} ../diagrams/a.svg\n:class: picture only-light\n:alt: what it shows\n" in shown
    assert "{image} ../diagrams/a-dark.svg\n:class: picture only-dark\n" in shown
    assert "<" not in shown


def test_a_picture_without_themes_is_shown_in_both() -> None:
    shown = links.rewritten('text\n<img src="docs/pictures/a.svg" width="700" alt="what it shows">\n', "", "docs")
    assert shown.count("{image} pictures/a.svg\n") == 2
    assert shown.count(":alt: what it shows\n") == 2
    with pytest.raises(ValueError, match="src and alt"):
        links.rewritten('<img src="docs/pictures/a.svg">\n', "", "docs")


def test_a_page_includes_another_with_links_that_work() -> None:
    page = "```{from} ../README.md\n```\n\nmore\n"
    taken: list[str] = []

    def read(path: str) -> str:
        taken.append(path)
        return "# relive\n\n[stores](docs/stores.md)\n"

    assert links.included(page, "docs", read) == "# relive\n\n[stores](stores.md)\n\nmore\n"
    assert taken == ["README.md"]


def test_pages_that_stand_for_files_include_them() -> None:
    for file, page in links.PAGES.items():
        if "/" not in file:
            assert f"```{{from}} ../{file}\n```" in (ROOT / page).read_text("utf-8")


def test_headings_are_named_as_github_does() -> None:
    assert slug("What is `core/table.py`, and [why](x.md)?") == "what-is-coretablepy-and-why"
    assert slug("Ä, one — two") == "ä-one--two"


def test_every_page_is_in_a_toctree() -> None:
    listed = set()
    for page in DOCS.rglob("*.md"):
        inside = False
        for line in page.read_text("utf-8").splitlines():
            inside = line.startswith("```{toctree}") or (inside and line.strip() != "```")
            if inside and line and line[0] not in "`:":
                listed.add((page.parent / f"{line.strip()}.md").resolve())
    assert {page for page in DOCS.rglob("*.md") if page.resolve() not in listed} == {DOCS / "index.md"}
