"""Orders: what is to be done, in the imperative.

The lifecycle returns them as a tuple, to be performed in that order; none carries a callable, so tests compare them
with ``==``. `relive.runtime` performs them; whatever comes of one is told as a fact (`relive.core.events`).
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped


@attrs.frozen
class Verdict:
    """How a connection came up, and what that means for the conversation."""

    kind: str
    "``fresh``, ``resumed``, ``resumed_with_gap`` or ``not_restored``."
    reason: str = ""
    "Why the conversation was not restored, or what is missing from it."
    replayed: int = 0
    "Frames that will be sent again."
    dropped: int = 0
    "Frames that were accepted and will not reach this session, counted since the last connection."
    uncertain: int = 0
    "Of the replayed ones, those that the server may have had already; 0 where it reports message indices."

    def __str__(self) -> str:
        return f"{self.kind}({self.reason})" if self.reason else self.kind


@attrs.frozen
class Transition:
    """One step of the machine from one state to another."""

    source: str
    dest: str
    event: str
    "Name of the fact, for a deadline with its name: ``DeadlineReached(drain)``."
    at: float
    "Monotonic seconds."
    connection: int
    "Number of the newest connection, after the step."
    verdict: Verdict | None = None
    "How that connection came up; None until it has."


@attrs.frozen
class Failure:
    """Why a session was given up."""

    cause: str
    """One word for programs: ``fatal``, ``gave_up``, ``poisoned``, ``seed_refused``; from the runtime also
    ``session_taken`` (another worker owns it) and ``internal`` (something raised that may not)."""
    drop: Dropped | None = None
    "The end of the last connection, if that is what it was."
    detail: str = ""
    "What to do about it, in a sentence."


@attrs.frozen
class Load:
    """Ask the store for a checkpoint, once."""


@attrs.frozen
class Open:
    """Open a connection: dial, and set up. `ConnectionOpened` or `OpenFailed` will follow."""

    number: int
    handle: str | None = attrs.field(repr=False)
    "The handle to resume from; None for a fresh session."
    seeded: bool = False
    "Whether a seed will be written first (only ever into a fresh session)."


@attrs.frozen
class Abandon:
    """Abort this connection, or the dial of it, without ceremony; nothing of it is told any more."""

    number: int


@attrs.frozen
class HangUp:
    """Stop writing on this connection and close it in good order; `ConnectionClosed` will follow."""

    number: int


@attrs.frozen
class Prepare:
    """A connection will soon be needed."""


@attrs.frozen
class Write:
    """The journal may be written on this connection, from its first waiting frame on."""

    number: int


@attrs.frozen
class Probe:
    """Find out whether this connection lives; `Heard` follows if it does."""

    number: int


@attrs.frozen
class Save:
    """Keep this checkpoint in the store."""

    checkpoint: Checkpoint


@attrs.frozen
class Quarantine:
    """Never use this handle again, and tell the store."""

    handle: str = attrs.field(repr=False)
    reason: str


@attrs.frozen
class AskSeed:
    """Ask the application how to go on without the lost context; `SeedAnswered` or `SeedRefused` follows."""

    reason: str


@attrs.frozen
class CancelSeed:
    """The application's answer is no longer wanted."""


@attrs.frozen
class CancelCalls:
    """Tell the application that these tool calls were rolled back."""

    ids: tuple[str, ...]
    "In a stable order."


@attrs.frozen
class Interrupt:
    """Tell the application that the answer it was receiving was cut."""


@attrs.frozen
class CompleteTurn:
    """Tell the application that the cut turn is over: it does not come back."""


@attrs.frozen
class Warn:
    """Something the application should know of, although the session goes on."""

    what: str
    "One word for programs: ``session_limit``, ``index_anomaly`` …"
    detail: str = ""


@attrs.frozen
class Fail:
    """The session is over: whoever waits gets an error."""

    failure: Failure


@attrs.frozen
class Shut:
    """Release everything; flush what is unwritten first if asked to."""

    flush: bool


@attrs.frozen
class Report:
    """Tell the observers of a step, once."""

    transition: Transition


Effect: TypeAlias = (
    Load
    | Open
    | Abandon
    | HangUp
    | Prepare
    | Write
    | Probe
    | Save
    | Quarantine
    | AskSeed
    | CancelSeed
    | CancelCalls
    | Interrupt
    | CompleteTurn
    | Warn
    | Fail
    | Shut
    | Report
)
