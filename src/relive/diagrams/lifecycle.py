"""The picture of our own table, with every place declared.

It fits one set of arrows. If the table changes so that it leads elsewhere, or an embedder adds states, it does not fit,
and `relive.diagrams.ladder` draws instead.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from relive.diagrams.arrows import Arrow, Clause, Fork
from relive.diagrams.model import Diagram
from relive.diagrams.picture import Box, Frame, Label, Picture, Point, Stroke, label

_LOST: Final = "fork"
_ANY: Final = "any"

_Corner: TypeAlias = tuple[int, int]

_BOXES: Final[dict[str, tuple[float, float, float, float, tuple[str, ...]]]] = {
    "IDLE": (345, 85, 160, 60, ("nothing is open yet",)),
    "WAITING": (15, 335, 150, 110, ("between two", "attempts")),
    "CONNECTING": (345, 335, 160, 110, ("a fresh session", "is being opened")),
    "RESUMING": (675, 335, 160, 110, ("opening again,", "with a handle")),
    "HANDLE_EXPIRED": (1025, 335, 160, 110, ("no way back: the", "application is asked")),
    "ACTIVE": (345, 640, 160, 90, ("frames flow",)),
    "DRAINING": (675, 640, 160, 90, ("doomed; frames", "still flow")),
    "CLOSED": (60, 925, 160, 70, ("we ended it",)),
    "FAILED": (510, 925, 160, 70, ("given up,", "with an error")),
    _LOST: (581, 806, 18, 18, ()),
    _ANY: (60, 837, 160, 36, ()),
}
_FOOT: Final = (0, 1)
"Above a line."
_END: Final = (1, 0)
"Left of a line."
_FRAMES: Final = (
    Frame(330, 300, 520, 160, "a connection is being opened", (500, 323)),
    Frame(330, 615, 520, 130, "a connection is up", (520, 732)),
)


@attrs.frozen
class _Route:
    sources: tuple[str, ...]
    dest: str
    points: tuple[Point, ...]
    label: tuple[float, float, int]
    "A corner, and columns."
    corner: _Corner = (0, 0)
    "Which corner: whether its right one, and its lower one."
    main: bool = False


_ROUTES: Final = (
    _Route(("IDLE",), "CONNECTING", ((390, 145), (390, 335)), (384, 152, 24), _END, main=True),
    _Route(("IDLE",), "RESUMING", ((505, 130), (800, 130), (800, 335)), (520, 136, 38)),
    _Route(("IDLE",), "HANDLE_EXPIRED", ((505, 100), (1095, 100), (1095, 335)), (520, 97, 46), _FOOT),
    _Route(("CONNECTING", "RESUMING"), "WAITING", ((330, 378), (165, 378)), (172, 374, 20), _FOOT),
    _Route(
        ("CONNECTING", "RESUMING"), "FAILED", ((330, 452), (300, 452), (300, 960), (510, 960)), (308, 956, 24), _FOOT
    ),
    _Route(("CONNECTING",), "ACTIVE", ((390, 445), (390, 640)), (397, 515, 20), main=True),
    _Route(("CONNECTING",), "RESUMING", ((505, 390), (675, 390)), (513, 387, 20), _FOOT),
    _Route(
        ("CONNECTING",), "HANDLE_EXPIRED", ((490, 335), (490, 275), (1040, 275), (1040, 335)), (500, 272, 20), _FOOT
    ),
    _Route(("RESUMING",), "ACTIVE", ((730, 445), (730, 570), (450, 570), (450, 640)), (510, 567, 24), _FOOT, main=True),
    _Route(("RESUMING",), "HANDLE_EXPIRED", ((835, 368), (1025, 368)), (858, 365, 20), _FOOT),
    _Route(("WAITING",), "CONNECTING", ((165, 410), (345, 410)), (172, 407, 20), _FOOT),
    _Route(("WAITING",), "RESUMING", ((125, 335), (125, 215), (710, 215), (710, 335)), (133, 212, 24), _FOOT),
    _Route(("WAITING",), "HANDLE_EXPIRED", ((40, 335), (40, 20), (1165, 20), (1165, 335)), (50, 24, 24)),
    _Route(("HANDLE_EXPIRED",), "WAITING", ((1130, 335), (1130, 54), (80, 54), (80, 335)), (830, 51, 40), _FOOT),
    _Route(
        ("HANDLE_EXPIRED",), "CONNECTING", ((1065, 335), (1065, 235), (450, 235), (450, 335)), (812, 232, 31), _FOOT
    ),
    _Route(("HANDLE_EXPIRED",), "RESUMING", ((1025, 412), (835, 412)), (858, 409, 20), _FOOT),
    _Route(("HANDLE_EXPIRED",), "FAILED", ((1165, 445), (1165, 960), (670, 960)), (760, 958, 30), _FOOT),
    _Route(("ACTIVE",), "DRAINING", ((505, 690), (675, 690)), (513, 687, 20), _FOOT, main=True),
    _Route(("DRAINING",), "CONNECTING", ((700, 640), (700, 510), (470, 510), (470, 445)), (490, 507, 20), _FOOT),
    _Route(("DRAINING",), "RESUMING", ((800, 640), (800, 445)), (808, 500, 22), main=True),
    _Route(("DRAINING",), "HANDLE_EXPIRED", ((835, 685), (1060, 685), (1060, 445)), (857, 682, 16), _FOOT),
    _Route(("ACTIVE", "DRAINING"), _LOST, ((590, 745), (590, 803)), (598, 751, 25)),
    _Route((_LOST,), "FAILED", ((590, 827), (590, 925)), (598, 862, 30)),
    _Route((_LOST,), "WAITING", ((578, 815), (95, 815), (95, 445)), (105, 812, 20), _FOOT),
    _Route((_LOST,), "CONNECTING", ((578, 815), (255, 815), (255, 434), (345, 434)), (251, 600, 20), _END),
    _Route((_LOST,), "RESUMING", ((602, 815), (985, 815), (985, 434), (835, 434)), (982, 575, 20), _END),
    _Route((_LOST,), "HANDLE_EXPIRED", ((602, 815), (1125, 815), (1125, 445)), (993, 760, 18)),
    _Route((_ANY,), "CLOSED", ((140, 873), (140, 925)), (148, 889, 20)),
)


def lifecycle(diagram: Diagram, drawn: tuple[Arrow, ...]) -> Picture | None:
    """The picture, if these are the arrows that it was made for and they leave room for each other; else None."""
    arrows = {(_name(arrow.source), _name(arrow.dest)): arrow for arrow in drawn}
    routed = [(source, route.dest) for route in _ROUTES for source in route.sources]
    ends = {_name(end): end for arrow in drawn for end in (arrow.source, arrow.dest)}
    if len(arrows) != len(drawn) or set(arrows) != set(routed) or diagram.initial != "IDLE":
        return None
    strokes: list[Stroke] = []
    for route in _ROUTES:
        told = tuple(arrows[source, route.dest] for source in route.sources)
        clauses, *others = (arrow.clauses for arrow in told)
        for also in others:
            if not all(map(Clause.like, clauses, also)) or len(also) != len(clauses):
                return None
            clauses = tuple(map(Clause.along, clauses, also))
        strokes.append(Stroke(told, route.points, _placed(clauses, route), route.main))
    labels = [stroke.label for stroke in strokes if stroke.label is not None]
    if any(_overlap(one, other) for one in labels for other in labels if one is not other):
        return None
    boxes = tuple(Box(ends[name], x, y, w, h, note) for name, (x, y, w, h, note) in _BOXES.items())
    return Picture(1200, 1015, boxes, tuple(strokes), ((300, 115), (345, 115)), _FRAMES, legend=(905, 838), small=True)


def _placed(clauses: tuple[Clause, ...], route: _Route) -> Label:
    x, y, columns = route.label
    (right, lower), text = route.corner, label(clauses, x, y, columns)
    return attrs.evolve(text, x=x - right * text.width, y=y - lower * text.height)


def _name(end: str | Fork) -> str:
    if isinstance(end, str):
        return end
    return _ANY if end.name else _LOST


def _overlap(one: Label, other: Label) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height
