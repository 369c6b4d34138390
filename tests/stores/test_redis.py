"""The store in Redis, and what can be wrong with Redis: the session lives on, and is heard again afterwards."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from redis.asyncio import Redis
from tests.stores.lives import chain, live, lost
from tests.stores.servers import RedisServer

from relive.core.checkpoint import Checkpoint
from relive.errors import StoreUnavailable, StoreUnreadable
from relive.stores.redis import RedisStore

pytestmark = pytest.mark.sockets


async def test_redis_that_is_killed_in_the_middle_of_a_save_and_comes_back(mortal_redis: RedisServer) -> None:
    store = mortal_redis.store()
    acknowledged: list[int] = []
    busy = asyncio.Event()

    async def save() -> None:
        number = 0
        while True:
            number += 1
            await store.save("ada", Checkpoint(f"{number}"), generation=(1, number), ttl=60.0)
            acknowledged.append(number)
            if number == 20:
                busy.set()

    saving = asyncio.ensure_future(save())
    await busy.wait()
    mortal_redis.kill()
    with pytest.raises(StoreUnavailable):
        await saving
    assert (await live(store, "lost")).told == lost("StoreUnavailable")
    mortal_redis.start()
    stored = await store.load("ada")
    assert stored is not None
    assert stored.checkpoint is not None
    assert int(stored.checkpoint.handle) >= acknowledged[-1]
    assert not await store.save("ada", Checkpoint("older"), generation=(1, acknowledged[-1] - 1), ttl=60.0)
    assert (await live(store, "next")).told == []
    await store.aclose()


async def test_it_comes_back_unnoticed_by_connections_that_were_idle(mortal_redis: RedisServer) -> None:
    store, other = mortal_redis.store(), mortal_redis.store()
    await asyncio.gather(*(store.load(f"{n}") for n in range(5)))
    await live(store, "one")
    mortal_redis.kill()
    mortal_redis.start()
    await live(other, "elsewhere", key="bob")  # meanwhile the loop has heard that the connections are gone
    life = await live(store, "two")
    assert (life.found, life.told) == ("one", [])
    await other.aclose()
    await store.aclose()


async def test_redis_that_does_not_answer_is_given_up_soon(mortal_redis: RedisServer) -> None:
    store = await hasty_store(mortal_redis)
    mortal_redis.stop_answering()
    assert (await live(store, "one")).told == lost("StoreUnavailable")
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        await store.load("ada")
    mortal_redis.go_on()
    patient = mortal_redis.store()
    assert (await live(patient, "two")).told == []
    await patient.aclose()
    await store.aclose()


async def test_a_save_that_was_stuck_in_redis_never_follows_a_newer_one(mortal_redis: RedisServer) -> None:
    hasty, patient = await hasty_store(mortal_redis), mortal_redis.store()
    mortal_redis.stop_answering()
    for sequence in (1, 3):
        with pytest.raises(StoreUnavailable):
            await hasty.save("ada", Checkpoint(f"{sequence}"), generation=(1, sequence), ttl=60.0)
    newer = asyncio.ensure_future(patient.save("ada", Checkpoint("2"), generation=(1, 2), ttl=60.0))
    mortal_redis.go_on()
    await newer
    await patient.save("ada", Checkpoint("4"), generation=(1, 4), ttl=60.0)
    stored = await patient.load("ada")
    assert stored is not None
    assert stored.checkpoint == Checkpoint("4")
    await patient.aclose()
    await hasty.aclose()


async def test_redis_that_hangs_and_is_killed_then_keeps_what_it_acknowledged(mortal_redis: RedisServer) -> None:
    store = mortal_redis.store()
    assert await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    mortal_redis.stop_answering()
    writing = asyncio.gather(
        *(store.save("ada", Checkpoint(f"{n}"), generation=(1, n), ttl=60.0) for n in range(2, 40)),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    mortal_redis.kill()
    assert {type(said) for said in await writing} == {StoreUnavailable}
    mortal_redis.start()
    life = await live(store, "next")
    assert (life.found, life.told) == ("one", [])
    await store.aclose()


async def test_a_replica_is_not_written_to_and_its_connections_are_given_up(mortal_redis: RedisServer) -> None:
    store, other = mortal_redis.store(), Redis.from_url(mortal_redis.url)
    await live(store, "one")
    await other.replicaof("127.0.0.1", "1")
    life = await live(store, "two")
    assert life.told == ["store_error: save failed: StoreUnavailable"]
    await other.replicaof("NO", "ONE")
    life = await live(store, "three")
    assert (life.found, life.told) == ("one", [])
    await other.aclose()
    await store.aclose()


async def test_redis_that_is_full_keeps_what_there_was(mortal_redis: RedisServer) -> None:
    store, other = mortal_redis.store(), Redis.from_url(mortal_redis.url)
    await live(store, "one")
    await other.config_set("maxmemory", "1")
    life = await live(store, "CANARY")
    assert (life.found, life.told) == ("one", ["store_error: save failed: StoreUnavailable"])
    with pytest.raises(StoreUnavailable) as caught:
        await store.save("ada", Checkpoint("CANARY"), generation=(2**50, 1), ttl=60.0)
    assert str(caught.value) == "Redis: it refused the command: OutOfMemoryError"
    assert caught.value.__context__ is None
    await other.aclose()
    await store.aclose()


async def test_what_is_not_ours_is_left_as_it_is(redis_server: RedisServer) -> None:
    store, other = redis_server.store("foreign:"), Redis.from_url(redis_server.url)
    await other.set("foreign:ada", "precious")
    await other.hset("foreign:bob", "c", "{CANARY")
    assert (await live(store, "one")).told == lost("StoreUnreadable")
    assert await other.get("foreign:ada") == b"precious"
    with pytest.raises(StoreUnreadable) as caught:
        await store.load("bob")
    assert "CANARY" not in f"{caught.value!r} {caught.value.__context__!r}"
    await other.aclose()
    await store.aclose()


@pytest.mark.parametrize("decoding", [False, True])
async def test_what_cannot_be_decoded_is_not_quoted(decoding: bool, redis_server: RedisServer) -> None:
    client = Redis.from_url(redis_server.url, decode_responses=decoding)
    store, other = RedisStore(client), Redis.from_url(redis_server.url)
    for name, value in (("c", b'{"v":1,"handle":"CANARY\xff"}'), ("x", "1" * 400), ("o", b"CANARY\xff")):
        await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=60.0)
        await other.hset("relive:ada", name, value)
        with pytest.raises(StoreUnreadable) as caught:
            await store.load("ada")
        assert not [said for said in chain(caught.value) if "CANARY" in said]
        await store.delete("ada")
    await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    assert (await live(store, "two")).found == "one"
    await client.aclose()
    await other.aclose()


async def test_what_cannot_be_read_hides_nothing_else(redis_server: RedisServer) -> None:
    store, other = redis_server.store(), Redis.from_url(redis_server.url)
    await store.save("good", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    await other.hset("relive:bad", "c", "garbage")
    await other.set("relive:else", "precious")
    await other.hset(b"relive:half\xff", "c", "garbage")
    shown = {entry.key: entry.problem for entry in await store.browse()}
    assert list(shown) == ["bad", "else", "good", r"half\xff"]
    assert shown["good"] == ""
    assert shown["else"] == "there is something else under this key; nothing was written to it"
    assert shown["bad"] == shown[r"half\xff"] == "what is there was not written by relive, or is broken"
    await store.delete("bad")
    assert await store.browse("bad") == []
    await store.aclose()
    await other.aclose()


async def test_redis_forgets_by_itself_a_day_after_all_has_run_out(redis_server: RedisServer) -> None:
    store, other = redis_server.store("ttl:"), Redis.from_url(redis_server.url)
    await store.condemn("ada", "digest", ttl=7200.0)
    await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    assert 86400 + 7100 < await other.ttl("ttl:ada") <= 86400 + 7200
    await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=float("inf"))
    assert await other.ttl("ttl:ada") > 90 * 365 * 86400
    await other.aclose()
    await store.aclose()


async def test_a_client_of_the_application_is_used_and_stays_open(redis_server: RedisServer) -> None:
    client = Redis.from_url(redis_server.url, decode_responses=True)
    store = RedisStore(client, prefix="app[*]:")
    await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    assert [entry.key for entry in await store.browse()] == ["ada"]
    await store.aclose()
    assert await client.ping()
    await client.aclose()


async def hasty_store(server: RedisServer) -> RedisStore:
    """One that gives up soon, and has a connection; the machine may be too busy for it at first."""
    store = RedisStore.from_url(server.url, timeout=0.05)
    while True:
        with contextlib.suppress(StoreUnavailable):
            await store.load("ada")
            return store


def test_its_repr_shows_no_password() -> None:
    assert repr(RedisStore.from_url("redis://:secret@host/0")) == "<RedisStore: relive:*>"
