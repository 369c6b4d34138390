"""How an application talks to its session: with frames, or with the SDK's methods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from relive.runtime.channel import Channel
from relive.runtime.runtime import Runtime
from relive.testing.simulation.recording import Scribe
from relive.testing.simulation.user import Heard, Item, frame_of, hear, payload_of

if TYPE_CHECKING:
    from google.genai import Client, types

    from relive.ports import Transport

_TROUBLE: Final = (TypeError, ValueError, AttributeError)
"What the SDK raises on a frame that makes no sense to it."


class Voice(Protocol):
    """Sends items, and hears."""

    async def send(self, item: Item) -> None:
        """Send an item; raises what the session raises."""
        ...

    async def hear(self) -> Heard:
        """The next thing that was said; raises what the session raises."""
        ...


class TappedChannel(Channel):
    """A channel, and a scribe who reads along."""

    __slots__ = ("_scribe",)

    def __init__(self, runtime: Runtime, scribe: Scribe) -> None:
        super().__init__(runtime)
        self._scribe = scribe

    async def recv(self, decode: bool | None = None) -> Any:
        """The next frame of the application's."""
        frame = await super().recv(decode=False)
        assert isinstance(frame, bytes)
        wrong = self._scribe.delivered(frame)
        if wrong:
            self._scribe.note("wrong", "P18", wrong)
        return frame.decode() if decode else frame


class FrameVoice:
    """Sends frames and reads frames, without the SDK."""

    def __init__(self, runtime: Runtime, scribe: Scribe) -> None:
        self._channel = TappedChannel(runtime, scribe)

    async def send(self, item: Item) -> None:
        """Send an item."""
        await self._channel.send(frame_of(item))

    async def hear(self) -> Heard:
        """The next thing that was said."""
        return hear(await self._channel.recv(decode=False))


class SdkVoice:
    """Uses the methods of the SDK's session, as an application does."""

    def __init__(self, runtime: Runtime, transport: Transport, client: Client, scribe: Scribe) -> None:
        from google.genai import types

        from relive.session import Session

        session = Session(runtime, transport, cast("Any", client)._api_client)  # noqa: SLF001
        session._ws = cast("Any", TappedChannel(runtime, scribe))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._types = types
        self._session = session
        self._say = cast("Any", session).send_realtime_input
        self._turn: AsyncIterator[types.LiveServerMessage] | None = None

    async def send(self, item: Item) -> None:
        """Send an item."""
        types, session = self._types, self._session
        match item.kind:
            case "audio":
                await self._say(audio=types.Blob(data=payload_of(item.number), mime_type="audio/pcm;rate=16000"))
            case "video":
                await self._say(video=types.Blob(data=payload_of(item.number), mime_type="image/jpeg"))
            case "content":
                words = types.Content(role="user", parts=[types.Part(text=item.text)])
                await session.send_client_content(turns=words, turn_complete=True)
            case "text":
                await self._say(text=item.text)
            case "activity_start":
                await self._say(activity_start=types.ActivityStart())
            case "activity_end":
                await self._say(activity_end=types.ActivityEnd())
            case "stream_end":
                await self._say(audio_stream_end=True)
            case "tool_response":
                answers = [types.FunctionResponse(id=call, name="tool", response={"result": "ok"}) for call in item.ids]
                await session.send_tool_response(function_responses=answers)

    async def hear(self) -> Heard:
        """The next thing that was said: the SDK ends its generator with each turn, and we ask for the next."""
        while True:
            if self._turn is None:
                self._turn = self._session.receive()
            try:
                return _heard(await anext(self._turn))
            except StopAsyncIteration:
                self._turn = None
            except _TROUBLE:
                self._turn = None
                return Heard(garbage=True)


def _heard(message: types.LiveServerMessage) -> Heard:
    content, call, cancelled = message.server_content, message.tool_call, message.tool_call_cancellation
    return Heard(
        output=content is not None and content.model_turn is not None,
        interrupted=content is not None and bool(content.interrupted),
        over=content is not None and bool(content.turn_complete),
        calls=tuple(str(one.id) for one in (call.function_calls or ())) if call is not None else (),
        cancelled=tuple(cancelled.ids or ()) if cancelled is not None else (),
    )
