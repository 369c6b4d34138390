"""The connection is gone, and the server knows the handle no more: the application says how to go on."""

import asyncio
import logging

from google import genai
from google.genai import types

import relive
from relive.testing import FakeLiveServer, TlsHost

logging.basicConfig(format="%(message)s")
logging.getLogger("relive").setLevel(logging.INFO)


async def ask(session: relive.Session, text: str) -> str:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
    return "".join([message.text async for message in session.receive() if message.text])


async def remember(reason: str, said: tuple[relive.Said, ...]) -> list[types.ContentOrDict]:
    print(f"The server has forgotten us ({reason}). So far we said:")
    for line in said:
        print(f"  {line.role}: {line.text}")
    return [types.Content(role=line.role, parts=[types.Part(text=line.text)]) for line in said]


async def main() -> None:
    server = FakeLiveServer()
    async with TlsHost(server) as host:
        client = genai.Client(vertexai=True, api_key="none", http_options=host.http_options())
        async with relive.connect(client, model="gemini-3.1-flash-live-preview", seed=remember) as session:
            print(await ask(session, "My name is Ada."))
            server.expire_handles(host.now)
            host.kill(host.newest)
            print(await ask(session, "What is my name?"))
            print(session.verdict)
            print("the new session begins with:", server.sessions[-1].payloads("content")[0])


asyncio.run(main())
