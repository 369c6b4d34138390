"""A GoAway in the middle of an answer, and then a connection that is reset. The log says what relive does."""

import asyncio
import logging

from google import genai
from google.genai import types

import relive
from relive.testing import EchoModel, FakeLiveServer, ServerScript, TlsHost

MODEL = "gemini-3.1-flash-live-preview"

logging.basicConfig(format="%(message)s")
logging.getLogger("relive").setLevel(logging.INFO)

# A second between the halves of an answer.
SLOW = ServerScript(model=EchoModel(chunks=2, interval=1.0))


async def say(session: relive.Session, text: str) -> None:
    turn = types.Content(role="user", parts=[types.Part(text=text)])
    await session.send_client_content(turns=turn)


async def main() -> None:
    async with TlsHost(FakeLiveServer(SLOW)) as host:
        options = host.http_options()
        client = genai.Client(vertexai=True, api_key="none", http_options=options)
        async with relive.connect(client, model=MODEL) as session:
            await say(session, "What is a handle?")
            told = False
            async for message in session.receive():
                if message.text:
                    print("heard:", message.text)
                    if not told:
                        host.go_away(time_left=30.0)
                        told = True
            await session.wait_for("ACTIVE")

            await say(session, "And what is a journal?")
            killed = False
            async for message in session.receive():
                if message.server_content and message.server_content.interrupted:
                    print("interrupted: forget what you heard of this answer")
                if message.text:
                    print("heard:", message.text)
                    if not killed:
                        host.kill(host.newest)
                        killed = True

            stats = session.stats
            print(f"{stats.connections} connections, {stats.resumed} of them resumed")
            print(f"{stats.frames_accepted} frames sent, {stats.frames_replayed} of them again")


asyncio.run(main())
