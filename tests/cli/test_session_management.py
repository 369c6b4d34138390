"""What the Live API's page on session management shows, written for the SDK and run over relive.

The programs are as a reader of that page would write them: resume with the newest handle, look at GoAway, look at the
end of a generation. Nothing is changed but the environment, and `relive.connect(client, …)` stands where the SDK's did.
"""

from __future__ import annotations

import pytest
from tests.cli.processes import run
from tests.cli.test_serve import pytestmark, serving

__all__ = ["pytestmark"]

HEAD = """
import asyncio
from google import genai
from google.genai import types
import relive

client = genai.Client()
model = "gemini-3.1-flash-live-preview"
"""
RESUME = """
async def talk(previous_session_handle):
    async with client.aio.live.connect(
        model=model,
        config=types.LiveConnectConfig(
            response_modalities=["AUDIO"],
            session_resumption=types.SessionResumptionConfig(handle=previous_session_handle),
        ),
    ) as session:
        while True:
            await session.send_client_content(
                turns=types.Content(role="user", parts=[types.Part(text="Hello world!")])
            )
            said = ""
            async for message in session.receive():
                update = message.session_resumption_update
                if update and update.resumable and update.new_handle:
                    return update.new_handle
                said += message.text or ""
                if message.server_content and message.server_content.turn_complete:
                    print(said)
                    break

async def main():
    handle = await talk(None)
    await talk(handle)

asyncio.run(main())
"""
GO_AWAY = """
async def main():
    config = types.LiveConnectConfig(response_modalities=["AUDIO"])
    async with client.aio.live.connect(model=model, config=config) as session:
        async for response in session.receive():
            if response.go_away is not None:
                print(response.go_away.time_left)
                break

asyncio.run(main())
"""
GENERATION = """
async def main():
    config = types.LiveConnectConfig(response_modalities=["AUDIO"])
    async with client.aio.live.connect(model=model, config=config) as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Hello world!")]))
        async for response in session.receive():
            if response.server_content.generation_complete is True:
                print("the generation is complete")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("program", "options", "printed"),
    [
        # The handle comes after the turn, so each visit has begun another turn when it finds it.
        (RESUME, (), "turn 1: Hello world!\nturn 2: Hello world!\n"),
        (GO_AWAY, ("--connection-limit", "20", "--notice", "19"), "19s\n"),
        (GENERATION, (), "the generation is complete\n"),
    ],
    ids=["resume", "go-away", "generation-complete"],
)
def test_the_page_s_programs_run_over_relive(program: str, options: tuple[str, ...], printed: str) -> None:
    ours = program.replace("client.aio.live.connect(", "relive.connect(client, ")
    if program is GO_AWAY:
        ours = ours.replace("config=config)", "config=config, policy=relive.Policy(deliver_go_away=True))")
    with serving(*options) as (_, told):
        ended = run("-c", HEAD + ours, env=told["env"])
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == printed
