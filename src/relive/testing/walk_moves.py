"""What the world can do at each moment of a session: the moves of a walk."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import attrs

from relive.core import events as ev
from relive.core.checkpoint import Checkpoint, digest
from relive.core.closes import Dropped
from relive.core.policy import Policy
from relive.core.schema import name_of

if TYPE_CHECKING:
    from relive.testing.walk import Place

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
EXHAUSTED: Final = Dropped(1007, "Request contains an invalid argument.")


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
    slow: bool = False
    "The link takes nothing meanwhile: what waits to be written goes on waiting."
    stray: bool = False
    "It is about a connection that is no more."
    fact: str = attrs.field(init=False, repr=False, default=attrs.Factory(lambda m: name_of(m.event), takes_self=True))


def moves(place: Place) -> Iterator[Move]:
    """Everything that the world can do there."""
    s = place.situation
    number = s.number
    if s.state == "IDLE":
        yield from _STORE if s.at("load") is not None else _BEGINNINGS
    yield from _ALWAYS
    yield from _inputs(place)
    if s.link == "opening":
        yield from _opening(number)
    if s.link in ("up", "closing"):
        yield from _heard(number)
        for handle in sorted(s.condemned)[:1]:
            yield Move("condemned handle", ev.CheckpointReceived(number, handle))
        if s.tombstones:
            yield Move("handle with a tombstone", ev.CheckpointReceived(number, _DEAD))
    if s.link == "up":
        yield from _ends(number)
        if s.from_handle:
            yield Move("fault", ev.ConnectionDropped(number, FAULT))
        if not place.lifecycle.scene.compressed:
            yield Move("exhausted", ev.ConnectionDropped(number, EXHAUSTED))
    if s.link == "closing":
        yield Move("closed", ev.ConnectionClosed(number))
    if s.link == "closing" or s.at("answer") is not None:
        yield Move("more output", ev.OutputHeard(number, 1.0))
    for name, when in s.deadlines:
        yield Move(f"deadline {name}", ev.DeadlineReached(name), after=max(0.0, when - place.now))
        if name == "retry":
            yield Move("retry when old", ev.DeadlineReached(name), after=max(0.0, when - place.now), wall=OLD)
    yield from _strays(number)


_STORED: Final = Checkpoint("stored", wall=1000.0)
_BEGINNINGS: Final = (
    Move("connect", ev.ConnectRequested()),
    Move("connect with handle", ev.ConnectRequested("given")),
    Move("connect with store", ev.ConnectRequested(stored=True)),
)
_DEAD: Final = "dead"
_TOMBSTONES: Final = frozenset({digest(_DEAD)})
_STORE: Final = (
    Move("loaded", ev.CheckpointLoaded(_STORED, tombstones=_TOMBSTONES)),
    Move("loaded when old", ev.CheckpointLoaded(_STORED, tombstones=_TOMBSTONES), wall=OLD),
    Move("loaded another", ev.CheckpointLoaded(_STORED, "other_model", _TOMBSTONES)),
    Move("loaded nothing", ev.CheckpointLoaded(tombstones=_TOMBSTONES)),
)
_ALWAYS: Final = (
    Move("close", ev.CloseRequested()),
    Move("not loaded", ev.CheckpointNotLoaded()),
    Move("no seed", ev.SeedAnswered()),
    Move("seed", ev.SeedAnswered(("{}",))),
    Move("no way", ev.SeedRefused()),
    Move("late load", ev.CheckpointLoaded(Checkpoint("late"))),
)


def _inputs(place: Place) -> Iterator[Move]:
    s = place.situation
    position = place.lifecycle.journal.position + 1
    ask, begin, tell = _said(position)
    yield ask
    yield begin
    if s.link == "up":
        yield tell
    if s.pending:
        yield Move("answer tool", ev.InputAccepted(position, answers=s.pending), frame="answer")


@lru_cache
def _said(position: int) -> tuple[Move, Move, Move]:
    return (
        Move("ask", ev.InputAccepted(position, demands_answer=True), frame="ask"),
        Move("begin to speak", ev.InputAccepted(position, opens_turn=True), frame="begin"),
        Move("tell slowly", ev.InputAccepted(position), frame="tell", slow=True),
    )


@lru_cache
def _opening(number: int) -> tuple[Move, ...]:
    ends = (("refused", RESET), ("rejected", REJECTED), ("doubted", DOUBTED), ("bad key", BAD_KEY), ("quota", QUOTA))
    return (
        Move("dial", ev.DialStarted(number)),
        Move("up", ev.ConnectionOpened(number)),
        *(Move(name, ev.OpenFailed(number, drop)) for name, drop in ends),
    )


@lru_cache
def _heard(number: int) -> tuple[Move, ...]:
    return (
        Move("handle", ev.CheckpointReceived(number, f"handle {number}")),
        Move("no handle", ev.CheckpointWithheld(number)),
        Move("go away", ev.GoAwayReceived(number, 50.0)),
        Move("go away now", ev.GoAwayReceived(number, 0.0)),
        Move("output", ev.OutputStarted(number)),
        Move("generated", ev.AnswerGenerated(number)),
        Move("interrupted", ev.Interrupted(number)),
        Move("turn ended", ev.TurnEnded(number)),
        Move("tool call", ev.ToolCalled(number, frozenset({f"call {number}"}))),
        Move("calls cancelled", ev.ToolCallsCancelled(number, frozenset({f"call {number}"}))),
        Move("heard", ev.Heard(number, 0.0)),
        Move("flushed", ev.JournalFlushed(number)),
    )


@lru_cache
def _ends(number: int) -> tuple[Move, ...]:
    ends = (("reset", RESET), ("bad input", BAD_INPUT), ("bad key", BAD_KEY))
    return (
        *(Move(name, ev.ConnectionDropped(number, drop)) for name, drop in ends),
        Move("reset when stable", ev.ConnectionDropped(number, RESET), after=STABLE),
    )


@lru_cache
def _strays(number: int) -> tuple[Move, ...]:
    """Facts about a connection that is no more."""
    old = number - 1
    return (
        Move("old reset", ev.ConnectionDropped(old, RESET), stray=True),
        Move("old handle", ev.CheckpointReceived(old, "old"), stray=True),
        Move("old go away", ev.GoAwayReceived(old, 0.0), stray=True),
        Move("old output", ev.OutputStarted(old), stray=True),
        Move("old up", ev.ConnectionOpened(old), stray=True),
        Move("old refusal", ev.OpenFailed(old, RESET), stray=True),
        Move("old close", ev.ConnectionClosed(old), stray=True),
    )
