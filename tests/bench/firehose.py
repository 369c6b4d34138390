"""A server in a process of its own that costs as little as possible: its frames are made and packed beforehand.

It answers any setup. Real-time text is a command: ``give <size> <count>`` has it write that many audio frames as fast
as the socket takes them, and ``done`` has it answer once everything sent before has been read; both end the turn. All
else is read and forgotten, without a look into it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from functools import lru_cache

import trustme
from google import genai
from google.genai import types
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

SETUP = b'{"setupComplete": {"sessionId": "bench"}}'
DONE = b'{"serverContent": {"turnComplete": true}}'
_COMMAND = '{"realtime_input": {"text": "'


def audio_frame(size: int) -> bytes:
    """What the service sends for so many bytes of audio."""
    data = base64.b64encode(os.urandom(size)).decode()
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
    return json.dumps({"serverContent": {"modelTurn": {"parts": [part]}}}).encode()


@lru_cache(maxsize=8)
def _packed(size: int, count: int) -> bytes:
    frames = [*(audio_frame(size) for _ in range(count)), DONE]
    return b"".join(Frame(Opcode.BINARY, frame).serialize(mask=False) for frame in frames)


async def _serve_client(ws: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        await ws.recv()
        await ws.send(SETUP)
        while True:
            frame = await ws.recv()
            if isinstance(frame, str) and frame.startswith(_COMMAND):
                match frame.removeprefix(_COMMAND).partition('"')[0].split():
                    case ["give", size, count]:
                        ws.transport.write(_packed(int(size), int(count)))
                    case _:
                        await ws.send(DONE)


async def _main() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with serve(
        _serve_client, "127.0.0.1", 0, ssl=context, compression=None, ping_interval=None, max_size=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"port": port, "ca": authority.cert_pem.bytes().decode()}), flush=True)
        # Its parent is gone when nothing can be read any more.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextlib.asynccontextmanager
async def firehose() -> AsyncIterator[genai.Client]:
    """Run such a server; gives an SDK client for it."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.firehose", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        where = json.loads(await server.stdout.readline())
        context = ssl.create_default_context(cadata=where["ca"])
        options = types.HttpOptions(
            base_url=f"https://127.0.0.1:{where['port']}", async_client_args={"ssl": context, "compression": None}
        )
        yield genai.Client(api_key="bench", http_options=options)
    finally:
        server.stdin.close()
        await server.wait()


if __name__ == "__main__":
    asyncio.run(_main())
