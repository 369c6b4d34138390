"""An hour of small talk over connections that live for ten minutes, as those of the service do. In virtual time."""

import asyncio

import pytest
from google.genai import Client, types

import relive
from relive.testing import Limits, ServerScript

MODEL = "gemini-3.1-flash-live-preview"


@pytest.fixture
def live_script() -> ServerScript:
    return ServerScript(limits=Limits(connection=600.0, lead=60.0))


async def ask(session: relive.Session, text: str) -> str:
    turn = types.Content(role="user", parts=[types.Part(text=text)])
    await session.send_client_content(turns=turn)
    return "".join([message.text async for message in session.receive() if message.text])


@pytest.mark.virtual_time
async def test_an_hour_of_small_talk(live_client: Client) -> None:
    async with relive.connect(live_client, model=MODEL) as session:
        for minute in range(1, 61):
            assert await ask(session, "Still there?") == f"turn {minute}: Still there?"
            await asyncio.sleep(60.0)
        assert session.stats.connections == 7
        assert session.stats.frames_replayed == 0
