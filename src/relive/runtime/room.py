"""Senders that wait until fewer bytes are unwritten."""

from __future__ import annotations

import asyncio

from relive.core.journal import Journal
from relive.errors import SendBufferFull


class Room:
    """Holds senders back while more than `limit` bytes wait to be written, for `timeout` seconds at most."""

    __slots__ = ("_journal", "_limit", "_timeout", "_waiting")

    def __init__(self, journal: Journal, *, limit: int, timeout: float) -> None:
        self._journal = journal
        self._limit = limit
        self._timeout = timeout
        self._waiting: list[asyncio.Future[None]] = []

    def lacks(self, size: int) -> bool:
        """Whether a frame of this size must wait. A single one, however large, never does."""
        waiting = self._journal.waiting_bytes
        return waiting > 0 and waiting + size > self._limit

    async def wait(self) -> None:
        """Wait until something has been written, or the session has ended.

        Raises:
            SendBufferFull: nothing was, in time.
        """
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except TimeoutError:
            raise SendBufferFull(self._journal.waiting_bytes, self._limit) from None
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)

    def written(self) -> None:
        """Something was written: whoever has waited longest looks again."""
        while self._waiting and self._journal.waiting_bytes < self._limit:
            turn = self._waiting.pop(0)
            if not turn.done():
                turn.set_result(None)
                return

    def end(self) -> None:
        """The session has ended: whoever waits looks again."""
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
