"""The connection is gone, and the server knows the handle no more: the application says how to go on."""

import asyncio
import logging

from google import genai
from google.genai import types

import relive
from relive.testing import FakeLiveServer, TlsHost

MODEL = "gemini-3.1-flash-live-preview"

logging.basicConfig(format="%(message)s")
logging.getLogger("relive").setLevel(logging.INFO)


async def ask(session: relive.Session, text: str) -> str:
    turn = types.Content(role="user", parts=[types.Part(text=text)])
    await session.send_client_content(turns=turn)
    return "".join([message.text async for message in session.receive() if message.text])


async def remember(reason: str, said: tuple[relive.Said, ...]) -> list[types.ContentOrDict]:
    print(f"The server has forgotten us ({reason}). So far we said:")
    seed: list[types.ContentOrDict] = []
    for line in said:
        print(f"  {line.role}: {line.text}")
        seed.append(types.Content(role=line.role, parts=[types.Part(text=line.text)]))
    return seed


async def main() -> None:
    server = FakeLiveServer()
    async with TlsHost(server) as host:
        options = host.http_options()
        client = genai.Client(vertexai=True, api_key="none", http_options=options)
        async with relive.connect(client, model=MODEL, seed=remember) as session:
            print(await ask(session, "My name is Ada."))
            server.expire_handles(host.now)
            host.kill(host.newest)
            print(await ask(session, "What is my name?"))
            print(session.verdict)
            print("it was told:", server.sessions[-1].payloads("content")[0])


asyncio.run(main())
