"""What a store must do, also one that offers leases, or lets itself be looked at. To be had from `contracts`."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine
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


@attrs.frozen
class _Time:
    ttl: float
    sleep: Sleep

    async def passes(self, share: float) -> None:
        """Wait for this share of a time to live."""
        await self.sleep(share * self.ttl)


async def check_store(make_store: MakeStore, *, ttl: float = 1.0, sleep: Sleep = asyncio.sleep) -> None:
    """Hold a store to the contract of `HandleStore`; and to those of `Leases` and `Browsable`, if it offers them.

    Args:
        make_store: makes a store that holds nothing under the keys ``relive-check-…``; may be an async function.
        ttl: seconds of a time to live that is waited for; the shortest that the store can tell from none.
        sleep: lets so many seconds pass on the store's clock.

    Raises:
        AssertionError: it does not keep to the contract; says how.
    """
    for number, check in enumerate((*_STORE_CHECKS, *_LEASES_CHECKS, *_BROWSABLE_CHECKS)):
        store, key = await made(make_store()), f"relive-check-{number}"
        try:
            async with asyncio.timeout(PATIENCE + 10 * ttl):
                if check in _LEASES_CHECKS and not isinstance(store, Leases):
                    continue
                if check in _BROWSABLE_CHECKS and not isinstance(store, Browsable):
                    continue
                await check(store, key, _Time(ttl, sleep))
                await store.delete(key)
                await store.aclose()
                await store.aclose()  # again and again
        except TimeoutError:
            raise AssertionError(f"a store answers in time; {check.__name__[1:]} took too long") from None
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"a store raises nothing; {check.__name__[1:]} got {error!r}") from error
        finally:
            with contextlib.suppress(Exception):  # what it raises there has been told, or is not the point
                await store.aclose()


async def _knows_nothing_of_an_unknown_key(store: HandleStore, key: str, _time: _Time) -> None:
    assert _empty(await store.load(key)), "an unknown key has nothing under it: None, or a Stored without anything"
    await store.delete(key)  # raises nothing


async def _gives_back_what_it_was_given(store: HandleStore, key: str, _time: _Time) -> None:
    checkpoint = Checkpoint("händle/+=", "models/m", "vertex:p/l", 1.5, frozenset({"call-1", "call-2"}), 3)
    assert await store.save(key, checkpoint, generation=(1, 1), ttl=3600.0), "the first save is accepted: True"
    found = await store.load(key)
    assert found is not None and found.checkpoint == checkpoint, "what is loaded is what was saved, in every field"  # noqa: PT018
    assert not found.condemned, "nothing is condemned that nobody condemned"


async def _keeps_the_newest_generation(store: HandleStore, key: str, _time: _Time) -> None:
    for name, generation, kept in (
        ("a", (1, 5), True), ("b", (1, 6), True), ("c", (1, 5), False), ("d", (2, 1), True), ("e", (1, 9), False),
        ("f", (2, 1), True),
    ):  # fmt: skip
        said = await store.save(key, Checkpoint(name), generation=generation, ttl=3600.0)
        assert said is kept, f"generation {generation}: save says {kept}, a newer one wins, an older one is refused"
    found = await _checkpoint(store, key)
    assert found == Checkpoint("f"), "an older generation does not replace a newer one; the same one does"


async def _forgets_a_checkpoint_after_its_time(store: HandleStore, key: str, time: _Time) -> None:
    await store.save(key, Checkpoint("short"), generation=(1, 1), ttl=time.ttl)
    assert await _checkpoint(store, key) is not None, "a checkpoint is there before its time to live is over"
    await time.passes(1.5)
    assert await _checkpoint(store, key) is None, "a checkpoint is not handed out after its time to live"
    await store.save(key, Checkpoint("long"), generation=(1, 2), ttl=time.ttl)
    await time.passes(0.7)
    await store.save(key, Checkpoint("long"), generation=(1, 3), ttl=time.ttl)
    await time.passes(0.7)
    assert await _checkpoint(store, key) is not None, "the time to live counts from the newest save"


async def _keeps_tombstones(store: HandleStore, key: str, time: _Time) -> None:
    await store.condemn(key, "one", ttl=3600.0)
    await store.condemn(key, "two", ttl=time.ttl)
    await store.condemn(key, "one", ttl=3600.0)
    found = await store.load(key)
    assert found is not None and found.condemned == {"one", "two"}, "what was condemned is told, before any save too"  # noqa: PT018
    await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0)
    found = await store.load(key)
    assert found is not None and "one" in found.condemned, "a save leaves tombstones standing"  # noqa: PT018
    await time.passes(1.5)
    found = await store.load(key)
    assert found is not None and found.condemned == {"one"}, "a tombstone stands for its time to live, and no longer"  # noqa: PT018
    assert found.checkpoint == Checkpoint("new"), "a tombstone that goes leaves the checkpoint"


async def _deletes(store: HandleStore, key: str, _time: _Time) -> None:
    await store.save(key, Checkpoint("gone"), generation=(9, 9), ttl=3600.0)
    await store.condemn(key, "digest", ttl=3600.0)
    await store.delete(key)
    assert _empty(await store.load(key)), "after delete there is nothing: no checkpoint, no tombstones"
    assert await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0), "a deleted key has no generation"


async def _keeps_keys_apart(store: HandleStore, key: str, _time: _Time) -> None:
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


async def _has_one_owner(store: Any, key: str, _time: _Time) -> None:
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
    claims = await asyncio.gather(*(store.claim(f"{key}/race", name, ttl=3600.0) for name in "abcdefgh"))
    owners = {lease.owner for lease in claims}
    await store.delete(f"{key}/race")
    assert len(owners) == 1, "of claims at the same time one succeeds, and the others are told whose"


async def _loses_an_owner_after_his_time(store: Any, key: str, time: _Time) -> None:
    first = await store.claim(key, "ada", ttl=time.ttl)
    await time.passes(0.7)
    assert await store.renew(key, first, ttl=time.ttl), "an owner can renew his lease"
    await time.passes(0.7)
    told = await store.claim(key, "bob", ttl=time.ttl)
    assert told.owner == "ada", "a lease that was renewed lasts from then on"
    await time.passes(1.5)
    assert await store.renew(key, first, ttl=time.ttl), "a lease that ran out can be renewed if nobody claimed since"
    await time.passes(1.5)
    second = await store.claim(key, "bob", ttl=3600.0)
    assert second.owner == "bob", "a lease that ran out is over: anybody may claim"
    assert second.epoch > first.epoch, "his epoch is above that of the owner before"
    assert not await store.renew(key, first, ttl=3600.0), "who was followed by somebody else cannot renew"
    await store.release(key, first)
    told = await store.claim(key, "eve", ttl=3600.0)
    assert told.owner == "bob", "who was followed by somebody else cannot release, either"


async def _releases(store: Any, key: str, _time: _Time) -> None:
    first = await store.claim(key, "ada", ttl=3600.0)
    generation = (first.epoch, 1)
    assert await store.save(key, Checkpoint("kept"), generation=generation, ttl=3600.0), "an owner can save"
    await store.release(key, first)
    assert await _checkpoint(store, key) == Checkpoint("kept"), "what was saved stays after release"
    second = await store.claim(key, "bob", ttl=3600.0)
    assert second.owner == "bob", "what was released can be claimed at once"
    assert second.epoch > first.epoch, "the epoch is remembered after release"


async def _fences_old_owners_off(store: Any, key: str, _time: _Time) -> None:
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


async def _leases_end_with_delete(store: Any, key: str, _time: _Time) -> None:
    first = await store.claim(key, "ada", ttl=3600.0)
    await store.delete(key)
    assert not await store.renew(key, first, ttl=3600.0), "a lease ends when the key is deleted: renew says False"
    await store.release(key, first)  # raises nothing
    assert (await store.claim(key, "bob", ttl=3600.0)).owner == "bob", "what was deleted can be claimed"


async def _shows_what_is_there(store: Any, key: str, _time: _Time) -> None:
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


_Check: TypeAlias = Callable[[Any, str, _Time], Coroutine[Any, Any, None]]

_STORE_CHECKS: Final[tuple[_Check, ...]] = (
    _knows_nothing_of_an_unknown_key, _gives_back_what_it_was_given, _keeps_the_newest_generation,
    _forgets_a_checkpoint_after_its_time, _keeps_tombstones, _deletes, _keeps_keys_apart,
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
