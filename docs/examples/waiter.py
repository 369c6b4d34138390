"""A voice agent that takes calls for a restaurant: it listens, lets the model talk, and books the tables asked for.

`test_waiter.py`, beside it, proves that no guest is forgotten, whatever happens to the connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

from google.genai import Client, types

import relive

MODEL = "gemini-3.1-flash-live-preview"
BOOK_TABLE = types.FunctionDeclaration(
    name="book_table",
    description="Books a table. Returns where it is.",
    parameters=types.Schema(type=types.Type.OBJECT, properties={"people": types.Schema(type=types.Type.INTEGER)}),
)
CONFIG = types.LiveConnectConfig(
    response_modalities=[types.Modality.AUDIO],
    tools=[types.Tool(function_declarations=[BOOK_TABLE])],
    realtime_input_config=types.RealtimeInputConfig(
        automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
    ),
)


class Waiter:
    """Serves one guest after the other, all in one session.

    Args:
        session: where the model is.
        book: books a table for so many people and says where it is. Takes seconds.
    """

    def __init__(self, session: relive.Session, book: Callable[[int], Awaitable[str]]) -> None:
        self.session = session
        self.book = book
        self.booking: asyncio.Future[str] | None = None
        self.answers: dict[str, asyncio.Task[None]] = {}

    async def serve(self, wish: AsyncIterable[bytes]) -> bytes:
        """Listen to a guest, and return what the model says to that; an answer that was cut begins anew."""
        self.booking = None
        await self.session.send_realtime_input(activity_start=types.ActivityStart())
        async for sound in wish:
            await self.session.send_realtime_input(audio=types.Blob(data=sound, mime_type="audio/pcm;rate=16000"))
        await self.session.send_realtime_input(activity_end=types.ActivityEnd())
        said = b""
        async for message in self.session.receive():
            if message.server_content is not None and message.server_content.interrupted:
                said = b""
            said += message.data or b""
            self.handle_calls(message)
        return said

    def handle_calls(self, message: types.LiveServerMessage) -> None:
        """Answer the calls of tools, and stop answering those that are cancelled."""
        if message.tool_call is not None:
            for call in message.tool_call.function_calls or ():
                self.answers[call.id or ""] = asyncio.create_task(self.answer(call))
        if message.tool_call_cancellation is not None:
            for call_id in message.tool_call_cancellation.ids or ():
                self.answers.pop(call_id).cancel()

    async def answer(self, call: types.FunctionCall) -> None:
        """Answer a call with a booking. A call that was lost is made again: that is the same booking, not another."""
        if self.booking is None:
            self.booking = asyncio.ensure_future(self.book((call.args or {}).get("people", 2)))
        table = await asyncio.shield(self.booking)
        response = types.FunctionResponse(id=call.id, name=call.name, response={"table": table})
        await self.session.send_tool_response(function_responses=response)


async def take_calls(
    client: Client,
    wishes: AsyncIterator[AsyncIterable[bytes]],
    book: Callable[[int], Awaitable[str]],
    waiter: Callable[[relive.Session, Callable[[int], Awaitable[str]]], Waiter] = Waiter,
) -> list[bytes]:
    """Serve guests as long as they come. Returns what each of them heard."""
    async with relive.connect(client, model=MODEL, config=CONFIG) as session:
        at_work = waiter(session, book)
        return [await at_work.serve(wish) async for wish in wishes]
