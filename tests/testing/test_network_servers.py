"""Dialling and serving on the network of a `SimLoop`, and what may lie between."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import subprocess
import sys

import pytest
from tests.testing.test_loop import now, simulated
from tests.testing.test_network import End, network, only_connection, pair

from relive.testing.links import Network
from relive.testing.loop import Deadlock, SimLoop, run
from relive.testing.network_transport import WINDOW


@simulated
async def test_what_cannot_be_dialled_or_served_says_why() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(
        ConnectionRefusedError, match=r"nobody\.example.*network of a SimLoop is in memory only"
    ) as refused:
        await loop.create_connection(End, "nobody.example", 1)
    assert refused.value.errno == errno.ECONNREFUSED
    with pytest.raises(ValueError, match="port"):
        await loop.create_connection(End, "localhost")
    with pytest.raises(TypeError, match="no option speed"):
        await loop.create_connection(End, "localhost", 1, speed=3)  # type: ignore[call-arg]
    with pytest.raises(NotImplementedError, match="host and port"):
        await loop.create_server(End, sock=object())  # type: ignore[call-overload]
    await loop.create_server(End, "localhost", 1)
    with pytest.raises(OSError, match="address"):
        await loop.create_server(End, "127.0.0.1", 1)
    with pytest.raises(TypeError, match="BufferedProtocol"):
        await loop.create_connection(asyncio.BufferedProtocol, "localhost", 1)
    assert [connection.number for connection in network().connections] == [2]
    await asyncio.sleep(1)
    assert network().connections == ()


@simulated
async def test_a_server_can_be_any_host_and_any_port() -> None:
    loop = asyncio.get_running_loop()
    ends = [End() for _ in range(3)]
    await loop.create_server(lambda: ends[0], ["live.example.com", "other.example.com"], 443)
    await loop.create_server(lambda: ends[1], "", 443)
    free = await loop.create_server(lambda: ends[2])
    ports = [listening.getsockname()[1] for listening in free.sockets]
    for host, port in (("Live.Example.com", 443), ("else.example.com", 443), ("localhost", ports[0])):
        await loop.create_connection(End, host, port)
    assert [end.words for end in ends] == [["made"]] * 3
    assert repr(free) == f"<NetworkServer at *:{ports[0]}, serving=True>"
    assert free.get_loop() is loop


@simulated
async def test_a_closed_server_accepts_nobody_and_waits_for_its_connections() -> None:
    async with pair() as (client, server):
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: server, None, 8, start_serving=False)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(End, "localhost", 8)
        serving = asyncio.create_task(listener.serve_forever())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already"):
            await listener.serve_forever()
        ours = [(await loop.create_connection(End, "localhost", 8))[1] for _ in range(2)]
        listener.close()
        listener.close()
        assert (listener.is_serving(), listener.sockets) == (False, ())
        with pytest.raises(RuntimeError, match="closed"):
            await listener.start_serving()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(listener.wait_closed()), 5)
        listener.close_clients()  # type: ignore[attr-defined]
        listener.abort_clients()  # type: ignore[attr-defined]
        await listener.wait_closed()
        await asyncio.wait([serving])
        assert serving.cancelled()
        assert [end.words for end in ours] == [["made", "eof", "lost"]] * 2
        assert client.words == ["made"]


@simulated
async def test_a_dial_that_is_cancelled_leaves_nothing() -> None:
    loop, server = asyncio.get_running_loop(), End()
    await loop.create_server(lambda: server, "localhost", 7)
    for seconds in (0.0, 0.1, 0.25, 0.4):
        network().links.set(latency=0.2)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await loop.create_connection(End, "localhost", 7)
        await asyncio.sleep(10)
        assert network().connections == network().describe() == ()
    assert server.words == ["made", "lost"] * 4
    network().links.hang_dials()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(loop.create_connection(End, "localhost", 7), 3)
    network().links.refuse_dials()
    with pytest.raises(ConnectionRefusedError):
        await loop.create_connection(End, "localhost", 7)
    assert len(asyncio.all_tasks()) == 1


@simulated
async def test_streams_work() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(shout, "localhost", 7), asyncio.timeout(1):
        reader, writer = await asyncio.open_connection("localhost", 7)
        writer.write(b"x" * 1_000_000)
        await writer.drain()
        writer.write_eof()
        assert await reader.read() == b"X" * 1_000_000
        writer.close()
        await writer.wait_closed()
    assert now() == 0.0


def test_conditions_of_the_links_are_those_of_the_connections() -> None:
    async def main() -> None:
        async with pair() as (client, server):
            assert now() == 0.5  # one round trip
            network().links.set("up", bandwidth=1000.0)
            network().links.set("down", slice_size=2, slice_delay=1.0)
            client.transport.write(bytes(500))
            await asyncio.sleep(0.75)
            assert server.told[-1] == (1.25, "data", bytes(500))
            server.transport.write(b"aabbc")
            await asyncio.sleep(10)
            assert client.told[1:] == [(1.5, "data", b"aa"), (2.5, "data", b"bb"), (3.5, "data", b"c")]
            network().links.heal()
            only_connection().line.hold("up")
            client.transport.write(b"later")
            await asyncio.sleep(60)
            assert server.words == ["made", "data"]
            assert network().describe() == (
                "connection 1 from 127.0.0.1:49152 to 127.0.0.1:7: 5 bytes held up, 0 bytes down",
            )
            only_connection().line.release()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert server.told[-1] == (now(), "data", b"later")
            only_connection().line.truncate("up")
            client.transport.write(b"1234")
            await asyncio.sleep(1)
            assert server.told[-2][2] == b"12"
            assert [isinstance(end.told[-1][2], ConnectionResetError) for end in (client, server)] == [True, True]

    run(main, links=Network(latency=0.25))


@simulated
async def test_a_dial_may_be_reset_on_its_way_and_what_is_late_may_come_early() -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(End, "localhost", 7)
    network().links.hold()
    dialling = asyncio.ensure_future(loop.create_connection(End, "localhost", 7))
    await asyncio.sleep(60)
    only_connection().line.reset_peer(now(), after=5.0)
    with pytest.raises(ConnectionResetError):
        await dialling
    assert (now(), network().connections) == (65.0, ())
    network().links.heal()
    network().links.set(latency=100.0)
    dialling = asyncio.ensure_future(loop.create_connection(End, "localhost", 7))
    await asyncio.sleep(1)
    network().links.heal()
    await dialling
    assert now() == 66.0


def test_a_closed_loop_leaves_links_that_others_use() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(End, "localhost", 7)
        await loop.create_connection(End, "localhost", 7)
        links.set(latency=1.0)

    links = Network()
    for _ in range(2):
        run(main, links=links)
        links.heal()
        assert not links.lines


@simulated
async def test_a_half_open_connection_is_lost_at_the_server_and_swallows_what_the_client_writes() -> None:
    async with pair() as (client, server):
        only_connection().line.half_open(now(), notices_after=3.0)
        client.transport.write(b"x" * (WINDOW + (1 << 17)))
        await asyncio.sleep(10)
        assert client.words == ["made", "pause"]
        assert (server.told[-1][0], server.words) == (3.0, ["made", "lost"])
        assert "(a black hole) up" in network().describe()[0]
        only_connection().line.reset_peer(now())
        await asyncio.sleep(1)
        assert client.words == ["made", "pause", "lost"]


TRACE = """
import asyncio
from relive.testing.links import Network
from relive.testing.loop import run

junk = [object() for _ in range(hash("seed") % 5000)]

async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line * 3)
        print(asyncio.get_running_loop().time(), "served", line, writer.get_extra_info("peername"))
    writer.close()

async def client(number):
    reader, writer = await asyncio.open_connection("localhost", 7)
    for turn in range(5):
        writer.write(b"%d says %d\\n" % (number, turn))
        data = await reader.read(100)
        print(asyncio.get_running_loop().time(), number, data)
    writer.close()
    await writer.wait_closed()

async def main():
    asyncio.get_running_loop().network.links.set(jitter=0.01, bandwidth=5000.0, slice_size=7)
    async with await asyncio.start_server(serve, "localhost", 7), asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(client(number))

run(main)
"""


def test_the_same_program_sends_the_same_bytes_at_the_same_time_in_every_process() -> None:
    def trace(seed: str) -> str:
        env = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", TRACE], env=env, capture_output=True, text=True, check=True).stdout

    first, *others = [trace(seed) for seed in ("0", "1", "4711")]
    assert first.count("served") == 100
    assert [first == other for other in others] == [True, True]


def test_a_runner_in_debug_mode_runs_it_too() -> None:
    async def main() -> list[str]:
        async with pair() as (client, server), asyncio.timeout(1), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.5)).add_done_callback(lambda _: client.transport.close())
            await server.lost.wait()
        return server.words

    with asyncio.Runner(debug=True, loop_factory=SimLoop) as runner:
        assert runner.run(main()) == ["made", "eof", "lost"]


def test_who_waits_for_bytes_that_never_come_is_told_what_is_on_its_way() -> None:
    async def main() -> None:
        async with pair() as (client, server):
            only_connection().line.hold()
            client.transport.write(b"abc")
            await server.lost.wait()

    with pytest.raises(
        Deadlock, match=r"open connections: 1\n  connection 1 .*: 3 bytes held up, 0 bytes down"
    ) as caught:
        run(main)
    assert "in main: await server.lost.wait()" in caught.value.pending[0]
