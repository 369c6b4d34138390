"""Watches the sessions that an application opens, and writes down what they do: around runtime, channel, transport.

`watching` stands in for the two classes of which `relive.connect` makes a session, while it is entered, and on its own
event loop alone. An application needs to know nothing of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any, Final, cast

import attrs

import relive.session
from relive.clock import LoopClock
from relive.core.compiled import Compiled
from relive.core.events import CloseRequested
from relive.core.journal import Frame
from relive.core.table import TABLE
from relive.errors import CommandError, SessionClosed, SessionFailed
from relive.ports import Connection, Observer, Opening, Transport
from relive.runtime.channel import Channel
from relive.runtime.limiter import DialLimiter
from relive.runtime.runtime import Runtime
from relive.testing import server_wire as wire
from relive.testing.server_truth import Kind, Payload
from relive.testing.simulation.embedding_store import WatchedStore
from relive.testing.simulation.history import CLOSING, Dialled, History, Ledger, Life, Sent
from relive.testing.simulation.plan import Conversation
from relive.testing.simulation.recording import Recording, Scribe
from relive.testing.simulation.taps import TappedTransport
from relive.testing.simulation.user import CHUNK, Item, User, hear

DIALLING: Final = ContextVar[Dialled]("DIALLING")
"For which opening of which session a connection is dialled."
PROCESS: Final = ContextVar["OneProcess"]("PROCESS")
"Which process of the application's something is done in."
_SILENT: Final = Conversation(turns=())


@attrs.define(eq=False)
class Watched:
    """A session of the application's."""

    scribe: Scribe
    ledger: Ledger
    runtime: Runtime
    seeded: bool
    "It has a seed hook: content may have been consumed that the application never sent."
    limited: bool
    "It dials when the limiter of all sessions lets it; else when one of its application's own does."
    stored: bool
    "It has a store."
    said: list[tuple[Kind, Payload]] = attrs.Factory(list[tuple[Kind, Payload]])
    "What was accepted, in order; of tool responses not."
    unsure: list[tuple[Kind, Payload]] = attrs.Factory(list[tuple[Kind, Payload]])
    "What may have been accepted: whoever sent it was cancelled."
    waits: Counter[str] = attrs.Factory(Counter[str])
    "How many wait for it: to send, to receive, to start or to close it."

    @property
    def life(self) -> Life:
        """What is known of it."""
        return self.scribe.life

    @contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Somebody waits for it meanwhile."""
        self.waits[what] += 1
        try:
            yield
        finally:
            self.waits[what] -= 1


class OneProcess:
    """A process of the application's."""

    def __init__(self) -> None:
        self.dead = False
        self.limiter = DialLimiter()


class Watch:
    """What all the sessions of one simulation have in common.

    Args:
        history: where to write.
        now: seconds since its beginning.
        entered: told which session has come into which state.
    """

    def __init__(self, history: History, now: Callable[[], float], entered: Callable[[int, str], None]) -> None:
        self.history = history
        self.now = now
        self.sessions: list[Watched] = []
        self.process = OneProcess()
        "The one that there is."
        self._entered = entered

    def begin(self) -> Scribe:
        """A session is being made: whose scribe it gets."""
        number, now = len(self.sessions), self.now()
        ledger = Ledger(number, User(_SILENT, client=number))
        life = Life(number, 1, now)
        ledger.lives.append(life)
        self.history.clients.append(ledger)
        scribe = Scribe(self.history, life, self.now, self._entered)
        scribe.mute = life.crashed = PROCESS.get(self.process).dead
        scribe.note("start", "life 1")
        return scribe

    def chance(self) -> int:
        """Where the backoff of the next session comes from."""
        return self.history.plan.stream("backoff").getrandbits(32) + len(self.sessions)

    def look_for_waits(self) -> None:
        """The application does not come to its end: write down who waits for a session although that has ended."""
        for watched in self.sessions:
            who = ", ".join(sorted(+watched.waits))
            moves = self.history.of("step", watched.scribe.client)
            if who and watched.runtime.lifecycle.final and moves and self.now() - moves[-1].at > CLOSING:
                watched.scribe.note("wrong", "P22", f"somebody still waits ({who}) for a session that has ended")

    def kill(self) -> None:
        """The process has died: nothing that its sessions still do happens. Another one may begin."""
        for watched in self.sessions:
            life, scribe, runtime = watched.life, watched.scribe, watched.runtime
            if life.ended is None:
                life.crashed, life.ended, life.stats = True, self.now(), runtime.stats()
                scribe.note("crash", life.state)
                scribe.mute = True
                if not runtime.lifecycle.final:
                    with suppress(CommandError):  # a table of its own may know a state that cannot be closed
                        runtime.tell(CloseRequested())  # else it would still set timers
        self.process.dead = True
        self.process = OneProcess()

    def finish(self, watched: Watched) -> None:
        """A session has ended: note how. Once."""
        life, scribe = watched.life, watched.scribe
        if life.ended is not None:
            return
        life.ended, life.stats = self.now(), watched.runtime.stats()
        journal = watched.runtime.lifecycle.journal
        scribe.cut(life.ended, len(journal.waiting), len(journal.written))
        scribe.all_delivered()
        life.passed_over, life.passed_over_control = scribe.kept_back, scribe.kept_back_control
        life.made = scribe.made
        ended = watched.runtime.ended
        if isinstance(ended, SessionFailed):
            life.failure = ended.failure
        scribe.note("end", life.state, life.failure.cause if life.failure is not None else "")


class _Watches:
    """Who watches which event loop, and what stands in `relive.session` for the classes it has while anybody does.

    There may be several at a time, each in a thread of its own. Whoever opens a session on another loop is not watched:
    it gets what it would have got.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._of: dict[asyncio.AbstractEventLoop, Watch] = {}

    @contextmanager
    def watching(self, watch: Watch) -> Generator[None]:
        """Watch every session that `relive.connect` opens on the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._of[loop] = watch
            _put_in_place(self._runtime, _channel)
        try:
            yield
        finally:
            with self._lock:
                del self._of[loop]
                if not self._of:
                    _put_in_place(Runtime, Channel)

    def _runtime(self, transport: Transport, **options: Any) -> Runtime:
        watch = self._of.get(asyncio.get_running_loop())
        return Runtime(transport, **options) if watch is None else WatchedRuntime(transport, watch=watch, **options)


def _put_in_place(runtime: Callable[..., Runtime], channel: Callable[[Runtime], Channel]) -> None:
    setattr(relive.session, "Runtime", runtime)  # noqa: B010 - a class is expected there
    setattr(relive.session, "Channel", channel)  # noqa: B010


def _channel(runtime: Runtime) -> Channel:
    return WatchedChannel(runtime) if isinstance(runtime, WatchedRuntime) else Channel(runtime)


watching: Final = _Watches().watching


class WatchedRuntime(Runtime):
    """A runtime that is watched."""

    def __init__(self, transport: Transport, *, watch: Watch, **options: Any) -> None:
        scribe, table = watch.begin(), options.get("table", TABLE)
        options["observers"] = [*cast("Iterable[Observer]", options.get("observers", ())), scribe]
        options["clock"] = options.get("clock") or LoopClock(seed=watch.chance())
        shared = options.get("limiter") is None
        options["limiter"] = PROCESS.get(watch.process).limiter if shared else options["limiter"]
        options["engine"] = Recording(scribe) if table is TABLE else Recording(scribe, Compiled(table))
        stored = options.get("store") is not None
        options["store"] = WatchedStore(options["store"], scribe) if stored else None
        super().__init__(_Transport(transport, scribe), **options)
        self.watch_over = watch
        self.watched = Watched(scribe, watch.history.clients[-1], self, options.get("seed") is not None, shared, stored)
        watch.sessions.append(self.watched)

    async def start(self, handle: str | None = None) -> None:
        """Open the session; it begins with this handle, if there is one."""
        if self.watched.scribe.mute:
            await asyncio.get_running_loop().create_future()  # the dead begin nothing
        self.watched.life.given = self.watch_over.history.name(handle)
        with self.watched.waiting("start"):
            await super().start(handle)

    async def close(self) -> None:
        """End the session, and write down how it ends."""
        before = self.watch_over.now()
        with self.watched.waiting("close"):
            await super().close()
        if self.watched.life.ended is None:
            self.watched.life.closing = self.watch_over.now() - before
            self.watch_over.finish(self.watched)


class WatchedChannel(Channel):
    """A channel that is watched."""

    def __init__(self, runtime: WatchedRuntime) -> None:
        super().__init__(runtime)
        self._watched = runtime.watched

    async def send(self, frame: Frame) -> None:
        """Send, and write it down."""
        watched = self._watched
        try:
            with watched.waiting("send"):
                await super().send(frame)
        except (SessionClosed, SessionFailed) as error:
            self._failed("send", error)
            raise
        except asyncio.CancelledError:
            watched.unsure += _items(frame)
            raise
        scribe, now = watched.scribe, watched.scribe.now()
        if now >= scribe.until:
            journal = watched.runtime.lifecycle.journal
            scribe.cut(now, len(journal.waiting), len(journal.written))
        scribe.flow[0] += 1
        self._accepted(_items(frame), now)

    def _accepted(self, items: list[tuple[Kind, Payload]], now: float) -> None:
        watched = self._watched
        kind, payload = items[0] if items else ("context_update", "")
        if kind != "tool_response":
            watched.said += items
        if kind in ("audio", "context_update"):
            return
        number = len(watched.ledger.sent) + 1
        ids = payload if isinstance(payload, tuple) else ()
        item = Item(kind, number, ids=ids)
        watched.ledger.sent.append(Sent(item, now, 1, "ok"))
        watched.scribe.note("sent", kind, [number, "ok"])

    async def recv(self, decode: bool | None = None) -> Frame:
        """Receive, and write it down."""
        try:
            with self._watched.waiting("receive"):
                frame = await super().recv(decode=False)
        except (SessionClosed, SessionFailed) as error:
            self._failed("receive", error)
            raise
        assert isinstance(frame, bytes)
        scribe = self._watched.scribe
        wrong = scribe.delivered(frame)
        if wrong:
            scribe.note("wrong", "P18", wrong)
        if not frame.startswith(CHUNK):
            for name, said in hear(frame)._asdict().items():
                if said and name != "output":
                    scribe.note("heard", name, list(cast("tuple[str, ...]", said)) if isinstance(said, tuple) else None)
        return frame.decode() if decode else frame

    def _failed(self, where: str, error: SessionClosed | SessionFailed) -> None:
        got = "SessionFailed" if isinstance(error, SessionFailed) else "SessionClosed"
        self._watched.life.errors.setdefault(where, got)


def _items(frame: Frame) -> list[tuple[Kind, Payload]]:
    """What a client's frame says to the model."""
    text = frame if isinstance(frame, str) else frame.decode()
    sound = wire.read_audio(text)
    if sound is not None:
        return [("audio", sound)]
    match wire.read(text):
        case wire.Realtime(items):
            return list(items)
        case wire.Content(said):
            return [("content", said)]
        case wire.ToolResponse(ids):
            return [("tool_response", ids)]
        case _:
            return []


class _Transport(TappedTransport):
    """Says for which opening it dials, to whoever looks into the context of the dial."""

    async def open(self, opening: Opening) -> Connection:
        """Open a connection."""
        if self.scribe.mute:
            await asyncio.get_running_loop().create_future()  # nor do they dial
        before = DIALLING.set(Dialled(self.scribe.client, 1, opening.number))
        try:
            return await super().open(opening)
        finally:
            DIALLING.reset(before)
