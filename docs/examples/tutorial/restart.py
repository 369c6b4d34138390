"""A process that can be stopped and started again: the conversation goes on where it was.

The client finds its server in the environment: the service, or what `relive serve` prints.
"""

import asyncio
import sys

from google import genai
from google.genai import types

import relive
from relive import stores

MODEL = "gemini-3.1-flash-live-preview"


async def main(text: str) -> None:
    store = stores.open("sqlite:///handles.db")
    client = genai.Client()
    async with relive.connect(client, model=MODEL, key="ada", store=store) as session:
        print(session.verdict)
        turn = types.Content(role="user", parts=[types.Part(text=text)])
        await session.send_client_content(turns=turn)
        print("".join([message.text async for message in session.receive() if message.text]))
        await session.hand_over()
    await store.aclose()


asyncio.run(main(sys.argv[1]))
