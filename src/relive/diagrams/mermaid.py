"""A diagram as Mermaid text: ``stateDiagram-v2``, from top to bottom.

That grammar cannot colour an arrow, and nobody knows the ground that a text will have. So each event has a mark in the
colour of where it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from relive.diagrams.arrows import GUARDS, Arrow, Clause, Fork, Options, arrows, counted
from relive.diagrams.colours import MARKS
from relive.diagrams.model import Diagram
from relive.diagrams.text import printable

# What a state may be called in the text itself. Words of the grammar are lower case; `fork1` and `state1` are ours.
_PLAIN: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_SAFE: Final = re.compile(r"[^\w ,()\[\]|/.-]")


def mermaid(diagram: Diagram, options: Options = GUARDS) -> str:
    """The diagram as Mermaid text."""
    drawn = arrows(diagram, options)
    forks = dict.fromkeys(end for arrow in drawn for end in (arrow.source, arrow.dest) if isinstance(end, Fork))
    names: dict[str | Fork, str] = {
        name: name if _PLAIN.fullmatch(name) else f"state{number}" for number, name in enumerate(diagram.states, 1)
    }
    names |= {fork: f"fork{number}" for number, fork in enumerate(forks, 1)}
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in _lines(diagram, drawn, names))]) + "\n"


def _lines(diagram: Diagram, drawn: tuple[Arrow, ...], names: Mapping[str | Fork, str]) -> Iterator[str]:
    yield "direction TB"
    for end, name in names.items():
        if isinstance(end, str):
            yield f'state "{_escaped(printable(end))}" as {name}'
        elif end.name:
            yield f'state "{end.name}" as {name}'
        else:
            yield f"state {name} <<choice>>"
    if diagram.initial is not None:
        yield f"[*] --> {names[diagram.initial]}"
    for arrow in drawn:
        if not arrow.stays:
            label = "<br/>".join(_clause(diagram, clause) for clause in arrow.clauses)
            yield f"{names[arrow.source]} --> {names[arrow.dest]}" + (f" : {label}" if label else "")
    for arrow in drawn:
        if arrow.stays:
            yield f"note right of {names[arrow.source]}"
            yield "    nothing changes on"
            yield from (f"    {_clause(diagram, clause)}" for clause in arrow.clauses)
            yield "end note"
    yield from (f"{names[state]} --> [*]" for state in diagram.final if diagram.focus is None)
    if dashed := [*diagram.unreachable, *(fork for fork in names if isinstance(fork, Fork) and fork.name)]:
        yield "classDef dashed stroke-dasharray: 4 3"
        yield from (f"class {names[end]} dashed" for end in dashed)


def _clause(diagram: Diagram, clause: Clause) -> str:
    events = ", ".join(
        f"<font color={MARKS[diagram.origin(event)]}>●</font>#160;{_escaped(printable(event) + counted(times))}"
        for event, times in clause.told
    )
    return (events + _escaped(clause.outcome)).strip()


def _escaped(text: str) -> str:
    """Text that means nothing to Mermaid: what is neither a letter nor harmless is written as an entity."""
    return _SAFE.sub(lambda found: f"#{ord(found.group())};", text)
