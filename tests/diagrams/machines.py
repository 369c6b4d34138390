"""Diagrams to draw: any machine that there could be, with names that there should not be."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from relive.diagrams import Diagram, Rule

HOSTILE = [
    '"quoted" \\',
    "<script>alert(1)</script>",
    "a & b; c # d : e %% f --> g",
    "end note",
    "[*]",
    "]]> <!-- {{x}} | ` ``` $x$ --",
    "שלום עולם",
    "\u202eevil\u202c",
    "名前 🙂",
    "zero\x00, line\nend, tab\t, bell\x07",
    "lone \udc80 surrogate",
    "x" * 90,
    "",
    "fork1",
    "state1",
    "stays",
]

NAMES = st.sampled_from(HOSTILE) | st.text(max_size=12) | st.text("ABC_", min_size=1, max_size=8)


@st.composite
def diagrams(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES, *, counted: bool = False) -> Diagram:
    """Any machine: with states that cannot be reached, without transitions, with many between two states."""
    states = draw(st.lists(names, min_size=1, max_size=7, unique=True))
    state = st.sampled_from(states)
    rule = st.builds(
        Rule,
        sources=st.lists(state, min_size=1, max_size=len(states), unique=True).map(tuple),
        events=st.lists(names, min_size=1, max_size=3, unique=True).map(tuple),
        dest=st.none() | state,
        guard=names,
        actions=st.lists(names.filter(bool), max_size=3).map(tuple),
    )
    diagram = Diagram(
        tuple(states),
        tuple(draw(st.lists(rule, max_size=12))),
        draw(st.none() | state),
        tuple(draw(st.lists(state, max_size=2, unique=True))),
    )
    times = st.sampled_from([0, 1, 8_888, 10_000_000])
    return attrs.evolve(diagram, walked={edge.step: draw(times) for edge in diagram.edges} if counted else None)


PLAIN = st.text("ABC_", min_size=1, max_size=8)
