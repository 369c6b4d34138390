"""The memory host with a network between it and its clients, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from relive.ports import ConnectionGone, Opening
from relive.testing import server_client as say
from relive.testing.hosts import HostRefused, LinkClosed, MemoryHost, MemoryLink
from relive.testing.links import Network
from relive.testing.loop import Deadlock, run
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import CLOSES, ServerScript
from relive.transports.memory import MemoryTransport

Story = Callable[[MemoryHost], Coroutine[Any, Any, None]]
FAST = ServerScript(model=EchoModel(interval=0.0))


def now() -> float:
    return asyncio.get_running_loop().time()


def tell(story: Story, latency: float = 0.0) -> None:
    """Run a story, and see that nothing of it is left."""

    async def main() -> None:
        host = MemoryHost(FakeLiveServer(FAST), Network(latency=latency))
        try:
            await story(host)
        finally:
            host.close()
        assert host.server.live == ()
        assert not host.network.lines
        assert not host.lines
        assert not host._timer._handle

    run(main)


def on(latency: float) -> Callable[[Story], Callable[[], None]]:
    """Make a test of a story, on a network with this latency each way."""

    def decorate(story: Story) -> Callable[[], None]:
        def test() -> None:
            tell(story, latency)

        test.__name__ = story.__name__
        return test

    return decorate


async def connected(host: MemoryHost) -> MemoryLink:
    link = await host.dial()
    await link.send(say.setup())
    assert b"setupComplete" in await link.recv()
    return link


def put(link: MemoryLink, *frames: str) -> None:
    """Have the server say this."""
    for frame in frames:
        link.host.server.inject(link.conn, frame, link.host.now)
    link.host.flush()


def end(link: MemoryLink) -> None:
    """Have the server close."""
    link.host.server.close(link.conn, *CLOSES["quota"], link.host.now)
    link.host.flush()


async def ended(link: MemoryLink) -> tuple[float, int | None, list[bytes]]:
    """Receive everything: when it ended, with which code, and what came before."""
    frames: list[bytes] = []
    try:
        while True:
            frames.append(await link.recv())
    except LinkClosed as closed:
        return now(), closed.code, frames


async def timed(what: Awaitable[object]) -> float:
    """How long something takes."""
    began = now()
    await what
    return now() - began


@on(0.25)
async def test_a_dial_and_a_ping_and_an_answer_take_a_round_trip(host: MemoryHost) -> None:
    link = await host.dial()
    assert now() == 0.5
    assert await timed(link.ping()) == 0.5
    await link.send(say.setup())
    assert await timed(link.recv()) == pytest.approx(0.5)


@on(0.0)
async def test_without_conditions_nothing_waits(host: MemoryHost) -> None:
    link = await connected(host)
    await link.ping()
    await link.close()
    assert now() == 0.0
    assert not host.network.lines


@on(1.0)
async def test_closing_waits_for_the_answer_and_lets_come_what_the_server_says_meanwhile(host: MemoryHost) -> None:
    link = await connected(host)
    await link.send(say.content("before"))
    closing = asyncio.create_task(link.close(1001, "bye"))
    receiving = asyncio.create_task(ended(link))
    await asyncio.sleep(0.5)
    put(link, "said meanwhile")
    with pytest.raises(LinkClosed, match="1001"):
        await link.send("too late")
    again = asyncio.create_task(link.close())
    began = now() - 0.5
    await closing
    await again
    assert now() == began + 2.0
    at, code, frames = await receiving
    assert (at, code, frames[0]) == (began + 2.0, 1001, b"said meanwhile")
    assert host.server.ground_truth("content") == ("before",)
    assert not host.network.lines


@on(1.0)
async def test_aborting_is_immediate_here_and_late_there(host: MemoryHost) -> None:
    link = await connected(host)
    link.abort()
    assert link.closed
    assert host.server.live == (1,)
    put(link, "to nobody")
    await asyncio.sleep(1.0)
    assert host.server.live == ()
    await asyncio.sleep(1.0)
    assert not host.network.lines


@on(1.0)
async def test_a_close_by_the_server_travels_behind_its_frames(host: MemoryHost) -> None:
    link = await connected(host)
    put(link, "last words")
    end(link)
    await link.send(say.content("not heard any more"))
    assert await ended(link) == (5.0, CLOSES["quota"][0], [b"last words"])


@on(1.0)
async def test_a_reset_by_the_server_travels_behind_its_frames(host: MemoryHost) -> None:
    link = await connected(host)
    put(link, "last words")
    host.server.reset(link.conn, host.now)
    host.flush()
    assert await ended(link) == (5.0, None, [b"last words"])


@on(1.0)
async def test_two_closes_that_cross_end_the_link_once(host: MemoryHost) -> None:
    link = await connected(host)
    end(link)
    await link.close()
    assert link.closed
    assert link.closed.code == CLOSES["quota"][0]
    assert now() == 5.0


@on(0.0)
async def test_a_reset_by_the_network_is_known_at_both_ends_at_once(host: MemoryHost) -> None:
    link = await connected(host)
    host.network.set("down", latency=5.0)
    put(link, "lost")
    link.line.reset_peer(now(), after=2.0)
    assert await ended(link) == (2.0, None, [])
    assert host.server.live == ()


@on(0.0)
async def test_frames_are_held_and_come_all_at_once(host: MemoryHost) -> None:
    link = await connected(host)
    host.network.hold("down")
    put(link, "a", "b")
    await asyncio.sleep(3.0)
    put(link, "c")
    host.network.release()
    assert [await link.recv() for _ in range(3)] == [b"a", b"b", b"c"]
    assert now() == 3.0


@on(0.0)
async def test_what_the_client_sends_is_held_too(host: MemoryHost) -> None:
    link = await host.dial()
    link.line.hold("up")
    await link.send(say.setup())
    await asyncio.sleep(2.0)
    assert host.server.sessions == ()
    link.line.release()
    assert b"setupComplete" in await link.recv()
    assert now() == 2.0


@on(0.0)
async def test_a_dial_waits_while_the_network_is_held(host: MemoryHost) -> None:
    host.network.hold()
    asyncio.get_running_loop().call_later(4.0, host.network.release)
    assert await timed(host.dial()) == 4.0


@on(0.0)
async def test_bandwidth_and_slices_make_frames_late(host: MemoryHost) -> None:
    link = await connected(host)
    host.network.set("down", bandwidth=10.0)
    put(link, "x" * 20, "y" * 10)
    assert await timed(link.recv()) == 2.0
    assert await timed(link.recv()) == 1.0
    host.network.set("down", bandwidth=None, slice_size=5, slice_delay=0.5)
    put(link, "z" * 20)
    assert await timed(link.recv()) == 1.5


@on(0.0)
async def test_a_slow_close_lets_everything_else_through(host: MemoryHost) -> None:
    link = await connected(host)
    host.network.set("down", slow_close=0.5)
    put(link, "last words")
    end(link)
    assert await link.recv() == b"last words"
    assert now() == 0.0
    assert await ended(link) == (0.5, CLOSES["quota"][0], [])


@on(0.0)
async def test_a_truncated_frame_does_not_arrive_and_a_limit_ends_the_link(host: MemoryHost) -> None:
    first, second = await connected(host), await connected(host)
    first.line.truncate()
    put(first, "cut")
    assert (await ended(first))[1:] == (None, [])
    second.line.limit_data(5)
    put(second, "four", "more")
    assert (await ended(second))[1:] == (None, [b"four"])
    assert host.server.live == ()


@on(0.0)
async def test_closing_gives_up_when_nothing_comes_back(host: MemoryHost) -> None:
    link = await connected(host)
    host.network.hold()
    assert await timed(link.close()) == 10.0
    assert link.closed
    assert link.closed.code is None
    assert host.server.live == (1,)
    host.network.heal()
    assert host.server.live == ()
    assert not host.network.lines


@on(0.1)
async def test_refused_dials_say_who_refused(host: MemoryHost) -> None:
    host.network.refuse_dials(503)
    host.network.refuse_dials()
    with pytest.raises(HostRefused, match="HTTP 503"):
        await host.dial()
    assert now() == 0.2
    with pytest.raises(ConnectionRefusedError):
        await host.dial()
    with pytest.raises(HostRefused, match="HTTP 404"):
        await host.dial("/nowhere")
    await host.dial()


@on(1.0)
async def test_a_dial_can_be_reset_on_the_way(host: MemoryHost) -> None:
    dialling = asyncio.create_task(host.dial())
    await asyncio.sleep(0.5)
    for line in host.network.lines:
        line.reset_peer(now())
    with pytest.raises(ConnectionResetError):
        await dialling
    assert host.server.live == ()


@on(1.0)
async def test_whoever_gives_up_dialling_leaves_no_connection_behind(host: MemoryHost) -> None:
    for patience in (0.5, 1.5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(host.dial(), patience)
    await asyncio.sleep(5.0)
    assert host.server.live == ()
    assert not host.network.lines


@on(1.0)
async def test_a_dial_that_is_given_up_in_a_black_hole_leaves_no_line_behind(host: MemoryHost) -> None:
    for swallowed_first in (True, False):
        dialling = asyncio.create_task(host.dial())
        await asyncio.sleep(0.5)
        (line,) = host.network.lines
        if swallowed_first:
            line.timeout(now())
        dialling.cancel()
        await asyncio.wait([dialling])
        line.timeout(now())
        assert not host.network.lines


@on(0.0)
async def test_a_dial_that_hangs_does_so_until_it_is_cancelled(host: MemoryHost) -> None:
    host.network.hang_dials()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(host.dial(), 100.0)
    await host.dial()


@on(0.0)
async def test_a_flap_resets_links_and_refuses_dials_while_it_lasts(host: MemoryHost) -> None:
    link = await connected(host)
    host.network.flap(now(), 1, down=2.0, up=1.0)
    assert link.closed
    with pytest.raises(ConnectionRefusedError):
        await host.dial()
    await asyncio.sleep(2.0)
    await host.dial()


@on(0.0)
async def test_the_server_of_a_half_open_link_notices_in_its_time(host: MemoryHost) -> None:
    link = await connected(host)
    host.drop_everything(link, server_notices_after=3.0)
    await asyncio.sleep(3.0)
    assert host.server.live == ()
    assert link.closed is None


def test_a_transport_takes_a_refusal_by_the_network_for_one() -> None:
    async def story(host: MemoryHost) -> None:
        host.network.refuse_dials()
        with pytest.raises(ConnectionGone) as gone:
            await MemoryTransport(host.dial).open(Opening(number=1, handle=None, seeded=False))
        drop = gone.value.drop
        assert (drop.code, drop.phase, drop.origin) == (None, "opening", "network")

    tell(story)


def test_a_dial_that_hangs_for_ever_is_a_deadlock() -> None:
    async def main() -> None:
        host = MemoryHost(FakeLiveServer())
        host.network.hang_dials()
        await host.dial()

    with pytest.raises(Deadlock):
        run(main)


def test_with_jitter_the_same_seed_makes_the_same_times() -> None:
    async def main() -> list[float]:
        host = MemoryHost(FakeLiveServer(FAST), Network(latency=0.1))
        host.network.set(jitter=1.0)
        link = await connected(host)
        put(link, *map(str, range(20)))
        times: list[float] = []
        for n in range(20):
            assert await link.recv() == str(n).encode()
            times.append(now())
        host.close()
        return times

    times = run(main)
    assert times == run(main) == sorted(times)
