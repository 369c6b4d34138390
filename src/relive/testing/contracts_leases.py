"""What a store must do that offers leases, or lets itself be looked at. To be had from `contracts`."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from relive.core.checkpoint import Checkpoint
from relive.ports import Browsable, Entry, Stored
from relive.testing.contracts_bench import STEPS, Bench, Check, checkpoint_of, given_up, leases_of, still_answered


async def _has_one_owner(store: Any, key: str, bench: Bench) -> None:
    first = await store.claim(key, "ada", ttl=3600.0)
    assert first.owner == "ada", "a session that nobody owns can be claimed: the lease is ours"
    assert 0.0 < first.left <= 3600.0, "a lease says how many seconds it lasts"
    told = await store.claim(key, "bob", ttl=3600.0)
    assert (told.owner, told.epoch) == ("ada", first.epoch), "a claim of what somebody else owns returns his lease"
    assert 0.0 < told.left <= 3600.0, "and for how many seconds he still has it"
    again = await store.claim(key, "ada", ttl=3600.0)
    assert again.owner == "ada", "its owner may claim it again"
    assert again.epoch > first.epoch, "each claim that succeeds has a higher epoch than all before"
    assert not await store.renew(key, first, ttl=3600.0), "a lease is over once the session was claimed again"
    assert await store.renew(key, again, ttl=3600.0), "the newest lease can be renewed"
    both: tuple[Any, Any] = (store, bench.rival)
    claims = await asyncio.gather(
        *(both[number % 2].claim(f"{key}/race", name, ttl=3600.0) for number, name in enumerate("abcdefgh"))
    )
    owners = {lease.owner for lease in claims}
    await store.delete(f"{key}/race")
    assert len(owners) == 1, "of claims at the same time one succeeds, and the others are told whose"


async def _loses_an_owner_after_his_time(store: Any, key: str, bench: Bench) -> None:
    await store.save(key, Checkpoint("kept"), generation=(1, 1), ttl=3600.0)
    first = await store.claim(key, "ada", ttl=bench.ttl)
    long = await store.claim(f"{key}-long", "ada", ttl=3600.0)
    await store.save(f"{key}-long", Checkpoint("short"), generation=(long.epoch, 1), ttl=bench.ttl)
    await bench.passes(0.7)
    assert await store.renew(key, first, ttl=bench.ttl), "an owner can renew his lease"
    await bench.passes(0.7)
    told = await store.claim(key, "bob", ttl=bench.ttl)
    assert told.owner == "ada", "a lease that was renewed lasts from then on"
    await bench.passes(1.5)
    assert await store.renew(key, first, ttl=bench.ttl), "a lease that ran out can be renewed if nobody claimed since"
    await bench.passes(1.5)
    assert not await store.save(key, Checkpoint("late"), generation=(first.epoch - 1, 1), ttl=3600.0), (
        "what is saved under an older epoch than the newest claim is refused, also when that has run out: False"
    )
    assert await checkpoint_of(store, key) == Checkpoint("kept"), "a lease that runs out leaves the checkpoint"
    assert await store.renew(f"{key}-long", long, ttl=3600.0), "a lease outlives the checkpoint"
    await store.delete(f"{key}-long")
    second = await store.claim(key, "bob", ttl=3600.0)
    assert second.owner == "bob", "a lease that ran out is over: anybody may claim"
    assert second.epoch > first.epoch, "his epoch is above that of the owner before"
    assert not await store.renew(key, first, ttl=3600.0), "who was followed by somebody else cannot renew"
    await store.release(key, first)
    told = await store.claim(key, "eve", ttl=3600.0)
    assert told.owner == "bob", "who was followed by somebody else cannot release, either"


async def _releases(store: Any, key: str, _bench: Bench) -> None:
    first = await store.claim(key, "ada", ttl=3600.0)
    generation = (first.epoch, 1)
    assert await store.save(key, Checkpoint("kept"), generation=generation, ttl=3600.0), "an owner can save"
    await store.release(key, first)
    assert await checkpoint_of(store, key) == Checkpoint("kept"), "what was saved stays after release"
    assert not await store.save(key, Checkpoint("late"), generation=(first.epoch - 1, 1), ttl=3600.0), (
        "what is saved under an older epoch than the newest claim is refused, also after its release: False"
    )
    second = await store.claim(key, "bob", ttl=3600.0)
    assert second.owner == "bob", "what was released can be claimed at once"
    assert second.epoch > first.epoch, "the epoch is remembered after release"


async def _fences_old_owners_off(store: Any, key: str, _bench: Bench) -> None:
    await store.save(key, Checkpoint("before"), generation=(9, 7), ttl=3600.0)  # less than any with more digits
    first = await store.claim(key, "ada", ttl=3600.0)
    assert first.epoch > 9, "an epoch is above all that was ever saved"
    assert await checkpoint_of(store, key) == Checkpoint("before"), "a claim leaves the checkpoint, for the new owner"
    assert not await store.save(key, Checkpoint("late"), generation=(9, 8), ttl=3600.0), (
        "what is saved under an older epoch than the newest claim is refused: False"
    )
    assert await store.save(key, Checkpoint("new"), generation=(first.epoch, 1), ttl=3600.0), "the new owner can save"
    far = first.epoch + 10
    assert await store.save(key, Checkpoint("far"), generation=(far, 1), ttl=3600.0), "a newer epoch can, too"
    assert (await store.claim(key, "ada", ttl=3600.0)).epoch > far, "a claim is above what was saved since the last"


async def _leases_end_with_delete(store: Any, key: str, _bench: Bench) -> None:
    first = await store.claim(key, "ada", ttl=3600.0)
    await store.delete(key)
    assert not await store.renew(key, first, ttl=3600.0), "a lease ends when the key is deleted: renew says False"
    await store.release(key, first)  # raises nothing
    assert (await store.claim(key, "bob", ttl=3600.0)).owner == "bob", "what was deleted can be claimed"


async def _goes_on_when_calls_are_cancelled(store: Any, key: str, _bench: Bench) -> None:
    async with still_answered():
        for step in range(STEPS):
            await given_up(store.claim(key, "ada", ttl=3600.0), step)
            lease = await store.claim(key, "ada", ttl=3600.0)
            assert lease.owner == "ada", "an owner whose claim, renewal or release was cancelled may claim again"
            await given_up(store.renew(key, lease, ttl=3600.0), step)
            await store.renew(key, lease, ttl=3600.0)  # says anything: the claim that was cancelled may come after all
            await given_up(store.release(key, lease), step)
            await store.release(key, lease)


async def _shows_what_is_there(store: Any, key: str, _bench: Bench) -> None:
    keys = [f"{key}/{name}" for name in ("b", "a", "ü*[x]?")]
    try:
        assert await _shown(store, key) == [], "of an unknown key there is nothing to show"
        for one in keys:
            await store.save(one, Checkpoint(one, "m"), generation=(1, 2), ttl=3600.0)
        await store.condemn(keys[0], "digest", ttl=3600.0)
        await store.condemn(key, "digest", ttl=3600.0)
        for one, condemned in zip(keys, ({"digest"}, set[str](), set[str]()), strict=True):
            (entry,) = await _shown(store, one)
            expected = (one, Stored(Checkpoint(one, "m"), frozenset(condemned)), (1, 2))
            assert (entry.key, entry.stored, entry.generation) == expected, "browse shows what is under a key"
            assert entry.expires is not None, "browse tells when a checkpoint runs out"
            assert entry.lease is None, "what nobody owns has no lease"
        (entry,) = await _shown(store, key)
        assert entry.stored == Stored(None, frozenset({"digest"})), "browse shows what has tombstones only"
        assert entry.expires is None, "where there is no checkpoint nothing runs out"
        everything = [entry.key for entry in await store.browse() if entry.key.startswith(key)]
        assert everything == sorted([key, *keys]), "browse without a key shows all sessions, ordered by key"
        await store.delete(keys[1])
        assert await _shown(store, keys[1]) == [], "what was deleted is not shown"
        leases = leases_of(store)
        if leases is not None:
            lease = await leases.claim(keys[0], "ada", ttl=3600.0)
            (entry,) = await _shown(store, keys[0])
            assert entry.lease is not None, "browse shows who owns a session"
            assert (entry.lease.owner, entry.lease.epoch) == ("ada", lease.epoch), "browse shows the lease there is"
            assert entry.generation == (1, 2), "the generation is that of the checkpoint, also after a claim"
            await leases.release(keys[0], lease)
            (entry,) = await _shown(store, keys[0])
            assert entry.lease is None, "a lease that was released is not shown"
    finally:
        for one in keys:
            await store.delete(one)


LEASES_CHECKS: Final[tuple[Check, ...]] = (
    _has_one_owner, _loses_an_owner_after_his_time, _releases, _fences_old_owners_off, _leases_end_with_delete,
    _goes_on_when_calls_are_cancelled,
)  # fmt: skip
BROWSABLE_CHECKS: Final[tuple[Check, ...]] = (_shows_what_is_there,)


async def _shown(store: Browsable, key: str) -> list[Entry]:
    return await store.browse(key)
