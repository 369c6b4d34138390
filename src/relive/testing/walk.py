"""Every reachable situation of a table: a breadth-first walk over what guards can look at.

The walk drives a real lifecycle. From each situation it makes every `Move` that the world outside could make: what a
server or a network may do with the connection there is, what an application may do at any time, what a clock brings.
Two situations that no guard can tell apart, and that the world can treat only alike, count as one; the first path found
to it is a shortest one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import attrs

from relive.core import effects as do, events as ev, guards
from relive.core.compiled import Compiled
from relive.core.lifecycle import Lifecycle, Memory
from relive.core.policy import Policy
from relive.core.schema import Table
from relive.core.situation import Situation, restored
from relive.core.table import TABLE
from relive.testing.walk_moves import POLICY, Move, moves

__all__ = ["POLICY", "Kind", "Move", "Place", "Taken", "Walk", "kind_of", "moves", "walk"]

Kind: TypeAlias = tuple[Any, ...]
"What can be told of a lifecycle by its guards and by the world: hashable. Situations of one kind count as one."


class Taken(NamedTuple):
    """A move that was made: from where, to where, and what it led to."""

    before: Kind
    move: Move
    after: Kind
    orders: tuple[do.Effect, ...]
    was: Situation
    "All that was remembered before,"
    now: Situation
    "and all that is after it. Neither changes any more."
    waiting: int
    "Frames left unwritten when the fact had been handled."

    @property
    def reports(self) -> tuple[do.Transition, ...]:
        """The transitions that it made."""
        return tuple(order.transition for order in self.orders if isinstance(order, do.Report))


class Place:
    """A session at one moment: what its lifecycle remembers there, and what its clocks say."""

    __slots__ = ("_memory", "lifecycle", "now", "situation", "waiting", "wall")

    def __init__(
        self, lifecycle: Lifecycle, now: float = 100.0, wall: float = 1000.0, memory: Memory | None = None
    ) -> None:
        self.lifecycle = lifecycle
        self.now = now
        self.wall = wall
        self._memory = lifecycle.remember() if memory is None else memory
        self.situation = restored(self._memory[0])
        self.waiting = self.situation.link == "up" and bool(self._memory[1].waiting)

    def with_(self, lifecycle: Lifecycle) -> Place:
        """The same moment in the life of another session, which runs another table perhaps."""
        return Place(lifecycle, self.now, self.wall, self._memory)

    def enter(self) -> Lifecycle:
        """The lifecycle, as it was here. All places of a walk share one; the last that was entered counts."""
        self.lifecycle.recall(self._memory)
        return self.lifecycle

    def make(self, move: Move) -> tuple[tuple[do.Effect, ...], int]:
        """Make a move from here; the lifecycle is then where the move leads.

        Returns the orders, and how many frames were left unwritten when they were given.
        """
        lifecycle = self.enter()
        journal = lifecycle.journal
        now, wall = self.now + move.after, self.wall + move.after + move.wall
        if move.frame:
            journal.accept(move.frame, "reliable", now)
        elif journal.waiting and isinstance(move.event, ev.JournalFlushed):
            _write(lifecycle, now)
        orders = lifecycle.handle(move.event, now, wall, 1.0)
        waiting = len(journal.waiting)
        # Who performs orders writes what waits as soon as it may.
        if waiting and not move.slow:
            _write(lifecycle, now)
        return orders, waiting

    def there(self, move: Move) -> Place:
        """The place that a move has just led to."""
        return Place(self.lifecycle, self.now + move.after, self.wall + move.after + move.wall)


def _write(lifecycle: Lifecycle, now: float) -> None:
    if lifecycle.scene.situation.link == "up":
        while lifecycle.journal.write(now):
            pass


_WATCHED: Final = {"load": 1, "silence": 2, "answer": 4, "opening": 8, "limit": 16}


def kind_of(lifecycle: Lifecycle) -> Kind:
    """What guards and the world can tell of a lifecycle."""
    scene = lifecycle.scene
    s = scene.situation
    if s.state in lifecycle.table.final:
        return (s.state,)
    armed = 0
    for name, _ in s.deadlines:
        armed += _WATCHED.get(name, 0)
    busy = bool(s.owed or s.answering or s.user_turn or s.repeat_awaited)
    return (
        s.state,
        s.link,
        armed,
        guards.has_handle(scene, None),
        scene.has_conversation(),
        bool(s.loss),
        min(scene.attempts(), scene.policy.retry_attempts),
        s.from_handle and s.strikes,
        s.resumable and s.turn_covered,
        busy,
        _awaited(lifecycle, armed & _WATCHED["answer"]),
        bool(s.pending),
        bool(s.suspect),
        s.doubted is None,
        s.judgement if s.state == "HANDLE_EXPIRED" else "",
        _details(lifecycle) if not (armed or busy or s.pending) else 0,
    )


def _awaited(lifecycle: Lifecycle, armed: int) -> int:
    """What it would mean if the model said no more: how far its answer is, whether one was cut for that before.

    In DRAINING only what the guard makes of it: an answer that is due does there what it does in ACTIVE.
    """
    s = lifecycle.scene.situation
    active = s.state == "ACTIVE"
    if armed:
        found = guards.nothing_owed(lifecycle.scene, None) + (2 * s.answering + 4 * s.generated) * active
    else:
        found = 8 * (s.generated and active and not s.pending)
    return found + 16 * (s.stalled and s.returning and not s.pending and (active or s.state == "RESUMING"))


def _details(lifecycle: Lifecycle) -> int:
    """What else matters where nothing is going on: unwritten frames, known bad handles, a drain that ends early."""
    s = lifecycle.scene.situation
    if s.link not in ("up", "closing"):
        return 0
    drain = s.at("drain")
    early = drain is not None and drain - s.active_at < lifecycle.scene.policy.stable_after
    waiting = s.state == "DRAINING" and bool(lifecycle.journal.waiting)
    return waiting + 2 * bool(s.condemned) + 4 * early


@attrs.define
class Walk:
    """What a walk found."""

    table: Table[Any, Any, Any]
    places: dict[Kind, Place] = attrs.Factory(dict[Kind, "Place"])
    came_by: dict[Kind, Taken | None] = attrs.Factory(dict[Kind, "Taken | None"])
    "The move by which each situation was first reached; None for the first of all."
    edges: set[tuple[str, str, str]] = attrs.Factory(set[tuple[str, str, str]])
    "State, fact and destination of every transition that was made, self-loops included."
    moves: int = 0
    "How many moves were made."

    def path(self, kind: Kind) -> tuple[Move, ...]:
        """A shortest way there."""
        moves: list[Move] = []
        by = self.came_by[kind]
        while by is not None:
            moves.append(by.move)
            by = self.came_by[by.before]
        return tuple(reversed(moves))


def walk(
    table: Table[Any, Any, Any] = TABLE,
    *,
    policy: Policy = POLICY,
    compressed: bool = True,
    watch: Callable[[Taken, Lifecycle], None] | None = None,
    possible: Callable[[Place], Iterator[Move]] = moves,
    everything: bool = False,
    most: int = 100_000,
) -> Walk:
    """Visit every reachable situation.

    Args:
        table: the table to walk.
        policy: the numbers to walk with. Small budgets make short walks.
        compressed: whether the session's context is compressed.
        watch: is shown each move that is made, and the lifecycle after it; raising ends the walk.
        possible: what the world can do at a place.
        everything: whether moves that can change nothing are made in every situation, and not once in each state.
        most: situations to visit at most.
    """
    found = Walk(table)
    lifecycle = Lifecycle(policy, compressed=compressed, engine=Compiled(table))
    first = kind_of(lifecycle)
    found.places[first] = Place(lifecycle)
    found.came_by[first] = None
    todo = deque([first])
    inert, made = frozenset[tuple[str, str]]() if everything else _inert(table), set[tuple[str, str, str]]()
    while todo and len(found.places) < most:
        kind = todo.popleft()
        place = found.places[kind]
        state, link = kind[0], place.situation.link
        for move in possible(place):
            if (move.stray and not everything) or (not (place.waiting or move.after) and (state, move.fact) in inert):
                if (state, link, move.name) in made:
                    continue
                made.add((state, link, move.name))
            orders, waiting = place.make(move)
            reached = kind_of(lifecycle)
            found.moves += 1
            found.edges.add((state, move.fact, reached[0]))
            new = reached not in found.places
            if new or watch is not None:
                taken = Taken(kind, move, reached, orders, place.situation, lifecycle.scene.situation, waiting)
                if watch is not None:
                    watch(taken, lifecycle)
                if new:
                    found.places[reached] = place.there(move)
                    found.came_by[reached] = taken
                    todo.append(reached)
    return found


def _inert(table: Table[Any, Any, Any]) -> frozenset[tuple[str, str]]:
    """Where a fact can change nothing, whatever the situation: one row, to stay and to do nothing.

    Such a move is made once in each state, as are those of strays; but wherever time passes or frames wait to be
    written, because a draining connection may be at a safe point then.
    """
    rows: dict[tuple[str, str], bool] = {}
    for step in table.steps():
        key = (step.source, step.trigger)
        rows[key] = step.internal and not step.do and not step.when and key not in rows
    return frozenset(key for key, inert in rows.items() if inert)
