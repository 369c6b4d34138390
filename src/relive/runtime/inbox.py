"""Frames on their way to the application: one queue, one receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relive.errors import ReceiverBusy


class Inbox:
    """What has been read and not yet received. Cancelling `get` loses nothing.

    Args:
        limit: bytes above which `full` says that reading should pause.
    """

    # Two lists make a queue: new frames are appended to one, and taken off the end of the other, which is the first one
    # turned round. Two that are empty weigh a sixth of an empty deque.
    __slots__ = ("_end", "_limit", "_new", "_receiver", "_room", "_turned", "_waiting", "size")

    def __init__(self, limit: int) -> None:
        self._new: list[bytes] = []
        self._turned: list[bytes] = []
        self._limit = limit
        self._receiver: asyncio.Future[None] | None = None
        self._waiting = False  # the receiver has not been woken yet
        self._room: asyncio.Future[None] | None = None
        self._end: Callable[[], BaseException] | None = None
        self.size = 0

    def __len__(self) -> int:
        return len(self._new) + len(self._turned)

    @property
    def full(self) -> bool:
        """Whether more is kept than should be."""
        return self.size > self._limit

    def put(self, frame: bytes) -> bool:
        """Hand a frame on. Returns whether more is kept now than should be."""
        self._new.append(frame)
        self.size = size = self.size + len(frame)
        if self._waiting:
            self._wake()
        return size > self._limit

    def end(self, error: Callable[[], BaseException]) -> None:
        """No frame will follow: once these are received, every receiver gets an error of its own."""
        self._end = error
        self._wake()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _wake(self) -> None:
        self._waiting = False
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def take(self) -> bytes | None:
        """The next frame if it is here: in a stream that is saturated it nearly always is.

        Raises:
            ReceiverBusy: another task is receiving.
        """
        if self._receiver is not None:
            raise ReceiverBusy
        if not self._turned:
            if not self._new:
                return None
            self._new.reverse()
            self._new, self._turned = self._turned, self._new
        frame = self._turned.pop()
        self.size -= len(frame)
        room = self._room
        if room is not None and self.size <= self._limit and not room.done():
            room.set_result(None)
        return frame

    async def get(self) -> bytes:
        """The next frame; waits for it.

        Raises:
            ReceiverBusy: another task is receiving.
        """
        while (frame := self.take()) is None:
            await self._arrival()
        return frame

    async def _arrival(self) -> None:
        if self._end is not None:
            raise self._end()
        self._receiver = asyncio.get_running_loop().create_future()
        self._waiting = True
        try:
            await self._receiver
        finally:
            self._receiver = None
            self._waiting = False
        if not self._new:
            assert self._end is not None  # noqa: S101 - nothing else wakes a receiver
            raise self._end()

    async def room(self) -> None:
        """Wait until no more is kept than should be, or until the end."""
        while self.full and self._end is None:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
