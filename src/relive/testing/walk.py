"""Every reachable situation of a table: a breadth-first walk over what guards can look at.

The walk drives a real lifecycle. From each situation it makes every `Move` that the world outside could make: what a
server or a network may do with the connection there is, what an application may do at any time, what a clock brings.
Two situations that no guard can tell apart, and that the world can treat only alike, count as one; the first path found
to it is a shortest one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import attrs

from relive.core import effects as do, events as ev, guards
from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped
from relive.core.compiled import Compiled
from relive.core.lifecycle import Lifecycle
from relive.core.policy import Policy
from relive.core.schema import Table, name_of
from relive.core.table import TABLE

Situation: TypeAlias = tuple[Any, ...]
"What can be told of a lifecycle by its guards and by the world: hashable."

POLICY: Final = Policy(retry_attempts=2, rotate_after=500.0, handle_ttl=1000.0, retry_time=1e6)
"Numbers that keep the walk short, and reach everything: budgets end, connections are rotated, handles grow old."

STABLE: Final = POLICY.stable_after + 1.0
OLD: Final = POLICY.handle_ttl + 1.0

RESET: Final = Dropped(None, "", origin="network")
FAULT: Final = Dropped(1011, "Internal error occurred.")
REJECTED: Final = Dropped(1008, "BidiGenerateContent session not found", "opening")
DOUBTED: Final = Dropped(1007, "Request contains an invalid argument.", "opening")
BAD_KEY: Final = Dropped(1007, "API key not valid. Please pass a valid API key.", "opening")
QUOTA: Final = Dropped(1011, "You exceeded your current quota, please check your plan and billing details.")
BAD_INPUT: Final = Dropped(1007, "Invalid JSON payload received. Unknown name")


@attrs.frozen
class Move:
    """One thing that can happen."""

    name: str
    event: ev.Event
    after: float = 0.0
    "Seconds that pass before it."
    wall: float = 0.0
    "How much further the wall clock goes meanwhile (a suspended machine)."
    frame: str = ""
    "A frame that the application sends with it."


@attrs.frozen
class Taken:
    """A move that was made: from where, to where, and what it led to."""

    before: Situation
    move: Move
    after: Situation
    orders: tuple[do.Effect, ...]

    @property
    def reports(self) -> tuple[do.Transition, ...]:
        """The transitions that it made."""
        return tuple(order.transition for order in self.orders if isinstance(order, do.Report))


class Place:
    """A session at one moment: what its lifecycle remembers there, and what its clocks say."""

    __slots__ = ("_memory", "lifecycle", "now", "wall")

    def __init__(self, lifecycle: Lifecycle, now: float = 100.0, wall: float = 1000.0) -> None:
        self.lifecycle = lifecycle
        self.now = now
        self.wall = wall
        self._memory = lifecycle.remember()

    def enter(self) -> Lifecycle:
        """The lifecycle, as it was here. All places of a walk share one; the last that was entered counts."""
        self.lifecycle.recall(self._memory)
        return self.lifecycle

    def make(self, move: Move) -> tuple[do.Effect, ...]:
        """Make a move from here; the lifecycle is then where the move leads."""
        lifecycle = self.enter()
        now, wall = self.now + move.after, self.wall + move.after + move.wall
        if move.frame:
            lifecycle.journal.accept(move.frame, "reliable", now)
        orders = lifecycle.handle(move.event, now, wall, 1.0)
        # Who performs orders writes what waits as soon as it may.
        if lifecycle.scene.situation.link == "up":
            while lifecycle.journal.write(now):
                pass
        return orders

    def there(self, move: Move) -> Place:
        """The place that a move has just led to."""
        return Place(self.lifecycle, self.now + move.after, self.wall + move.after + move.wall)


def situation_of(lifecycle: Lifecycle) -> Situation:
    """What guards and the world can tell of a lifecycle."""
    scene = lifecycle.scene
    s = scene.situation
    if s.state in lifecycle.table.final:
        return (s.state,)
    busy = bool(s.owed or s.answering or s.user_turn or s.withhold or scene.journal.waiting)
    return (
        s.state,
        s.link,
        tuple(name for name, _ in s.deadlines if name in ("load", "silence", "answer", "opening")),
        guards.has_handle(scene, None),
        scene.has_conversation(),
        bool(s.loss),
        scene.attempts(),
        s.from_handle and s.strikes,
        s.resumable and s.turn_covered,
        busy,
        bool(s.owed) and s.returning,
        bool(s.pending),
        bool(s.suspect),
        s.judgement if s.state == "HANDLE_EXPIRED" else "",
    )


def moves(place: Place) -> Iterator[Move]:
    """Everything that the world can do there."""
    s = place.lifecycle.scene.situation
    number = s.number
    if s.state == "IDLE":
        yield from _beginnings(place)
    yield Move("close", ev.CloseRequested())
    yield from _inputs(place)
    if s.link == "opening":
        yield Move("dial", ev.DialStarted(number))
        yield Move("up", ev.ConnectionOpened(number))
        for name, drop in (("refused", RESET), ("rejected", REJECTED), ("doubted", DOUBTED), ("bad key", BAD_KEY),
                           ("quota", QUOTA)):  # fmt: skip
            yield Move(name, ev.OpenFailed(number, drop))
    if s.link in ("up", "closing"):
        yield from _heard(number)
    if s.link == "up":
        for name, drop in (("reset", RESET), ("fault", FAULT), ("bad input", BAD_INPUT), ("bad key", BAD_KEY)):
            yield Move(name, ev.ConnectionDropped(number, drop))
        yield Move("reset when stable", ev.ConnectionDropped(number, RESET), after=STABLE)
    if s.link == "closing":
        yield Move("closed", ev.ConnectionClosed(number))
    if s.state == "HANDLE_EXPIRED":
        yield Move("no seed", ev.SeedAnswered())
        yield Move("seed", ev.SeedAnswered(("{}",)))
        yield Move("no way", ev.SeedRefused())
    for name, when in s.deadlines:
        yield Move(f"deadline {name}", ev.DeadlineReached(name), after=max(0.0, when - place.now))
        if name == "retry":
            yield Move("retry when old", ev.DeadlineReached(name), after=max(0.0, when - place.now), wall=OLD)
    yield from _strays(number)


def _beginnings(place: Place) -> Iterator[Move]:
    if place.lifecycle.scene.situation.at("load") is None:
        yield Move("connect", ev.ConnectRequested())
        yield Move("connect with handle", ev.ConnectRequested("given"))
        yield Move("connect with store", ev.ConnectRequested(stored=True))
        return
    checkpoint = Checkpoint("stored", wall=place.wall)
    yield Move("loaded", ev.CheckpointLoaded(checkpoint))
    yield Move("loaded another", ev.CheckpointLoaded(checkpoint, "other_model"))
    yield Move("loaded nothing", ev.CheckpointLoaded())
    yield Move("not loaded", ev.CheckpointNotLoaded())


def _inputs(place: Place) -> Iterator[Move]:
    s = place.lifecycle.scene.situation
    position = place.lifecycle.journal.position + 1
    yield Move("ask", ev.InputAccepted(position, demands_answer=True), frame="ask")
    yield Move("begin to speak", ev.InputAccepted(position, opens_turn=True), frame="begin")
    if s.pending:
        yield Move("answer tool", ev.InputAccepted(position, answers=s.pending), frame="answer")


def _heard(number: int) -> Iterator[Move]:
    yield Move("handle", ev.CheckpointReceived(number, f"handle {number}"))
    yield Move("no handle", ev.CheckpointWithheld(number))
    yield Move("go away", ev.GoAwayReceived(number, 50.0))
    yield Move("go away now", ev.GoAwayReceived(number, 0.0))
    yield Move("output", ev.OutputStarted(number))
    yield Move("interrupted", ev.Interrupted(number))
    yield Move("turn ended", ev.TurnEnded(number))
    yield Move("tool call", ev.ToolCalled(number, frozenset({f"call {number}"})))
    yield Move("calls cancelled", ev.ToolCallsCancelled(number, frozenset({f"call {number}"})))
    yield Move("heard", ev.Heard(number, 0.0))
    yield Move("flushed", ev.JournalFlushed(number))


def _strays(number: int) -> Iterator[Move]:
    """Facts that come too late, about things that are no more."""
    old = number - 1
    yield Move("old reset", ev.ConnectionDropped(old, RESET))
    yield Move("old handle", ev.CheckpointReceived(old, "old"))
    yield Move("old up", ev.ConnectionOpened(old))
    yield Move("late load", ev.CheckpointLoaded(Checkpoint("late")))
    yield Move("late seed", ev.SeedAnswered())


@attrs.define
class Walk:
    """What a walk found."""

    table: Table[Any, Any, Any]
    places: dict[Situation, Place] = attrs.Factory(dict[Situation, "Place"])
    taken: list[Taken] = attrs.Factory(list["Taken"])
    came_by: dict[Situation, Taken | None] = attrs.Factory(dict[Situation, "Taken | None"])
    "The move by which each situation was first reached; None for the first of all."

    @property
    def edges(self) -> frozenset[tuple[str, str, str]]:
        """State, fact and destination of every transition that was made, self-loops included."""
        found: set[tuple[str, str, str]] = set()
        for taken in self.taken:
            found |= {(step.source, step.event, step.dest) for step in taken.reports}
            if not taken.reports:
                found.add((taken.before[0], name_of(taken.move.event), taken.after[0]))
        return frozenset(found)

    def path(self, situation: Situation) -> tuple[Move, ...]:
        """A shortest way there."""
        moves: list[Move] = []
        by = self.came_by[situation]
        while by is not None:
            moves.append(by.move)
            by = self.came_by[by.before]
        return tuple(reversed(moves))


def walk(
    table: Table[Any, Any, Any] = TABLE,
    *,
    watch: Callable[[Place, Taken, Lifecycle], None] | None = None,
    possible: Callable[[Place], Iterator[Move]] = moves,
    most: int = 100_000,
) -> Walk:
    """Visit every reachable situation.

    Args:
        table: the table to walk.
        watch: is shown each move that is made, with the place before and the lifecycle after it; raising ends the walk.
        possible: what the world can do at a place.
        most: situations to visit at most.
    """
    found = Walk(table)
    lifecycle = Lifecycle(POLICY, compressed=True, engine=Compiled(table))
    start = Place(lifecycle)
    first = situation_of(lifecycle)
    found.places[first] = start
    found.came_by[first] = None
    todo = deque([first])
    while todo and len(found.places) < most:
        situation = todo.popleft()
        place = found.places[situation]
        place.enter()
        for move in tuple(possible(place)):
            orders = place.make(move)
            reached = situation_of(lifecycle)
            taken = Taken(situation, move, reached, orders)
            found.taken.append(taken)
            if watch is not None:
                watch(place, taken, lifecycle)
            if reached not in found.places:
                found.places[reached] = place.there(move)
                found.came_by[reached] = taken
                todo.append(reached)
    return found
