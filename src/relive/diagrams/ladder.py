"""The picture of any machine: its states one below the other, nearest to the beginning first.

Each arrow has a rung of its own at both ends, and a lane on the right; labels stand between states and lanes. So
nothing can overlap, whatever the machine is.
"""

from __future__ import annotations

from typing import Final

from relive.diagrams.arrows import Arrow, Fork
from relive.diagrams.model import Diagram
from relive.diagrams.picture import LINE, NAME_CELL, Box, Label, Picture, Stroke, label, name_lines
from relive.diagrams.text import cells

_COLUMNS: Final = 44
_LEFT: Final = 40.0
_LANE: Final = 11.0
_RUNG: Final = 14.0


def ladder(diagram: Diagram, drawn: tuple[Arrow, ...]) -> Picture:
    """A picture of the whole machine."""
    ends = _ranked(diagram, drawn)
    named = [name_lines(_name(end)) for end in ends]
    width = max([90.0, *(max(cells(line) for line in lines) * NAME_CELL + 28 for lines in named)])
    edge = _LEFT + width
    boxes: list[Box] = []
    leaves: dict[Arrow, Label] = {}
    comes: dict[Arrow, float] = {}
    y = 16.0
    for end, lines in zip(ends, named, strict=True):
        top, y = y, y + 10
        for arrow in drawn:
            if arrow.dest == end:
                comes[arrow] = y + 4
                y += _RUNG
            if arrow.source == end:
                leaves[arrow] = label(arrow.clauses, edge + 12, y, _COLUMNS)
                y += max(leaves[arrow].height, LINE / 2) + _RUNG
        y = max(y + 4, top + 22 + 18 * len(lines))
        bar = isinstance(end, Fork) and not end.name
        boxes.append(Box(end, edge - 10 if bar else _LEFT, top, 10 if bar else width, y - top))
        y += 24
    first = edge + 30 + max([text.width for text in leaves.values()], default=0)
    strokes: list[Stroke] = []
    taken: list[list[tuple[float, float]]] = []
    for arrow in sorted(drawn, key=lambda one: abs(leaves[one].y - comes[one])):
        out, back = leaves[arrow].y + max(leaves[arrow].height, LINE / 2) + 4, comes[arrow]
        low, high = sorted((out, back))
        lane = next((n for n, used in enumerate(taken) if all(high < a or b < low for a, b in used)), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low - 6, high + 6))
        x = first + lane * _LANE
        strokes.append(Stroke((arrow,), ((edge, out), (x, out), (x, back), (edge, back)), leaves[arrow]))
    at = next((box for box in boxes if box.end == diagram.initial), None)
    begin = ((_LEFT - 24, at.y + 18), (_LEFT, at.y + 18)) if at is not None else ()
    return Picture(first + len(taken) * _LANE + 8, y - 8, tuple(boxes), tuple(strokes), begin)


def _ranked(diagram: Diagram, drawn: tuple[Arrow, ...]) -> list[str | Fork]:
    """States and forks, breadth first from the beginning; then those that no way leads to."""
    ways: dict[str | Fork, list[str | Fork]] = {}
    for arrow in drawn:
        ways.setdefault(arrow.source, []).append(arrow.dest)
    every = dict.fromkeys([*diagram.states, *ways])
    ranked: list[str | Fork] = [diagram.initial if diagram.initial is not None else diagram.states[0]]
    seen = set(ranked)
    for end in ranked:
        new = [dest for dest in dict.fromkeys(ways.get(end, ())) if dest not in seen]
        ranked += new
        seen.update(new)
    rest = [end for end in every if end not in seen]
    last = [end for end in ranked if end in diagram.final]
    return [end for end in (*ranked, *rest) if end not in last] + last


def _name(end: str | Fork) -> str:
    return end if isinstance(end, str) else end.name
