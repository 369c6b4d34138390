"""Frames on their way to the application: one queue, one receiver."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from relive.errors import ReceiverBusy


class Inbox:
    """What has been read and not yet received. Cancelling `get` loses nothing.

    Args:
        limit: bytes above which `full` says that reading should pause.
    """

    __slots__ = ("_end", "_frames", "_limit", "_receiver", "_room", "size")

    def __init__(self, limit: int) -> None:
        self._frames: deque[bytes] = deque()
        self._limit = limit
        self._receiver: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._end: Callable[[], BaseException] | None = None
        self.size = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def full(self) -> bool:
        """Whether more is kept than should be."""
        return self.size > self._limit

    def put(self, frame: bytes) -> None:
        """Hand a frame on."""
        self._frames.append(frame)
        self.size += len(frame)
        receiver = self._receiver
        if receiver is not None and not receiver.done():
            receiver.set_result(None)

    def end(self, error: Callable[[], BaseException]) -> None:
        """No frame will follow: once these are received, every receiver gets an error of its own."""
        self._end = error
        for waiter in (self._receiver, self._room):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    async def get(self) -> bytes:
        """The next frame.

        Raises:
            ReceiverBusy: another task is receiving.
        """
        if self._receiver is not None:
            raise ReceiverBusy
        frames = self._frames
        if not frames:
            await self._arrival()
        frame = frames.popleft()
        self.size -= len(frame)
        room = self._room
        if room is not None and not room.done() and self.size <= self._limit:
            room.set_result(None)
        return frame

    async def _arrival(self) -> None:
        if self._end is not None:
            raise self._end()
        self._receiver = asyncio.get_running_loop().create_future()
        try:
            await self._receiver
        finally:
            self._receiver = None
        if not self._frames:
            assert self._end is not None  # noqa: S101 - nothing else wakes a receiver
            raise self._end()

    async def room(self) -> None:
        """Wait until no more is kept than should be, or until the end."""
        while self.full and self._end is None:
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None
