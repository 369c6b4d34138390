"""Links that lead out of `docs`: they are written for the repository, and led to pages of ours here.

``source:src/relive/x.py#L7`` is a file of the repository; `relive_docs.sources` makes a page of it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from relive_docs.markdown import in_both_themes
from relive_docs.reading import ROOT

PAGES: Final = {
    "README.md": "docs/index.md",
    "CHANGELOG.md": "docs/changelog.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "SECURITY.md": "docs/security.md",
    "diagrams/matrix.md": "docs/reference/matrix.md",
}
"Files that have a page of their own."
SHOWN: Final = frozenset({".py", ".toml", ".txt", ".sh", ".mmd", ".dot", ".md", ".json", "", ".yml"})
"What `relive_docs.sources` can show."
_FENCE: Final = re.compile(r"^ *(`{3,}|~{3,})")
_LINK: Final = re.compile(r"(?<!!)(\[(?:[^\[\]\n]|\n(?!\s*\n)|\[[^\[\]]*\]|!\[[^\]]*\]\([^)]*\))*\])\(([^()\s]+)\)")
_IMAGE: Final = re.compile(r"(!\[[^\]]*\])\(([^()\s]+)\)")
_PICTURE: Final = re.compile(r"<picture>(.*?)</picture>|^<img\b[^>]*>$", re.DOTALL | re.MULTILINE)
_DARK: Final = re.compile(r'<source\b[^>]*\bdark\b[^>]*\bsrcset="([^"]+)"')
_IMG: Final = re.compile(r'<img\b[^>]*\b(src|alt)="([^"]*)"[^>]*\b(src|alt)="([^"]*)"')
_WIDTH: Final = re.compile(r'\bwidth="([\d.]+)"')
_PAGE: Final = 1000.0
_INCLUDED: Final = re.compile(r"^```\{from\} (\S+)\n```\n", re.MULTILINE)


def rewritten(text: str, folder: str, home: str | None = None) -> str:
    """A page of Markdown whose links work in the documentation.

    Args:
        text: the page.
        folder: where it lies in the repository, from its root: ``docs/reference``.
        home: where it is shown, if that is elsewhere.
    """
    home = folder if home is None else home

    def link(found: re.Match[str]) -> str:
        return f"{found[1]}({led(found[2], folder, home)})"

    def image(found: re.Match[str]) -> str:
        return f"{found[1]}({_moved(found[2], folder, home)})"

    def picture(found: re.Match[str]) -> str:
        image, dark = _IMG.search(found[0]), _DARK.search(found[0])
        if image is None or image[1] == image[3]:
            raise ValueError(f"a picture needs src and alt, and a dark one a source: {found[0]}")
        told = {image[1]: image[2], image[3]: image[4]}
        light = _moved(told["src"], folder, home)
        wide = _is_wide(ROOT / folder / told["src"])
        return in_both_themes(light, _moved(dark[1], folder, home) if dark else light, told["alt"], wide=wide)

    return _outside_of_code(_PICTURE.sub(picture, text), lambda prose: _LINK.sub(link, _IMAGE.sub(image, prose)))


def included(text: str, folder: str, read: Callable[[str], str]) -> str:
    """A page with the files in it that it names in ```` ```{from} ../README.md ````."""

    def take(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found[1]))
        return rewritten(read(path), posixpath.dirname(path), folder)

    return _INCLUDED.sub(take, text)


def led(link: str, folder: str, home: str) -> str:
    """Where a link leads that stands in a file in `folder` and is shown in `home`."""
    path, mark, anchor = link.partition("#")
    if not path or ":" in path:
        return link
    full = posixpath.normpath(posixpath.join(folder, path))
    if full in PAGES:
        return posixpath.relpath(PAGES[full], home) + mark + anchor
    there = ROOT / full
    inside = full.startswith("docs/") and full.endswith(".md")
    if inside or not there.is_file() or there.suffix not in SHOWN:
        return _moved(link, folder, home)
    return f"source:{full}{mark}{anchor}"


def _is_wide(picture: Path) -> bool:
    """Whether an SVG is wider than a page of prose by so much that it could not be read there."""
    head = picture.read_text("utf-8")[:300] if picture.suffix == ".svg" and picture.is_file() else ""
    width = _WIDTH.search(head)
    return width is not None and float(width[1]) > _PAGE


def _moved(link: str, folder: str, home: str) -> str:
    """The same place, seen from elsewhere."""
    if ":" in link:
        return link
    return posixpath.relpath(posixpath.join(folder, link), home)


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    chunks = ((prose, "".join(line for line, _ in lines)) for prose, lines in groupby(_lines(text), itemgetter(1)))
    return "".join(change(chunk) if prose else chunk for prose, chunk in chunks)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Lines, and whether each is prose, not code. What stands in a directive is code here too."""
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if found is not None and not fence:
            fence = found[1]
            yield line, False
        elif found is not None and found[1].startswith(fence) and not line.strip(" `~\n"):
            fence = ""
            yield line, False
        else:
            yield line, not fence
