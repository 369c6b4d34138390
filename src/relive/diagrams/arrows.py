"""Arrows: rules gathered so that as few lines as possible say all of them.

- What every open state answers in the same way is one arrow, from a node of its own: *any open state*.
- Rules for the same states and the same events meet in a fork, if that saves arrows: every state leads to it on those
  events, and the guards part there.
- All else that leads from one state to another is one arrow, with a clause for each way of being taken.

What changes nothing has no arrow in the picture of a whole machine; in the view of a state it has one to that state.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log10
from typing import Final, TypeAlias

import attrs

from relive.diagrams.model import Diagram, Edge, Origin
from relive.diagrams.text import printable

ELSE: Final = "else"
"Stands for a guard that always agrees, where others are asked before."


@attrs.frozen
class Options:
    """What is shown of a rule besides its event."""

    guards: bool = True
    orders: bool = False


_Outcome: TypeAlias = tuple[str, tuple[str, ...]]
"A guard, and orders."
_Told: TypeAlias = tuple[str | None, _Outcome, Edge]
"What an arrow has to say: an event, None behind a fork, and what comes of it; and the edge that it is taken from."

GUARDS: Final = Options()
"What a picture of a whole machine has room for."


@attrs.frozen
class Way:
    """One outcome: the guards that lead to it, and what is done then."""

    guards: tuple[str, ...] = ()
    "Empty if none is asked, or none is shown."
    actions: tuple[str, ...] = ()

    def __str__(self) -> str:
        asked = f" [{' | '.join(map(printable, self.guards))}]" if self.guards else ""
        return asked + (f" / {', '.join(map(printable, self.actions))}" if self.actions else "")


@attrs.frozen
class Clause:
    """Events that are answered in the same ways."""

    events: tuple[str, ...]
    "Empty behind a fork, where the event is known."
    ways: tuple[Way, ...]
    times: tuple[int | None, ...]
    "How often each of them led here; behind a fork, how often any did. None where nobody counted."

    def __str__(self) -> str:
        said = ", ".join(printable(event) + counted(times) for event, times in self.told)
        return (said + self.outcome).strip()

    @property
    def told(self) -> Iterator[tuple[str, int | None]]:
        """Each event, and how often it led here. Behind a fork there is none."""
        return zip(self.events, self.times, strict=False)

    @property
    def outcome(self) -> str:
        """What is written behind the events."""
        return ";".join(str(way) for way in self.ways) + ("" if self.events else counted(self.times[0]))

    def like(self, other: Clause) -> bool:
        """Whether they say the same, however often."""
        return (self.events, self.ways) == (other.events, other.ways)

    def along(self, other: Clause) -> Clause:
        """One like it and this, said of two arrows at once."""
        pairs = zip(self.times, other.times, strict=True)
        return attrs.evolve(self, times=tuple(None if a is None or b is None else a + b for a, b in pairs))


def worn(times: int) -> float:
    """How wide the line of a way is that was taken so often: it grows by half with each power of ten."""
    return round(1.4 + 0.5 * log10(times), 1)


def counted(times: int | None) -> str:
    """How often, to be written behind a name: `` ×12``, `` never``; nothing where nobody counted."""
    if times is None:
        return ""
    if not times:
        return " never"
    if times < 10_000:
        return f" ×{times:,}"
    few, unit = (times / 1e3, "k") if times < 999_500 else (times / 1e6, "M")
    return f" ×{few:.1f}{unit}" if few < 99.95 else f" ×{few:.0f}{unit}"


@attrs.frozen
class Fork:
    """A node that stands for several states."""

    sources: tuple[str, ...]
    events: tuple[str, ...] = ()
    "On which they lead here. Empty: it stands for them whatever happens, and no arrow leads to it."
    name: str = ""
    "Empty if a dot is enough."


@attrs.frozen
class Arrow:
    """From a state or a fork to another."""

    source: str | Fork
    dest: str | Fork
    clauses: tuple[Clause, ...]
    edges: tuple[Edge, ...]
    "All that it stands for."
    stays: bool = False
    "Says what changes nothing."


def arrows(diagram: Diagram, options: Options) -> tuple[Arrow, ...]:
    """The arrows of a diagram, by where they begin and end, in the order of its states."""
    rivals: dict[tuple[str, str], set[str]] = {}
    for edge in diagram.edges:
        rivals.setdefault((edge.source, edge.event), set()).add(edge.guard)
    everywhere = _everywhere(diagram)
    anywhere = Fork(diagram.open, name="any open state" if diagram.final else "any state")
    forks = _forks(diagram, everywhere)
    found: dict[tuple[str | Fork, str | Fork, bool], list[_Told]] = {}
    for rule in diagram.rules:
        fork = forks.get((rule.sources, rule.events))
        for edge in rule.edges:
            guard = edge.guard or (ELSE if len(rivals[edge.source, edge.event]) > 1 else "")
            told = edge.event, (guard, edge.actions), edge
            if edge.dest is None:
                if diagram.focus is not None:
                    found.setdefault((edge.source, edge.source, True), []).append(told)
            elif attrs.evolve(edge, source="") in everywhere and edge.source in diagram.open:
                found.setdefault((anywhere, edge.dest, False), []).append(told)
            elif fork is not None:
                found.setdefault((edge.source, fork, False), []).append((edge.event, ("", ()), edge))
                found.setdefault((fork, edge.dest, False), []).append((None, told[1], edge))
            else:
                found.setdefault((edge.source, edge.dest, False), []).append(told)
    drawn = [
        Arrow(
            source,
            dest,
            tuple(_clauses(diagram, told, options)),
            tuple(dict.fromkeys(edge for _, _, edge in told)),
            stays,
        )
        for (source, dest, stays), told in found.items()
    ]
    place: dict[str | Fork, int] = {state: number for number, state in enumerate(diagram.states)}
    last = len(place)
    return tuple(sorted(drawn, key=lambda arrow: (place.get(arrow.source, last), place.get(arrow.dest, last))))


def _everywhere(diagram: Diagram) -> set[Edge]:
    """What every open state answers in the same way, as edges from nowhere. Of one or two states it is not worth it."""
    sources: dict[Edge, set[str]] = {}
    for edge in diagram.edges:
        if edge.dest is not None:
            sources.setdefault(attrs.evolve(edge, source=""), set()).add(edge.source)
    return {edge for edge, found in sources.items() if len(diagram.open) > 2 and found.issuperset(diagram.open)}


def _forks(diagram: Diagram, everywhere: set[Edge]) -> dict[tuple[tuple[str, ...], tuple[str, ...]], Fork]:
    """For sources and events with so many destinations that a fork saves arrows, that fork."""
    dests: dict[tuple[tuple[str, ...], tuple[str, ...]], set[str]] = {}
    for rule in diagram.rules:
        if rule.dest is not None and not any(attrs.evolve(edge, source="") in everywhere for edge in rule.edges):
            dests.setdefault((rule.sources, rule.events), set()).add(rule.dest)
    return {
        (sources, events): Fork(sources, events)
        for (sources, events), found in dests.items()
        if len(sources) * len(found) > len(sources) + len(found)
    }


def _clauses(diagram: Diagram, told: list[_Told], options: Options) -> Iterator[Clause]:
    """What is written at an arrow: events that are answered in the same ways are named together."""
    outcomes: dict[str | None, dict[_Outcome, None]] = {}
    edges: dict[str | None, list[Edge]] = {}
    for event, outcome, edge in told:
        outcomes.setdefault(event, {})[outcome] = None
        edges.setdefault(event, []).append(edge)
    together: dict[tuple[Way, ...], list[str | None]] = {}
    for event, ways in outcomes.items():
        guards: dict[tuple[str, ...], list[str]] = {}
        for guard, actions in ways:
            asked = guards.setdefault(actions if options.orders else (), [])
            if guard and options.guards:
                asked.append(guard)
        shown = tuple(Way(tuple(asked), actions) for actions, asked in guards.items())
        together.setdefault(shown, []).append(event)
    for ways, events in together.items():
        times = tuple(diagram.times(edges[event]) for event in events)
        yield Clause(tuple(event for event in events if event is not None), ways, times)


def origin(diagram: Diagram, arrow: Arrow) -> Origin:
    """Where the first of an arrow's events comes from."""
    return diagram.origin(arrow.edges[0].event)
