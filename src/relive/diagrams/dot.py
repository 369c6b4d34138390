"""A diagram as Graphviz text. Colours are those of light paper; the ground is white."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping

from relive.diagrams.arrows import GUARDS, Arrow, Clause, Fork, Options, arrows, counted, origin, worn
from relive.diagrams.colours import LIGHT
from relive.diagrams.model import Diagram
from relive.diagrams.text import printable


def dot(diagram: Diagram, options: Options = GUARDS) -> str:
    """The diagram as Graphviz text."""
    drawn = arrows(diagram, options)
    forks = dict.fromkeys(end for arrow in drawn for end in (arrow.source, arrow.dest) if isinstance(end, Fork))
    names: dict[str | Fork, str] = {name: f"state {number}" for number, name in enumerate(diagram.states, 1)}
    names |= {fork: f"fork {number}" for number, fork in enumerate(forks, 1)}
    return "\n".join(["digraph {", *(f"  {line};" for line in _lines(diagram, drawn, names)), "}"]) + "\n"


def _lines(diagram: Diagram, drawn: tuple[Arrow, ...], names: Mapping[str | Fork, str]) -> Iterator[str]:
    across = "TB" if diagram.focus is None else "LR"
    yield f'graph [bgcolor=white, rankdir={across}, nodesep=0.5, ranksep=0.9, fontname="sans-serif"]'
    yield 'node [shape=box, style=rounded, fontname="sans-serif", fontsize=13]'
    yield 'edge [fontname="monospace", fontsize=10]'
    lost = diagram.unreachable
    for end, name in names.items():
        if isinstance(end, str):
            looks = ", peripheries=2" if end in diagram.final else ""
            looks += ', style="rounded,dashed"' if end in lost else ""
            yield f'"{name}" [label=<{html.escape(printable(end))}>{looks}]'
        elif end.name:
            yield f'"{name}" [label=<{end.name}>, style="rounded,dashed"]'
        else:
            yield f'"{name}" [label="", shape=diamond, width=0.25, height=0.25, style=filled, fillcolor="#57606a"]'
    if diagram.initial is not None:
        yield '"begin" [label="", shape=circle, width=0.15, style=filled, fillcolor=black]'
        yield f'"begin" -> "{names[diagram.initial]}"'
    for arrow in drawn:
        lines = [f"&#160;{_clause(diagram, clause)}" for clause in arrow.clauses if clause.ways]
        label = "".join(f'{line}<br align="left"/>' for line in lines)
        if arrow.stays:
            yield f'"stays" [label=<nothing changes on<br align="left"/>{label}>, shape=note, style="", fontsize=10]'
            yield f'"{names[arrow.source]}" -> "stays" [style=dotted, dir=none]'
        else:
            written = f"label=<{label}>" if label else 'label=""'
            colour = LIGHT.events[origin(diagram, arrow)]
            looks = f'{written}, color="{colour}"{_worn(diagram, arrow)}'
            yield f'"{names[arrow.source]}" -> "{names[arrow.dest]}" [{looks}]'


def _worn(diagram: Diagram, arrow: Arrow) -> str:
    """How a line looks that was taken so often; nothing where nobody counted."""
    times = diagram.times(arrow.edges)
    if times is None:
        return ""
    return f", penwidth={worn(times)}" if times else ", style=dashed"


def _clause(diagram: Diagram, clause: Clause) -> str:
    events = ", ".join(
        f'<font color="{LIGHT.events[diagram.origin(event)]}">{html.escape(printable(event))}</font>{counted(times)}'
        for event, times in clause.told
    )
    return (events + html.escape(clause.outcome)).strip()
