"""A call from a browser: what it hears goes to the model, what the model says comes back. `talk` is the handler.

`test_bridge.py`, beside it, loses connections in the middle of a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from google.genai import Client, types

import relive

MODEL = "gemini-3.1-flash-live-preview"
CONFIG = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])


class Socket(Protocol):
    """What `talk` uses of a websocket of FastAPI or Starlette that was accepted."""

    def iter_bytes(self) -> AsyncIterator[bytes]: ...
    async def send_bytes(self, data: bytes) -> None: ...
    async def send_json(self, data: Any) -> None: ...


async def talk(client: Client, browser: Socket) -> None:
    """Be on the phone until the browser hangs up."""
    async with (
        relive.connect(client, model=MODEL, config=CONFIG) as session,
        asyncio.TaskGroup() as group,
    ):
        playing = group.create_task(play(session, browser))
        showing = group.create_task(show(session, browser))
        async for data in browser.iter_bytes():
            sound = types.Blob(data=data, mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=sound)
        playing.cancel()
        showing.cancel()


async def play(session: relive.Session, browser: Socket) -> None:
    """Send what the model says to the speaker; what was interrupted is played no further."""
    while True:
        async for message in session.receive():
            if message.server_content is not None and message.server_content.interrupted:
                await browser.send_json({"play": "nothing"})
            if message.data:
                await browser.send_bytes(message.data)


async def show(session: relive.Session, browser: Socket) -> None:
    """Tell the page how the line is."""
    async for step in session.changes():
        good = step.dest in ("ACTIVE", "DRAINING")
        await browser.send_json({"line": "good" if good else "one moment"})
