"""One question and one answer, between the real SDK and a Live server of our own."""

import asyncio

from google import genai
from google.genai import types

import relive
from relive.testing import FakeLiveServer, TlsHost

MODEL = "gemini-3.1-flash-live-preview"


async def ask(session: relive.Session, text: str) -> str:
    turn = types.Content(role="user", parts=[types.Part(text=text)])
    await session.send_client_content(turns=turn)
    return "".join([message.text async for message in session.receive() if message.text])


async def main() -> None:
    async with TlsHost(FakeLiveServer()) as host:
        options = host.http_options()
        client = genai.Client(vertexai=True, api_key="none", http_options=options)
        async with relive.connect(client, model=MODEL) as session:
            print(await ask(session, "Hello!"))
            print(session.state, session.verdict)


asyncio.run(main())
