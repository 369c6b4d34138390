"""What a store must do, also one that offers leases, or lets itself be looked at. To be had from `contracts`."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs

from relive.core.checkpoint import Checkpoint
from relive.ports import Browsable, Entry, HandleStore, Leases, Stored

T = TypeVar("T")
MakeStore: TypeAlias = Callable[[], HandleStore | Awaitable[HandleStore]]
Sleep: TypeAlias = Callable[[float], Awaitable[object]]

PATIENCE: Final = 10.0
"Seconds after which something that should happen has not."

_FLEET: Final = 200
"Sessions of one process that save at the same time."
_HANDLE: Final = "händle/+=😀 " * 400
"About 4,000 characters: no column may cut it off."
_ALIKE: Final = ("ada", "Ada", "ada ", " ada", "ad\u00e0", "ada\u0300", "x" * 200 + "1", "x" * 200 + "2")
"Keys of different sessions, which some databases take for the same."
_ROUNDS: Final = 10
_RACERS: Final = 8
"Saves of one session that are on their way at the same time."


@attrs.frozen
class _Bench:
    ttl: float
    sleep: Sleep
    rival: HandleStore
    "What another process would have: a second store that sees what the first one saves, or else the first itself."

    async def passes(self, share: float) -> None:
        """Wait for this share of a time to live."""
        await self.sleep(share * self.ttl)


async def check_store(
    make_store: MakeStore, *, ttl: float = 1.0, sleep: Sleep = asyncio.sleep, shared: bool = False
) -> None:
    """Hold a store to the contract of `HandleStore`; and to those of `Leases` and `Browsable`, if it offers them.

    Two stores that `make_store` makes stand for two processes: if one sees what the other saved, they are made to
    race. If not, the store races with itself, and what is proven holds within one object.

    Args:
        make_store: makes a store that holds nothing under the keys ``relive-check-…``; may be an async function.
        ttl: seconds of a time to live that is waited for; the shortest that the store can tell from none.
        sleep: lets so many seconds pass on the store's clock.
        shared: refuse stores that do not see what the others saved, as those of two processes must.

    Raises:
        AssertionError: it does not keep to the contract; says how.
    """
    patience = PATIENCE + 10 * ttl
    store, rival = await made(make_store()), await made(make_store())
    async with _judged("sees_what_another_saved", patience, store, rival):
        meets = await _meets(store, rival)
        assert meets or not shared, "what one store saved another one loads that was made in the same way"
    for number, check in enumerate((*_STORE_CHECKS, *_LEASES_CHECKS, *_BROWSABLE_CHECKS)):
        store, key = await made(make_store()), f"relive-check-{number}"
        rival = await made(make_store()) if meets else store
        async with _judged(check.__name__[1:], patience, store, rival):
            offered = (check not in _LEASES_CHECKS or isinstance(store, Leases)) and (
                check not in _BROWSABLE_CHECKS or isinstance(store, Browsable)
            )
            if offered:
                await check(store, key, _Bench(ttl, sleep, rival))
                await store.delete(key)


@contextlib.asynccontextmanager
async def _judged(what: str, patience: float, *stores: HandleStore) -> AsyncGenerator[None]:
    """Close them in the end; whatever goes wrong is an `AssertionError`."""
    try:
        async with asyncio.timeout(patience):
            yield
            for store in (*stores, *stores):  # again and again
                await store.aclose()
    except TimeoutError:
        raise AssertionError(f"a store answers in time; {what} took too long") from None
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"a store raises nothing; {what} got {error!r}") from error
    finally:
        for store in stores:
            with contextlib.suppress(Exception):  # what it raises there has been told, or is not the point
                await store.aclose()


async def _meets(store: HandleStore, rival: HandleStore) -> bool:
    key = "relive-check-rival"
    await store.save(key, Checkpoint("seen"), generation=(1, 1), ttl=3600.0)
    seen = await _checkpoint(rival, key) == Checkpoint("seen")
    await store.delete(key)
    return seen


async def _knows_nothing_of_an_unknown_key(store: HandleStore, key: str, _bench: _Bench) -> None:
    assert _empty(await store.load(key)), "an unknown key has nothing under it: None, or a Stored without anything"
    await store.delete(key)  # raises nothing


async def _gives_back_what_it_was_given(store: HandleStore, key: str, _bench: _Bench) -> None:
    checkpoint = Checkpoint(_HANDLE, "models/m", "vertex:p/l", 1.5, frozenset({"call-1", "call-2"}), 3, "prompt 1")
    assert await store.save(key, checkpoint, generation=(1, 1), ttl=3600.0), "the first save is accepted: True"
    found = await store.load(key)
    assert found is not None and found.checkpoint == checkpoint, "what is loaded is what was saved, all of it"  # noqa: PT018
    assert not found.condemned, "nothing is condemned that nobody condemned"


async def _keeps_the_newest_generation(store: HandleStore, key: str, _bench: _Bench) -> None:
    for name, generation, kept in (
        ("a", (1, 5), True), ("b", (1, 6), True), ("c", (1, 5), False), ("d", (2, 1), True), ("e", (1, 9), False),
        ("f", (2, 1), True),
    ):  # fmt: skip
        said = await store.save(key, Checkpoint(name), generation=generation, ttl=3600.0)
        assert said is kept, f"generation {generation}: save says {kept}, a newer one wins, an older one is refused"
    found = await _checkpoint(store, key)
    assert found == Checkpoint("f"), "an older generation does not replace a newer one; the same one does"


async def _forgets_a_checkpoint_after_its_time(store: HandleStore, key: str, bench: _Bench) -> None:
    await store.save(key, Checkpoint("short"), generation=(1, 2), ttl=bench.ttl)
    assert await _checkpoint(store, key) is not None, "a checkpoint is there before its time to live is over"
    await bench.passes(1.5)
    assert await _checkpoint(store, key) is None, "a checkpoint is not handed out after its time to live"
    assert not await store.save(key, Checkpoint("late"), generation=(1, 1), ttl=3600.0), (
        "a generation outlives its checkpoint: an older one that comes late is refused: False"
    )
    await store.save(key, Checkpoint("long"), generation=(1, 3), ttl=bench.ttl)
    await bench.passes(0.7)
    await store.save(key, Checkpoint("long"), generation=(1, 4), ttl=bench.ttl)
    await bench.passes(0.7)
    assert await _checkpoint(store, key) is not None, "the time to live counts from the newest save"


async def _keeps_tombstones(store: HandleStore, key: str, bench: _Bench) -> None:
    await store.condemn(key, "one", ttl=3600.0)
    await store.condemn(key, "two", ttl=bench.ttl)
    await store.condemn(key, "one", ttl=3600.0)
    found = await store.load(key)
    assert found is not None and found.condemned == {"one", "two"}, "what was condemned is told, before any save too"  # noqa: PT018
    await store.condemn(f"{key}-short", "one", ttl=3600.0)
    await store.save(f"{key}-short", Checkpoint("short"), generation=(1, 1), ttl=bench.ttl)
    await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0)
    found = await store.load(key)
    assert found is not None and "one" in found.condemned, "a save leaves tombstones standing"  # noqa: PT018
    await bench.passes(1.5)
    found = await store.load(key)
    assert found is not None and found.condemned == {"one"}, "a tombstone stands for its time to live, and no longer"  # noqa: PT018
    assert found.checkpoint == Checkpoint("new"), "a tombstone that goes leaves the checkpoint"
    assert await store.load(f"{key}-short") == Stored(None, frozenset({"one"})), "a tombstone outlives the checkpoint"
    await store.delete(f"{key}-short")


async def _deletes(store: HandleStore, key: str, _bench: _Bench) -> None:
    await store.save(key, Checkpoint("gone"), generation=(9, 9), ttl=3600.0)
    await store.condemn(key, "digest", ttl=3600.0)
    await store.delete(key)
    assert _empty(await store.load(key)), "after delete there is nothing: no checkpoint, no tombstones"
    assert await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0), "a deleted key has no generation"


async def _keeps_keys_apart(store: HandleStore, key: str, _bench: _Bench) -> None:
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
        assert await _checkpoint(store, keys[0]) == Checkpoint("3"), "of saves in any order the newest stays"
    finally:
        for one in keys:
            await store.delete(one)


async def _tells_keys_apart_that_are_alike(store: HandleStore, key: str, _bench: _Bench) -> None:
    keys, leases = [f"{key}/{name}" for name in _ALIKE], _leases(store)
    try:
        for one in keys:
            await store.save(one, Checkpoint(one), generation=(1, 1), ttl=3600.0)
        for one in keys:
            assert await _checkpoint(store, one) == Checkpoint(one), (
                "keys that differ in case, in spaces, in how an accent is written or at their end are different"
            )
            if leases is not None:
                lease = await leases.claim(one, one, ttl=3600.0)
                assert lease.owner == one, "sessions whose keys are alike have owners of their own"
        await store.delete(keys[0])
        for one in keys[1:]:
            assert await _checkpoint(store, one) is not None, "to delete a key leaves those that are like it"
    finally:
        for one in keys:
            await store.delete(one)


async def _lets_the_newest_win_of_saves_at_the_same_time(store: HandleStore, key: str, bench: _Bench) -> None:
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


async def _has_one_owner(store: Any, key: str, bench: _Bench) -> None:
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


async def _loses_an_owner_after_his_time(store: Any, key: str, bench: _Bench) -> None:
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
    assert await _checkpoint(store, key) == Checkpoint("kept"), "a lease that runs out leaves the checkpoint"
    assert await store.renew(f"{key}-long", long, ttl=3600.0), "a lease outlives the checkpoint"
    await store.delete(f"{key}-long")
    second = await store.claim(key, "bob", ttl=3600.0)
    assert second.owner == "bob", "a lease that ran out is over: anybody may claim"
    assert second.epoch > first.epoch, "his epoch is above that of the owner before"
    assert not await store.renew(key, first, ttl=3600.0), "who was followed by somebody else cannot renew"
    await store.release(key, first)
    told = await store.claim(key, "eve", ttl=3600.0)
    assert told.owner == "bob", "who was followed by somebody else cannot release, either"


async def _releases(store: Any, key: str, _bench: _Bench) -> None:
    first = await store.claim(key, "ada", ttl=3600.0)
    generation = (first.epoch, 1)
    assert await store.save(key, Checkpoint("kept"), generation=generation, ttl=3600.0), "an owner can save"
    await store.release(key, first)
    assert await _checkpoint(store, key) == Checkpoint("kept"), "what was saved stays after release"
    assert not await store.save(key, Checkpoint("late"), generation=(first.epoch - 1, 1), ttl=3600.0), (
        "what is saved under an older epoch than the newest claim is refused, also after its release: False"
    )
    second = await store.claim(key, "bob", ttl=3600.0)
    assert second.owner == "bob", "what was released can be claimed at once"
    assert second.epoch > first.epoch, "the epoch is remembered after release"


async def _fences_old_owners_off(store: Any, key: str, _bench: _Bench) -> None:
    await store.save(key, Checkpoint("before"), generation=(7, 7), ttl=3600.0)
    first = await store.claim(key, "ada", ttl=3600.0)
    assert first.epoch > 7, "an epoch is above all that was ever saved"
    assert await _checkpoint(store, key) == Checkpoint("before"), "a claim leaves the checkpoint, for the new owner"
    assert not await store.save(key, Checkpoint("late"), generation=(7, 8), ttl=3600.0), (
        "what is saved under an older epoch than the newest claim is refused: False"
    )
    assert await store.save(key, Checkpoint("new"), generation=(first.epoch, 1), ttl=3600.0), "the new owner can save"
    far = first.epoch + 10
    assert await store.save(key, Checkpoint("far"), generation=(far, 1), ttl=3600.0), "a newer epoch can, too"
    assert (await store.claim(key, "ada", ttl=3600.0)).epoch > far, "a claim is above what was saved since the last"


async def _leases_end_with_delete(store: Any, key: str, _bench: _Bench) -> None:
    first = await store.claim(key, "ada", ttl=3600.0)
    await store.delete(key)
    assert not await store.renew(key, first, ttl=3600.0), "a lease ends when the key is deleted: renew says False"
    await store.release(key, first)  # raises nothing
    assert (await store.claim(key, "bob", ttl=3600.0)).owner == "bob", "what was deleted can be claimed"


async def _shows_what_is_there(store: Any, key: str, _bench: _Bench) -> None:
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
        leases = _leases(store)
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


_Check: TypeAlias = Callable[[Any, str, _Bench], Coroutine[Any, Any, None]]

_STORE_CHECKS: Final[tuple[_Check, ...]] = (
    _knows_nothing_of_an_unknown_key, _gives_back_what_it_was_given, _keeps_the_newest_generation,
    _forgets_a_checkpoint_after_its_time, _keeps_tombstones, _deletes, _keeps_keys_apart,
    _tells_keys_apart_that_are_alike, _lets_the_newest_win_of_saves_at_the_same_time,
)  # fmt: skip
_LEASES_CHECKS: Final[tuple[_Check, ...]] = (
    _has_one_owner, _loses_an_owner_after_his_time, _releases, _fences_old_owners_off, _leases_end_with_delete,
)  # fmt: skip
_BROWSABLE_CHECKS: Final[tuple[_Check, ...]] = (_shows_what_is_there,)


def _empty(found: Stored | None) -> bool:
    return found is None or (found.checkpoint is None and not found.condemned)


async def _checkpoint(store: HandleStore, key: str) -> Checkpoint | None:
    found = await store.load(key)
    return found.checkpoint if found is not None else None


def _leases(store: object) -> Leases | None:
    return store if isinstance(store, Leases) else None


async def _shown(store: Browsable, key: str) -> list[Entry]:
    return await store.browse(key)


async def made(thing: T | Awaitable[T]) -> T:
    """The thing, whether it took an await to make it or not."""
    return await thing if inspect.isawaitable(thing) else cast("T", thing)
