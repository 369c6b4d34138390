"""The pages as they were built. CI builds them, and says where in RELIVE_DOCS_HTML; without it nothing is read.

sphinx-build -W --keep-going -n docs build/docs
RELIVE_DOCS_HTML=build/docs pytest tests/docs
"""

from __future__ import annotations

import html
import os
import posixpath
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import attrs
import pytest
from tests.docs.pages import ROOT

import relive
import relive.diagrams
import relive.testing
from relive.core.policy import Policy
from relive.core.table import TABLE
from relive.ports import Stats
from relive_docs import endings

BUILT = Path(os.environ.get("RELIVE_DOCS_HTML", "nowhere"))
pytestmark = pytest.mark.skipif(
    "RELIVE_DOCS_HTML" not in os.environ, reason="no built pages: RELIVE_DOCS_HTML is unset"
)

LINK = re.compile(r'(?:href|src)="([^"]*)"')
ANCHOR = re.compile(r'\bid="([^"]+)"')


@cache
def text(path: str) -> str:
    return (BUILT / path).read_text("utf-8")


@cache
def anchors(path: str) -> frozenset[str]:
    return frozenset(html.unescape(found) for found in ANCHOR.findall(text(path)))


def made() -> list[str]:
    return sorted(path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*.html"))


def test_every_link_leads_somewhere() -> None:
    assert len(made()) > 50
    lost = set()
    for page in made():
        for link in map(html.unescape, LINK.findall(text(page))):
            path, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link) or link.startswith("//"):
                continue
            there = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(path.partition("?")[0])))
            there = there if path else page
            if not (BUILT / there).is_file() or (
                anchor and there.endswith(".html") and anchor not in anchors(there) and anchor != "top"
            ):
                lost.add(f"{page}: {link}")
    assert lost == set()


def test_no_page_needs_the_network() -> None:
    """Links lead there, but nothing is fetched from it."""
    fetched = re.compile(r'<(?:script|img|link|source|iframe)\b[^>]*(?:src|href|srcset)="(?:https?:)?//', re.IGNORECASE)
    assert [page for page in made() if fetched.search(text(page))] == []


def test_no_file_names_a_path_of_this_machine() -> None:
    places = {str(ROOT), str(Path.home()), str(BUILT.resolve().parent)} - {"/"}
    for path in BUILT.rglob("*"):
        if path.suffix in {".html", ".js", ".txt", ".svg", ".css"}:
            read = path.read_text("utf-8", "replace")
            assert [place for place in places if place in read] == [], path.name


@pytest.mark.parametrize("module", [relive, relive.testing, relive.diagrams], ids=lambda module: module.__name__)
def test_every_public_name_is_documented(module: ModuleType) -> None:
    found = {anchor for page in made() if page.startswith("reference/") for anchor in anchors(page)}
    names = {name for name in module.__all__ if not name.startswith("_")}
    assert {name for name in names if not any(anchor.endswith(f".{name}") for anchor in found)} == set()


def test_every_error_has_an_anchor_of_its_own() -> None:
    assert {endings.public_name(kind) for kind in endings.errors()} <= anchors("reference/errors.html")


def test_every_setting_and_every_count_is_shown() -> None:
    for kind, page in ((Policy, "reference/policy.html"), (Stats, "reference/stats.html")):
        for field in attrs.fields(kind):
            assert f">{field.name}</span>" in text(page)


def test_every_state_is_shown_in_both_themes() -> None:
    shown = text("reference/states.html")
    for state in TABLE.states:
        assert f"{state}.svg" in shown
        assert f"{state}-dark.svg" in shown
    assert shown.count("only-light") == shown.count("only-dark") == len(TABLE.states) + 1


def test_every_promise_leads_to_what_proves_it() -> None:
    shown = text("reference/promises.html")
    assert shown.count("<details>") == 24
    assert 'href="../files/tests/promises/goaway.py.html#L' in shown


def test_the_front_page_is_the_readme() -> None:
    shown = text("index.html")
    assert "Gemini Live sessions that outlive their connections." in shown
    assert "lifecycle-dark.svg" in shown
    assert "{from}" not in shown
    assert "<picture>" not in shown
