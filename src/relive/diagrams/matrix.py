"""A diagram as a Markdown table: what each state makes of each event. Rows are events, for there are more of them."""

from __future__ import annotations

import html
import re
from typing import Final

from relive.diagrams.arrows import ELSE, GUARDS, Options, counted
from relive.diagrams.model import ORIGINS, Diagram, Edge
from relive.diagrams.text import printable

NEVER: Final = "✗"
STAYS: Final = "stays"
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]()#+!|~$@:-])")


def matrix(diagram: Diagram, options: Options = GUARDS) -> str:
    """The diagram as a Markdown table: destination and guard, in the order in which guards are asked, or ✗."""
    cells: dict[tuple[str, str], list[Edge]] = {}
    for edge in diagram.edges:
        cells.setdefault((edge.source, edge.event), []).append(edge)
    states = (diagram.focus,) if diagram.focus is not None else diagram.states
    events = [event for origin in ORIGINS for event in diagram.events if diagram.origin(event) == origin]
    rows = [
        ["event", "from", *(_plain(state) for state in states)],
        ["---"] * (len(states) + 2),
        *(
            [
                _plain(event),
                diagram.origin(event),
                *(_cell(diagram, cells.get((state, event), []), options) for state in states),
            ]
            for event in events
        ),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(diagram: Diagram, edges: list[Edge], options: Options) -> str:
    """One state and one event."""
    if not edges:
        return NEVER
    said: list[str] = []
    for edge in edges:
        guard = edge.guard or (ELSE if len(edges) > 1 else "")
        text = _plain(edge.dest) if edge.dest is not None else STAYS
        if guard and options.guards:
            text += f" \\[{_plain(guard)}\\]"
        if edge.actions and options.orders:
            text += f" / {', '.join(_plain(action) for action in edge.actions)}"
        said.append(text)
    # Nobody counts by guards: what several of them lead to is counted once, behind the last.
    last = {edge.step: place for place, edge in enumerate(edges)}
    for place, edge in enumerate(edges):
        said[place] += counted(diagram.times([edge])) if last[edge.step] == place else ""
    return "<br>".join(dict.fromkeys(said))


def _plain(name: str) -> str:
    """A name that means nothing to Markdown nor to HTML. An underscore within a word is harmless, and stays legible."""
    escaped = re.sub(r"\\_(?=\w)", "_", _MARKUP.sub(r"\\\1", html.escape(printable(name), quote=False)))
    return re.sub(r"\\([()])", r"\1", escaped)
