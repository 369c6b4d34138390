"""Senders that wait until fewer bytes are unwritten."""

from __future__ import annotations

import asyncio

from relive.core.journal import Journal
from relive.errors import SendBufferFull


class Room:
    """Holds senders back while more than `limit` bytes wait to be written, for `timeout` seconds at most.

    First come, first served: a large frame is not overtaken for ever by small ones.
    """

    __slots__ = ("_held", "_journal", "_limit", "_timeout")

    def __init__(self, journal: Journal, *, limit: int, timeout: float) -> None:
        self._journal = journal
        self._limit = limit
        self._timeout = timeout
        self._held: list[tuple[int, asyncio.Future[None]]] = []

    def lacks(self, size: int) -> bool:
        """Whether a frame of this size must wait. A single one, however large, never does."""
        waiting = self._journal.waiting_bytes
        return waiting > 0 and (waiting + size > self._limit or bool(self._held))

    async def wait(self, size: int) -> None:
        """Wait until there is room for a frame of this size, or the session has ended.

        Who has been let through accepts the frame at once, and calls `written` to let the next one look.

        Raises:
            SendBufferFull: there was none, in time.
        """
        turn = asyncio.get_running_loop().create_future()
        held = (size, turn)
        self._held.append(held)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except BaseException as exc:
            self._held.remove(held)
            self.written()  # nobody waits behind one who has left
            if isinstance(exc, TimeoutError):
                raise SendBufferFull(self._journal.waiting_bytes, self._limit) from None
            raise
        self._held.remove(held)

    def written(self) -> None:
        """Less waits than before: whoever has waited longest goes on if that is enough."""
        if self._held:
            size, turn = self._held[0]
            waiting = self._journal.waiting_bytes
            if not turn.done() and (waiting == 0 or waiting + size <= self._limit):
                turn.set_result(None)

    def end(self) -> None:
        """The session has ended: whoever waits looks again."""
        for _, turn in self._held:
            if not turn.done():
                turn.set_result(None)
