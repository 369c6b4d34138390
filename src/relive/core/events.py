"""Facts: what has happened, told to the machine in the past tense.

Every fact about a connection carries its number; the lifecycle ignores the facts of any connection but the newest
(fencing). Seconds are floats, handles never show in a repr, vendor shapes such as ``"50s"`` have ended in `wire`.
Where to look next: `relive.core.table` says what each fact leads to, `relive.core.effects` what is ordered then.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped


@attrs.frozen
class ConnectRequested:
    """The application opened the session. The only command besides `CloseRequested`."""

    handle: str | None = attrs.field(default=None, repr=False)
    "A handle from the caller's own configuration; it wins over the store and is used unchecked."
    stored: bool = False
    "Whether a store is there to be asked for a checkpoint."


@attrs.frozen
class CloseRequested:
    """The application closed the session."""


@attrs.frozen
class InputAccepted:
    """The application sent a frame that means more than media: it is in the journal now."""

    position: int
    "Its position in the journal."
    opens_turn: bool = False
    "It begins a user turn that a later frame ends (an activity start, content without turn_complete)."
    demands_answer: bool = False
    "The model owes an answer from here on."
    answers: frozenset[str] = frozenset()
    "Ids of the tool calls that it answers."


@attrs.frozen
class SeedAnswered:
    """The application's hook answered (or there is none, or it failed): begin afresh with these frames."""

    frames: tuple[str, ...] = attrs.field(default=(), repr=False)
    "Client frames that rebuild the conversation; empty for a fresh session without history."


@attrs.frozen
class SeedRefused:
    """The application's hook refused to go on without the lost context."""


@attrs.frozen
class CheckpointLoaded:
    """The store answered."""

    checkpoint: Checkpoint | None = None
    "What it held under the session's key; None if nothing."
    mismatch: str = ""
    "Why it cannot be used although it is there: of another model, backend, configuration, or quarantined. Else empty."
    tombstones: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    "Digests of the handles that must not be used again, whoever found that out."


@attrs.frozen
class CheckpointNotLoaded:
    """The store could not be read."""


@attrs.frozen
class CheckpointReceived:
    """An update with a usable handle."""

    connection: int
    handle: str = attrs.field(repr=False)
    index: int | None = None
    "Number of the last client message on this connection that the handle covers; None if the server does not say."
    held_since: float | None = None
    "If it may have waited to be read because our reader was held up: since when. It may be as old as that."


@attrs.frozen
class CheckpointWithheld:
    """An update without a usable handle: the session cannot be resumed from here; the older handle stays good."""

    connection: int


@attrs.frozen
class GoAwayReceived:
    """The server will drop this connection soon."""

    connection: int
    time_left: float
    "Seconds until the server drops it; 0.0 if it did not say, or not legibly."


@attrs.frozen
class OutputStarted:
    """Output arrived: content of the model's. Of an answer that is delivered only the first need be told."""

    connection: int


@attrs.frozen
class OutputHeard:
    """Output has come since it was told of last. Told only when an answer would be overdue else."""

    connection: int
    silent_for: float
    "Seconds since the newest of it; or since we could hear any, if reading was held up."


@attrs.frozen
class AnswerGenerated:
    """The model has generated the whole answer (``generation_complete``); the turn ends when it has been played."""

    connection: int


@attrs.frozen
class TurnEnded:
    """What ends the SDK's ``receive()``: ``turn_complete`` or ``interaction_status`` IDLE."""

    connection: int


@attrs.frozen
class Interrupted:
    """The model stopped because the user spoke; the end of the turn follows."""

    connection: int


@attrs.frozen
class ToolCalled:
    """The model wants tools run, and waits."""

    connection: int
    ids: frozenset[str]


@attrs.frozen
class ToolCallsCancelled:
    """The model no longer wants these tools run."""

    connection: int
    ids: frozenset[str]


@attrs.frozen
class DialStarted:
    """The limiter let the dial through: its time runs from here."""

    connection: int


@attrs.frozen
class ConnectionOpened:
    """A connection is up: the server has answered the setup."""

    connection: int


@attrs.frozen
class OpenFailed:
    """A connection could not be opened."""

    connection: int
    drop: Dropped


@attrs.frozen
class ConnectionDropped:
    """They ended it: the server, or the network."""

    connection: int
    drop: Dropped


@attrs.frozen
class ConnectionClosed:
    """We ended it: our close frame is written, and answered or the grace has passed."""

    connection: int


@attrs.frozen
class Heard:
    """The connection gave a sign of life: a frame, a pong, an acknowledged byte."""

    connection: int
    silent_for: float
    "Seconds since that sign."
    round_trip: float | None = None
    "Seconds that a ping took there and back, if one was measured."


@attrs.frozen
class JournalFlushed:
    """Nothing is left unwritten on this connection."""

    connection: int


@attrs.frozen
class DeadlineReached:
    """A deadline that the machine had set has come. `relive.core.situation.SCOPES` lists their names."""

    name: str


@attrs.frozen
class SafePointReached:
    """Nothing would be lost by leaving this connection now. The machine finds this itself, after every fact."""

    connection: int


@attrs.frozen
class Extra:
    """The base of facts that are not ours: those of an embedder's own table (`Table.extend`)."""


Command: TypeAlias = ConnectRequested | CloseRequested
ConnectionFact: TypeAlias = (
    CheckpointReceived
    | CheckpointWithheld
    | GoAwayReceived
    | OutputStarted
    | OutputHeard
    | AnswerGenerated
    | TurnEnded
    | Interrupted
    | ToolCalled
    | ToolCallsCancelled
    | DialStarted
    | ConnectionOpened
    | OpenFailed
    | ConnectionDropped
    | ConnectionClosed
    | Heard
    | JournalFlushed
    | SafePointReached
)
Event: TypeAlias = (
    Command
    | ConnectionFact
    | InputAccepted
    | SeedAnswered
    | SeedRefused
    | CheckpointLoaded
    | CheckpointNotLoaded
    | DeadlineReached
    | Extra
)
