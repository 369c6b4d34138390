"""Whatever goes wrong between a memory host and its clients, nothing of it is left when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from relive.testing import server_client as say
from relive.testing.hosts import HostRefused, LinkClosed, MemoryHost, MemoryLink
from relive.testing.links import Network
from relive.testing.loop import run
from relive.testing.server import FakeLiveServer

LIVES, FAULTS = 6, 30


async def read(link: MemoryLink) -> None:
    with contextlib.suppress(LinkClosed):
        while True:
            await link.recv()


async def act(link: MemoryLink, chance: random.Random) -> None:
    """Do what an end can do, a few times."""
    host = link.host
    await link.send(say.setup())
    for _ in range(chance.randrange(10)):
        await asyncio.sleep(chance.uniform(0.0, 2.0))
        match chance.randrange(8):
            case 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(link.ping(), 5.0)
            case 1:
                host.server.close(link.conn, 1011, "enough", host.now)
                host.flush()
            case 2:
                host.server.reset(link.conn, host.now)
                host.flush()
            case _:
                await link.send(say.content("hello"))
    if chance.random() < 0.7:
        await link.close()


async def live(host: MemoryHost, chance: random.Random) -> str:
    """One client: how it ended."""
    try:
        link = await asyncio.wait_for(host.dial(), chance.uniform(0.1, 40.0))
    except (HostRefused, OSError, TimeoutError) as error:
        return type(error).__name__
    reading = asyncio.create_task(read(link))
    with contextlib.suppress(LinkClosed):
        await act(link, chance)
    link.abort()
    await reading
    return str(link.closed)


def go_wrong(network: Network, now: float, chance: random.Random) -> None:
    """One fault, on the network or on one of its lines."""
    way = chance.choice(("up", "down", "both"))
    some, few, after = chance.uniform(0.0, 1.0), chance.randrange(500), chance.uniform(0.0, 3.0)
    faults: list[Callable[[], Any]] = [
        lambda: network.set(way, latency=some, jitter=some),
        lambda: network.set(way, bandwidth=chance.choice((None, 100.0, 10.0))),
        lambda: network.set(way, slice_size=chance.choice((None, 5)), slice_delay=0.01, slow_close=some),
        lambda: network.hold(way),
        lambda: network.release(way),
        lambda: network.refuse_dials(chance.choice((None, 503))),
        network.hang_dials,
        lambda: network.flap(now, 2, 0.5, 0.5),
    ]
    if network.lines:
        line = chance.choice(network.lines)
        faults += [
            lambda: line.hold(way),
            lambda: line.reset_peer(now, some),
            lambda: line.limit_data(few),
            lambda: line.truncate(way),
            lambda: line.timeout(now, after),
            lambda: line.half_open(now, after),
        ]
    chance.choice(faults)()


async def story(seed: int) -> tuple[float, list[str]]:
    chance = random.Random(seed)
    network = Network(random.Random(seed), latency=chance.choice((0.0, 0.05)))
    host = MemoryHost(FakeLiveServer(seed=seed), network)
    lives = [asyncio.create_task(live(host, chance)) for _ in range(LIVES)]
    for _ in range(FAULTS):
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        go_wrong(network, host.now, chance)
    network.heal()
    ends = [await each for each in lives]
    over = host.now
    await asyncio.sleep(50.0)
    assert host.server.live == network.lines == ()
    assert not host.lines
    assert not host.links
    assert host.agenda.due is None
    host.close()
    return over, ends


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_after_any_faults_everything_ends_and_the_same_seed_ends_alike(first: int) -> None:
    for seed in range(first, first + 20):
        assert run(story(seed), max_steps=100_000) == run(story(seed), max_steps=100_000)
