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
        """Whether `send` would return without waiting for the network now."""
        ...

    @property
    def last_sign_of_life(self) -> float:
        """When something last arrived, in seconds of the running event loop's clock."""
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
        """Send a close frame and wait for the answer. May take as long as the peer likes: the caller bounds it."""
        ...

    def abort(self) -> None:
        """Cut it, at once and without a word. Idempotent."""
        ...

    async def ping(self) -> float:
        """Ask the peer for a sign of life; returns the round trip in seconds, or never."""
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
    """Keeps the newest checkpoint of each session, for another process to go on from."""

    async def load(self, key: str) -> Stored | None:
        """What is there under this key."""
        ...

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint for `ttl` seconds, unless a newer generation is there. False: somebody newer owns it."""
        ...

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Never hand out the handle with this digest again; leaves a tombstone."""
        ...

    async def delete(self, key: str) -> None:
        """Forget this session."""
        ...

    async def aclose(self) -> None:
        """Release what the store holds open."""
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
    "One word: ``malformed_frame``, ``index_anomaly``, ``reader_stalled``, ``store_error``, ``session_limit`` …"
    detail: str
    at: float
    "Monotonic seconds."
    connection: int


@runtime_checkable
class Observer(Protocol):
    """Is told what happens, off the path: being slow, or raising, harms nobody."""

    def transition(self, transition: Transition) -> None:
        """The session went from one state to another."""
        ...

    def notice(self, notice: Notice) -> None:
        """Something else happened."""
        ...


@attrs.frozen
class Said:
    """One utterance of the conversation."""

    role: str
    "``user`` or ``model``."
    text: str


SeedHook: TypeAlias = Callable[[str, tuple[Said, ...]], Awaitable[tuple[str, ...] | None]]
"Asked after a loss of context, with the reason and a transcript: client frames to begin with, or None to refuse."
