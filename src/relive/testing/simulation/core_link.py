"""Connections at the core level: `relive.runtime.link` without an event loop."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from relive.core import events as ev
from relive.core.closes import Dropped, Phase
from relive.core.journal import Frame, Journal
from relive.testing.host_items import LinkClosed
from relive.testing.simulation.core_host import End
from relive.testing.simulation.core_time import Alarm, Timeline
from relive.testing.simulation.recording import Scribe

_PROMPT: Final = 0.05
"Seconds; a frame that was there already is read in far less."
_REMAINS: Final = 0.05
"Seconds that a connection which did not answer our close frame has for frames that had arrived."


class Owner(Protocol):
    """The session of a link."""

    time: Timeline
    scribe: Scribe
    journal: Journal
    clogged: bool
    unclogged: list[Callable[[], None]]
    "Called when the socket takes frames again."

    def tell(self, event: ev.Event) -> None:
        """A fact."""
        ...

    def arrived(self, number: int, frame: bytes) -> object:
        """A frame from the server."""
        ...

    def written(self) -> None:
        """Less waits to be written than before."""
        ...

    def held(self, since: float | None) -> None:
        """What is read from now on may have waited since then; None: it is read as it comes."""
        ...

    def stall(self) -> None:
        """No more frames can be kept for now: `Link.resume` is awaited."""
        ...

    def dropped(self, number: int, drop: Dropped) -> None:
        """They ended it."""
        ...

    def up(self, number: int, end: End) -> None:
        """A connection is up."""
        ...


def dropped(end: LinkClosed, phase: Phase = "steady") -> Dropped:
    """What the memory transport makes of the end of a link."""
    return Dropped(end.code, end.reason, phase, None, "network" if end.code is None else "server")


class Link:
    """One connection at work: reads, writes the journal, pings, takes leave."""

    __slots__ = (
        "_alarm",
        "_asked",
        "_closed",
        "_deaf_until",
        "_held_since",
        "_journal",
        "_over",
        "_owner",
        "_pinged",
        "_pinging",
        "_released",
        "_stuck",
        "_then",
        "_time",
        "end",
        "may_write",
        "number",
        "sign",
        "stalled",
        "writing",
        "written",
    )  # fmt: skip

    def __init__(self, number: int, end: End, owner: Owner) -> None:
        self.number = number
        self.end = end
        self.may_write = False
        self.writing = False
        "A writer is at work, or about to."
        self.sign = owner.time.now
        "When it last gave a sign of life."
        self._deaf_until = 0.0
        self._held_since: float | None = None
        self._asked = 0.0
        self.stalled = False
        "It is not read, because too much waits to be received."
        self.written: Callable[[], None] | None = None
        "Called when the writer has done what there was to do."
        self._owner = owner
        self._journal = owner.journal
        self._time = owner.time
        self._closed = self._released = self._over = False
        self._stuck: Frame | None = None
        self._pinging = False
        self._pinged = 0.0
        self._then: Callable[[], None] | None = None
        self._alarm: Alarm | None = None
        end.pong = self._ponged
        self._time.soon(self._begin)

    def _begin(self) -> None:
        """Begin to read."""
        if not self._released:
            self.end.reader = self._read
            self.end.take = self._take
            self._read()

    def silent_for(self, sign: float) -> float:
        """Seconds since this sign of life. A reader that is held up could not hear any other, so that is no silence."""
        return max(0.0, self._time.now - max(sign, self._deaf_until))

    def speak(self, frame: Frame) -> bool:
        """Journal a frame of audio as written and send it, if it goes out at once: the usual way of a frame."""
        owner, end = self._owner, self.end
        if self.writing or not self.may_write or owner.clogged:
            return False
        self._journal.write_through(frame, self._time.now)
        if end.line.up.direct and not end.ending:
            owner.scribe.flow[1] += 1
            end.host.received(end.conn, frame)
        else:
            self.send(frame)
        return True

    def write_directly(self) -> Frame | None:
        """The same for the frame just journaled, which is returned; else the writer sees to it."""
        if not self.writing and self.may_write and not self._owner.clogged:
            entry = self._journal.write(self._time.now)
            return entry.frame if entry is not None else None
        self.wake()
        return None

    def wake(self) -> None:
        """Have what waits written."""
        if not self.writing and self.may_write:
            self.writing = True
            self._time.soon(self._write)

    def start_writing(self) -> None:
        """From now on the journal may be written here."""
        self.may_write = True
        self.wake()

    def stop_writing(self) -> None:
        """No frame goes out from here any more."""
        self.may_write = self.writing = False
        self._stuck = None

    def send(self, frame: Frame) -> bool:
        """Send a frame; returns whether the link took it."""
        self._owner.scribe.flow[1] += 1
        if self.end.send(frame):
            return True
        self.may_write = False  # the reader hears of the end, and why
        return False

    def _write(self) -> None:
        journal, time = self._journal, self._time
        while self.may_write:
            entry = journal.write(time.now)
            if entry is None:
                break
            self._owner.written()
            if self._owner.clogged:
                self._stuck = entry.frame
                self._owner.unclogged.append(self._unclogged)
                return
            self.send(entry.frame)
        self._wrote()

    def _unclogged(self) -> None:
        if self._released or self._stuck is None:
            return
        stuck, self._stuck = self._stuck, None
        self.send(stuck)
        self._write()

    def _wrote(self) -> None:
        self.writing = False
        self._owner.written()
        if self.may_write:
            self._owner.tell(ev.JournalFlushed(self.number))
        if self.written is not None:
            self._time.soon(self.written)
            self.written = None

    def _take(self, frame: str | bytes) -> None:
        """A frame has come."""
        if isinstance(frame, str):
            frame = frame.encode()
        self.sign = self._time.now
        if self._held_since is not None:
            if self.sign - self._asked > _PROMPT:  # nothing was there
                self._held_since = None
                self._owner.held(None)
            self._asked = self.sign
        self._owner.scribe.has_read(frame)
        if self._owner.arrived(self.number, frame):
            self.stalled = True
            self._deaf_until = inf
            self._held_since = self._time.now if self._held_since is None else self._held_since
            self.end.take = None
            self._owner.stall()

    def resume(self) -> None:
        """There is room for more frames."""
        if self.stalled and not self._released:
            self.stalled = False
            self._deaf_until = self._asked = self._time.now
            self.end.take = self._take
            self._time.soon(self._read)

    def _read(self) -> None:
        """Something has come."""
        end = self.end
        self._owner.held(self._held_since)
        while end.frames and not (self._released or self.stalled):
            self._take(end.frames.popleft())
        if end.closed is None or self._released or self.stalled or self._over:
            return
        self._over = True
        end.reader = end.take = None
        self._owner.scribe.note("gone", "", [end.closed.code, end.closed.reason])
        if not self._closed:
            self._owner.dropped(self.number, dropped(end.closed))
        elif self._then is not None:
            self._gone()

    def probe(self) -> None:
        """Ask for a sign of life, unless that has been asked for and not been answered."""
        if not self._pinging:
            self._pinging = True
            self._time.soon(self._ping)

    def _ping(self) -> None:
        if self.end.closed or self._released:
            self._pinging = False
            return
        self._pinged = self._time.now
        if self.end.ping():
            self._ponged()

    def _ponged(self) -> None:
        if self._released:
            return
        self._pinging = False
        self.sign = now = self._time.now
        self._owner.tell(ev.Heard(self.number, 0.0, now - self._pinged))

    def close(self, grace: float, then: Callable[[], None]) -> None:
        """Close in good order: our close frame is written, and answered or the grace has passed. Frames are read on."""
        if self._released:
            self._time.soon(then)
            return
        self._closed = True
        self.stop_writing()
        self._then = then
        if self._over:  # it has been read to its end
            self._gone()
            return
        self._alarm = self._time.at(self._time.now + grace, lambda: self._time.soon(self._grace_over))
        self._time.soon(self._take_leave)

    def _take_leave(self) -> None:
        self._owner.scribe.note("left", "close")
        self.end.close()

    def _gone(self) -> None:
        then, self._then = self._then, None
        if self._alarm is not None:
            self._alarm.cancel()
        self.release()
        if then is not None:
            self._time.soon(then)

    def _grace_over(self) -> None:
        if self._then is None:
            return
        remains = _REMAINS if self.end.closed is None else 0.0
        self._cut()
        if self.stalled:  # else it is read to its end now
            self._alarm = self._time.at(self._time.now + remains, lambda: self._time.soon(self._gone))

    def _cut(self) -> None:
        if self.end.closed is None and not self._released:
            self._owner.scribe.note("left", "abort")
            self.end.abort()

    def release(self) -> None:
        """Cut the connection, if it is not closed; nothing of it is told any more."""
        self._cut()
        self._closed = self._released = True
        self.may_write = False
        self.end.reader = self.end.take = self.end.pong = None
        if self._alarm is not None:
            self._alarm.cancel()
