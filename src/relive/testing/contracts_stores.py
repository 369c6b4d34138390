"""What a store must do. To be had from `contracts`; leases and browsing are in `contracts_leases`."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from relive.core.checkpoint import Checkpoint
from relive.ports import Browsable, HandleStore, Leases, Stored
from relive.testing.contracts_bench import (
    PATIENCE,
    STEPS,
    TODAY,
    Bench,
    Check,
    MakeStore,
    Pauses,
    Sleep,
    checkpoint_of,
    given_up,
    is_empty,
    judged,
    leases_of,
    made,
    still_answered,
)
from relive.testing.contracts_leases import BROWSABLE_CHECKS, LEASES_CHECKS

_FLEET: Final = 200
"Sessions of one process that save at the same time."
_HANDLE: Final = "händle/+=😀 " * 400
"About 4,000 characters: no column may cut it off."
_ALIKE: Final = ("ada", "Ada", "ada ", " ada", "ad\u00e0", "ada\u0300", "x" * 200 + "1", "x" * 200 + "2")
"Keys of different sessions, which some databases take for the same."
_OTHER_CLOCK: Final = (
    "a checkpoint is not handed out after its time to live: this store's clock does not go with the time that passes "
    "here. In virtual time it needs the loop's wall clock, which is relive.clock.wall_clock, as in "
    "MemoryStore(wall=wall_clock); else let check_store(sleep=…) move its clock"
)
_TRIES: Final = 5
"How often a check is made that failed while the machine stood still: then a time to live was over before it was asked."
_LATE: Final = 0.25
"Share of a time to live by which a check may be late and is still believed; the nearest of them leave 0.3."
_ROUNDS: Final = 10
_RACERS: Final = 8
"Saves of one session that are on their way at the same time."


async def check_store(
    make_store: MakeStore, *, ttl: float = 1.0, sleep: Sleep = asyncio.sleep, shared: bool = False
) -> None:
    """Hold a store to the contract of `HandleStore`; and to those of `Leases` and `Browsable`, if it offers them.

    Two stores that `make_store` makes stand for two processes: if one sees what the other saved, they are made to
    race. If not, the store races with itself, and what is proven holds within one object.

    Args:
        make_store: makes a store that holds nothing under the keys ``relive-check-…``; may be an async function. In
            virtual time the store needs the loop's wall clock, as our own have it: `relive.clock.wall_clock`.
        ttl: seconds of a time to live that is waited for; the shortest that the store can tell from none.
            A check that fails while the machine stands still for a quarter of it is made again.
        sleep: lets so many seconds pass on the store's clock.
        shared: refuse stores that do not see what the others saved, as those of two processes must.

    Raises:
        AssertionError: it does not keep to the contract; says how.
    """
    patience = PATIENCE + 10 * ttl
    store, rival = await made(make_store()), await made(make_store())
    async with judged("sees_what_another_saved", patience, store, rival):
        meets = await _meets(store, rival)
        assert meets or not shared, "what one store saved another one loads that was made in the same way"

    async def hold(check: Check, key: str, pause: Pauses) -> None:
        store = await made(make_store())
        rival = await made(make_store()) if meets else store
        async with judged(check.__name__[1:], patience, store, rival):
            offered = (check not in LEASES_CHECKS or isinstance(store, Leases)) and (
                check not in BROWSABLE_CHECKS or isinstance(store, Browsable)
            )
            if offered:
                await check(store, key, Bench(ttl, pause, rival))
                await store.delete(key)

    for number, check in enumerate((*_STORE_CHECKS, *LEASES_CHECKS, *BROWSABLE_CHECKS)):
        for again in range(_TRIES):
            pauses = Pauses(sleep)
            try:
                await hold(check, f"relive-check-{number}{'-again' * again}", pauses)
                break
            except AssertionError:
                if again + 1 == _TRIES or pauses.in_time(_LATE * ttl):
                    raise


async def _meets(store: HandleStore, rival: HandleStore) -> bool:
    key = "relive-check-rival"
    await store.save(key, Checkpoint("seen"), generation=(1, 1), ttl=3600.0)
    seen = await checkpoint_of(rival, key) == Checkpoint("seen")
    await store.delete(key)
    return seen


async def _knows_nothing_of_an_unknown_key(store: HandleStore, key: str, _bench: Bench) -> None:
    assert is_empty(await store.load(key)), "an unknown key has nothing under it: None, or a Stored without anything"
    await store.delete(key)  # raises nothing


async def _gives_back_what_it_was_given(store: HandleStore, key: str, _bench: Bench) -> None:
    checkpoint = Checkpoint(
        _HANDLE, "models/m", "vertex:p/l", TODAY / 1000 + 0.125, frozenset({"call-1", "call-2"}), 3, "prompt 1"
    )
    assert await store.save(key, checkpoint, generation=(1, 1), ttl=3600.0), "the first save is accepted: True"
    found = await store.load(key)
    assert found is not None and found.checkpoint is not None, "what was saved can be loaded"  # noqa: PT018
    assert found.checkpoint.wall == checkpoint.wall, (
        "the time of a checkpoint comes back to the millisecond: a float of 32 bits is off by a minute"
    )
    assert found.checkpoint == checkpoint, "what is loaded is what was saved, all of it"
    assert not found.condemned, "nothing is condemned that nobody condemned"


async def _keeps_the_newest_generation(store: HandleStore, key: str, _bench: Bench) -> None:
    for name, generation, kept in (
        ("a", (1, 5), True), ("b", (1, 6), True), ("c", (1, 5), False), ("d", (2, 1), True), ("e", (1, 9), False),
        ("f", (2, 1), True),
    ):  # fmt: skip
        said = await store.save(key, Checkpoint(name), generation=generation, ttl=3600.0)
        assert said is kept, f"generation {generation}: save says {kept}, a newer one wins, an older one is refused"
    found = await checkpoint_of(store, key)
    assert found == Checkpoint("f"), "an older generation does not replace a newer one; the same one does"


async def _compares_generations_as_numbers(store: HandleStore, key: str, _bench: Bench) -> None:
    for generation in ((9, 9), (9, 10), (10, 1)):
        said = await store.save(key, Checkpoint(f"{generation}"), generation=generation, ttl=3600.0)
        assert said, f"generations are compared as numbers, not as text: {generation} is newer than what was there"
    said = await store.save(key, Checkpoint("older"), generation=(9, 11), ttl=3600.0)
    assert not said, "generations are compared as numbers, not as text: (9, 11) is older than (10, 1)"


async def _takes_epochs_of_more_than_32_bits(store: HandleStore, key: str, _bench: Bench) -> None:
    for epoch in (TODAY, TODAY + 1):
        said = await store.save(key, Checkpoint(f"{epoch}"), generation=(epoch, 1), ttl=3600.0)
        assert said, "an epoch may be as large as the milliseconds since 1970: more than 32 bits"
    said = await store.save(key, Checkpoint("older"), generation=(TODAY, 2), ttl=3600.0)
    assert not said, "epochs that are a millisecond apart are two: 32 bits do not tell them apart"
    leases = leases_of(store)
    if leases is not None:
        assert (await leases.claim(key, "ada", ttl=3600.0)).epoch > TODAY + 1, "a claim is above the largest of them"


async def _forgets_a_checkpoint_after_its_time(store: HandleStore, key: str, bench: Bench) -> None:
    really = time.monotonic()
    for one in (key, f"{key}-seen"):
        await store.save(one, Checkpoint("short"), generation=(1, 2), ttl=bench.ttl)
    assert await checkpoint_of(store, key) is not None, "a checkpoint is there before its time to live is over"
    await bench.passes(0.7)
    await store.load(f"{key}-seen")
    await bench.passes(0.8)
    if await checkpoint_of(store, key) is not None:
        left = really + 1.5 * bench.ttl - time.monotonic()
        await asyncio.to_thread(time.sleep, max(0.0, left))  # until as much time has passed in fact
        assert await checkpoint_of(store, key) is not None, _OTHER_CLOCK
        raise AssertionError("a checkpoint is not handed out after its time to live")
    assert await checkpoint_of(store, f"{key}-seen") is None, "a load does not begin a time to live anew"
    await store.delete(f"{key}-seen")
    assert not await store.save(key, Checkpoint("late"), generation=(1, 1), ttl=3600.0), (
        "a generation outlives its checkpoint: an older one that comes late is refused: False"
    )
    await store.save(key, Checkpoint("long"), generation=(1, 3), ttl=bench.ttl)
    await bench.passes(0.7)
    await store.save(key, Checkpoint("long"), generation=(1, 4), ttl=bench.ttl)
    await bench.passes(0.7)
    assert await checkpoint_of(store, key) is not None, "the time to live counts from the newest save"


async def _keeps_tombstones(store: HandleStore, key: str, bench: Bench) -> None:
    for digest, ttl in (("one", 3600.0), ("two", bench.ttl), ("six", bench.ttl), ("one", bench.ttl), ("six", 3600.0)):
        await store.condemn(key, digest, ttl=ttl)
    found = await store.load(key)
    assert found is not None, "what was condemned is told, before any save too"
    assert found.condemned == {"one", "two", "six"}, "what was condemned is told, all of it"
    await store.condemn(f"{key}-short", "one", ttl=3600.0)
    await store.save(f"{key}-short", Checkpoint("short"), generation=(1, 1), ttl=bench.ttl)
    await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0)
    found = await store.load(key)
    assert found is not None and "one" in found.condemned, "a save leaves tombstones standing"  # noqa: PT018
    await bench.passes(1.5)
    found = await store.load(key)
    assert found is not None and "one" in found.condemned, "to condemn a handle again never shortens its tombstone"  # noqa: PT018
    assert "six" in found.condemned, "to condemn a handle again has its tombstone stand for longer"
    assert "two" not in found.condemned, "a tombstone stands for its time to live, and no longer"
    assert found.checkpoint == Checkpoint("new"), "a tombstone that goes leaves the checkpoint"
    assert await store.load(f"{key}-short") == Stored(None, frozenset({"one"})), "a tombstone outlives the checkpoint"
    await store.delete(f"{key}-short")


async def _loses_nothing_when_calls_are_cancelled(store: HandleStore, key: str, _bench: Bench) -> None:
    await store.save(key, Checkpoint("before"), generation=(1, 0), ttl=3600.0)
    await store.condemn(key, "before", ttl=3600.0)
    tried = {"before"}
    async with still_answered():
        for step in range(STEPS):
            await given_up(store.load(key), step)
            await given_up(store.condemn(key, f"{step}", ttl=3600.0), step)
            await given_up(store.save(key, Checkpoint(f"{step}"), generation=(1, step), ttl=3600.0), step)
            tried.add(f"{step}")
            found = await store.load(key)
            assert found is not None and found.checkpoint is not None and found.checkpoint.handle in tried, (  # noqa: PT018
                "a save that is cancelled leaves the checkpoint that was there, or the new one"
            )
            assert "before" in found.condemned, "a call that is cancelled leaves tombstones standing"
        await store.condemn(key, "after", ttl=3600.0)
        said = await store.save(key, Checkpoint("after"), generation=(1, STEPS), ttl=3600.0)
    assert said, "a save that follows one that was cancelled is accepted: True"
    assert await checkpoint_of(store, key) == Checkpoint("after"), "a save that was cancelled replaces no newer one"


async def _deletes(store: HandleStore, key: str, _bench: Bench) -> None:
    await store.save(key, Checkpoint("gone"), generation=(9, 9), ttl=3600.0)
    await store.condemn(key, "digest", ttl=3600.0)
    await store.delete(key)
    assert is_empty(await store.load(key)), "after delete there is nothing: no checkpoint, no tombstones"
    assert await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0), "a deleted key has no generation"


async def _keeps_keys_apart(store: HandleStore, key: str, _bench: Bench) -> None:
    keys = [f"{key}/{number}" for number in range(_FLEET)]
    try:
        await asyncio.gather(
            *(store.save(one, Checkpoint(one), generation=(1, n), ttl=3600.0) for n, one in enumerate(keys)),
            *(store.condemn(one, one, ttl=3600.0) for one in keys[::2]),
        )
        found = await asyncio.gather(*(store.load(one) for one in keys))
        for n, (one, stored) in enumerate(zip(keys, found, strict=True)):
            expected = Stored(Checkpoint(one), frozenset({one}) if n % 2 == 0 else frozenset())
            assert stored == expected, "what is done to different keys at the same time does not touch the others"
        for generation in (3, 1, 2):
            await store.save(keys[0], Checkpoint(str(generation)), generation=(2, generation), ttl=3600.0)
        assert await checkpoint_of(store, keys[0]) == Checkpoint("3"), "of saves in any order the newest stays"
    finally:
        for one in keys:
            await store.delete(one)


async def _tells_keys_apart_that_are_alike(store: HandleStore, key: str, _bench: Bench) -> None:
    keys, leases = [f"{key}/{name}" for name in _ALIKE], leases_of(store)
    try:
        for one in keys:
            await store.save(one, Checkpoint(one), generation=(1, 1), ttl=3600.0)
        for one in keys:
            assert await checkpoint_of(store, one) == Checkpoint(one), (
                "keys that differ in case, in spaces, in how an accent is written or at their end are different"
            )
            if leases is not None:
                lease = await leases.claim(one, one, ttl=3600.0)
                assert lease.owner == one, "sessions whose keys are alike have owners of their own"
        await store.delete(keys[0])
        for one in keys[1:]:
            assert await checkpoint_of(store, one) is not None, "to delete a key leaves those that are like it"
    finally:
        for one in keys:
            await store.delete(one)


async def _lets_the_newest_win_of_saves_at_the_same_time(store: HandleStore, key: str, bench: Bench) -> None:
    for number in range(_ROUNDS):
        racers = [number * _RACERS + place for place in range(_RACERS)]
        if number % 2 == 0:
            racers.reverse()  # the newest is on its way first
        said = await asyncio.gather(*(
            one.save(key, Checkpoint(f"{racer}"), generation=(1, racer + 1), ttl=3600.0)
            for racer, one in zip(racers, (store, bench.rival) * _RACERS, strict=False)
        ), bench.rival.condemn(key, f"{number}", ttl=3600.0))  # fmt: skip
        newest = max(racers)
        assert said[racers.index(newest)], "of saves at the same time the newest is accepted: True"
        for one in (store, bench.rival):
            found = await one.load(key)
            assert found is not None and found.checkpoint == Checkpoint(f"{newest}"), (  # noqa: PT018
                "of saves at the same time the newest stays: what is compared and what is written is one step"
            )
            assert len(found.condemned) == number + 1, "a save at the same time leaves tombstones standing"


async def _leaves_no_task_behind(store: HandleStore, key: str, _bench: Bench) -> None:
    before = len(asyncio.all_tasks())  # a few more may be there afterwards: what a client needs that is made when used
    for number in range(STEPS):
        await store.save(key, Checkpoint(f"{number}"), generation=(1, number), ttl=3600.0)
        await store.load(key)
        await store.condemn(key, f"{number}", ttl=3600.0)
    for _ in range(STEPS):
        if len(asyncio.all_tasks()) < before + STEPS:
            return
        await asyncio.sleep(PATIENCE / 100)
    raise AssertionError("a call leaves no task behind when it has returned")


_STORE_CHECKS: Final[tuple[Check, ...]] = (
    _knows_nothing_of_an_unknown_key, _gives_back_what_it_was_given, _keeps_the_newest_generation,
    _compares_generations_as_numbers, _takes_epochs_of_more_than_32_bits, _forgets_a_checkpoint_after_its_time,
    _keeps_tombstones, _loses_nothing_when_calls_are_cancelled, _deletes, _keeps_keys_apart,
    _tells_keys_apart_that_are_alike, _lets_the_newest_win_of_saves_at_the_same_time,
    _leaves_no_task_behind,
)  # fmt: skip
