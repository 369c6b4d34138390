"""The picture of one state: a stem with a branch for each state that it leads to."""

from __future__ import annotations

from typing import Final

import attrs

from relive.diagrams.arrows import Arrow
from relive.diagrams.model import Diagram
from relive.diagrams.picture import NAME_CELL, Box, Picture, Stroke, label, name_lines
from relive.diagrams.text import cells

_COLUMNS: Final = 46
_STEM: Final = 44.0
_TOP: Final = 16.0
_GAP: Final = 14.0


def view(diagram: Diagram, drawn: tuple[Arrow, ...]) -> Picture:
    """The picture of what can happen in the diagram's focus."""
    focus = diagram.focus or ""
    root = _box(focus, 16, _TOP)
    boxes, strokes = [root], list[Stroke]()
    left = _STEM + 14
    right = max([label(arrow.clauses, left, 0, _COLUMNS).width for arrow in drawn], default=0) + left + 34
    y = root.y + root.height + 12
    for arrow in sorted(drawn, key=lambda arrow: arrow.stays):
        text = label(arrow.clauses, left, y, _COLUMNS)
        dest = _dest(arrow, focus, right)
        line = y + max(text.height + 5, dest.height / 2)
        boxes.append(attrs.evolve(dest, y=line - dest.height / 2))
        points = (_STEM, root.y + root.height), (_STEM, line), (right, line)
        strokes.append(Stroke((arrow,), points, attrs.evolve(text, y=line - 5 - text.height)))
        y = line + dest.height / 2 + _GAP
    width = max(box.x + box.width for box in boxes) + 16
    return Picture(width, y + 4, tuple(boxes), tuple(strokes))


def _dest(arrow: Arrow, focus: str, x: float) -> Box:
    if arrow.stays:
        return attrs.evolve(_box(focus, x, 0, "as before"), kind="unchanged")
    if arrow.dest == focus:
        return attrs.evolve(_box(focus, x, 0, "entered anew"), kind="again")
    return _box(str(arrow.dest), x, 0)


def _box(name: str, x: float, y: float, *note: str) -> Box:
    lines = name_lines(name)
    width = max(90.0, max(cells(line) for line in (*lines, *note)) * NAME_CELL + 28)
    return Box(name, x, y, width, 22.0 + 18 * len(lines) + 14 * len(note), note)
