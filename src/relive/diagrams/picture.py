"""A picture before it is written down: boxes, strokes and labels with their places, in pixels.

A layout (`relive.diagrams.lifecycle`, `.view`, `.ladder`) makes one of a diagram, `relive.diagrams.svg` writes it. All
text is set in a monospaced font, so that its width is known without any font at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import attrs

from relive.diagrams.arrows import Arrow, Clause, Fork, counted
from relive.diagrams.text import cells, chopped, printable

CELL: Final = 7.55
"Width of a character of a label; no common monospaced font is wider at that size."
LINE: Final = 16.0
NAME_CELL: Final = 9.2
"Width of a character of a state's name."

Point = tuple[float, float]


@attrs.frozen
class Word:
    """What is not broken across lines."""

    text: str
    event: str | None = None
    "The event that it names; None for guards and orders."
    times: str = ""
    "How often that led here; written behind it."

    @property
    def width(self) -> int:
        """In columns."""
        return cells(self.text) + (1 + cells(self.times) if self.times else 0)


@attrs.frozen
class Label:
    """What is written at a stroke: for each clause its lines."""

    x: float
    y: float
    "Of the upper left corner."
    clauses: tuple[tuple[tuple[Word, ...], ...], ...]

    @property
    def width(self) -> float:
        """Of the longest line."""
        return max((_width(line) for clause in self.clauses for line in clause), default=0) * CELL

    @property
    def height(self) -> float:
        """Of all lines."""
        return sum(len(clause) for clause in self.clauses) * LINE


@attrs.frozen
class Box:
    """A state, or a fork."""

    end: str | Fork
    x: float
    y: float
    width: float
    height: float
    note: tuple[str, ...] = ()
    "What the state means, in a few words."
    kind: Literal["state", "unchanged", "again"] = "state"
    "Whether it is a state seen for a second time, because an arrow leads back to where it began."


@attrs.frozen
class Stroke:
    """An arrow, or several that say the same, with its way and its label."""

    arrows: tuple[Arrow, ...]
    points: tuple[Point, ...]
    "Only the last is a tip. Each lies right of, left of, above or below the one before."
    label: Label | None
    main: bool = False
    "An ordinary life takes it."


@attrs.frozen
class Frame:
    """A line around states that have something in common."""

    x: float
    y: float
    width: float
    height: float
    text: str
    text_at: Point


@attrs.frozen
class Picture:
    """All of it."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    strokes: tuple[Stroke, ...]
    begin: tuple[Point, ...] = ()
    "The way from the dot to the first state."
    frames: tuple[Frame, ...] = ()
    legend: Point | None = None
    small: bool = False
    "It can also be seen on a phone, with larger names and no labels."


def label(clauses: tuple[Clause, ...], x: float, y: float, columns: int) -> Label:
    """Clauses, broken into lines of at most so many columns."""
    return Label(x, y, tuple(tuple(_wrapped(clause, columns)) for clause in clauses if str(clause)))


def name_lines(name: str, columns: int = 24) -> list[str]:
    """The name of a state, in lines of at most so many columns."""
    return chopped(printable(name), columns)


def _wrapped(clause: Clause, columns: int) -> Iterator[tuple[Word, ...]]:
    line: list[Word] = []
    for word in _words(clause, columns):
        if line and (_width((*line, word)) > columns or line[-1].text.endswith(";")):
            yield tuple(line)
            line = []
        line.append(word)
    yield tuple(line)


def _words(clause: Clause, columns: int) -> Iterator[Word]:
    """The words of `str(clause)`, none of them longer than a line."""
    for number, (event, times) in enumerate(clause.told, 1):
        often, comma = counted(times).strip(), "," if number < len(clause.events) else ""
        *pieces, last = chopped(printable(event) + ("" if often else comma), columns)
        yield from (Word(piece, event) for piece in pieces)
        if often and cells(last) + 1 + cells(often + comma) <= columns:
            yield Word(last, event, often + comma)
        else:
            yield Word(last, event)
            yield from (Word(piece) for piece in (often + comma,) if often)
    for number, way in enumerate(clause.ways, 1):
        # A bar does not begin a line, and a slash does not end one.
        often = counted(clause.times[0]) if not clause.events and number == len(clause.ways) else ""
        said = f"{way}{';' if number < len(clause.ways) else often}"
        for word in said.replace(" |", "\0|").replace("/ ", "/\0").split():
            yield from (Word(piece) for piece in chopped(word.replace("\0", " "), columns))


def _width(line: tuple[Word, ...]) -> int:
    return sum(word.width for word in line) + len(line) - 1
