"""What relive needs from outside, as protocols: a transport, a store, a clock, observers. Implement one to plug in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, runtime_checkable

import attrs

from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped
from relive.core.effects import Open, Transition
from relive.core.journal import Frame

Opening: TypeAlias = Open
"What a transport is asked to open: number, handle or fresh, and whether a seed will be written first."


class ConnectionGone(Exception):
    """Raised by transports and connections: it cannot be opened, or it has ended. `drop` says how."""

    def __init__(self, drop: Dropped) -> None:
        self.drop = drop
        super().__init__(drop)


class Connection(Protocol):
    """One live link to the server, set up. Frames go in and out as they are on the wire."""

    @property
    def session_id(self) -> str | None:
        """The id that the server gave in its answer to the setup."""
        ...

    @property
    def setup_complete(self) -> object | None:
        """The server's answer to the setup, in whatever shape the session above expects it."""
        ...

    @property
    def writable(self) -> bool:
        """Whether `send` would return without waiting for the network now; not while one waits for it."""
        ...

    @property
    def last_sign_of_life(self) -> float:
        """When something last arrived, a frame or the answer to a ping, by the running event loop's clock."""
        ...

    async def send(self, frame: Frame) -> None:
        """Write one frame. The bytes are handed over before the first await, so cancelling tears nothing.

        Raises:
            ConnectionGone: the connection has ended.
        """
        ...

    async def recv(self) -> bytes:
        """The next frame; cancelling loses none. After the end, whatever had arrived before it comes first.

        Raises:
            ConnectionGone: the connection has ended.
        """
        ...

    async def close(self) -> None:
        """Send a close frame and wait for the answer; what arrives meanwhile can be received.

        May take as long as the peer likes: the caller bounds it.
        """
        ...

    def abort(self) -> None:
        """Cut it, at once and without a word. Idempotent."""
        ...

    async def ping(self) -> float:
        """Ask the peer for a sign of life; returns the round trip in seconds, or never: the caller bounds it.

        Raises:
            ConnectionGone: the connection has ended.
        """
        ...


@runtime_checkable
class Transport(Protocol):
    """Opens connections to one model on one backend."""

    @property
    def model(self) -> str:
        """The model; handles are bound to it."""
        ...

    @property
    def backend(self) -> str:
        """Where handles are valid: the Developer API, or a Vertex project and location."""
        ...

    @property
    def compressed(self) -> bool:
        """Whether the session's context is compressed, so that its length has no limit."""
        ...

    @property
    def known_keys(self) -> frozenset[str]:
        """Top-level keys of server frames that the application's SDK understands, in camelCase."""
        ...

    async def open(self, opening: Opening) -> Connection:
        """Dial and set up. Cancelling it leaves nothing behind.

        If `opening.seeded`, what is written first is history that wants no answer, and the setup is to say so.

        Raises:
            ConnectionGone: it could not be opened.
        """
        ...

    async def prepare(self) -> None:
        """A connection will soon be needed: renew credentials, open sockets ahead; never send a setup."""
        ...

    async def aclose(self) -> None:
        """Wait until the connections that were left are gone. The caller bounds it."""
        ...


@attrs.frozen
class Stored:
    """What a store holds under a key."""

    checkpoint: Checkpoint | None
    condemned: frozenset[str] = frozenset()
    "Digests (`digest`) of handles that must never be used again."


class HandleStore(Protocol):
    """Keeps the newest checkpoint of each session, for another process to go on from.

    Every call has a time limit, and is cancelled when that is over. Then nobody knows whether it was done, and nothing
    else is lost: what was there is there, or the new in its place, and the calls that follow are answered.
    """

    async def load(self, key: str) -> Stored | None:
        """What is there under this key."""
        ...

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint for `ttl` seconds, unless a newer generation is there. False: somebody newer owns it.

        The seconds count from now; a load adds none. All of the checkpoint is kept, its time to the millisecond.
        A generation is an epoch and a number in it, compared as integers. The epoch of a session that nobody owns is
        the millisecond since 1970 at which it began: 32 bits are too few.
        """
        ...

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Never hand out the handle with this digest again; leaves a tombstone for `ttl` seconds.

        One that stands for longer is not shortened: somebody may keep the checkpoint of that handle for as long.
        """
        ...

    async def delete(self, key: str) -> None:
        """Forget this session."""
        ...

    async def aclose(self) -> None:
        """Release what the store holds open."""
        ...


@attrs.frozen
class Lease:
    """Who may write to a session: one owner at a time, each under a higher epoch than all before."""

    owner: str
    "Who holds it."
    epoch: int
    "First part of the generation of what is saved under it; a store refuses what is saved under an older one."
    left: float
    "Seconds until it ends, by the store's clock, unless it is renewed."


@runtime_checkable
class Leases(Protocol):
    """What a `HandleStore` can offer besides: one owner for each session, across processes and machines."""

    async def claim(self, key: str, owner: str, *, ttl: float) -> Lease:
        """Own this session for `ttl` seconds, if nobody does. The epoch is above all that was ever saved or claimed.

        Returns:
            The lease that there is now: ours if its `owner` is the one that was given, else somebody else's.
        """
        ...

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        """Own it for `ttl` seconds from now. Also when the lease has run out, if nobody else has claimed it since.

        Returns:
            False: somebody else has claimed it, or the key was deleted.
        """
        ...

    async def release(self, key: str, lease: Lease) -> None:
        """Own it no longer, if it is ours still: another may claim it at once. What was saved stays, and the epoch."""
        ...


@attrs.frozen
class Entry:
    """What a store can show of a session to whoever looks after it."""

    key: str
    stored: Stored
    generation: tuple[int, int]
    expires: float | None
    "Wall-clock seconds when its checkpoint is no longer handed out; None if there is no checkpoint."
    lease: Lease | None = None
    "Who holds it now; None if nobody does."
    problem: str = ""
    "Why its checkpoint cannot be read, in words. `stored` has none then; other sessions are shown all the same."


@runtime_checkable
class Browsable(Protocol):
    """What a `HandleStore` can offer besides: looking at what is there, for the command line."""

    async def browse(self, key: str | None = None) -> list[Entry]:
        """All sessions that are there, or the one under this key, ordered by key."""
        ...


class Clock(Protocol):
    """Time and chance. `now` must be the running event loop's clock."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def wall(self) -> float:
        """Wall-clock seconds; only the age of handles is measured with it."""
        ...

    def jitter(self) -> float:
        """A random number from 0 to 1."""
        ...


@attrs.frozen
class Notice:
    """Something happened that is no transition, and that nobody should miss."""

    what: str
    """One word. Of what goes wrong: ``malformed_frame``, ``index_anomaly``, ``reader_stalled``, ``store_error``,
    ``session_limit`` …; of every session: ``dialled``, ``go_away``, ``saved``, ``lost``, ``failed``."""
    detail: str
    """In words. Of ``lost``, ``failed`` and a ``dialled`` that failed it is a word for programs, and after a colon what
    the server said: a close code, an HTTP status, ``network`` or ``local``; of ``failed`` the failure's cause."""
    at: float
    "Monotonic seconds."
    connection: int
    seconds: float | None = None
    "How long it took: ``dialled`` (if it came up), ``saved``; how long is left: ``go_away`` (0.0 if nobody says)."


@attrs.frozen
class Stats:
    """Counts since the session began. Frames are counted, not bytes, unless a field says so."""

    connections: int
    "Connections that came up."
    openings: int
    "Attempts to open one."
    resumed: int
    "Connections that resumed the conversation."
    not_restored: int
    "Connections that came up without its context."
    go_aways: int
    "GoAway notices heard."
    frames_accepted: int
    "Frames taken from the application."
    frames_written: int
    "Frames written to the network, repeats and seeds included."
    frames_covered: int
    "Frames that a handle covers."
    frames_replayed: int
    "Frames written again."
    replayed_audio: int
    "Of these, audio frames."
    replayed_video: int
    "Of these, video frames."
    replayed_reliable: int
    "Of these, everything else: text, content, marks, tool responses."
    frames_uncertain: int
    "Of these, frames the server may have had already: without message indices these may be doubled."
    frames_waiting: int
    "Frames accepted and not written yet."
    frames_uncovered: int
    "Frames written that no handle covers yet."
    dropped_audio: int
    "Audio frames dropped for their age."
    dropped_video: int
    "Video frames dropped for a newer one."
    dropped_answers: int
    "Tool responses not sent, because the resumed session cannot know their calls."
    trimmed_answers: int
    "Batches of tool responses from which such answers were removed."
    forgotten: int
    "Written frames forgotten above the journal's limit."
    frames_received: int
    "Frames read from the network."
    frames_delivered: int
    "Of these, frames handed to the application."
    frames_withheld_repeats: int
    "Frames of answers that the application had already had."
    frames_withheld_malformed: int
    "Frames that the SDK would have raised on."
    frames_synthetic: int
    "Frames that we made: interruptions, ends of turns, cancelled tool calls."
    reader_stalls: int
    "Times that reading paused because nobody received."
    observer_overflows: int
    "Transitions and notices that a slow observer missed."
    store_errors: int
    "Saves and loads that failed or took too long."
    journal_bytes: int
    "Bytes that wait to be written, or are kept for a replay."
    handle_age: float | None
    "Seconds since the newest handle came, by the wall clock; None without one."


@runtime_checkable
class Observer(Protocol):
    """Is told what happens, off the path: being slow, or raising, harms nobody."""

    def transition(self, transition: Transition) -> None:
        """The session went from one state to another."""
        ...

    def notice(self, notice: Notice) -> None:
        """Something else happened."""
        ...


@runtime_checkable
class Meter(Observer, Protocol):
    """An observer that is told the counts as well."""

    def counted(self, stats: Stats) -> None:
        """How the counts stand: after each transition, each notice that a checkpoint was saved, and at the end."""
        ...


@runtime_checkable
class Ticking(Meter, Protocol):
    """A meter that is told the counts also while nothing happens."""

    @property
    def every(self) -> float:
        """Seconds without a transition or a notice after which it is told."""
        ...


@attrs.frozen
class Said:
    """One utterance of the conversation."""

    role: str
    "``user`` or ``model``."
    text: str


SeedHook: TypeAlias = Callable[[str, tuple[Said, ...]], Awaitable[tuple[str, ...] | None]]
"Asked after a loss of context, with the reason and a transcript: client frames to begin with, or None to refuse."
