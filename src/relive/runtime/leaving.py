"""Handing a session over: leaving it where the process that goes on with it misses least."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from relive.core import events as ev, guards
from relive.core.journal import Lane
from relive.core.lifecycle import Lifecycle


class Leaving:
    """Closes the session as soon as nothing but media would be lost by it."""

    def __init__(self, lifecycle: Lifecycle, tell: Callable[[ev.Event], None]) -> None:
        self._lifecycle = lifecycle
        self._tell = tell
        self.waiters = 0
        self._left: asyncio.Future[Counter[Lane]] = asyncio.get_running_loop().create_future()

    def look(self) -> None:
        """Something has happened: see whether this is the moment."""
        if not self._left.done() and guards.settled(self._lifecycle.scene):
            self._tell(ev.CloseRequested())

    def end(self) -> None:
        """The session ends now, for whatever reason."""
        if not self._left.done():
            self._left.set_result(self._lifecycle.journal.uncovered())

    async def wait(self, within: float) -> None:
        """Wait for the end of the session, so many seconds."""
        self.waiters += 1
        try:
            self.look()
            await asyncio.wait([self._left], timeout=within)
        finally:
            self.waiters -= 1

    @property
    def left(self) -> Counter[Lane]:
        """How many frames nobody's journal holds any more, by lane."""
        return self._left.result()
