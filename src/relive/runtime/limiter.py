"""Keeps a thousand sessions from dialling at once."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final
from weakref import WeakKeyDictionary

from relive.errors import SettingError


class DialLimiter:
    """Lets so many dials run at a time; the others wait their turn, first come, first served.

    Args:
        limit: dials at a time, at least 1.
    """

    def __init__(self, limit: int = 32) -> None:
        if limit < 1:
            raise SettingError("limit", limit, "at least 1")
        self.limit = limit
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._running < self.limit and not self._waiting:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # our turn came while we were leaving
            elif turn in self._waiting:  # else it was passed over already
                self._waiting.remove(turn)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1


_SHARED: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, DialLimiter]] = WeakKeyDictionary()


def shared_limiter() -> DialLimiter:
    """The limiter of this process, one for each event loop that runs in it."""
    return _SHARED.setdefault(asyncio.get_running_loop(), DialLimiter())
