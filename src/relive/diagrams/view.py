"""The picture of one state: a stem with a branch for each state that it leads to."""

from __future__ import annotations

from typing import Final

from relive.diagrams.arrows import Arrow, Fork
from relive.diagrams.model import Diagram
from relive.diagrams.picture import NAME_CELL, Box, Picture, Stroke, label, name_lines
from relive.diagrams.text import cells

_COLUMNS: Final = 46
_STEM: Final = 44.0
_TOP: Final = 16.0
_GAP: Final = 22.0


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
        dest = _box(arrow.dest, right, 0, faint=arrow.stays)
        line = y + max(text.height + 5, dest.height / 2)
        text = label(arrow.clauses, left, line - 5 - text.height, _COLUMNS)
        boxes.append(_box(arrow.dest, right, line - dest.height / 2, faint=arrow.stays))
        strokes.append(Stroke((arrow,), ((_STEM, root.y + root.height), (_STEM, line), (right, line)), text))
        y = line + dest.height / 2 + _GAP - 8
    width = max(box.x + box.width for box in boxes) + 16
    return Picture(width, y + 4, tuple(boxes), tuple(strokes))


def _box(end: str | Fork, x: float, y: float, *, faint: bool = False) -> Box:
    lines = name_lines(end if isinstance(end, str) else end.name)
    note = ("as before",) if faint else ()
    width = max(90.0, max(cells(line) for line in lines) * NAME_CELL + 28)
    return Box(end, x, y, width, 22.0 + 18 * len(lines) + 14 * len(note), note, faint)
