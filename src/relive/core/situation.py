"""The situation: all that the machine remembers between two facts, and all that a guard may look at.

Every field holds an immutable value, so that a situation can be saved and restored as one tuple: the lifecycle does so
around each fact, and an exception leaves no trace. The journal is not part of it; guards may ask it, actions may only
order changes of it.
"""

from __future__ import annotations

import math
import operator
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import attrs

from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped, Judgement
from relive.core.effects import Failure, Verdict

Link: TypeAlias = Literal["none", "opening", "up", "closing"]

_LIVE = ("ACTIVE", "DRAINING")
SCOPES: Final = MappingProxyType({
    "load": ("IDLE",),
    "opening": ("CONNECTING", "RESUMING"),
    "retry": ("WAITING",),
    "seed": ("HANDLE_EXPIRED",),
    "drain": ("DRAINING",),
    "late_handle": ("DRAINING",),
    "rotate": ("ACTIVE",),
    "probe": _LIVE,
    "silence": _LIVE,
    "answer": _LIVE,
    "limit": _LIVE,
})  # fmt: skip
"Deadlines by name, and the states in which each has a meaning: leaving them cancels it."


@attrs.define(eq=False)
class Situation:
    """What the machine remembers. The only mutable thing that the engine sees; it sets `state`."""

    state: str = "IDLE"
    number: int = 0
    "Number of the newest connection, or of the attempt to open it."
    link: Link = "none"
    "What that connection is: being opened, up, being closed by us, or nothing (any more)."
    deadlines: tuple[tuple[str, float], ...] = ()
    "Armed deadlines: name and instant."

    checkpoint: Checkpoint | None = None
    "The newest one."
    checkpoint_at: float = 0.0
    "When it came, monotonic."
    index: int | None = None
    "The message index that came with it, if it can be trusted."
    consumed: int = 0
    "The highest message index that could be trusted, and"
    consumed_on: int = 0
    "the connection that it came on."
    resumable: bool = False
    "The last word of this connection on whether the session can be resumed from here."
    strikes: int = 0
    "Resumes from this checkpoint's handle that died young or stayed mute."
    from_handle: bool = False
    "The newest connection was resumed from this checkpoint's handle, and has brought no newer one."
    condemned: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    "Handles that must not be used again."
    tombstones: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    "Digests of such handles, as the store had them: what other processes found out."
    doubted: Checkpoint | None = None
    "A refused checkpoint whose guilt the next fresh attempt decides."

    conversation: bool = False
    "Something was said to or by the server that a fresh session would not know."
    proven: bool = False
    "This configuration has come up before."
    loss: str = ""
    "Why context was lost, for the next verdict; empty if none was."
    dropped_before: int = 0
    "Drops counted when the last verdict was given."
    seed: tuple[str, ...] = attrs.field(default=(), repr=False)
    "Frames to be written first on the next fresh connection."

    active_at: float = 0.0
    "When the newest connection came up."
    heard_since_up: bool = False
    "The newest connection has said something that proves its session alive."
    fresh_at: float = 0.0
    "When the server's session began."
    down_wall: float = 0.0
    "Wall-clock time of the last end of a connection."
    attempts: int = 0
    "Openings since the last stable connection."
    openings: int = 0
    "Openings in all."
    recovering_since: float = 0.0
    "When this recovery began, while `attempts` is not 0."
    round_trip: float | None = None
    "The newest one measured, seconds; None before any."
    dialled_at: float = 0.0
    "When the dial of the newest connection began, and"
    least_opening: float = math.inf
    "the least time that a dial with its setup has taken, seconds: a round trip takes no longer."
    least_round_trip: float = 0.0
    "The least one measured, seconds; 0.0 before any."
    suspect: int = 0
    "Position of a frame that may have killed a connection by its content; 0 if none is suspected."

    owed: tuple[int, ...] = ()
    "Positions of the frames that the model has been asked an answer by and has not finished it."
    answering: bool = False
    "Output of an answer has begun."
    generated: bool = False
    "All of the answer in progress, or of a repeat, has come: until the turn ends, silence may be playback."
    stalled: bool = False
    "The turn has cost a connection already, because its answer began and did not go on, or did not end."
    flowing: bool = False
    "It is delivered, and more of it would tell nothing new. The runtime looks here before it tells of output."
    asked_at: int = 0
    "Position of the last frame that this answer, or the cut one, can be about."
    heard_at: int = 0
    "Position of the last frame that can have arrived when this answer began."
    spoken_at: int = 0
    "Position of the last frame that had certainly arrived when this answer began."
    interrupted: bool = False
    "The application has been told that the answer was cut."
    user_turn: bool = False
    "The user's turn has begun and not ended."
    returning: bool = False
    "The turn was cut by a loss. It may come back from a replay, and the application waits for its end."
    withhold: int = 0
    "Repeated answers still to be kept from the application."
    demanded: bool = False
    "The last of these was asked for by a frame, and not by speech, so that it comes some time."
    given_up: bool = False
    "Nobody waits for it any more, but it is kept back if it comes; the same of an answer that was given up."
    repeats: int = 0
    "Those that are not kept from it. What comes may be one of them, and proves nothing of a later question."
    ended_at: float = 0.0
    "When the last turn ended; 0.0 before any."
    turn_covered: bool = True
    "A checkpoint has come since."
    answered: tuple[int, ...] = ()
    "Positions whose answers are complete, newest last, as far as the journal may still replay them."
    proven_position: int = 0
    "The server has answered this position on this connection, so it has all before it."
    pending: frozenset[str] = frozenset()
    "Tool calls that the application has not answered."
    known: frozenset[str] = frozenset()
    "Tool calls that this connection's session knows."

    verdict: Verdict | None = None
    failure: Failure | None = None
    drop: Dropped | None = None
    "The last end of a connection, or failed attempt, and"
    judgement: Judgement = "retry"
    "what we make of it."

    now: float = 0.0
    "Monotonic seconds of the fact at hand."
    wall: float = 0.0
    "Wall-clock seconds of it; only for the age of handles."
    jitter: float = 1.0
    "A random number from 0 to 1, for the backoff."

    @property
    def turn_open(self) -> bool:
        """A turn is open for the application: an answer was demanded, or has begun."""
        return bool(self.owed) or self.answering or self.returning

    @property
    def repeat_awaited(self) -> bool:
        """What is withheld has to come yet, and somebody waits for it."""
        return self.withhold > 0 and not self.given_up

    def at(self, name: str) -> float | None:
        """When this deadline comes; None if it is not armed."""
        for armed, when in self.deadlines:
            if armed == name:
                return when
        return None


FIELDS: Final = tuple(field.name for field in attrs.fields(Situation))
save = operator.attrgetter(*FIELDS)


def restore(situation: Situation, saved: tuple[object, ...]) -> None:
    """Put a situation back to what `save` returned; whoever holds it sees it change."""
    for name, value in zip(FIELDS, saved, strict=True):
        setattr(situation, name, value)


def restored(saved: tuple[Any, ...]) -> Situation:
    """Another situation, as `save` found this one."""
    return Situation(*saved)
