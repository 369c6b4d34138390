"""The store over key-value stores: sessions do not wait for each other, what is done to one is done in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.stores.doubles import Remote

from relive.core.checkpoint import Checkpoint
from relive.ports import Stored
from relive.stores.kv import KvStore


class Gathering(Remote):
    """Answers when so many have asked."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self.all_are_here = asyncio.Barrier(many)

    async def get(self, key: str, *, collection: str | None = None) -> Mapping[str, Any] | None:
        await self.all_are_here.wait()
        return await super().get(key, collection=collection)


async def test_a_thousand_sessions_save_at_once() -> None:
    store = KvStore(Gathering(1000))
    async with asyncio.timeout(20.0):
        saved = await asyncio.gather(
            *(store.save(f"{n}", Checkpoint("one"), generation=(1, 1), ttl=60.0) for n in range(1000))
        )
    assert all(saved)
    assert not store._locks


async def test_of_one_session_one_thing_is_done_after_the_other() -> None:
    store = KvStore(Remote())
    said = await asyncio.gather(
        store.save("ada", Checkpoint("new"), generation=(1, 2), ttl=60.0),
        store.condemn("ada", "digest", ttl=60.0),
        store.save("ada", Checkpoint("old"), generation=(1, 1), ttl=60.0),
    )
    assert said == [True, None, False]
    assert await store.load("ada") == Stored(Checkpoint("new"), frozenset({"digest"}))
    assert not store._locks


async def test_one_that_is_cancelled_leaves_the_way_free() -> None:
    remote = Gathering(2)
    store = KvStore(remote)
    saves = [asyncio.ensure_future(store.save("ada", Checkpoint("x"), generation=(1, n), ttl=60.0)) for n in (1, 2)]
    await asyncio.sleep(0)
    for save in saves:
        save.cancel()
    await asyncio.wait(saves)
    remote.all_are_here = asyncio.Barrier(1)
    assert await store.save("ada", Checkpoint("next"), generation=(1, 3), ttl=60.0)
