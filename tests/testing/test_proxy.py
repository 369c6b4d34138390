"""The proxy between real sockets: events say when something may happen, and no time is asserted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import attrs
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from relive.testing import server_client as say
from relive.testing.hosts import TlsHost
from relive.testing.links import Line, Network
from relive.testing.proxy import Proxy
from relive.testing.server import FakeLiveServer

pytestmark = [pytest.mark.asyncio, pytest.mark.sockets]
T = TypeVar("T")
PATIENCE = 20.0
"Real seconds after which a test that hangs fails: a safety net only."


async def soon(what: Awaitable[T]) -> T:
    return await asyncio.wait_for(what, PATIENCE)


@attrs.define(eq=False)
class Peer:
    """The server's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@attrs.define
class Scene:
    """A proxy before a server that does nothing by itself."""

    network: Network
    proxy: Proxy
    peers: asyncio.Queue[Peer]
    writers: list[asyncio.StreamWriter] = attrs.Factory(list[asyncio.StreamWriter])

    async def dial(self) -> Peer:
        """The client's end of a connection that has been accepted by the proxy."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        self.writers.append(writer)
        return Peer(reader, writer)

    async def pair(self) -> tuple[Peer, Peer, Line[bytes | None]]:
        """Both ends of a connection, and what is between them."""
        client = await self.dial()
        server = await soon(self.peers.get())
        client.writer.write(b"hello")
        assert await soon(server.reader.readexactly(5)) == b"hello"
        server.writer.write(b"welcome")
        assert await soon(client.reader.readexactly(7)) == b"welcome"
        return client, server, self.proxy.lines[-1]


@contextlib.asynccontextmanager
async def scene(network: Network | None = None, *, buffer: int = 65536) -> AsyncIterator[Scene]:
    """Serve and proxy; check that nothing is left behind."""
    peers: asyncio.Queue[Peer] = asyncio.Queue()
    network = network or Network()
    accepted: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        peers.put_nowait(Peer(reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    before = asyncio.all_tasks()
    async with Proxy(network, "127.0.0.1", port, buffer=buffer) as proxy:
        made = Scene(network, proxy, peers)
        yield made
    assert proxy.lines == network.lines == ()
    assert asyncio.all_tasks() <= before
    for writer in made.writers + accepted:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    server.close()


def reset(peer: Peer) -> None:
    """Reset the connection from this end."""
    linger = struct.pack("ii", 1, 0)
    peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.writer.transport.abort()


async def is_reset(peer: Peer) -> bytes:
    """Wait for the reset; return what came before it."""
    seen = b""
    while True:
        try:
            data = await soon(peer.reader.read(1000))
        except ConnectionResetError:
            return seen
        assert data, "closed, not reset"
        seen += data


async def test_bytes_pass_both_ways_and_so_does_the_end() -> None:
    async with scene() as s:
        client, server, _ = await s.pair()
        client.writer.write_eof()
        assert await soon(server.reader.read()) == b""
        server.writer.write(b"still here")
        server.writer.write_eof()
        assert await soon(client.reader.read()) == b"still here"


async def test_with_every_condition_at_once_everything_arrives_in_order() -> None:
    async with scene() as s:
        client, server, _ = await s.pair()
        s.network.set("both", latency=0.001, jitter=0.001, bandwidth=1e6, slice_size=100, slice_delay=1e-5)
        data = bytes(range(256)) * 20
        for peer in (client, server):
            peer.writer.write(data)
            peer.writer.write_eof()
        assert await soon(server.reader.read()) == data
        assert await soon(client.reader.read()) == data


async def test_what_is_held_one_way_comes_when_it_is_released() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        s.network.hold("down")
        server.writer.write(b"held")
        client.writer.write(b"not held")
        assert await soon(server.reader.readexactly(8)) == b"not held"
        server.writer.write(b" and more")
        while line.down.bytes < 13:  # noqa: ASYNC110 - the proxy has no event to wait for
            await asyncio.sleep(0)
        s.network.release()
        assert await soon(client.reader.readexactly(13)) == b"held and more"
        assert line.down.direct


async def test_one_connection_is_held_both_ways_and_another_is_not() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        other, beyond, _ = await s.pair()
        line.hold()
        server.writer.write(b"held")
        beyond.writer.write(b"free")
        assert await soon(other.reader.readexactly(4)) == b"free"
        line.release()
        assert await soon(client.reader.readexactly(4)) == b"held"


async def test_a_reset_strikes_both_ends() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        line.reset_peer(asyncio.get_running_loop().time())
        assert await is_reset(client) == await is_reset(server) == b""


async def test_a_reset_by_one_end_reaches_the_other_behind_its_bytes() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        s.network.hold("down")
        server.writer.write(b"last words")
        while line.down.bytes < 10:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        reset(server)
        while len(line.down) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        s.network.release()
        assert await is_reset(client) in {b"", b"last words"}, "the kernel may drop what was not read"


async def test_limited_data_ends_in_the_middle_with_a_reset() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        line.limit_data(10)
        server.writer.write(bytes(100))
        assert len(await is_reset(client)) <= 10
        await is_reset(server)


async def test_what_is_truncated_arrives_by_half() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        line.truncate("down")
        server.writer.write(bytes(100))
        assert len(await is_reset(client)) <= 50
        await is_reset(server)


async def test_a_half_open_connection_is_reset_at_the_server_only() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        line.half_open(asyncio.get_running_loop().time())
        await is_reset(server)
        client.writer.write(b"anybody?")
        await client.writer.drain()
        assert line.up.broken
        assert not line.down.broken
        assert not client.reader.at_eof()


async def test_in_a_black_hole_bytes_are_lost_until_the_reset() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        line.timeout(asyncio.get_running_loop().time(), after=0.01)
        client.writer.write(b"lost")
        assert await is_reset(client) == await is_reset(server) == b""


async def test_a_refused_dial_is_reset_and_a_flapping_network_refuses() -> None:
    async with scene() as s:
        s.network.refuse_dials()
        await is_reset(await s.dial())
        s.network.flap(asyncio.get_running_loop().time(), 1, down=1000.0, up=1.0)
        await is_reset(await s.dial())
        s.network.heal()
        await s.pair()
        assert s.peers.empty()


async def test_a_dial_that_hangs_never_reaches_the_server() -> None:
    async with scene() as s:
        s.network.hang_dials()
        hanging = await s.dial()
        hanging.writer.write(b"hello?")
        await s.pair()
        assert s.peers.empty()
        assert len(s.proxy.lines) == 1


async def test_a_server_that_is_not_there_resets_the_client() -> None:
    nobody = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = nobody.sockets[0].getsockname()[1]
    nobody.close()
    await nobody.wait_closed()
    async with Proxy(Network(), "127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await is_reset(Peer(reader, writer))
        writer.close()


async def test_a_client_that_goes_while_the_server_is_dialled_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Proxy, "connect", lambda *_: asyncio.Event().wait())
    async with scene() as s:
        client, stays = await s.dial(), await s.dial()
        while len(s.proxy.lines) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        reset(client)
        while len(s.proxy.lines) > 1:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        assert not stays.reader.at_eof()


async def test_a_client_is_not_read_from_while_too_much_is_under_way() -> None:
    async with scene(buffer=1000) as s:
        client, server, line = await s.pair()
        s.network.hold("up")
        data = bytes(10_000_000)
        client.writer.write(data)
        while line.up.bytes < 1000:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert line.up.bytes < len(data) / 2
        s.network.release()
        assert await soon(server.reader.readexactly(len(data))) == data


async def test_a_server_that_does_not_read_stalls_the_client() -> None:
    async with scene() as s:
        client, server, line = await s.pair()
        data = bytes(30_000_000)
        client.writer.write(data)
        assert await soon(server.reader.readexactly(len(data))) == data
        assert line.up.direct


@contextlib.asynccontextmanager
async def session(network: Network) -> AsyncIterator[tuple[TlsHost, Proxy, ClientConnection]]:
    """A websocket through TLS through the proxy."""
    async with TlsHost(FakeLiveServer()) as host, Proxy(network, "127.0.0.1", int(host.base_url[-5:])) as proxy:
        context = host.ssl_client_context()
        async with connect(
            f"wss://127.0.0.1:{proxy.port}{say.DEVELOPER_PATH}?key=x", ssl=context, close_timeout=0.0
        ) as ws:
            await ws.send(say.setup())
            assert b"setupComplete" in await soon(ws.recv())  # type: ignore[operator]
            yield host, proxy, ws


async def test_a_websocket_over_tls_does_not_notice_the_proxy() -> None:
    async with session(Network()) as (host, _, ws):
        host.server.inject(1, b"hello", host.now)
        host.server.close(1, 1000, "bye", host.now)
        host.flush()
        assert await soon(ws.recv()) == b"hello"
        with pytest.raises(ConnectionClosedOK):
            await soon(ws.recv())


async def test_a_websocket_over_tls_is_reset_by_the_network() -> None:
    async with session(Network(latency=0.001)) as (host, proxy, ws):
        proxy.lines[0].truncate("both")
        host.server.inject(1, b"hello", host.now)
        host.flush()
        with pytest.raises(ConnectionClosed):
            await soon(ws.recv())
        while host.server.live:  # noqa: ASYNC110 - the server has no event to wait for: it is sans-IO
            await asyncio.sleep(0)
