"""What looks like one websocket and is many: `send`, `recv` and `close` as the SDK's session calls them."""

from __future__ import annotations

from relive.core import client_frames
from relive.core import events as ev
from relive.core.journal import Frame
from relive.errors import SendBufferFull
from relive.ports import ConnectionGone
from relive.runtime.runtime import Runtime


class Channel:
    """A websocket that does not die. Frames only: text or bytes in, bytes (or text) out."""

    __slots__ = ("_lifecycle", "_now", "_runtime")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lifecycle = runtime.lifecycle
        self._now = runtime.clock.now

    def __repr__(self) -> str:
        return f"<Channel: {self._lifecycle!r}>"

    async def send(self, frame: Frame) -> None:
        """Accept a frame. It is in the journal when this returns, and does not fail because a connection is replaced.

        Raises:
            TypeError: this is no frame.
            SendBufferFull: too much waits to be written, and for too long; the frame was not accepted.
            SessionClosed, SessionFailed: the session has ended (in the shape of the runtime's `send_error`).
        """
        if not isinstance(frame, (str, bytes)):
            raise TypeError(f"a frame is str or bytes, not {type(frame).__name__}")
        runtime, lifecycle = self._runtime, self._lifecycle
        journal = lifecycle.journal
        if runtime.ended is not None:
            raise runtime.send_error()
        if journal.waiting_bytes and journal.waiting_bytes + len(frame) > runtime.policy.send_limit:
            await self._wait_for_room(len(frame))
        reading = client_frames.read_client(frame)
        position = journal.accept(frame, reading.lane, self._now(), reading.answers)
        if not reading.plain:
            self._note(frame, reading, position)
        elif reading.lane == "video":
            lifecycle.scene.video = True
        link = runtime.link
        if link is not None and (direct := link.write_directly()) is not None:
            try:
                await link.connection.send(direct)
            except ConnectionGone as exc:
                link.broke(exc.drop)

    def _note(self, frame: Frame, reading: client_frames.ClientReading, position: int) -> None:
        runtime = self._runtime
        if isinstance(frame, str):
            runtime.said("user", client_frames.said(frame))
        runtime.tell(ev.InputAccepted(position, reading.opens_turn, reading.demands_answer, reading.answers))

    async def _wait_for_room(self, size: int) -> None:
        runtime, journal = self._runtime, self._lifecycle.journal
        limit = runtime.policy.send_limit
        while journal.waiting_bytes and journal.waiting_bytes + size > limit:
            try:
                await runtime.sendable()
            except TimeoutError:
                raise SendBufferFull(journal.waiting_bytes, limit) from None
            if runtime.ended is not None:
                raise runtime.send_error()

    async def recv(self, decode: bool | None = None) -> Frame:  # noqa: FBT001 - the SDK's websocket has it so
        """The next frame of the application's: bytes, or text if `decode` says so.

        Raises:
            ReceiverBusy: another task is receiving.
            SessionClosed, SessionFailed: the session has ended (in the shape of the runtime's `receive_error`).
        """
        frame = await self._runtime.inbox.get()
        return frame.decode() if decode else frame

    async def close(self, code: int = 1000, reason: str = "") -> None:  # noqa: ARG002 - the SDK's websocket has it so
        """End the session."""
        await self._runtime.close()
