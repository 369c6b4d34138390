"""`relive explore`: walk a table, ours or an embedder's, and say what was found there and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeAlias

import attrs
from rich.console import Console
from rich.table import Table as Grid

from relive.core.schema import Table
from relive.testing.walk import Kind, Move, Place, Taken, moves, walk

Moves: TypeAlias = Callable[[Place], Iterator[Move]]
Edge: TypeAlias = tuple[str, str, str]


@attrs.frozen
class Findings:
    """What a walk shows of a table."""

    situations: int
    "Situations that can be reached, as far as guards and the world can tell them apart."
    moves: int
    "Things that can happen there, added up over all situations."
    edges: int
    "State, fact and destination, each counted once."
    paths: dict[Edge, tuple[str, ...]]
    "A shortest path to each edge, as the names of the moves, the last of which takes it."
    unreachable: tuple[str, ...]
    "States that no situation is in."
    traps: tuple[str, ...]
    "States without a way on to a final state, from some situation in them."
    unanswered: tuple[tuple[str, str], ...]
    "States, and facts that can happen there and that they have no row for."
    never: tuple[Edge, ...]
    "Edges of the table that no situation takes."

    @property
    def sound(self) -> bool:
        """Whether every state can be reached and answers what happens, and every situation can be left for an end."""
        return not (self.unreachable or self.traps or self.unanswered)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "situations": self.situations,
            "moves": self.moves,
            "edges": self.edges,
            "paths": [{"edge": list(edge), "moves": list(path)} for edge, path in sorted(self.paths.items())],
            "unreachable_states": list(self.unreachable),
            "traps": list(self.traps),
            "unanswered": [list(pair) for pair in self.unanswered],
            "edges_never_taken": [list(edge) for edge in self.never],
            "sound": self.sound,
        }


def explore(table: Table[Any, Any, Any], more: Moves | None = None) -> Findings:
    """Walk a table.

    Args:
        table: the table.
        more: what else the world can do at a place: the embedder's own facts.
    """
    log = _Log({(step.source, step.trigger, step.dest) for step in table.steps()})
    answered = {(source, fact) for source, fact, _ in log.declared}
    unanswered: set[tuple[str, str]] = set()

    def possible(place: Place) -> Iterator[Move]:
        state = place.situation.state
        for move in chain(moves(place), more(place) if more is not None else ()):
            if move.stray or (state, move.fact) in answered:
                yield move
            else:
                unanswered.add((state, move.fact))

    # A session with compressed context has no limit; one without has, and is exhausted: both are walked.
    walks = [walk(table, compressed=compressed, possible=possible, watch=log.note) for compressed in (True, False)]
    paths: dict[Edge, tuple[str, ...]] = {}
    for found in walks:
        for edge, taken in log.first.items():
            if taken.before in found.came_by and edge not in paths:
                paths[edge] = (*(move.name for move in found.path(taken.before)), taken.move.name)
    kinds = {kind for found in walks for kind in found.places}
    visited = {kind[0] for kind in kinds}
    stuck = {kind[0] for kind in kinds - log.with_a_way_to(table.final, kinds)}
    return Findings(
        situations=len(kinds),
        moves=sum(found.moves for found in walks),
        edges=len(paths),
        paths=paths,
        unreachable=tuple(state for state in table.states if state not in visited),
        traps=tuple(state for state in table.states if state in stuck),
        unanswered=tuple(sorted(unanswered)),
        never=tuple(sorted(log.declared - set(paths))),
    )


@attrs.define
class _Log:
    """What a walk does, as it does it."""

    declared: set[Edge]
    "The edges of the table."
    first: dict[Edge, Taken] = attrs.Factory(dict[Edge, Taken])
    "The move that took each edge first; walks are breadth first, so there is no shorter way."
    back: dict[Kind, set[Kind]] = attrs.Factory(dict[Kind, set[Kind]])
    "From where each situation was entered."

    def note(self, taken: Taken, _lifecycle: object) -> None:
        """Take note of a move."""
        self.back.setdefault(taken.after, set()).add(taken.before)
        state: str = taken.before[0]
        loop = (state, taken.move.fact, state)
        edges = [(step.source, step.event, step.dest) for step in taken.reports]
        for edge in edges or ([loop] if loop in self.declared and not taken.move.stray else []):
            self.first.setdefault(edge, taken)

    def with_a_way_to(self, final: tuple[str, ...], kinds: set[Kind]) -> set[Kind]:
        """Situations from which a final state can be reached: found by walking back from those that are in one."""
        todo = [kind for kind in kinds if kind[0] in final]
        free = set(todo)
        while todo:
            new = self.back.get(todo.pop(), set()) - free
            free |= new
            todo += new
        return free


def show(console: Console, findings: Findings, *, paths: bool) -> None:
    """Print what was found, for people."""
    console.print(f"{findings.situations} situations, {findings.moves} moves, {findings.edges} edges")
    if paths:
        grid = Grid("in", "on", "go to", "a shortest path", box=None, header_style="bold")
        for (source, fact, dest), path in sorted(findings.paths.items()):
            grid.add_row(source, fact, dest, ", ".join(path))
        console.print(grid)
    for state in findings.unreachable:
        console.print(f"[red]unreachable:[/] {state}")
    for state in findings.traps:
        console.print(f"[red]trap:[/] {state}: not every situation in it can be left for a final state")
    for state, fact in findings.unanswered:
        console.print(f"[red]unanswered:[/] {state} has no row for {fact}")
    for source, fact, dest in findings.never:
        console.print(f"[yellow]never taken:[/] {source} → {dest} on {fact}")
    if findings.sound:
        console.print("Every state can be reached, and every situation has a way to an end.")
