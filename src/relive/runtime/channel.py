"""What looks like one websocket and is many: `send`, `recv` and `close` as the SDK's session calls them."""

from __future__ import annotations

from relive.core import events as ev
from relive.core.client_frames import AUDIO, ClientReading, read_client, said
from relive.core.journal import Frame
from relive.ports import ConnectionGone
from relive.runtime.runtime import Runtime


class Channel:
    """A websocket that does not die. Frames only: text or bytes in, bytes (or text) out."""

    __slots__ = ("_inbox", "_journal", "_runtime")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._journal = runtime.lifecycle.journal
        self._inbox = runtime.delivery.inbox

    def __repr__(self) -> str:
        return f"<Channel: {self._runtime.lifecycle!r}>"

    async def send(self, frame: Frame) -> None:
        """Accept a frame. It is in the journal when this returns, and does not fail because a connection is replaced.

        Raises:
            TypeError: this is no frame.
            SendBufferFull: too much waits to be written, and for too long; the frame was not accepted.
            SessionClosed, SessionFailed: the session has ended (in the shape of the runtime's `send_error`).
        """
        if not isinstance(frame, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance] - callers have no types
            raise TypeError(f"a frame is str or bytes, not {type(frame).__name__}")
        runtime = self._runtime
        if runtime.ended is not None:
            raise runtime.send_error()
        held = runtime.outgoing.lacks(len(frame))
        if held:
            await runtime.outgoing.wait(len(frame))
            if runtime.ended is not None:
                raise runtime.send_error()
        reading = read_client(frame)
        link = runtime.link
        if reading is AUDIO and link is not None and link.write_through(frame):
            direct = frame
        else:
            self._accept(frame, reading)
            link = runtime.link
            direct = link.write_directly() if link is not None else None
        if held:
            runtime.outgoing.written()  # the next one may look
        if link is not None and direct is not None:
            try:
                await link.connection.send(direct)
            except ConnectionGone as exc:
                link.broke(exc.drop)
            except Exception as exc:
                runtime.broke(exc, "sending")
                raise runtime.send_error() from exc

    def _accept(self, frame: Frame, reading: ClientReading) -> None:
        runtime = self._runtime
        position = self._journal.accept(frame, reading.lane, runtime.clock.now(), reading.answers)
        scene = runtime.lifecycle.scene
        first_video = reading.lane == "video" and not scene.video
        if first_video:
            scene.video = True  # the session's limit is nearer now: the machine has to be told, once
        if first_video or not reading.plain:
            if isinstance(frame, str):
                runtime.delivery.transcript.wrote("user", said(frame), position)
            runtime.tell(ev.InputAccepted(position, reading.opens_turn, reading.demands_answer, reading.answers))

    async def recv(self, decode: bool | None = None) -> Frame:
        """The next frame of the application's: bytes, or text if `decode` says so.

        Raises:
            ReceiverBusy: another task is receiving.
            SessionClosed, SessionFailed: the session has ended (in the shape of the runtime's `receive_error`).
        """
        inbox = self._inbox
        frame = inbox.take()
        if frame is None:
            frame = await inbox.get()
        return frame.decode() if decode else frame

    async def close(self, code: int = 1000, reason: str = "") -> None:  # noqa: ARG002 - the SDK's websocket has it so
        """End the session."""
        await self._runtime.close()
