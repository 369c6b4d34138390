"""Nothing overlaps and nothing is cut off: as declared here, and as browser, Graphviz and Mermaid show it."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from tests.diagrams.machines import HOSTILE, diagrams
from tests.diagrams.others import ALONE, CHROMIUM, DOT, drawn_by_mermaid, needs_browser, needs_graphviz, needs_mermaid
from tests.extending.test_paused import WITH_HOLD

from relive.core.table import TABLE
from relive.diagrams import Diagram, Options, Rule, draw, of_table
from relive.diagrams.arrows import GUARDS, arrows
from relive.diagrams.floors import floors_svg
from relive.diagrams.ladder import ladder
from relive.diagrams.lifecycle import lifecycle
from relive.diagrams.picture import Picture
from relive.diagrams.view import view

Area = tuple[float, float, float, float]
ORDERS = Options(orders=True)
OURS = of_table(TABLE)
NASTY = Diagram(
    tuple(HOSTILE),
    (
        *(Rule((one,), (other or "e",), other, one, (other, one)) for one, other in pairwise(HOSTILE)),
        Rule(tuple(HOSTILE), ("reset",), HOSTILE[0]),
        Rule((HOSTILE[6],), ("same",), HOSTILE[6]),
    ),
    HOSTILE[0],
)


def areas(picture: Picture) -> Iterator[tuple[str, Area]]:
    """What may not overlap: boxes and labels, and what is written in the frames."""
    for box in picture.boxes:
        yield f"box {box.end}", (box.x, box.y, box.x + box.width, box.y + box.height)
    for stroke in picture.strokes:
        if (label := stroke.label) is not None and label.clauses:
            yield f"label {label.clauses}", (label.x, label.y, label.x + label.width, label.y + label.height)


def segments(picture: Picture) -> Iterator[tuple[str, Area]]:
    for stroke in picture.strokes:
        for (ax, ay), (bx, by) in pairwise(stroke.points):
            assert ax == bx or ay == by, f"aslant: {stroke.points}"
            yield f"line {stroke.points}", (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))


def overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def faults(picture: Picture) -> list[str]:
    """What overlaps, and what is cut off at the rim."""
    found = [
        f"{one} and {other}"
        for (one, a), (other, b) in [
            *combinations(areas(picture), 2),
            *((label, line) for label in areas(picture) for line in segments(picture) if label[0].startswith("label")),
        ]
        if overlap(a, b)
    ]
    rim = (0.0, 0.0, picture.width, picture.height)
    return found + [
        f"{name} is cut off"
        for name, (left, top, right, bottom) in (*areas(picture), *segments(picture))
        if left < rim[0] or top < rim[1] or right > rim[2] or bottom > rim[3]
    ]


def test_the_lifecycle_is_drawn_as_declared() -> None:
    picture = lifecycle(OURS, arrows(OURS, GUARDS))
    assert picture is not None
    assert faults(picture) == []
    assert picture.width <= 1200, "at the width of a README its text could not be read"


def test_what_the_declared_places_do_not_fit_is_drawn_otherwise() -> None:
    held = of_table(WITH_HOLD)
    assert lifecycle(held, arrows(held, GUARDS)) is None
    assert lifecycle(OURS, arrows(OURS, ORDERS)) is None, "with orders the labels would overlap"
    picture = ladder(held, arrows(held, ORDERS))
    assert faults(picture) == []


def test_two_states_share_an_arrow_only_as_long_as_they_say_the_same() -> None:
    rules = tuple(
        attrs.evolve(rule, sources=("CONNECTING",))
        if (rule.events, rule.dest) == (("ConnectionClosed",), "WAITING")
        else rule
        for rule in OURS.rules
    )
    changed = attrs.evolve(OURS, rules=rules)
    assert lifecycle(changed, arrows(changed, GUARDS)) is None


@pytest.mark.parametrize("state", TABLE.states)
def test_nothing_overlaps_in_the_view_of_a_state(state: str) -> None:
    diagram = OURS.view(state)
    assert faults(view(diagram, arrows(diagram, ORDERS))) == []


@settings(max_examples=60)
@given(diagrams() | diagrams(counted=True))
def test_nothing_overlaps_in_the_picture_of_any_machine(diagram: Diagram) -> None:
    assert faults(ladder(diagram, arrows(diagram, ORDERS))) == []
    for state in diagram.states:
        seen = diagram.view(state)
        assert faults(view(seen, arrows(seen, ORDERS))) == []


MEASURE = """
const shown = [...document.querySelectorAll(SELECTOR)].filter(e => e.getClientRects().length && e.textContent.trim());
const rects = shown.map(e => [e.textContent.trim(), e.getBoundingClientRect()]);
const page = document.querySelector('svg').getBoundingClientRect();
const found = [];
rects.forEach(([one, a], i) => {
  if (a.left < page.left - 1 || a.top < page.top - 1 || a.right > page.right + 1 || a.bottom > page.bottom + 1)
    found.push(one + ' is cut off');
  rects.slice(i + 1).forEach(([other, b]) => {
    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1) found.push(one + ' and ' + other);
  });
});
document.querySelectorAll('g.state, g.anywhere').forEach(e => {
  const box = e.querySelector('rect').getBoundingClientRect();
  e.querySelectorAll('text').forEach(t => {
    const r = t.getBoundingClientRect();
    if (r.width && (r.left < box.left || r.right > box.right || r.top < box.top - 1 || r.bottom > box.bottom + 1))
      found.push(t.textContent + ' leaves its box');
  });
});
document.body.innerHTML = '<pre id="said"></pre>';
document.getElementById('said').textContent = JSON.stringify({texts: rects.length, found});
"""


def in_browser(folder: Path, svg: str, selector: str, width: int) -> dict[str, list[str]]:
    """What a browser says of the texts in a picture, as wide as it may be on a screen of that width."""
    assert CHROMIUM
    page = folder / "page.html"
    style = "<style>body{margin:0}svg{max-width:100%;height:auto}</style>"
    script = f"<script>{MEASURE.replace('SELECTOR', json.dumps(selector))}</script>"
    page.write_text(f"<!doctype html><meta charset=utf-8>{style}{svg[svg.index('<svg') :]}{script}", "utf-8")
    command = [CHROMIUM, "--headless", *ALONE, f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [*command, f"--window-size={width},1000", "--dump-dom", page.as_uri()],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    said = re.search(r'<pre id="said">(.*)</pre>', done.stdout, re.DOTALL)
    assert said, done.stdout[-2000:]
    return json.loads(html.unescape(said[1]))


PICTURES = {
    "lifecycle": draw(OURS, "svg"),
    "draining": draw(OURS.view("DRAINING"), "svg", ORDERS),
    "held": draw(of_table(WITH_HOLD), "svg", ORDERS),
    "floors": floors_svg("light"),
    "nasty": draw(NASTY, "svg", ORDERS),
}


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_no_text_overlaps_or_leaves_its_box(name: str, width: int, tmp_path: Path) -> None:
    said = in_browser(tmp_path, PICTURES[name], "text", width)
    assert said["texts"]
    assert said["found"] == []


@pytest.mark.slow
@needs_browser
def test_the_browser_would_find_an_overlap(tmp_path: Path) -> None:
    moved = PICTURES["lifecycle"].replace(">WAITING<", ">WAITING, AND FOR FAR TOO LONG<")
    assert in_browser(tmp_path, moved, "text", 1280)["found"]


@pytest.mark.slow
@needs_graphviz
@pytest.mark.parametrize(
    "diagram", [OURS, OURS.view("DRAINING"), of_table(WITH_HOLD), NASTY], ids=["lifecycle", "draining", "held", "nasty"]
)
def test_graphviz_draws_it(diagram: Diagram) -> None:
    done = subprocess.run(
        [DOT or "", "-Tsvg"],
        input=draw(diagram, "dot", ORDERS),
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=60,
    )
    assert "syntax error" not in done.stderr
    assert all(html.escape(state, quote=False) in done.stdout for state in diagram.states if state.isalpha())


@pytest.mark.slow
@needs_mermaid
@pytest.mark.parametrize("name", ["lifecycle", "draining", "nasty"])
def test_mermaid_draws_it_and_nothing_overlaps(name: str, tmp_path: Path) -> None:
    diagram = {"lifecycle": OURS, "draining": OURS.view("DRAINING"), "nasty": NASTY}[name]
    svg = drawn_by_mermaid(draw(diagram, "mermaid", GUARDS if name == "lifecycle" else ORDERS), tmp_path)
    said = in_browser(tmp_path, svg, "g.node, g.edgeLabel", 1600)
    assert said["texts"]
    assert said["found"] == []
