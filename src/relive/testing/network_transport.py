"""One end of an in-memory connection, as asyncio's protocols know it; and one direction of it."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from relive.testing.lanes import Lane

Segment = bytes | OSError | None
"What travels: bytes (none of them opens a connection), None for the end, or the error that a reset makes of it."

WINDOW: Final = 1 << 18
"Bytes that may be on their way or unread in one direction; what is written beyond that waits with the writer."

_HIGH_WATER: Final = 1 << 16
"Waiting bytes above which a protocol is told to pause, unless it says otherwise; asyncio's own number."


def reset_by_peer() -> ConnectionResetError:
    """What the other end of a reset connection is told."""
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


class Carrier:
    """One direction of a connection: sends what comes along its lane, and hands over what arrives, in callbacks.

    `receiver` is given every segment; `changed` is called when a lane has broken, for the other one may have, too.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lane: Lane[Segment],
        receiver: Callable[[Segment], None],
        changed: Callable[[], None],
    ) -> None:
        self.receiver = receiver
        self.unread = 0
        self.on_room: Callable[[], None] | None = None
        self._loop, self._lane, self._changed = loop, lane, changed
        self._timer: asyncio.Handle | None = None
        self._at: float | None = None
        self._reset_told = False

    def send(self, segment: Segment) -> None:
        """Put it on its way."""
        lane, now = self._lane, self._loop.time()
        if isinstance(segment, bytes):
            self.unread += len(segment)
            for piece in lane.conditions.slices(segment) or (segment,):
                lane.push(piece, len(piece), now)
        else:
            lane.push(segment, 0, now, closing=True)
        self.arm()

    def was_read(self, size: int) -> None:
        """The receiver has done with so many bytes: that makes room for others."""
        self.unread -= size
        if self.on_room is not None:
            self.on_room()

    def arm(self) -> None:
        """Set the timer to when something arrives; to be called when that may have changed."""
        lane = self._lane
        due = lane.due if self._reset_told or not lane.broken else self._loop.time()
        if due == self._at and due is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._at = due
        if due is not None:
            soon = due <= self._loop.time()  # never at once: nobody is called while he sends
            self._timer = self._loop.call_soon(self._arrive) if soon else self._loop.call_at(due, self._arrive)

    def _arrive(self) -> None:
        self._timer = self._at = None
        for segment in self._lane.pop(self._loop.time()):
            self.receiver(segment)
        if self._lane.broken and not self._reset_told:
            self._reset_told = True
            self.receiver(reset_by_peer())
            self._changed()
        self.arm()


class NetworkTransport(asyncio.Transport):
    """One end. Flow control, half-close, close and abort are as with asyncio's sockets.

    Writing to an end that is gone is answered with a reset. With `ssl` the end cannot be half-closed, as in TLS.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ways: tuple[Carrier, Carrier],
        extra: dict[str, Any],
        on_lost: Callable[[NetworkTransport], None],
    ) -> None:
        """Over the way out and the way in; `extra` is what `get_extra_info` knows."""
        super().__init__(extra)
        self._loop = loop
        self._out, self._in = ways
        self._on_lost = on_lost
        self._protocol: Any = None
        self._outbox = bytearray()
        self._inbox: deque[Segment] = deque()
        self._low, self._high = _HIGH_WATER // 4, _HIGH_WATER
        self._broken: OSError | None = None
        self._paused = self._told_to_pause = self._eof = self._end_sent = self._closing = self._lost = False

    def __repr__(self) -> str:
        state = "closed" if self._lost else "closing" if self._closing else "open"
        names = (self.get_extra_info("sockname"), self.get_extra_info("peername"))
        return f"<NetworkTransport {state}: {names[0]} to {names[1]}, {len(self._outbox)} bytes to write>"

    def begin(self) -> None:
        """Let the protocol have the connection."""
        self._out.on_room = self._flush
        self._in.receiver = self._arrived
        self._tell("connection_made", self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol take over; raises `TypeError` for one that wants to supply buffers."""
        if isinstance(protocol, asyncio.BufferedProtocol):
            raise TypeError(f"an in-memory transport needs an asyncio.Protocol, not {protocol!r}")
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or being closed."""
        return self._closing

    def is_reading(self) -> bool:
        """Return whether the protocol is given what arrives."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Give the protocol nothing until `resume_reading`; the other end notices when `WINDOW` is full."""
        self._paused = True

    def resume_reading(self) -> None:
        """Give the protocol what has arrived, soon."""
        if self._paused:
            self._paused = False
            if self._inbox:
                self._loop.call_soon(self._read)

    def get_write_buffer_size(self) -> int:
        """Bytes that the network has not taken yet."""
        return len(self._outbox)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high water, in bytes."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have the protocol told to pause above `high` waiting bytes, and to go on at `low`."""
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._low, self._high = low, high
        self._regulate()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`; after a close or a loss it goes nowhere."""
        if not isinstance(data, bytes | bytearray | memoryview):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._broken is not None:
            self._lose(self._broken)
        if data and not self._closing:
            self._outbox += data
            self._flush()

    def can_write_eof(self) -> bool:
        """Return whether this end can be half-closed: not over TLS."""
        return self.get_extra_info("sslcontext") is None

    def write_eof(self) -> None:
        """Half-close: the other end is told after what was written, and may go on writing."""
        if not self.can_write_eof():
            raise NotImplementedError("TLS has no half-closed connections")
        self._eof = True
        self._flush()

    def close(self) -> None:
        """Read no more; the connection is lost once what was written is on its way."""
        if not self._closing:
            self._closing = True
            self._discard()
            self._flush()

    def abort(self) -> None:
        """Close at once: what the network has not taken yet is lost."""
        self._lose(None)

    def reset(self) -> None:
        """Abort such that the other end sees a reset, and not an end."""
        if not self._lost:
            self._out.send(reset_by_peer())
            self._end_sent = True
            self._lose(None)

    def _flush(self) -> None:
        """Give to the network what it takes, and what there is to say after that."""
        room = WINDOW - self._out.unread
        if self._outbox and room > 0:
            chunk = bytes(self._outbox[:room])
            del self._outbox[:room]
            self._out.send(chunk)
        if not self._outbox and self._eof and not self._end_sent:
            self._end_sent = True
            self._out.send(None)
        if not self._outbox and self._closing:
            self._lose(None)
        self._regulate()

    def _regulate(self) -> None:
        size = len(self._outbox)
        if not self._told_to_pause and size > self._high:
            self._told_to_pause = True
            self._tell("pause_writing")
        elif self._told_to_pause and size <= self._low and not self._lost:
            self._told_to_pause = False
            self._tell("resume_writing")

    def _arrived(self, segment: Segment) -> None:
        if self._lost:
            if isinstance(segment, bytes):  # never answer a reset with a reset
                self._out.send(reset_by_peer())
            self._forget((segment,))
        elif isinstance(segment, OSError) and self._closing:
            self._lose(segment)
        else:
            if isinstance(segment, OSError):
                self._broken = segment  # for who writes before he reads it
            self._inbox.append(segment)
            self._read()

    def _read(self) -> None:
        while self._inbox and not self._paused and not self._closing:
            segment = self._inbox.popleft()
            if isinstance(segment, OSError):
                self._lose(segment)
            elif segment is not None:
                self._tell("data_received", segment)
                self._in.was_read(len(segment))
            elif not self._tell("eof_received") or not self.can_write_eof():
                self.close()
        if self._closing:
            self._discard()

    def _discard(self) -> None:
        """Throw away what was not read."""
        unread = tuple(self._inbox)
        self._inbox.clear()
        self._forget(unread)

    def _forget(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            if isinstance(segment, bytes):
                self._in.was_read(len(segment))

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._outbox.clear()
            if not self._end_sent and self._broken is None:
                self._end_sent = True
                self._out.send(None)
            self._discard()
            self._loop.call_soon(self._tell_loss, error)

    def _tell_loss(self, error: Exception | None) -> None:
        try:
            self._tell("connection_lost", error)
        finally:
            self._on_lost(self)

    def _tell(self, method: str, *args: object) -> Any:
        """Call a method of the protocol. One that raises loses its connection."""
        try:
            return getattr(self._protocol, method)(*args)
        except Exception as error:  # noqa: BLE001 - as with asyncio's transports
            message = f"Fatal error: protocol.{method}() call failed."
            context = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            self._loop.call_exception_handler(context)
            self._lose(error)
