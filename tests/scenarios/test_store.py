"""A session's handle outlives its process: the store, and what may be wrong with it."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
from tests.scenarios.world import simulated, world

import relive
from relive.core.checkpoint import Checkpoint
from relive.ports import Stored
from relive.testing.server import FakeLiveServer

QUICK = relive.Policy(stable_after=0.5)


@simulated
async def test_another_process_goes_on_where_the_first_left_off() -> None:
    """P21: the handle stays in the store; P4: it is loaded in IDLE, once."""
    server, shared = FakeLiveServer(), relive.MemoryStore()
    async with world(server=server, store=shared, key="ada") as w:
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(1.0)
    async with world(server=server, store=shared, key="ada") as w:
        assert str(w.session.verdict) == "resumed"
        await w.ask("second")
        assert await w.turn() == "turn 2: second"


@simulated
async def test_a_checkpoint_of_another_model_or_too_old_or_condemned_is_not_used() -> None:
    """P2, P3."""
    loop: Any = asyncio.get_running_loop()
    now = loop.wall()
    good = Checkpoint("handle-0", "models/memory", "memory", now, bound_to="prompt 2")
    cases = {
        "other_model": attrs.evolve(good, model="models/another"),
        "other_backend": attrs.evolve(good, backend="elsewhere"),
        "other_configuration": attrs.evolve(good, bound_to="prompt 1"),
        "expired": attrs.evolve(good, wall=now - 7201.0),
    }
    for reason, checkpoint in cases.items():
        shared = relive.MemoryStore()
        await shared.save("ada", checkpoint, generation=(0, 1), ttl=1e9)
        async with world(store=shared, key="ada", policy=relive.Policy(bind_to="prompt 2")) as w:
            assert str(w.session.verdict) == f"not_restored({reason})"
    shared = relive.MemoryStore()
    await shared.save("ada", good, generation=(0, 1), ttl=1e9)
    async with world(store=shared, key="ada") as w:
        assert str(w.session.verdict) == "not_restored(rejected)"
    await shared.save("ada", good, generation=(2**60, 1), ttl=1e9)
    async with world(store=shared, key="ada") as w:
        assert str(w.session.verdict) == "not_restored(quarantined)"


class Broken:
    """A store whose disk is full."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    async def _fail(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        raise OSError("disk full")

    async def load(self, key: str) -> Stored | None:
        await self._fail()
        return None

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        await self._fail()
        return True

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        await self._fail()

    async def delete(self, key: str) -> None:
        await self._fail()

    async def aclose(self) -> None:
        pass


@simulated
async def test_a_broken_store_breaks_nothing_and_is_reported() -> None:
    """P4: saving never blocks or breaks a session; failures are events."""
    for hangs in (False, True):
        async with world(store=Broken(hangs=hangs), key="ada", policy=QUICK) as w:
            assert str(w.session.verdict) == "not_restored(store_unavailable)"
            await w.ask("hello")
            assert await w.turn() == "turn 1: hello"
            await asyncio.sleep(10.0)
            w.reset()
            await w.session.wait_for("RESUMING")
            await w.session.wait_for("ACTIVE")
            assert str(w.session.verdict) == "resumed"
            assert w.session.stats.store_errors >= 1
        assert "store_error" in [notice.what for notice in w.notices]


@simulated
async def test_a_session_that_is_overtaken_stops_saving_and_is_told() -> None:
    server, shared = FakeLiveServer(), relive.MemoryStore()
    async with world(server=server, store=shared, key="ada") as w:
        other = Checkpoint("newer", "models/memory", "memory", 0.0)
        await shared.save("ada", other, generation=(2**60, 0), ttl=100.0)
        await w.ask("hello")
        await w.turn()
        await asyncio.sleep(1.0)
    stored = await shared.load("ada")
    assert stored is not None
    assert stored.checkpoint == other
    assert "session_taken" in [notice.what for notice in w.notices]
