"""One connection at work: a reader, a writer, pings. It tells the runtime what happens and decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from relive.core import events as ev
from relive.core.closes import Dropped
from relive.core.journal import Frame, Journal
from relive.ports import Connection, ConnectionGone

_BURST = 32
"Frames read in one go before other tasks get their turn."


Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Listener(Protocol):
    """What a link talks to."""

    def tell(self, event: ev.Event) -> None:
        """A fact."""
        ...

    def arrived(self, number: int, frame: bytes) -> None:
        """A frame from the server."""
        ...

    async def room(self) -> None:
        """Wait until more frames can be kept."""
        ...

    @property
    def full(self) -> bool:
        """Whether no more frames can be kept."""
        ...

    def written(self) -> None:
        """A waiting frame has gone out."""
        ...


class Link:
    """The tasks around one connection."""

    __slots__ = ("_closed", "_idle", "_journal", "_listener", "_loop", "_pinging", "_reader", "_spawn", "_work", "_writer",
                 "connection", "number")  # fmt: skip

    def __init__(self, number: int, connection: Connection, journal: Journal, listener: Listener, spawn: Spawn) -> None:
        self.number = number
        self.connection = connection
        self._journal = journal
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._work: asyncio.Future[None] | None = None
        self._idle = False
        self._closed = False
        self._spawn = spawn
        self._reader = spawn(self._read(), f"reader {number}")
        self._writer: asyncio.Task[None] | None = None
        self._pinging: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Link: connection {self.number}>"

    @property
    def writing(self) -> bool:
        """Whether frames still go out here."""
        return self._writer is not None and not self._writer.done()

    def start_writing(self) -> None:
        """From now on the journal may be written here."""
        self._writer = self._spawn(self._write(), f"writer {self.number}")

    def stop_writing(self) -> None:
        """No frame goes out from here any more."""
        self._idle = False
        if self._writer is not None:
            self._writer.cancel()

    def write_directly(self) -> Frame | None:
        """The frame just journaled, if the writer is at rest and the network takes it at once; else wakes the writer.

        The usual way of a frame: no task switch between the application and the socket. The journal counts the frame as
        written from here on, so the caller sends it at once.
        """
        if self._idle and self.connection.writable:
            entry = self._journal.write(self._loop.time())
            return entry.frame if entry is not None else None
        if self._work is not None and not self._work.done():
            self._idle = False
            self._work.set_result(None)
        return None

    async def _write(self) -> None:
        connection, journal, listener = self.connection, self._journal, self._listener
        try:
            while True:
                entry = journal.write(self._loop.time())
                if entry is not None:
                    listener.written()
                    await connection.send(entry.frame)
                    continue
                listener.tell(ev.JournalFlushed(self.number))
                if journal.waiting:
                    continue
                self._work = self._loop.create_future()
                self._idle = True
                await self._work
        except ConnectionGone as exc:
            self.broke(exc.drop)

    def broke(self, drop: Dropped) -> None:
        """Writing failed. The reader hears of the end, and of its reason, once it has read what came before it."""
        self._idle = False
        if self._reader.done():
            self._dropped(drop)

    async def _read(self) -> None:
        connection, listener, number = self.connection, self._listener, self.number
        burst = 0
        try:
            while True:
                listener.arrived(number, await connection.recv())
                burst += 1
                if burst == _BURST:
                    burst = 0
                    await asyncio.sleep(0)
                if listener.full:
                    await listener.room()
        except ConnectionGone as exc:
            self._dropped(exc.drop)

    def _dropped(self, drop: Dropped) -> None:
        if not self._closed:
            self._listener.tell(ev.ConnectionDropped(self.number, drop))

    def probe(self, within: float) -> None:
        """Tell of a recent sign of life, or ask for one."""
        silent_for = self._loop.time() - self.connection.last_sign_of_life
        if 0.0 < silent_for < within and self._pinging is not None:
            self._listener.tell(ev.Heard(self.number, silent_for))
        elif self._pinging is None or self._pinging.done():
            self._pinging = self._spawn(self._ping(), f"ping {self.number}")

    async def _ping(self) -> None:
        with contextlib.suppress(ConnectionGone):
            round_trip = await self.connection.ping()
            self._listener.tell(ev.Heard(self.number, 0.0, round_trip))

    async def close(self, grace: float) -> None:
        """Close in good order: our close frame is written, and answered or the grace has passed. Frames are read on."""
        self._closed = True
        self.stop_writing()
        try:
            with contextlib.suppress(ConnectionGone, TimeoutError):
                async with asyncio.timeout(grace):
                    await self.connection.close()
        finally:
            self.connection.abort()
        await asyncio.wait([self._reader], timeout=grace)
        self.release()

    def release(self) -> None:
        """Cut the connection, if it is not closed, and stop all tasks but the one that runs."""
        self._closed = True
        self._idle = False
        self.connection.abort()
        current = asyncio.current_task()
        for task in (self._reader, self._writer, self._pinging):
            if task is not None and task is not current:
                task.cancel()
