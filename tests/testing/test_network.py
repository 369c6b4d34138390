"""The network of a `SimLoop`: transports and servers as asyncio's, in memory and in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from tests.testing.test_loop import now, simulated

from relive.testing.loop import SimLoop, run
from relive.testing.network import NetworkConnection, SimNetwork
from relive.testing.network_transport import WINDOW, NetworkTransport


class End(asyncio.Protocol):
    """Notes what it is told, and when; `on_data` is called as well."""

    def __init__(self, on_data: Callable[[End, bytes], object] | None = None, *, half_open: bool = False) -> None:
        self.told: list[tuple[float, str, object]] = []
        self.on_data, self.half_open = on_data, half_open
        self.transport: Any = None
        self.lost = asyncio.Event()

    @property
    def words(self) -> list[str]:
        return [word for _, word, _ in self.told]

    @property
    def data(self) -> bytes:
        return b"".join(data for _, word, data in self.told if isinstance(data, bytes) and word == "data")

    def note(self, word: str, what: object = None) -> None:
        self.told.append((now(), word, what))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        self.note("data", data)
        if self.on_data:
            self.on_data(self, data)

    def eof_received(self) -> bool:
        self.note("eof")
        return self.half_open

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("lost", exc)
        self.lost.set()


def network() -> SimNetwork:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return loop.network


@contextlib.asynccontextmanager
async def pair(server: End | None = None, **options: Any) -> AsyncIterator[tuple[End, End]]:
    """A client and a server that are connected; nothing is left of either."""
    theirs = server or End()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: theirs, "localhost", 7, **options)
    _, ours = await loop.create_connection(End, "localhost", 7, **options)
    yield ours, theirs
    listener.close()
    for end in (ours, theirs):
        end.transport.abort()
    await listener.wait_closed()
    await ours.lost.wait()
    await theirs.lost.wait()
    assert network().connections == ()


def only_connection() -> NetworkConnection:
    (connection,) = network().connections
    return connection


@simulated
async def test_bytes_arrive_in_order_in_a_later_callback_and_in_no_time() -> None:
    async with pair(End(lambda end, data: end.transport.write(data.upper()))) as (client, server):
        client.transport.writelines([b"a", b"b"])
        client.transport.write(memoryview(b"c"))
        assert server.data == b""
        await asyncio.sleep(1)
        assert (server.data, client.data) == (b"abc", b"ABC")
        assert client.told[-1][0] == 0.0
        assert client.transport.get_extra_info("peername") == ("127.0.0.1", 7)
        assert client.transport.get_extra_info("sockname") == server.transport.get_extra_info("peername")
        assert client.transport.get_extra_info("socket") is client.transport.get_extra_info("ssl_object") is None
        assert repr(client.transport) == (
            "<NetworkTransport open: ('127.0.0.1', 49152) to ('127.0.0.1', 7), 0 bytes to write>"
        )


@simulated
async def test_what_is_due_at_the_same_time_arrives_in_the_order_in_which_it_was_sent() -> None:
    network().links.set(latency=0.1)
    loop, heard = asyncio.get_running_loop(), list[bytes]()
    await loop.create_server(lambda: End(lambda _, data: heard.append(data)), None, 7)
    ends = [(await loop.create_connection(End, "x", 7))[1] for _ in range(5)]
    for number in (3, 1, 4, 0, 2):
        ends[number].transport.write(b"%d" % number)
        ends[number].transport.write(b"%d" % (number + 5))
    await asyncio.sleep(0.1)
    assert heard == [b"3", b"8", b"1", b"6", b"4", b"9", b"0", b"5", b"2", b"7"]


@simulated
async def test_a_writer_is_paused_when_nobody_reads_and_goes_on_when_somebody_does() -> None:
    async with pair() as (client, server):
        server.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=1000, low=100)
        assert client.transport.get_write_buffer_limits() == (100, 1000)
        client.transport.write(bytes(WINDOW + 1000))
        assert client.words == ["made"]
        client.transport.write(b"x")
        assert client.words == ["made", "pause"]
        await asyncio.sleep(100)
        assert (client.words, server.words) == (["made", "pause"], ["made"])
        assert client.transport.get_write_buffer_size() == 1001
        server.transport.resume_reading()
        server.transport.resume_reading()
        assert server.words == ["made"]
        await asyncio.sleep(1)
        assert (client.words, len(server.data)) == (["made", "pause", "resume"], WINDOW + 1001)
        for water, limits in (({}, (16_384, 65_536)), ({"low": 10}, (10, 40)), ({"high": 0}, (0, 0))):
            client.transport.set_write_buffer_limits(**water)
            assert client.transport.get_write_buffer_limits() == limits
        with pytest.raises(ValueError, match="high"):
            client.transport.set_write_buffer_limits(high=1, low=2)
        with pytest.raises(TypeError, match="bytes-like"):
            client.transport.write("text")


@simulated
async def test_closing_writes_what_is_left_first() -> None:
    async with pair() as (client, server):
        server.transport.pause_reading()
        client.transport.write(bytes(WINDOW + 5))
        client.transport.close()
        client.transport.write(b"too late")
        await asyncio.sleep(1)
        assert client.words == ["made"]
        assert client.transport.is_closing()
        server.transport.write(b"for nobody")
        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert len(server.data) == WINDOW + 5
        assert (client.words, server.words[-2:]) == (["made", "lost"], ["eof", "lost"])
        assert client.told[-1] == (1.0, "lost", None)


@simulated
async def test_a_half_closed_end_still_hears() -> None:
    async with pair(End(half_open=True)) as (client, server):
        client.transport.write(b"question")
        client.transport.write_eof()
        with pytest.raises(RuntimeError, match="write_eof"):
            client.transport.write(b"more")
        await asyncio.sleep(1)
        assert (server.words, server.data) == (["made", "data", "eof"], b"question")
        server.transport.write(b"answer")
        server.transport.close()
        await asyncio.sleep(1)
        assert (client.words, client.data) == (["made", "data", "eof", "lost"], b"answer")


@simulated
async def test_over_tls_there_is_no_half_closing() -> None:
    async with pair(End(half_open=True), ssl="a context", server_hostname="x") as (client, server):
        assert not client.transport.can_write_eof()
        with pytest.raises(NotImplementedError, match="TLS"):
            client.transport.write_eof()
        client.transport.close()
        await asyncio.sleep(1)
        assert server.words == ["made", "eof", "lost"]


@simulated
async def test_an_aborted_connection_ends_and_a_reset_one_breaks() -> None:
    for act, told in (("abort", ["made", "eof", "lost"]), ("reset", ["made", "lost"])):
        async with pair() as (client, server):
            server.transport.pause_reading()
            client.transport.write(bytes(WINDOW * 2))
            getattr(client.transport, act)()
            getattr(client.transport, act)()
            server.transport.resume_reading()
            await asyncio.sleep(1)
            assert len(server.data) in (0, WINDOW)
            assert [word for word in server.words if word != "data"] == told
            assert isinstance(server.told[-1][2], ConnectionResetError | None)
            assert client.told[-1] == (now() - 1, "lost", None)


@simulated
async def test_writing_to_an_end_that_is_gone_breaks_the_connection() -> None:
    async with pair(End(half_open=True)) as (client, server):
        client.transport.close()
        await asyncio.sleep(1)
        assert server.words == ["made", "eof"]
        server.transport.write(b"are you there?")
        await asyncio.sleep(1)
        assert isinstance(server.told[-1][2], ConnectionResetError)
    async with pair() as (client, server):
        server.transport.pause_reading()
        client.transport.reset()
        await asyncio.sleep(1)
        assert server.words == ["made"]
        server.transport.write(b"are you there?")
        await asyncio.sleep(1)
        assert isinstance(server.told[-1][2], ConnectionResetError)


@simulated
async def test_who_raises_loses_the_connection_and_the_handler_is_told() -> None:
    loop, told = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))
    async with pair(End(lambda *_: 1 / 0)) as (client, server):
        client.transport.write(b"x")
        await asyncio.sleep(1)
        assert isinstance(server.told[-1][2], ZeroDivisionError)
        assert client.words == ["made", "eof", "lost"]
    await loop.create_server(lambda: 1 / 0, "localhost", 9)  # type: ignore[arg-type, return-value]
    with pytest.raises(ConnectionResetError):
        await loop.create_connection(End, "localhost", 9)
    await loop.create_server(End, "localhost", 10)
    with pytest.raises(ZeroDivisionError):
        await loop.create_connection(lambda: 1 / 0, "localhost", 10)  # type: ignore[arg-type, return-value]
    await asyncio.sleep(1)
    assert told == [
        f"Fatal error: {what} failed." for what in ("protocol.data_received() call", "the protocol factory")
    ]
    assert network().connections == ()


def test_a_transport_can_be_handed_to_another_protocol() -> None:
    async def main() -> None:
        async with pair() as (client, server):
            other = End()
            transport: NetworkTransport = server.transport
            transport.set_protocol(other)
            assert transport.get_protocol() is other
            client.transport.write(b"x")
            await asyncio.sleep(1)
            assert (other.data, server.data, transport.is_reading()) == (b"x", b"", True)
            transport.set_protocol(server)

    run(main)


@simulated
async def test_a_connection_knows_the_context_that_it_was_dialled_in() -> None:
    whose = ContextVar[str]("whose")

    async def dial(who: str) -> None:
        whose.set(who)
        await asyncio.get_running_loop().create_connection(End, "localhost", 7)

    network().links.set(latency=1.0)
    listener = network().listen(End, "localhost", 7)
    dials = asyncio.gather(dial("one"), dial("other"))
    await asyncio.sleep(0.5)
    network().links.set(latency=2.0)  # what is on its way is looked after by somebody else from here on
    await dials
    assert [connection.context[whose] for connection in network().connections] == ["one", "other"]
    listener.close()
    listener.abort_clients()
    await listener.wait_closed()
