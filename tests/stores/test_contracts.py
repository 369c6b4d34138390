"""Every store keeps the contract; what it offers besides, it keeps as well."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.stores.doubles import Remote, key_values
from tests.stores.servers import RedisServer
from tests.stores.wall import Wall

from relive.ports import Browsable, HandleStore, Leases
from relive.stores.kv import KvStore
from relive.stores.memory import MemoryStore
from relive.stores.sealed import SealedStore
from relive.stores.sqlite import SqliteStore
from relive.testing import contracts_bench
from relive.testing.contracts import check_store
from relive.testing.contracts_bench import Sleep
from relive.testing.loop import SimLoop, run

KEY = Fernet.generate_key()


def made(kind: str, folder: Path, wall: Wall) -> HandleStore:
    match kind:
        case "sqlite":
            return SqliteStore(folder / "handles.db", wall=wall)
        case "kv":
            return KvStore(key_values(), wall=wall)
        case "memory":
            return MemoryStore(wall=wall)
        case _:
            return SealedStore(made(kind.removeprefix("sealed "), folder, wall), [KEY], wall=wall)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "kv", "sealed memory", "sealed sqlite", "sealed kv"])
async def test_it_keeps_its_contract(kind: str, tmp_path: Path) -> None:
    wall = Wall()
    await check_store(lambda: made(kind, tmp_path, wall), sleep=wall.sleep, shared="sqlite" in kind)


def test_the_one_in_a_file_keeps_it_in_virtual_time(tmp_path: Path) -> None:
    async def check() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        await check_store(lambda: SqliteStore(tmp_path / "handles.db", wall=loop.wall), shared=True)
        return loop.time()

    assert run(check) == run(check) > 1.0


async def test_the_one_over_key_values_keeps_it_within_one_object_only() -> None:
    wall, remote = Wall(), Remote()
    store = KvStore(remote, wall=wall)
    await check_store(lambda: store, sleep=wall.sleep, shared=True)
    with pytest.raises(AssertionError, match="of saves at the same time the newest"):
        await check_store(lambda: KvStore(remote, wall=wall), sleep=wall.sleep)


@pytest.mark.slow
@pytest.mark.sockets
async def test_so_does_the_one_in_redis(redis_server: RedisServer) -> None:
    await check_store(redis_server.store, ttl=0.5, shared=True)


@pytest.mark.parametrize("which", range(10))
async def test_no_store_is_blamed_for_a_machine_that_stood_still_once(
    which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, wall = standing_still(monkeypatch, {which})
    await check_store(lambda: MemoryStore(wall=wall), sleep=sleep)


async def test_one_that_always_stands_still_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep, wall = standing_still(monkeypatch, set(range(1000)))
    with pytest.raises(AssertionError, match="the time to live counts from the newest save"):
        await check_store(lambda: MemoryStore(wall=wall), sleep=sleep)


def standing_still(monkeypatch: pytest.MonkeyPatch, late: set[int]) -> tuple[Sleep, Wall]:
    """The clock of a machine that takes a second longer for some of its pauses."""
    wall, pauses = Wall(), count()

    async def sleep(seconds: float) -> None:
        await wall.sleep(seconds + (next(pauses) in late))

    monkeypatch.setattr(contracts_bench, "monotonic", wall)
    return sleep, wall


@pytest.mark.parametrize(
    ("kind", "offers"),
    [("memory", True), ("sqlite", True), ("kv", False), ("sealed memory", True), ("sealed kv", False)],
)
def test_it_offers_leases_and_browsing_or_does_not_seem_to(kind: str, offers: bool, tmp_path: Path) -> None:
    store = made(kind, tmp_path, Wall())
    assert isinstance(store, Leases) is isinstance(store, Browsable) is offers
