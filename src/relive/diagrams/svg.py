"""A diagram as SVG: no script, no font, nothing to load. Colours stand in it, so that any reader of SVG shows them.

What a stroke stands for in full, orders and all, is its title: browsers show it on hover, screen readers read it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import attrs

from relive.diagrams.arrows import GUARDS, Fork, Options, arrows, origin, worn
from relive.diagrams.colours import DARK, LIGHT, PAGE, Palette
from relive.diagrams.ladder import ladder
from relive.diagrams.lifecycle import lifecycle
from relive.diagrams.model import ORIGINS, Diagram
from relive.diagrams.picture import LINE, Box, Label, Picture, Point, Stroke, Word, name_lines
from relive.diagrams.text import cells, printable
from relive.diagrams.view import view

Theme: TypeAlias = Literal["light", "dark"]

MONO: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_DOTTED: Final = ' stroke-dasharray="2 3"'
_DASHED: Final = ' stroke-dasharray="6 4"'
_CORNER: Final = 9.0
_TIP: Final = 9.0


def svg(diagram: Diagram, options: Options = GUARDS, theme: Theme = "light") -> str:
    """The diagram as SVG."""
    drawn = arrows(diagram, options)
    draws = view if diagram.focus is not None else ladder
    picture = lifecycle(diagram, drawn) or draws(diagram, drawn)
    title = f"what can happen in {diagram.focus}" if diagram.focus is not None else "a state machine"
    return written(diagram, picture, theme, title)


def in_page(diagram: Diagram) -> str:
    """The diagram as part of a page that has its style: without one of its own, in the page's colours (`PAGE`).

    A state has its name as ``data-state``, an arrow the ways that it stands for as ``data-ways``: JSON, a list of pairs
    of states. An arrow to or from a fork is part of each way that leads through it.
    """
    drawn = arrows(diagram, Options(guards=False))
    picture = lifecycle(diagram, drawn) or ladder(diagram, drawn)
    return "\n".join(_Writer(diagram, picture, PAGE, "the machine", paged=True).lines()) + "\n"


def written(diagram: Diagram, picture: Picture, theme: Theme, title: str) -> str:
    """A picture, written down."""
    return "\n".join(_Writer(diagram, picture, DARK if theme == "dark" else LIGHT, title).lines()) + "\n"


@attrs.frozen
class _Writer:
    diagram: Diagram
    picture: Picture
    palette: Palette
    title: str
    paged: bool = False
    "Whether it is part of a page that has its style, and lights what it names."

    def lines(self) -> Iterator[str]:
        width, height = _n(self.picture.width), _n(self.picture.height)
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            + ('class="small" role="img">' if self.paged and self.picture.small else 'role="img">')
        )
        yield _title(self.title)
        if not self.paged:
            yield f"<style>{self._style()}</style>"
            yield f'<rect width="{width}" height="{height}" fill="{self.palette.ground}"/>'
        yield from self._frames()
        if self.picture.begin:
            (x, y), *_ = self.picture.begin
            yield from _way(self.picture.begin, self.palette.ink, 1.4)
            yield f'<circle cx="{_n(x)}" cy="{_n(y)}" r="6" fill="{self.palette.ink}"/>'
        # Ordinary ways come last, so that they cross over the others. A crossing is a gap in the lower one, which those
        # that begin in the same place must not leave in each other.
        together: dict[tuple[bool, Point], list[Stroke]] = {}
        for stroke in self.picture.strokes:
            together.setdefault((stroke.main, stroke.points[0]), []).append(stroke)
        for _, strokes in sorted(together.items(), key=lambda group: group[0][0]):
            for stroke in strokes:
                yield f'<path d="{_path(stroke.points)}" fill="none" stroke="{self.palette.ground}" stroke-width="6"/>'
            for stroke in strokes:
                yield from self._stroke(stroke)
        for box in self.picture.boxes:
            yield from self._box(box)
        if self.picture.legend is not None:
            x, y = self.picture.legend
            yield from self._legend(x, y if self.diagram.walked is None else y - LINE)
        yield "</svg>"

    def _style(self) -> str:
        colours = self.palette
        rules = [
            f"text{{font-family:{MONO};font-size:12.5px;fill:{colours.ink}}}",
            f".name{{font-size:15px;font-weight:700}}.note{{font-size:11.5px;fill:{colours.muted}}}.big{{display:none}}",
            *(f".{origin}{{fill:{colour}}}" for origin, colour in colours.events.items()),
        ]
        if self.picture.small:
            rules.append(
                "@media (max-width:640px){.label,.note,.name{display:none}"
                ".big{display:inline;font-size:25px;font-weight:700}.way{stroke-width:3px}}"
            )
        return "".join(rules)

    def _frames(self) -> Iterator[str]:
        for frame in self.picture.frames:
            x, y = frame.text_at
            yield (
                f'<rect x="{_n(frame.x)}" y="{_n(frame.y)}" width="{_n(frame.width)}" height="{_n(frame.height)}" '
                f'rx="14" fill="none" stroke="{self.palette.frame}" stroke-width="1.5"/>'
                f'<text class="note" x="{_n(x)}" y="{_n(y)}">{html.escape(frame.text)}</text>'
            )

    def _stroke(self, stroke: Stroke) -> Iterator[str]:
        colour = self.palette.events[origin(self.diagram, stroke.arrows[0])]
        yield f'<g class="arrow"{self._ways(stroke)}>'
        edges = [edge for arrow in stroke.arrows for edge in arrow.edges]
        said = "\n".join(html.escape(printable(f"{edge}{_often(self.diagram.times([edge]))}")) for edge in edges)
        yield f"<title>{said}</title>"
        times = self.diagram.times(edges)
        if times is None:
            looks = _DOTTED if any(arrow.stays for arrow in stroke.arrows) else ""
            yield from _way(stroke.points, colour, 2.6 if stroke.main else 1.4, looks)
        elif times:
            yield from _way(stroke.points, colour, worn(times))
        else:
            yield from _way(stroke.points, self.palette.edge, 1.2, _DASHED)
        if stroke.label is not None and stroke.label.clauses:
            yield from self._label(stroke.label)
        yield "</g>"

    def _ways(self, stroke: Stroke) -> str:
        if not self.paged:
            return ""
        ways = dict.fromkeys((edge.source, edge.dest or edge.source) for arrow in stroke.arrows for edge in arrow.edges)
        return f' data-ways="{html.escape(json.dumps(list(ways)))}"'

    def _label(self, label: Label) -> Iterator[str]:
        yield '<g class="label">'
        y = label.y + LINE - 4
        for clause in label.clauses:
            lines: list[str] = []
            for line in clause:
                said = " ".join(map(self._word, line))
                lines.append(f'<tspan x="{_n(label.x)}" y="{_n(y)}">{said}</tspan>')
                y += LINE
            yield f'<text class="clause">{"".join(lines)}</text>'
        yield "</g>"

    def _word(self, word: Word) -> str:
        text, often = html.escape(word.text), f" {word.times}" if word.times else ""
        return text if word.event is None else f'<tspan class="{self.diagram.origin(word.event)}">{text}</tspan>{often}'

    def _box(self, box: Box) -> Iterator[str]:
        x, y, width, height = (_n(value) for value in (box.x, box.y, box.width, box.height))
        colours, end = self.palette, box.end
        if isinstance(end, Fork) and not end.name:
            turned = ""
            meaning = f"in {' or '.join(end.sources)}, on {', '.join(end.events)}"
            yield f'<g class="fork">{_title(meaning)}'
            if box.width == box.height:
                turned = f' transform="rotate(45 {_n(box.x + box.width / 2)} {_n(box.y + box.height / 2)})"'
            yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colours.ink}"{turned}/></g>'
            return
        kind, name = ("anywhere", end.name) if isinstance(end, Fork) else (box.kind, end)
        dashed = kind != "state" or end in self.diagram.unreachable
        strong = end == self.diagram.focus and kind == "state"
        named = f' data-state="{html.escape(name)}"' if self.paged and kind == "state" else ""
        yield f'<g class="{kind}"{named}>{_title(name)}'
        yield (
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="12" fill="{colours.card}" '
            f'stroke="{colours.ink if strong else colours.edge}" stroke-width="{2 if strong else 1.5}"'
            + (' stroke-dasharray="5 4"/>' if dashed else "/>")
        )
        if end in self.diagram.final:
            yield (
                f'<rect x="{_n(box.x + 4)}" y="{_n(box.y + 4)}" width="{_n(box.width - 8)}" '
                f'height="{_n(box.height - 8)}" rx="9" fill="none" stroke="{colours.edge}"/>'
            )
        yield from _centred(box, name_lines(name), "name", 18, box.note)
        if self.picture.small:
            yield from _centred(box, _big(name), "big", 30, (), squeezed=self.paged)
        yield "</g>"

    def _legend(self, x: float, y: float) -> Iterator[str]:
        yield '<g class="label legend">'
        for number, (kind, text) in enumerate(ORIGINS.items()):
            line = y + LINE * number + LINE - 4
            yield f'<path d="M{_n(x)} {_n(line - 4)}h18" stroke="{self.palette.events[kind]}" stroke-width="2.6"/>'
            yield f'<text class="{kind}" x="{_n(x + 26)}" y="{_n(line)}">{text}</text>'
        if self.diagram.walked is not None:
            line = y + LINE * len(ORIGINS) + LINE - 4
            yield f'<path d="M{_n(x)} {_n(line - 4)}h18" stroke="{self.palette.edge}" stroke-width="1.2"{_DASHED}/>'
            yield f'<text x="{_n(x + 26)}" y="{_n(line)}">never taken</text>'
        yield "</g>"


def _centred(
    box: Box, lines: list[str], kind: str, step: float, note: tuple[str, ...], *, squeezed: bool = False
) -> Iterator[str]:
    """Lines in the middle of a box, and a note below them. `squeezed`: one that is too long is made to fit."""
    x, height = _n(box.x + box.width / 2), step * len(lines) + 15 * len(note)
    y = box.y + (box.height - height) / 2 + step - step / 4
    for line in lines:
        # A script whose letters have widths of their own is made to fit.
        length = cells(line) * 9 if not line.isascii() else box.width - 12 if squeezed and len(line) > 8 else 0
        fit = f' textLength="{_n(length)}" lengthAdjust="spacingAndGlyphs"' if length else ""
        yield f'<text class="{kind}" x="{x}" y="{_n(y)}" text-anchor="middle"{fit}>{html.escape(line)}</text>'
        y += step
    for line in note:
        yield f'<text class="note" x="{x}" y="{_n(y)}" text-anchor="middle">{html.escape(line)}</text>'
        y += 15


def _big(name: str) -> list[str]:
    """A name for a small picture: broken after an underscore, and without the articles."""
    return name.replace("any open state", "any open").replace("_", "_\n").split("\n")


def _often(times: int | None) -> str:
    return "" if times is None else f" ({times:,} times)"


def _way(points: tuple[Point, ...], colour: str, width: float, looks: str = "") -> Iterator[str]:
    """A line with round corners and a tip."""
    yield f'<path class="way" d="{_path(points)}" fill="none" stroke="{colour}" stroke-width="{width}"{looks}/>'
    tip, (foot, (dx, dy)), half = points[-1], _foot(points), 4.5 + (width - 1.4) / 1.2
    left, right = (foot[0] - dy * half, foot[1] + dx * half), (foot[0] + dy * half, foot[1] - dx * half)
    yield f'<path d="M{_p(tip)}L{_p(left)}L{_p(right)}Z" fill="{colour}"/>'


def _path(points: tuple[Point, ...]) -> str:
    """A line with round corners, up to the foot of its tip."""
    short = (*points[:-1], _foot(points)[0])
    path = f"M{_p(short[0])}"
    for (a, b), c in zip(pairwise(short), (*short[2:], None), strict=True):
        path += f"L{_p(b)}" if c is None else f"L{_p(_towards(b, a))}Q{_p(b)} {_p(_towards(b, c))}"
    return path


def _foot(points: tuple[Point, ...]) -> tuple[Point, tuple[int, int]]:
    """Where a tip begins, and where it points."""
    *_, before, tip = points
    dx, dy = (tip[0] > before[0]) - (tip[0] < before[0]), (tip[1] > before[1]) - (tip[1] < before[1])
    return (tip[0] - dx * _TIP, tip[1] - dy * _TIP), (dx, dy)


def _towards(corner: Point, other: Point) -> Point:
    """Where a line leaves a corner to be round."""
    length = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    part = min(_CORNER, length / 2) / length if length else 0.0
    return corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part


def _p(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(value: float) -> str:
    """A coordinate, as short as it can be."""
    return f"{value:.1f}".removesuffix(".0")


def _title(text: str) -> str:
    return f"<title>{html.escape(printable(text))}</title>"
