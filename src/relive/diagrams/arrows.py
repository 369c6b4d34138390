"""Arrows: rules gathered so that as few lines as possible say all of them.

- What every open state answers in the same way is one arrow, from a node of its own: *any open state*.
- Rules for the same states and the same events meet in a fork, if that saves arrows: every state leads to it on those
  events, and the guards part there.
- All else that leads from one state to another is one arrow, with a clause for each way of being taken.

What changes nothing has no arrow in the picture of a whole machine; in the view of a state it has one to that state.
"""

from __future__ import annotations

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

    def __str__(self) -> str:
        return (", ".join(map(printable, self.events)) + self.outcome).strip()

    @property
    def outcome(self) -> str:
        """What is written behind the events."""
        return ";".join(str(way) for way in self.ways)


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
    stays: bool = False
    "Says what changes nothing."


def arrows(diagram: Diagram, options: Options) -> tuple[Arrow, ...]:
    """The arrows of a diagram, by where they begin, in the order of its states."""
    rivals: dict[tuple[str, str], set[str]] = {}
    for edge in diagram.edges:
        rivals.setdefault((edge.source, edge.event), set()).add(edge.guard)
    everywhere = _everywhere(diagram)
    anywhere = Fork(diagram.open, name="any open state" if diagram.final else "any state")
    forks = _forks(diagram, everywhere)
    found: dict[tuple[str | Fork, str | Fork, bool], dict[str, dict[_Outcome, None]]] = {}

    def note(source: str | Fork, dest: str | Fork, event: str, outcome: _Outcome = ("", ())) -> None:
        found.setdefault((source, dest, False), {}).setdefault(event, {})[outcome] = None

    for rule in diagram.rules:
        fork = forks.get((rule.sources, rule.events))
        for edge in rule.edges:
            guard = edge.guard or (ELSE if len(rivals[edge.source, edge.event]) > 1 else "")
            outcome = guard, edge.actions
            if edge.dest is None:
                if diagram.focus is not None:
                    told = found.setdefault((edge.source, edge.source, True), {})
                    told.setdefault(edge.event, {})[outcome] = None
            elif attrs.evolve(edge, source="") in everywhere and edge.source in diagram.open:
                note(anywhere, edge.dest, edge.event, outcome)
            elif fork is not None:
                note(edge.source, fork, edge.event)
                note(fork, edge.dest, "", outcome)
            else:
                note(edge.source, edge.dest, edge.event, outcome)
    drawn = [Arrow(source, dest, _clauses(told, options), stays) for (source, dest, stays), told in found.items()]
    place = {state: number for number, state in enumerate(diagram.states)}
    return tuple(sorted(drawn, key=lambda arrow: place.get(str(arrow.source), len(place))))


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


def _clauses(told: dict[str, dict[_Outcome, None]], options: Options) -> tuple[Clause, ...]:
    """What is written at an arrow: events that are answered in the same ways are named together."""
    together: dict[tuple[Way, ...], list[str]] = {}
    for event, outcomes in told.items():
        guards: dict[tuple[str, ...], list[str]] = {}
        for guard, actions in outcomes:
            asked = guards.setdefault(actions if options.orders else (), [])
            if guard and options.guards:
                asked.append(guard)
        ways = tuple(Way(tuple(asked), actions) for actions, asked in guards.items())
        together.setdefault(ways, []).append(event)
    return tuple(Clause(tuple(event for event in events if event), ways) for ways, events in together.items())


def origin(diagram: Diagram, arrow: Arrow) -> Origin:
    """Where the first of an arrow's events comes from; behind a fork, of those that lead to it."""
    fork = arrow.source if isinstance(arrow.source, Fork) else None
    events = fork.events if fork is not None and fork.events else arrow.clauses[0].events
    return diagram.origin(events[0])


def told(diagram: Diagram, drawn: tuple[Arrow, ...]) -> list[str]:
    """All that these arrows stand for, orders and all: a sentence for each edge."""
    return [str(edge) for arrow in drawn for edge in diagram.edges if _stands_for(arrow, edge)]


def _stands_for(arrow: Arrow, edge: Edge) -> bool:
    source, dest = arrow.source, arrow.dest
    if arrow.stays or edge.dest is None:
        return arrow.stays and edge.dest is None
    if isinstance(dest, Fork):
        return edge.source == source and edge.event in dest.events
    events = {event for clause in arrow.clauses for event in clause.events}
    if isinstance(source, Fork):
        return edge.source in source.sources and edge.event in (source.events or events) and edge.dest == dest
    return edge.source == source and edge.event in events and edge.dest == dest
