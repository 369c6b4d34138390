"""The page itself: one file that loads nothing, allows its own script alone, and keeps what a trace says as data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.timeline.traces import HEADER, HOSTILE, collected, hostile, line, played

from relive.core.table import TABLE
from relive.diagrams import of_table
from relive.diagrams.timeline import page

PARTS = sorted(
    part.name for part in files("relive.diagrams.timeline").iterdir() if part.name.endswith((".js", ".css", ".html"))
)
OURS = of_table(TABLE)


class Elements(HTMLParser):
    """What a browser sees: elements with their attributes, and what scripts and styles hold."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.found.append((tag, said))
        self._open = f"{tag} {said.get('type', '')}".strip()

    def handle_data(self, data: str) -> None:
        if self._open.startswith(("script", "style", "title")):
            self.inside[self._open] = self.inside.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


def made(*lines: str, name: str = "a.jsonl") -> Elements:
    return Elements(page(collected(*lines, name=name), OURS))


def test_the_policy_allows_the_style_and_the_script_that_are_there_and_nothing_else() -> None:
    seen = made(*played())
    policy = next(
        said["content"] or "" for tag, said in seen.found if said.get("http-equiv") == "Content-Security-Policy"
    )
    digests = {
        name: base64.b64encode(hashlib.sha256(seen.inside[name].encode()).digest()).decode()
        for name in ("style", "script")
    }
    assert policy == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src 'sha256-{digests['style']}'; script-src 'sha256-{digests['script']}'"
    )


def test_nothing_is_loaded_and_no_attribute_holds_a_script_or_a_style() -> None:
    for tag, said in made(*played()).found:
        assert not {"src", "srcset", "action", "style", "background"} & said.keys(), tag
        assert said.get("href") in (None, "data:,")
        assert not [name for name in said if name.startswith("on")]


def test_the_data_are_those_of_the_trace() -> None:
    data = json.loads(made(*played()).inside["script application/json"])
    (run,) = collected(*played()).runs
    assert data["runs"][0]["rows"] == run.rows
    assert data["runs"][0]["plan"] == json.loads(played()[0])["plan"]


def test_a_hostile_trace_makes_the_same_elements_as_any_other() -> None:
    assert made(*hostile(), name=HOSTILE[0]).found[1:] == [
        (tag, said) for tag, said in made(*played()).found[1:]
    ]  # fmt: skip


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_leaves_the_data(name: str, what: str) -> None:
    seen = made(HEADER, line(0.0, what, what, [what, {what: what}]), name=f"{name}<script>")
    assert json.loads(seen.inside["script application/json"])["name"] == f"{name}<script>"
    assert [tag for tag, _ in seen.found].count("script") == 2


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_short_enough_to_be_read_and_loads_nothing(name: str) -> None:
    text = files("relive.diagrams.timeline").joinpath(name).read_text("utf-8")
    lines = text.splitlines()
    assert len(lines) <= 400
    assert max(map(len, lines)) <= 120
    assert not re.search(r"https?://|@import|url\(|\bimport\s*\(|innerHTML|outerHTML|insertAdjacentHTML|\beval\b", text)


def test_every_part_is_there() -> None:
    assert {name.rpartition(".")[2] for name in PARTS} == {"css", "html", "js"}


def test_every_state_and_every_way_is_in_the_picture_of_the_machine() -> None:
    seen = made(*played())
    states = {said["data-state"] for _, said in seen.found if said.get("data-state")}
    assert states == set(TABLE.states)
    ways: set[tuple[Any, ...]] = set()
    for _, said in seen.found:
        ways |= {tuple(way) for way in json.loads(said.get("data-ways") or "[]")}
    assert ways == {(edge.source, edge.dest) for edge in OURS.edges if edge.dest is not None}
