"""Two workers, one Redis, one conversation: it is handed over while the model speaks. Real SDK, real TLS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from google import genai
from google.genai import types
from tests.stores.servers import RedisServer

import relive
from relive import stores
from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import ServerScript

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

SPEAKS = ServerScript(model=EchoModel(chunks=20, interval=0.05, chunk_bytes=960), consume_lag=0.1)


@contextlib.asynccontextmanager
async def worker(host: TlsHost, url: str, name: str) -> AsyncIterator[relive.Session]:
    client = genai.Client(vertexai=True, api_key="dummy", http_options=host.http_options())
    store = stores.open(url)
    try:
        async with relive.connect(client, model="gemini-live", key="ada", store=store, owner=name) as session:
            yield session
    finally:
        await store.aclose()
        client.close()


async def ask(session: relive.Session, text: str) -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))


async def turn(session: relive.Session, began: asyncio.Event | None = None) -> str:
    said = ""
    async for message in session.receive():
        said += message.text or ""
        if began is not None:
            began.set()
    return said


async def murmur(session: relive.Session) -> int:
    """Have the microphone on until the session is closed; returns how many frames it took."""
    taken = 0
    with contextlib.suppress(relive.SessionClosed):
        while True:
            await session.send_realtime_input(audio=types.Blob(data=b"..", mime_type="audio/pcm;rate=16000"))
            taken += 1
            await asyncio.sleep(0.02)  # the pace of a microphone
    return taken


async def test_a_conversation_is_handed_over_while_the_model_speaks(redis_server: RedisServer) -> None:
    server = FakeLiveServer(SPEAKS)
    async with TlsHost(server) as host:
        async with worker(host, redis_server.url, "one") as first:
            await ask(first, "tell me a story")
            began = asyncio.Event()
            hearing = asyncio.create_task(turn(first, began))
            speaking = asyncio.create_task(murmur(first))
            await began.wait()
            with pytest.raises(relive.SessionTaken, match="belongs to one"):
                async with worker(host, redis_server.url, "two"):
                    raise AssertionError("both own it")
            left = await first.hand_over()
            assert await hearing == "turn 1: tell me a story"
            taken = await speaking
        assert left.reliable == 0
        assert 0 < left.audio < taken
        async with worker(host, redis_server.url, "two") as second:
            verdict = second.verdict
            assert verdict is not None
            assert (verdict.kind, verdict.dropped) == ("resumed_with_gap", left.audio)
            await ask(second, "and then?")
            assert await turn(second) == "turn 2: and then?"
        assert server.ground_truth("content") == ("tell me a story", "and then?")
        assert len(server.ground_truth("audio")) == taken - left.audio
