"""The clock of the running loop, and the store in memory."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.runtime.puppets import now, simulated

from relive.clock import LoopClock, wall_clock
from relive.core.checkpoint import Checkpoint
from relive.stores.memory import MemoryStore


@simulated
async def test_a_clock_shows_the_loop_s_time_and_the_wall_that_the_loop_knows() -> None:
    loop: Any = asyncio.get_running_loop()
    clock = LoopClock()
    await asyncio.sleep(5)
    assert clock.now() == now() == 5.0
    loop.step_wall(100)
    assert clock.wall() == loop.wall()


async def test_on_a_loop_without_a_wall_clock_the_system_s_is_read() -> None:
    before = time.time()
    assert before <= LoopClock().wall() <= time.time()
    assert before <= await asyncio.to_thread(wall_clock) <= time.time()  # no loop runs there


@simulated
async def test_a_store_goes_by_the_wall_clock_of_the_loop() -> None:
    """So that what it keeps runs out in virtual time as well."""
    store = MemoryStore()
    assert await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=10.0)
    await asyncio.sleep(9.0)
    stored = await store.load("ada")
    assert stored is not None
    assert stored.checkpoint == Checkpoint("one")
    await asyncio.sleep(2.0)
    stored = await store.load("ada")
    assert stored is not None
    assert stored.checkpoint is None


def test_a_seed_makes_chance_repeatable() -> None:
    draws = [[clock.jitter() for _ in range(5)] for clock in (LoopClock(1), LoopClock(1), LoopClock(2), LoopClock())]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) == 3
    assert all(0.0 <= one < 1.0 for draw in draws for one in draw)


async def test_a_store_keeps_the_newest_generation_for_its_time() -> None:
    wall = [0.0]
    store = MemoryStore(wall=lambda: wall[0])
    assert await store.load("ada") is None
    assert await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=10.0)
    assert await store.save("ada", Checkpoint("two"), generation=(1, 2), ttl=10.0)
    assert not await store.save("ada", Checkpoint("old"), generation=(1, 1), ttl=10.0)
    stored = await store.load("ada")
    assert stored is not None
    assert stored.checkpoint == Checkpoint("two")
    wall[0] = 10.0
    stored = await store.load("ada")
    assert stored is not None
    assert stored.checkpoint is None


async def test_a_store_keeps_tombstones_for_their_time_and_forgets_when_told_to() -> None:
    wall = [0.0]
    store = MemoryStore(wall=lambda: wall[0])
    await store.condemn("ada", "digest", ttl=10.0)
    stored = await store.load("ada")
    assert stored is not None
    assert stored.condemned == {"digest"}
    wall[0] = 10.0
    stored = await store.load("ada")
    assert stored is not None
    assert stored.condemned == frozenset()
    assert repr(store) == "<MemoryStore: 1 sessions>"
    await store.delete("ada")
    await store.delete("ada")
    assert await store.load("ada") is None
    await store.aclose()
