"""What can go wrong, as values: on the link, on the server, in the process. A plan is made of these.

Link faults have Toxiproxy's names where it has them. Durations are simulated seconds. A fault with `seconds` is taken
back after these, whatever else there is meanwhile; all of them are when the chaos of a plan is over, and so is what was
to become of the next dials and setups. What was done to a connection or to a handle stays: silence, black holes, a
GoAway, what is still to be said twice, handles that are refused or lead to nothing. So does a wall clock that was set,
and what a store has lost; a process that is down comes back in its time. What is too much, or no number, raises
`ValueError`: see `bounds`.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import attrs
from attrs.validators import in_, optional

from relive.testing.server_script import CLOSES
from relive.testing.simulation.bounds import BURST, BYTES, DOWN, EVER, Number, amount, duration, how_often, lasts, real

Way: TypeAlias = Literal["up", "down", "both"]
"From the client to the server, back, or both."

WAYS: Final = ("up", "down", "both")
ANOMALIES: Final = ("none", "missing", "repeated", "backwards", "too_high")
UNSOLICITED: Final = (
    "output", "generation_complete", "interrupted", "turn_complete", "tool_call", "tool_call_cancellation", "handle",
    "empty_update", "go_away", "dead_handle",
)  # fmt: skip
"What a server may say although nothing called for it; a dead handle is the last one that it refused."
GARBAGE: Final = ("not_json", "not_an_object", "unknown_key", "error", "null_go_away", "empty", "not_utf8")
"Frames that make no sense. In the bare SDK the socket survives them, and nothing else does."
FACTS: Final = (
    "CheckpointLoaded", "CheckpointNotLoaded", "SeedAnswered", "SeedRefused", "JournalFlushed", "Heard", "OutputHeard",
    "OldConnectionDropped", "OldConnectionClosed", "InputAccepted", "CloseRequested",
)  # fmt: skip
"Facts that come too late, or once more: what a slow store, hook, link or application would tell."


def _way(default: Way = "both") -> Any:
    return attrs.field(default=default, validator=in_(WAYS))


def _time_left(fault: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str | None):
        Number(0.0, EVER)(fault, attribute, value)


def _close() -> Any:
    return attrs.field(default="abnormal", validator=in_(tuple(CLOSES)))


@attrs.frozen
class Latency:
    """Everything takes longer."""

    delay: float = duration(0.1)
    "Seconds each way."
    jitter: float = duration(0.0)
    "Up to so many seconds more; never out of order."
    way: Way = _way()  # noqa: RUF009
    seconds: float = lasts()


@attrs.frozen
class Bandwidth:
    """Only so many bytes pass in a second."""

    rate: float = amount(2000.0, 1.0, BYTES)
    "Bytes a second."
    way: Way = _way()  # noqa: RUF009
    seconds: float = lasts()


@attrs.frozen
class Slicer:
    """Data comes in small pieces, with a pause between them."""

    size: int = attrs.field(default=64, validator=Number(1, BYTES, whole=True))
    "Bytes in a piece."
    delay: float = duration(0.01)
    "Seconds between two pieces."
    way: Way = _way()  # noqa: RUF009
    seconds: float = lasts()


@attrs.frozen
class Hold:
    """Nothing passes for a while, and nothing is lost: it comes afterwards, all at once."""

    way: Way = _way()  # noqa: RUF009
    seconds: float = lasts(3.0)


@attrs.frozen
class Timeout:
    """Nothing passes any more on the connection there is, in neither direction, and after a while it is reset."""

    after: float | None = amount(None, 0.0, EVER, or_none=True)
    "Seconds until the reset; None: never, it is a black hole."


@attrs.frozen
class HalfOpen:
    """The server has lost the client, and the client is not told."""

    notices_after: float | None = amount(0.0, 0.0, EVER, or_none=True)
    "Seconds after which the server takes the client for gone; None: never, so that its session stays in use."


@attrs.frozen
class ResetPeer:
    """The connection is reset, without a close frame."""

    after: float = duration(0.0)


@attrs.frozen
class LimitData:
    """The connection is reset when so many more bytes have passed."""

    size: int = attrs.field(default=1000, validator=Number(0, BYTES, whole=True))
    "Bytes, up and down together."


@attrs.frozen
class Truncate:
    """The next frame is cut in the middle, and the connection reset."""

    way: Way = _way("down")  # noqa: RUF009


@attrs.frozen
class SlowClose:
    """A close frame takes so long to arrive; what is sent meanwhile still comes."""

    delay: float = duration(0.2)
    seconds: float = lasts()


@attrs.frozen
class Clog:
    """The client's socket takes nothing more for a while: what is sent waits. What comes still comes."""

    seconds: float = lasts(5.0)


@attrs.frozen
class RefuseDial:
    """The next dials are refused: with an HTTP status, or by the network."""

    status: int | None = attrs.field(default=503, validator=optional(Number(200, 599, whole=True)))
    "HTTP status of the answer to the upgrade; None: there is no answer, as when a name cannot be resolved."
    times: int = how_often()


@attrs.frozen
class HangDial:
    """The next dials come to nothing, without a word."""

    times: int = how_often()


@attrs.frozen
class Flap:
    """The link goes down and comes up again, so many times: what is open is reset, dials fail while it is down."""

    times: int = how_often(3)
    down: float = lasts(1.0)
    up: float = lasts(2.0)


@attrs.frozen
class Swizzle:
    """The connections of a herd are clogged one by one, and unclogged in another order."""

    every: float = lasts(0.5)
    "Seconds from one to the next."


@attrs.frozen
class GoAway:
    """The server announces the end of the connection."""

    time_left: float | str | None = attrs.field(default=10.0, converter=real, validator=_time_left)
    "Seconds; or any text, sent as it is, such as ``-3s``; None: not said."
    then: Literal["close", "silence", "never"] = attrs.field(
        default="close", validator=in_(("close", "silence", "never"))
    )
    "Work on until it is over and close; fall silent at once and close then; never close."


@attrs.frozen
class Close:
    """The server closes the connection, with one of the closes of `live-api.md`."""

    cause: str = _close()
    "A name in `CLOSES`; ``abnormal`` is a reset."


@attrs.frozen
class Silence:
    """The connection stays open, and the server neither reads nor says anything on it any more."""


@attrs.frozen
class HangSetup:
    """The next setups are not answered."""

    times: int = how_often()


@attrs.frozen
class SlowSetup:
    """Setups are answered late."""

    delay: float = duration(2.0)
    seconds: float = lasts()


@attrs.frozen
class CloseInSetup:
    """The next setups are answered with a close."""

    cause: str = _close()
    times: int = how_often()


@attrs.frozen
class CloseAfterSetup:
    """The next connections come up and are closed soon after."""

    cause: str = _close()
    after: float = duration(0.5)
    times: int = how_often()


@attrs.frozen
class MuteAfterSetup:
    """The next connections come up and fall silent soon after."""

    after: float = duration(0.5)
    times: int = how_often()


@attrs.frozen
class ExpireHandles:
    """No handle given so far is known any more."""


@attrs.frozen
class RejectHandles:
    """Handles given so far are refused, with a close."""

    cause: str = attrs.field(default="invalid_handle", validator=in_(tuple(CLOSES)))


@attrs.frozen
class PoisonHandles:
    """Handles given so far are accepted, and the connection then dies, or stays mute."""

    how: Literal["die", "mute"] = attrs.field(default="die", validator=in_(("die", "mute")))
    after: float = duration(0.5)


@attrs.frozen
class WithholdHandles:
    """For a while the server says that the session cannot be resumed from here."""

    seconds: float = lasts(20.0)


@attrs.frozen
class LateHandles:
    """Handles come so long after the turn that they cover."""

    delay: float = duration(3.0)
    seconds: float = lasts(60.0)


@attrs.frozen
class WrongIndices:
    """Something is wrong with the message indices of updates."""

    anomaly: Literal["missing", "repeated", "backwards", "too_high"] = attrs.field(
        default="missing", validator=in_(ANOMALIES)
    )
    seconds: float = lasts(60.0)


@attrs.frozen
class Duplicate:
    """The server says the next so many messages twice."""

    times: int = how_often()


@attrs.frozen
class Unsolicited:
    """The server says something that nothing called for."""

    kind: str = attrs.field(default="output", validator=in_(UNSOLICITED))


@attrs.frozen
class Garbage:
    """The server sends a frame that makes no sense."""

    kind: str = attrs.field(default="not_json", validator=in_(GARBAGE))


@attrs.frozen
class RestartServer:
    """All connections are reset at once."""

    handles: Literal["kept", "lost"] = attrs.field(default="kept", validator=in_(("kept", "lost")))


@attrs.frozen
class Crash:
    """The client's process dies, and a new one begins with what the store holds."""

    store: Literal["kept", "lost", "stale"] = attrs.field(default="kept", validator=in_(("kept", "lost", "stale")))
    "What the new process finds: what was saved last, nothing, or what was saved before that."
    down: float = amount(1.0, 0.0, DOWN)
    "Seconds between the two."


@attrs.frozen
class SlowStore:
    """The store takes so long for everything."""

    delay: float = duration(3.0)
    seconds: float = lasts(60.0)


@attrs.frozen
class FailingStore:
    """The store raises at everything."""

    seconds: float = lasts(60.0)


@attrs.frozen
class StepWall:
    """The wall clock is set."""

    step: float = amount(3600.0, -EVER, EVER)
    "Seconds forward; back if negative."


@attrs.frozen
class StopReading:
    """The application does not receive for a while."""

    seconds: float = lasts(5.0)


@attrs.frozen
class Burst:
    """The application sends so many frames of audio at once."""

    frames: int = attrs.field(default=100, validator=Number(1, BURST, whole=True))


@attrs.frozen
class SlowHook:
    """The application takes so long to say how to go on after a loss of context."""

    delay: float = duration(2.0)
    seconds: float = lasts(60.0)


@attrs.frozen
class Hangup:
    """The application closes its session, and the simulation ends with it."""


@attrs.frozen
class Stray:
    """A fact is told once more, or too late, as a slow plug-in would."""

    fact: str = attrs.field(default="SeedAnswered", validator=in_(FACTS))


Fault: TypeAlias = (
    Latency | Bandwidth | Slicer | Hold | Timeout | HalfOpen | ResetPeer | LimitData | Truncate | SlowClose
    | RefuseDial | Clog | HangDial | Flap | Swizzle | GoAway | Close | Silence | HangSetup | SlowSetup | CloseInSetup
    | CloseAfterSetup | MuteAfterSetup | ExpireHandles | RejectHandles | PoisonHandles | WithholdHandles | LateHandles
    | WrongIndices | Duplicate | Unsolicited | Garbage | RestartServer | Crash | SlowStore | FailingStore | StepWall
    | StopReading | Burst | SlowHook | Hangup | Stray
)  # fmt: skip
FAULTS: Final[dict[str, type[Fault]]] = {kind.__name__: kind for kind in Fault.__args__}
"Every fault by its name."
