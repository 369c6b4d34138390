"""One connection at work: a reader, a writer, pings. It tells the runtime what happens and decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from relive.core import events as ev
from relive.core.closes import Dropped
from relive.core.journal import Frame, Journal
from relive.core.policy import Policy
from relive.ports import Connection, ConnectionGone
from relive.runtime.tasks import complain

_BURST = 128
"Frames read in one go before other tasks get their turn: about a third of a millisecond."
_PROMPT = 0.05  # seconds; a frame that was there already is read in far less
_LAST_WORDS = 0.3
"Seconds that a connection on which writing failed has to be read to its end."
_REMAINS = 0.05
"Seconds that a connection which did not answer our close frame has for frames that had arrived."

Sign: TypeAlias = ev.Heard | ev.OutputHeard
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Listener(Protocol):
    """What a link talks to."""

    def tell(self, event: ev.Event) -> None:
        """A fact."""
        ...

    def arrived(self, number: int, frame: bytes) -> bool:
        """A frame from the server. Returns whether no more can be kept: then `room` is awaited before the next."""
        ...

    async def room(self) -> None:
        """Wait until more frames can be kept."""
        ...

    def held(self, since: float | None) -> None:
        """Frames that arrive from now on may have waited since then: reading was paused. None: they have not."""
        ...

    def dropped(self, number: int, drop: Dropped) -> None:
        """They ended it."""
        ...

    def written(self) -> None:
        """A waiting frame has gone out."""
        ...


def cut(connection: Connection) -> None:
    """Abort a connection of which nobody may hear any more, whatever comes of it."""
    try:
        connection.abort()
    except Exception as exc:  # noqa: BLE001 - a transport may be somebody else's code
        complain("a connection could not be aborted", exc=exc)


class Link:
    """The tasks around one connection."""

    __slots__ = ("_closed", "_deaf_until", "_journal", "_listener", "_loop", "_may_write", "_pinging", "_reader",
                 "_spawn", "_writer", "connection", "number")  # fmt: skip

    def __init__(self, number: int, connection: Connection, journal: Journal, listener: Listener, spawn: Spawn) -> None:
        self.number = number
        self.connection = connection
        self._journal = journal
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._may_write = False
        self._closed = False
        self._deaf_until = 0.0
        self._spawn = spawn
        self._reader = spawn(self._read(), f"reader {number}")
        self._writer: asyncio.Task[None] | None = None
        self._pinging: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Link: connection {self.number}>"

    def silent_for(self, sign: float) -> float:
        """Seconds since this sign of life. A reader that is held up could not hear any other, so that is no silence."""
        return max(0.0, self._loop.time() - max(sign, self._deaf_until))

    def start_writing(self) -> None:
        """From now on the journal may be written here."""
        self._may_write = True
        self.wake()

    def stop_writing(self) -> None:
        """No frame goes out from here any more."""
        self._may_write = False
        if self._writer is not None:
            self._writer.cancel()

    def write_through(self, frame: Frame) -> bool:
        """Journal a frame of audio as written, if no writer is at work and the network takes it at once.

        The usual way of a frame: no task switch between the application and the socket. The caller sends it at once.
        """
        if self._writer is not None or not self._may_write or not self.connection.writable:
            return False
        self._journal.write_through(frame, self._loop.time())
        return True

    def write_directly(self) -> Frame | None:
        """The same for the frame just journaled, which is returned; else has a writer see to it."""
        if self._writer is None and self._may_write and self.connection.writable:
            entry = self._journal.write(self._loop.time())
            return entry.frame if entry is not None else None
        self.wake()
        return None

    def wake(self) -> None:
        """Have what waits written. There is one writer at most, and none while there is nothing for it to do."""
        if self._writer is None and self._may_write:
            self._writer = self._spawn(self._write(), f"writer {self.number}")

    async def flush(self, within: float) -> bool:
        """Write what waits; returns whether all of it went out within so many seconds."""
        self.wake()
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=within)
        return not self._journal.waiting

    async def _write(self) -> None:
        connection, journal, listener = self.connection, self._journal, self._listener
        try:
            while self._may_write and (entry := journal.write(self._loop.time())) is not None:
                listener.written()
                await connection.send(entry.frame)
        except ConnectionGone as exc:
            self.broke(exc.drop)
        except (asyncio.CancelledError, Exception) as exc:  # by somebody else: we forbid writing before we cancel it
            self.broke(Dropped(None, f"writing ended with {type(exc).__name__}", origin="network"))
            raise
        finally:
            self._writer = None
            listener.written()  # what was dropped made room, too
        if self._may_write:
            listener.tell(ev.JournalFlushed(self.number))

    def broke(self, drop: Dropped) -> None:
        """Writing failed. The reader hears of the end, and of its reason, once it has read what came before it.

        If it does not within a moment, the connection has broken on writing only.
        """
        if self._may_write:
            self._may_write = False
            self._spawn(self._end(drop), f"end {self.number}")

    async def _end(self, drop: Dropped) -> None:
        await asyncio.wait([self._reader], timeout=_LAST_WORDS)
        self._dropped(drop)

    async def _read(self) -> None:
        number, listener = self.number, self._listener
        recv, arrived = self.connection.recv, listener.arrived
        try:
            while True:
                for _ in range(_BURST):
                    if arrived(number, await recv()):
                        await self._stall()
                await asyncio.sleep(0)
        except ConnectionGone as exc:
            self._dropped(exc.drop)
        except asyncio.CancelledError:
            self._dropped(Dropped(None, "reading was cancelled", origin="network"))  # by somebody else: we tell before
            raise

    async def _stall(self) -> None:
        """Wait for room, and read what has waited meanwhile, until a frame comes that has not."""
        since: float | None = None
        full = True
        while full:
            since = self._loop.time() if since is None else since
            self._deaf_until = math.inf
            await self._listener.room()
            self._deaf_until = self._loop.time()
            self._listener.held(since)
            full, prompt = await self._catch_up()
            since = None if prompt else since

    async def _catch_up(self) -> tuple[bool, bool]:
        """Read on. Returns whether there is no room again, and whether the last frame was read as it came."""
        full = prompt = False
        while not (full or prompt):
            asked = self._loop.time()
            frame = await self.connection.recv()
            if self._loop.time() - asked > _PROMPT:  # nothing was there
                prompt = True
                self._listener.held(None)
            full = self._listener.arrived(self.number, frame)
        return full, prompt

    def _dropped(self, drop: Dropped) -> None:
        if not self._closed:
            self._listener.dropped(self.number, drop)

    def sign_instead(self, deadline: str, policy: Policy, output_at: Callable[[float], float]) -> Sign | None:
        """What was heard meanwhile, so that it is too early for this deadline; None if it is not.

        Frames are signs of life too, but telling the core of each would cost more than looking now and then.
        """
        limits = {"probe": policy.probe_after, "silence": policy.probe_timeout, "answer": policy.answer_timeout}
        limit = limits.get(deadline)
        if limit is None:
            return None
        sign, heard = self.connection.last_sign_of_life, ev.Heard
        if deadline == "answer":
            sign, heard = output_at(sign), ev.OutputHeard
        silent_for = self.silent_for(sign)
        return heard(self.number, silent_for) if silent_for < limit else None

    def probe(self) -> None:
        """Ask for a sign of life, unless that has been asked for and not been answered."""
        if self._pinging is None:
            self._pinging = self._spawn(self._ping(), f"ping {self.number}")

    async def _ping(self) -> None:
        try:
            round_trip = await self.connection.ping()
        except ConnectionGone:
            return
        finally:
            self._pinging = None
        self._listener.tell(ev.Heard(self.number, 0.0, round_trip))

    async def close(self, grace: float) -> None:
        """Close in good order: our close frame is written, and answered or the grace has passed. Frames are read on.

        It does not raise, nor take much longer than the grace, whatever the connection does.
        """
        self._closed = True
        self.stop_writing()
        until = self._loop.time() + grace
        closing = self._spawn(self._take_leave(), f"farewell {self.number}")
        try:
            await asyncio.wait([closing], timeout=grace)
            cut(self.connection)
            await asyncio.wait([self._reader], timeout=max(until - self._loop.time(), _REMAINS))
        finally:
            closing.cancel()
            self.release()

    async def _take_leave(self) -> None:
        with contextlib.suppress(Exception):
            await self.connection.close()

    def release(self) -> None:
        """Cut the connection, if it is not closed, and stop all tasks but the one that runs."""
        self._closed = True
        self._may_write = False
        cut(self.connection)
        current = asyncio.current_task()
        for task in (self._reader, self._writer, self._pinging):
            if task is not None and task is not current:
                task.cancel()
