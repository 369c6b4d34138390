"""Who listens at the core level: takes the place of the runtime's inbox, and hears at once what is put there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from relive.testing.simulation.core_time import Timeline
from relive.testing.simulation.recording import Scribe
from relive.testing.simulation.user import CHUNK, NOTHING, OUTPUT, Heard, User, hear


class Ear:
    """Hears what is delivered, unless the application does not receive for a while.

    Args:
        user: who hears.
        scribe: writes that down.
        time: its time.
        limit: bytes kept for an application that does not receive; above it reading pauses.
        rouse: called when the user may have become eager to speak.
        room: called when enough was received that reading may go on.
        ended: called when all was received that there will ever be.
    """

    def __init__(
        self,
        user: User,
        scribe: Scribe,
        time: Timeline,
        limit: int,
        *,
        rouse: Callable[[], None],
        room: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.size = 0
        "Bytes that wait to be received."
        self.full = False
        "Whether that is more than should be."
        self._user = user
        self._scribe = scribe
        self._time = time
        self._limit = limit
        self._rouse = rouse
        self._room = room
        self._ended = ended
        self._waiting: deque[bytes] = deque()
        self._pause: list[bool] | None = None
        "The application is not to receive after the next frame; in it, whether that is over already."
        self._held = False
        "It does not receive now."
        self._listening = self._last = False

    def open(self) -> None:
        """Begin to listen."""
        self._listening = True
        self._held = self._pause is not None and not self._pause[0]
        self._drain()

    def put(self, frame: bytes) -> bool:
        """A frame is delivered. Returns whether more is kept now than should be."""
        if self._time.ready or self._held or self._waiting or not self._listening:
            if not self._waiting:
                self._time.soon(self._drain)
            self._waiting.append(frame)
            self.size += len(frame)
            self.full = self.size > self._limit
            return self.full
        scribe, user = self._scribe, self._user
        if self._pause is None and frame.startswith(CHUNK) and scribe.read[0] is frame:
            # Output, received as it was read: it goes straight.
            scribe.read.popleft()
            scribe.flow[3] += 1
            before = user.deadline
            user.hear(OUTPUT, self._time.now)
            if user.deadline < before:
                self._rouse()
        else:
            self._hear(frame)
        return False

    def last(self) -> None:
        """No frame follows."""
        self._last = True
        if not self._held:
            self._time.soon(self._drain)

    def finish(self) -> None:
        """Receive what there is, whatever held that up."""
        self._held, self._pause = False, None
        self._drain()

    def deafen(self) -> None:
        """Hear nothing more: the process is dead."""
        self._listening = False

    def pause(self, seconds: float) -> None:
        """Do not receive for a while: from the next frame on, as somebody who waits for it already."""
        if self._pause is None:
            self._pause = pause = [False]
            self._time.at(self._time.now + seconds, lambda: self._resume(pause))

    def _resume(self, pause: list[bool]) -> None:
        pause[0] = True
        if self._held:
            self._held, self._pause = False, None
            self._time.soon(self._drain)

    def _drain(self) -> None:
        """Receive what waits."""
        if not self._listening:
            return
        while self._waiting and not self._held:
            frame = self._waiting.popleft()
            self.size -= len(frame)
            self._hear(frame)
        if self.full and self.size <= self._limit:
            self.full = False
            self._room()
        if self._last and not self._held:
            self._listening = False
            self._ended()

    def _hear(self, frame: bytes) -> None:
        wrong = self._scribe.delivered(frame)
        if wrong:
            self._scribe.note("wrong", "P18", wrong)
        what = hear(frame)
        self._user.hear(what, self._time.now)
        self._rouse()
        if not what.output and what != NOTHING:
            self._note(what)
        if self._pause is not None:
            self._held = not self._pause[0]
            if not self._held:
                self._pause = None

    def _note(self, what: Heard) -> None:
        values: tuple[Any, ...] = what
        for name, value in zip(what._fields, values, strict=True):
            if value:
                self._scribe.note("heard", name, None if value is True else list(value))
