"""Stores that look well and are dangerous: the contract says of each what is wrong, the state machine finds it too."""

from __future__ import annotations

import asyncio
import copy
import struct
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from relive.core.checkpoint import Checkpoint
from relive.ports import HandleStore, Lease, Stored
from relive.stores.memory import MemoryStore
from relive.stores.record import Record
from relive.testing.contracts import check_store
from relive.testing.loop import SimLoop, run
from relive.testing.store_machine import StoreMachine

ONE_HOUR = 3600.0
FEW = settings(
    max_examples=300, stateful_step_count=50, deadline=None, phases=[Phase.generate], database=None, derandomize=True
)


class Shared(MemoryStore):
    """A right one, as in a database: all that are made of one world hold the same."""

    def __init__(self, world: dict[str, Any], wall: Callable[[], float] = time.time) -> None:
        super().__init__(wall=wall)
        self.world = world
        self._records = world


class CutOff(Shared):
    """VARCHAR(255)."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        checkpoint = attrs.evolve(checkpoint, handle=checkpoint.handle[:255])
        return await super().save(key, checkpoint, generation=generation, ttl=ttl)


class CaseInsensitive(Shared):
    """What a database does with its collation."""

    def _name(self, key: str) -> str:
        return key.lower()

    async def load(self, key: str) -> Stored | None:
        return await super().load(self._name(key))

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        return await super().save(self._name(key), checkpoint, generation=generation, ttl=ttl)

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        await super().condemn(self._name(key), digest, ttl=ttl)

    async def delete(self, key: str) -> None:
        await super().delete(self._name(key))

    async def claim(self, key: str, owner: str, *, ttl: float) -> Lease:
        return await super().claim(self._name(key), owner, ttl=ttl)


class Trimming(CaseInsensitive):
    """What another does with its CHAR columns."""

    def _name(self, key: str) -> str:
        return key.rstrip()


class SelectThenUpdate(Shared):
    """Compares, awaits, and writes."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        record = self._record(key)
        if generation < record.generation or generation[0] < record.epoch:
            return False
        await asyncio.sleep(0)
        record.generation = (0, 0)
        return await super().save(
            key, checkpoint, generation=(max(generation[0], record.epoch), generation[1]), ttl=ttl
        )


class ReadModifyWrite(Shared):
    """Writes the whole record back, tombstones and all; one at a time in this process, so that another is needed."""

    def __init__(self, world: dict[str, Any], wall: Callable[[], float] = time.time) -> None:
        super().__init__(world, wall)
        self.lock = asyncio.Lock()

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        async with self.change(key) as record:
            return record.save(checkpoint, generation, self._wall() + ttl)

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        async with self.change(key) as record:
            record.condemn(digest, self._wall(), ttl)

    @asynccontextmanager
    async def change(self, key: str) -> AsyncGenerator[Record]:
        async with self.lock:
            record = copy.deepcopy(self.world.get(key, Record()))
            await asyncio.sleep(0)
            yield record
            self.world[key] = record


class ExpiresWhole(Shared):
    """The database's own time to live takes the generation along with the checkpoint."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        record = self._record(key)
        if 0.0 < record.expires <= self._wall():
            record.generation = (0, 0)
        return await super().save(key, checkpoint, generation=generation, ttl=ttl)


class LastWord(Shared):
    """What was said of a handle last is what counts, also if its tombstone falls sooner then."""

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        self._record(key).condemned[digest] = self._wall() + ttl


class FirstWord(Shared):
    """INSERT … ON CONFLICT DO NOTHING."""

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        self._record(key).condemned.setdefault(digest, self._wall() + ttl)


class OpenWhenUnowned(Shared):
    """Looks at claims only while somebody owns the session."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        record = self._record(key)
        if record.lease(self._wall()) is not None:
            return await super().save(key, checkpoint, generation=generation, ttl=ttl)
        epoch, record.epoch = record.epoch, 0
        try:
            return record.save(checkpoint, generation, self._wall() + ttl)
        finally:
            record.epoch = epoch


class RenewsByName(Shared):
    """Any lease of the same owner will do."""

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        record = self._record(key)
        if not record.owner or record.owner != lease.owner:
            return False
        return record.renew(attrs.evolve(lease, epoch=record.epoch), self._wall(), ttl)


class Float32(Shared):
    """A FLOAT column for the wall clock: its seconds come in steps of two minutes."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        (wall,) = struct.unpack("f", struct.pack("f", checkpoint.wall))
        return await super().save(key, attrs.evolve(checkpoint, wall=wall), generation=generation, ttl=ttl)


class EpochAsText(Shared):
    """A text column for the epoch: "10" is less than "9"."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        record, (epoch, number) = self._record(key), generation
        kept_epoch, kept_number = record.generation
        if (str(epoch), number) < (str(kept_epoch), kept_number) or str(epoch) < str(record.epoch):
            return False
        record.checkpoint, record.generation, record.expires = checkpoint, generation, self._wall() + ttl
        return True


class SmallEpochs(Shared):
    """An INT4 column for the epoch."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        struct.pack("i", generation[0])
        return await super().save(key, checkpoint, generation=generation, ttl=ttl)


class RoundedEpochs(Shared):
    """A FLOAT column for the epoch."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        (epoch,) = struct.unpack("f", struct.pack("f", generation[0]))
        return await super().save(key, checkpoint, generation=(int(epoch), generation[1]), ttl=ttl)


class SlidingExpiry(Shared):
    """What a cache does: each load begins the time to live anew."""

    def __init__(self, world: dict[str, Any], wall: Callable[[], float] = time.time) -> None:
        super().__init__(world, wall)
        self.ttls: dict[str, float] = {}

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        self.ttls[key] = ttl
        return await super().save(key, checkpoint, generation=generation, ttl=ttl)

    async def load(self, key: str) -> Stored | None:
        found, record = await super().load(key), self._record(key)
        if self._wall() < record.expires:
            record.expires = self._wall() + self.ttls.get(key, 0.0)
        return found


class LeavesItsLock(Shared):
    """What is cancelled in the middle of a save never gives the lock back."""

    def __init__(self, world: dict[str, Any], wall: Callable[[], float] = time.time) -> None:
        super().__init__(world, wall)
        self.lock = asyncio.Lock()

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        await self.lock.acquire()
        await asyncio.sleep(0)
        kept = await super().save(key, checkpoint, generation=generation, ttl=ttl)
        self.lock.release()
        return kept


class LeavesItsLockOfOwners(LeavesItsLock):
    """The same, in a renewal."""

    save = Shared.save

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        await self.lock.acquire()
        await asyncio.sleep(0)
        renewed = await super().renew(key, lease, ttl=ttl)
        self.lock.release()
        return renewed


class DeleteThenInsert(Shared):
    """Takes the old checkpoint away before it puts the new one there; without a transaction."""

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        record = self._record(key)
        kept = record.save(checkpoint, generation, self._wall() + ttl)
        if kept:
            record.checkpoint = None
            await asyncio.sleep(0)
            if record.generation == generation:
                record.checkpoint = checkpoint
        return kept


class OfOneProcess(Shared):
    """Holds what its own process saved."""

    def __init__(self, _world: dict[str, Any], wall: Callable[[], float] = time.time) -> None:
        super().__init__({}, wall)


WRONG = [
    (CutOff, "what is loaded is what was saved, all of it"),
    (CaseInsensitive, "keys that differ in case"),
    (Trimming, "keys that differ in case, in spaces"),
    (SelectThenUpdate, "of saves at the same time the newest stays"),
    (ReadModifyWrite, "of saves at the same time the newest stays"),
    (ExpiresWhole, "a generation outlives its checkpoint"),
    (LastWord, "to condemn a handle again never shortens its tombstone"),
    (OpenWhenUnowned, "under an older epoch than the newest claim is refused"),
    (RenewsByName, "a lease is over once the session was claimed again"),
    (Float32, "the time of a checkpoint comes back to the millisecond"),
    (EpochAsText, "compared as numbers, not as text: .10, 1. is newer"),
    (SlidingExpiry, "a load does not begin a time to live anew"),
    (OfOneProcess, "what one store saved another one loads"),
]
ONLY_BY_THE_CONTRACT = [
    (FirstWord, "to condemn a handle again has its tombstone stand for longer"),
    (SmallEpochs, "raises nothing; takes_epochs_of_more_than_32_bits got error"),
    (RoundedEpochs, "epochs that are a millisecond apart are two"),
    (LeavesItsLock, "a call that is cancelled leaves no lock taken"),
    (LeavesItsLockOfOwners, "a call that is cancelled leaves no lock taken"),
    (DeleteThenInsert, "a save that is cancelled leaves the checkpoint that was there, or the new one"),
]


def check(kind: type[Shared], *, shared: bool = True) -> None:
    async def checking() -> None:
        loop, world = asyncio.get_running_loop(), dict[str, Any]()
        assert isinstance(loop, SimLoop)
        await check_store(lambda: kind(world, loop.wall), shared=shared)

    run(checking())


def test_a_store_that_is_shared_keeps_its_contract() -> None:
    check(Shared)


def test_one_that_is_not_keeps_it_too_unless_it_should_be() -> None:
    check(OfOneProcess, shared=False)


@pytest.mark.parametrize(("kind", "sentence"), WRONG + ONLY_BY_THE_CONTRACT)
def test_one_that_is_dangerous_is_told_why(kind: type[Shared], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check(kind)


@pytest.mark.parametrize("kind", [kind for kind, _ in WRONG])
def test_the_state_machine_finds_it(kind: type[Shared]) -> None:
    class Machine(StoreMachine):
        def open_world(self) -> None:
            self.world = dict[str, Any]()

        def make_store(self) -> HandleStore:
            return kind(self.world, self.wall)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=FEW)
