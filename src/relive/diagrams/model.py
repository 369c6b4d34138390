"""What is drawn: states, rules between them, and where each event comes from. Names only; nothing here runs.

A rule is a row of a table without its functions. A *transition* goes from one state to another; what a rule without a
destination says is that nothing changes. Where diagrams come from: `relive.diagrams.reading`. How rules become arrows:
`relive.diagrams.arrows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import attrs

Origin: TypeAlias = Literal["server", "application", "clock", "network", "inside"]

ORIGINS: Final[Mapping[Origin, str]] = MappingProxyType(
    {
        "server": "said by the server",
        "application": "asked by the application",
        "clock": "a deadline has come: at(name)",
        "network": "done by the network",
        "inside": "found within",
    }
)
"Where an event can come from, in the order of legends."


StepTaken: TypeAlias = tuple[str, str, str]
"A state, an event, and the state that it led to; which may be the same."


def _frozen(mapping: Mapping[str, Origin]) -> Mapping[str, Origin]:
    return MappingProxyType(dict(mapping))


def _counted(mapping: Mapping[StepTaken, int] | None) -> Mapping[StepTaken, int] | None:
    return None if mapping is None else MappingProxyType(dict(mapping))


@attrs.frozen
class Edge:
    """A rule taken apart: one state, one event."""

    source: str
    event: str
    dest: str | None
    guard: str = ""
    actions: tuple[str, ...] = ()

    @property
    def step(self) -> StepTaken:
        """The edge without its guard: several can be one step."""
        return self.source, self.event, self.dest or self.source

    def __str__(self) -> str:
        asked = f" [{self.guard}]" if self.guard else ""
        done = f" / {', '.join(self.actions)}" if self.actions else ""
        return f"{self.source} → {self.dest or self.source}: {self.event}{asked}{done}"


@attrs.frozen
class Rule:
    """In one of these states, on one of these events, if the guard agrees: go there and do that."""

    sources: tuple[str, ...]
    events: tuple[str, ...]
    dest: str | None
    "None where the state stays what it is."
    guard: str = ""
    "Empty if it always agrees."
    actions: tuple[str, ...] = ()

    @property
    def edges(self) -> Iterator[Edge]:
        """The rule, taken apart."""
        for source in self.sources:
            for event in self.events:
                yield Edge(source, event, self.dest, self.guard, self.actions)


@attrs.frozen
class Diagram:
    """A state machine, as far as it can be seen."""

    states: tuple[str, ...]
    rules: tuple[Rule, ...]
    "Of one state and one event the first that agrees is taken."
    initial: str | None
    "None if nobody says where it begins."
    final: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = attrs.field(factory=dict[str, Any], converter=_frozen)
    "Of each event; one that is missing here is the application's."
    focus: str | None = None
    "The state that this is the view of; None if it shows the whole machine."
    walked: Mapping[StepTaken, int] | None = attrs.field(default=None, converter=_counted)
    "How often each step was taken (`relive.diagrams.walked`); None if nobody counted."

    @property
    def edges(self) -> Iterator[Edge]:
        """Every rule, taken apart."""
        for rule in self.rules:
            yield from rule.edges

    @property
    def events(self) -> tuple[str, ...]:
        """Every event, in the order in which the rules name them."""
        return tuple(dict.fromkeys(event for rule in self.rules for event in rule.events))

    @property
    def open(self) -> tuple[str, ...]:
        """The states that are not final."""
        return tuple(state for state in self.states if state not in self.final)

    @property
    def unreachable(self) -> tuple[str, ...]:
        """The states that no way leads to; none if nobody says where the machine begins."""
        if self.initial is None:
            return ()
        ways: dict[str, set[str]] = {}
        for edge in self.edges:
            ways.setdefault(edge.source, set()).add(edge.dest or edge.source)
        seen, todo = {self.initial}, [self.initial]
        while todo:
            new = ways.get(todo.pop(), set()) - seen
            seen |= new
            todo += new
        return tuple(state for state in self.states if state not in seen)

    def origin(self, event: str) -> Origin:
        """Where this event comes from."""
        return self.origins.get(event, "application")

    def times(self, edges: Iterable[Edge]) -> int | None:
        """How often one of these was taken; None if nobody counted."""
        walked = self.walked
        return None if walked is None else sum(walked.get(step, 0) for step in {edge.step for edge in edges})

    def view(self, state: str) -> Diagram:
        """What can happen in this state: its rules alone, and the states that they lead to."""
        rules = tuple(attrs.evolve(rule, sources=(state,)) for rule in self.rules if state in rule.sources)
        near = {state, *(rule.dest for rule in rules)}
        return attrs.evolve(
            self,
            states=tuple(name for name in self.states if name in near),
            rules=rules,
            initial=None,
            final=tuple(name for name in self.final if name in near),
            focus=state,
        )
