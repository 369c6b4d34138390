"""What a table is made of, and what makes one sound. The table itself is in `relive.core.table`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

import attrs

from relive.core import events as ev
from relive.core.forms import shown
from relive.errors import TableError

STAY: Final = "="
"As a destination: the state stays what it is, and nothing is left or entered."

S = TypeVar("S", bound=str)
G = TypeVar("G", bound=str)
A = TypeVar("A", bound=str)

Trigger: TypeAlias = type[Any] | ev.DeadlineReached
"A kind of fact; of deadlines each one by its name."


V = TypeVar("V")


def _frozen(mapping: Mapping[Any, V]) -> Mapping[str, V]:
    return MappingProxyType(dict(mapping))


def name_of(fact: object) -> str:
    """The name of a fact, or of a kind of fact: ``GoAwayReceived``, ``DeadlineReached(drain)``."""
    if isinstance(fact, ev.DeadlineReached):
        return deadline_name(fact.name)
    return fact.__name__ if isinstance(fact, type) else type(fact).__name__


def deadline_name(deadline: str) -> str:
    """The name of the fact that this deadline was reached."""
    return f"DeadlineReached({deadline})"


@attrs.frozen
class Row(Generic[S, G, A]):
    """In one of these states, on one of these facts, if the guard says yes: go there and do that.

    Of several rows for a state and a fact the first whose guard agrees is taken, so the last of them has no guard.
    """

    source: S | tuple[S, ...]
    on: Trigger | tuple[Trigger, ...]
    dest: S | Literal["="]
    when: G | Literal[""] = ""
    do: tuple[A, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The states that it leaves from."""
        return (self.source,) if isinstance(self.source, str) else self.source

    @property
    def triggers(self) -> tuple[str, ...]:
        """Names of the facts that it answers."""
        on = self.on if isinstance(self.on, tuple) else (self.on,)
        return tuple(name_of(fact) for fact in on)


@attrs.frozen
class Step:
    """One edge of the machine: a row taken apart into one state and one fact."""

    source: str
    trigger: str
    dest: str
    "The state itself where the row says `STAY`."
    when: str
    do: tuple[str, ...]
    internal: bool
    "Whether the row says `STAY`."


@attrs.frozen(eq=False)
class Table(Generic[S, G, A]):
    """Rows, the states they connect, and the functions that their names stand for. Checked at construction."""

    states: tuple[S, ...]
    # Counted: signatures that have a table for a default are read by people.
    rows: tuple[Row[S, G, A], ...] = attrs.field(repr=lambda rows: f"<{len(rows)} rows>")
    guards: Mapping[str, Callable[[Any, Any], bool]] = attrs.field(converter=_frozen, repr=False)
    actions: Mapping[str, Callable[[Any, Any], None]] = attrs.field(converter=_frozen, repr=False)
    initial: str
    final: tuple[str, ...]
    facts: Mapping[str, tuple[str, ...]] = attrs.field(converter=_frozen, repr=False)
    "What can happen: for each state the names of the facts that can reach it."

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise TableError(problems)

    def __iter__(self) -> Iterator[Row[S, G, A]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __format__(self, form: str) -> str:
        return shown(self, form)

    def steps(self) -> Iterator[Step]:
        """Every edge, in the order in which guards are asked."""
        for row in self.rows:
            for source in row.sources:
                for trigger in row.triggers:
                    internal = row.dest == STAY
                    yield Step(source, trigger, source if internal else row.dest, row.when, row.do, internal)

    def extend(
        self,
        *,
        states: tuple[str, ...] = (),
        rows: tuple[Row[Any, Any, Any], ...] = (),
        guards: Mapping[str, Callable[[Any, Any], bool]] | None = None,
        actions: Mapping[str, Callable[[Any, Any], None]] | None = None,
        facts: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Table[str, str, str]:
        """A table of one's own, made from this one; this one stays as it is.

        New rows are asked before the old ones. Names of states, guards and actions must be new. For every new state
        `facts` says what can happen in it: those of ours that it resembles, and its own.
        """
        taken = set(states) & set(self.states)
        taken |= (set(guards or ()) & set(self.guards)) | (set(actions or ()) & set(self.actions))
        if taken:
            raise TableError(tuple(f"{name} is taken" for name in sorted(taken)))
        merged = {state: tuple(names) for state, names in self.facts.items()}
        for state, names in (facts or {}).items():
            merged[state] = (*merged.get(state, ()), *names)
        return Table(
            states=(*self.states, *states),
            rows=(*rows, *cast("tuple[Row[Any, Any, Any], ...]", self.rows)),
            guards={**self.guards, **(guards or {})},
            actions={**self.actions, **(actions or {})},
            initial=self.initial,
            final=self.final,
            facts=merged,
        )

    def _problems(self) -> Iterator[str]:
        steps = tuple(self.steps())
        yield from self._unknown_names(steps)
        yield from self._shadowed(steps)
        edges: dict[str, set[str]] = {}
        for step in steps:
            edges.setdefault(step.source, set()).add(step.dest)
            if step.source in self.final and step.dest != step.source:
                yield f"{step.source} is final, but {step.trigger} leaves it"
        for state in sorted(set(self.states) - _reachable(edges, self.initial)):
            yield f"{state} cannot be reached"
        for state in self.states:
            if not _reachable(edges, state) & set(self.final):
                yield f"{state} is a trap: no way leads on to a final state"
        answered = {(step.source, step.trigger) for step in steps}
        yield from (f"nobody says what can happen in {state}" for state in self.states if state not in self.facts)
        for state, names in self.facts.items():
            yield from (f"{state} has no row for {name}" for name in names if (state, name) not in answered)

    def _unknown_names(self, steps: Iterable[Step]) -> Iterator[str]:
        named = {self.initial, *self.final, *self.facts}
        for name in sorted(named.union(*((step.source, step.dest) for step in steps)) - set(self.states)):
            yield f"{name} is not a state"
        for name in sorted({step.when for step in steps if step.when} - set(self.guards)):
            yield f"{name} is not a guard"
        for name in sorted({name for step in steps for name in step.do} - set(self.actions)):
            yield f"{name} is not an action"

    @staticmethod
    def _shadowed(steps: Iterable[Step]) -> Iterator[str]:
        asked: dict[tuple[str, str], list[str]] = {}
        for step in steps:
            before = asked.setdefault((step.source, step.trigger), [])
            if "" in before or step.when in before:
                yield f"a row of {step.source} for {step.trigger} is never asked"
            before.append(step.when)
        for (source, trigger), guards in asked.items():
            if "" not in guards:
                yield f"{source} has no way out if no guard agrees on {trigger}"


def _reachable(edges: Mapping[str, set[str]], start: str) -> set[str]:
    seen = {start}
    todo = [start]
    while todo:
        for state in edges.get(todo.pop(), ()):
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return seen
