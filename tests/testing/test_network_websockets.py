"""What was written for sockets runs on `SimLoop` as it is: `websockets`, the SDK, and our session over the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.genai.live import AsyncSession
from tests.testing.test_loop import now, run, simulated
from tests.testing.test_network import network, only_connection
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

import relive
from relive.clock import LoopClock
from relive.testing.hosts import TlsHost
from relive.testing.loop import Deadlock
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript

URL = "wss://live.example.com"


async def echo(socket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            await socket.send(message)


async def deaf(socket: ServerConnection) -> None:
    await socket.wait_closed()


@contextlib.asynccontextmanager
async def served(handler: Any = echo, **options: Any) -> AsyncIterator[tuple[ClientConnection, Server]]:
    """A client that is connected to a server; nothing is left of either."""
    listen, dial = serve(handler, "live.example.com", 443, **options), connect(URL, proxy=None, **options)
    async with listen as server, dial as socket:
        yield socket, server
    await asyncio.sleep(0)
    assert (network().connections, len(asyncio.all_tasks())) == ((), 1)


@simulated
async def test_messages_of_any_size_come_back_whole_and_in_order() -> None:
    async with served(max_size=None) as (socket, _):
        big = os.urandom(1_000_000)
        for message in ("hello", b"", big, "ä" * 100_000):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(big[at : at + 9_999] for at in range(0, len(big), 9_999))
        assert await socket.recv() == big
        await asyncio.gather(*(socket.send(str(n)) for n in range(100)), read(socket, 100))
    assert now() == 0.0


async def read(socket: ClientConnection, count: int) -> None:
    assert [await socket.recv() for _ in range(count)] == [str(n) for n in range(count)]


@simulated
async def test_a_sender_waits_while_the_other_side_does_not_read() -> None:
    async with served(deaf, ping_interval=None) as (socket, _):
        sent = list[int]()

        async def send() -> None:
            for number in range(100):
                await socket.send(os.urandom(50_000))
                sent.append(number)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send(), 60)
        assert 5 < len(sent) < 50
        socket.transport.abort()  # a close frame would wait as well


@simulated
async def test_keepalive_keeps_a_quiet_connection_for_ten_minutes_and_measures_its_latency() -> None:
    network().links.set(latency=0.03)
    async with served() as (socket, _):
        await asyncio.sleep(600)
        assert socket.latency == pytest.approx(0.06)


@simulated
async def test_keepalive_notices_a_black_hole() -> None:
    async with served() as (socket, _):
        only_connection().line.timeout(now(), after=100.0)
        with pytest.raises(ConnectionClosedError, match="keepalive ping timeout"):
            await socket.recv()
        assert now() == 20.0 + 20.0 + 10.0  # interval, timeout, and the close that nobody answers


@simulated
async def test_closing_gives_up_when_nobody_answers() -> None:
    async with served(ping_interval=None) as (socket, _):
        only_connection().line.hold("up")
        await socket.close()
        assert now() == 10.0
        only_connection().line.release()


@simulated
async def test_opening_gives_up_when_nobody_answers() -> None:
    network().links.hold("down")
    async with serve(echo, "live.example.com", 443):
        with pytest.raises(TimeoutError, match="opening handshake"):
            await connect(URL, proxy=None)
        assert now() == 10.0
        network().links.heal()
    assert network().connections == ()


@simulated
async def test_a_server_that_closes_says_so() -> None:
    async with served() as (socket, server):
        server.close()
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        with pytest.raises(ConnectionRefusedError):
            await connect(URL, proxy=None)


@pytest.mark.parametrize("way", ["up", "down"])
@simulated
async def test_a_frame_cut_short_ends_the_connection(way: Any) -> None:
    async with served() as (socket, _):
        only_connection().line.truncate(way)
        await socket.send("hello")
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
        assert closed.value.rcvd is None


def test_who_waits_for_a_message_that_never_comes_is_named_with_the_line_that_waits() -> None:
    async def listener(socket: ClientConnection) -> None:
        await socket.recv()

    async def main() -> None:
        async with served(deaf, ping_interval=None) as (socket, _):
            await asyncio.create_task(listener(socket), name="listener")

    with pytest.raises(Deadlock, match="open connections: 1") as caught:
        run(main)
    (named,) = [line for line in caught.value.pending if line.startswith("listener")]
    assert "in listener: await socket.recv() → " in named
    assert "websockets" in named.partition(" → ")[2]


@contextlib.asynccontextmanager
async def live(script: ServerScript | None = None) -> AsyncIterator[tuple[TlsHost, genai.Client]]:
    """The fake server behind a websocket, and the SDK's client for it; nothing is left of either."""
    async with TlsHost(FakeLiveServer(script or ServerScript())) as host:
        client = genai.Client(api_key="x", http_options=host.http_options())
        yield host, client
        await client.aio.aclose()
    assert (network().connections, len(asyncio.all_tasks())) == ((), 1)


async def say(session: AsyncSession, text: str) -> str:
    """Hold one turn and return the answer."""
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
    return "".join([message.text or "" async for message in session.receive()])


@simulated
async def test_the_sdk_talks_hears_and_resumes() -> None:
    async with live() as (host, client):
        async with client.aio.live.connect(model="echo", config={"session_resumption": {}}) as session:
            assert await say(session, "hello") == "turn 1: hello"
            update = (await session._receive()).session_resumption_update
            await session.send_realtime_input(audio=types.Blob(data=b"1234", mime_type="audio/pcm"))
            await session.send_realtime_input(audio_stream_end=True)
            heard = [len(message.data or b"") async for message in session.receive()]
            assert sum(heard) == 3 * 480
            announced = now()
            host.go_away(5.0)
            with pytest.raises(errors.APIError, match="Deadline expired"):
                [message async for message in session.receive()]
            assert now() == announced + 5.0
        assert update
        config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle=update.new_handle))
        async with client.aio.live.connect(model="echo", config=config) as session:
            assert await say(session, "again") == "turn 2: again"
            host.kill(host.newest)
            with pytest.raises(errors.APIError) as failed:
                [message async for message in session.receive()]
            assert failed.value.code == 1006


@simulated
async def test_the_sdk_is_refused_as_over_sockets() -> None:
    async with live(ServerScript(keys=frozenset({"good"}))) as (host, client):
        with pytest.raises(errors.APIError, match="API key not valid"):
            await client.aio.live.connect(model="echo").__aenter__()
        host.server.refuse_next(429)
        with pytest.raises(InvalidStatus, match="429"):
            await client.aio.live.connect(model="echo").__aenter__()


@simulated
async def test_our_session_outlives_go_away_reset_and_black_hole() -> None:
    network().links.set(latency=0.02)
    async with live() as (host, client):
        async with relive.connect(client, model="echo", clock=LoopClock(seed=7)) as session:
            kinds = list[str]()
            assert await say(session, "one") == "turn 1: one"
            host.go_away(5.0)
            assert await say(session, "two") == "turn 2: two"
            await asyncio.sleep(60)
            assert session.verdict
            kinds.append(session.verdict.kind)
            host.kill(host.newest)
            assert "three" in await settle(session, "three")
            await asyncio.sleep(60)
            only_connection().line.half_open(now())
            assert "four" in await settle(session, "four")
            kinds.append(session.verdict.kind)
            assert kinds == ["resumed", "resumed"]
        assert len(host.server.sessions) == 1


async def settle(session: AsyncSession, text: str) -> str:
    """Hold a turn in which the connection may be lost: what is answered before the turn is complete."""
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
    said = ""
    async with asyncio.timeout(120):
        while text not in said:
            said += "".join([message.text or "" async for message in session.receive()])
    return said


TRACE = """
import asyncio
from google import genai
import relive
from relive.clock import LoopClock
from relive.testing import FakeLiveServer, ServerScript, TlsHost
from relive.testing.loop import run

junk = [object() for _ in range(hash("seed") % 5000)]

async def follow(session, loop):
    async for step in session.changes():
        print(loop.time(), step)

async def main():
    loop = asyncio.get_running_loop()
    loop.network.links.set(latency=0.02, jitter=0.01, slice_size=100, slice_delay=0.001)
    async with TlsHost(FakeLiveServer(ServerScript(), seed=7)) as host:
        client = genai.Client(api_key="x", http_options=host.http_options())
        async with relive.connect(client, model="echo", clock=LoopClock(seed=7)) as session:
            following = asyncio.create_task(follow(session, loop))
            for turn in range(3):
                await session.send_client_content(turns={"role": "user", "parts": [{"text": f"turn {turn}"}]})
                async for message in session.receive():
                    print(loop.time(), message.model_dump_json(exclude_none=True))
                host.go_away(5.0) if turn % 2 else host.kill(host.newest)
                await asyncio.sleep(30)
        await following
        await client.aio.aclose()

run(main)
"""


def test_a_session_lives_the_same_life_to_the_same_times_in_every_process() -> None:
    def trace(seed: str) -> str:
        env = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", TRACE], env=env, capture_output=True, text=True, check=True).stdout

    first, *others = [trace(seed) for seed in ("0", "1", "4711")]
    assert (first.count("turn_complete"), first.count("event='ConnectionOpened'")) == (3, 3)
    assert [first == other for other in others] == [True, True]
