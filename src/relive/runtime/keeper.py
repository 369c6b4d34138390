"""Keeps the newest checkpoint in the store, without ever holding a session up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar, cast

from relive.core import events as ev
from relive.core.checkpoint import Checkpoint, digest
from relive.core.policy import Policy
from relive.ports import HandleStore, Leases, Stored, Transport
from relive.runtime.owner import Owner
from relive.runtime.tasks import Tasks, start, survived

T = TypeVar("T")

TRY_AGAIN: Final = 1.0
"Seconds after which what the store did not do is tried again: twice as long after each failure, up to the next number."
TRY_AGAIN_LATER: Final = 60.0


def compared(stored: Stored | None, model: str, backend: str, bind_to: str) -> ev.CheckpointLoaded:
    """What a store holds, as a fact: it can be used for this model on this backend, or why not.

    `bind_to` is `Policy.bind_to`.
    """
    if stored is None:
        return ev.CheckpointLoaded()
    checkpoint = stored.checkpoint
    if checkpoint is None:
        return ev.CheckpointLoaded(tombstones=stored.condemned)
    mismatch = ""
    if digest(checkpoint.handle) in stored.condemned:
        mismatch = "quarantined"
    elif checkpoint.model != model:
        mismatch = "other_model"
    elif checkpoint.backend != backend:
        mismatch = "other_backend"
    elif bind_to and checkpoint.bound_to != bind_to:
        mismatch = "other_configuration"
    return ev.CheckpointLoaded(checkpoint, mismatch, stored.condemned)


class Keeper:
    """Saves: the newest wins, one at a time, each with a time limit; what fails is told, and tried again later."""

    def __init__(
        self,
        store: HandleStore,
        key: str,
        policy: Policy,
        *,
        wall: Callable[[], float],
        notice: Callable[[str, str, float | None], None],
        owner: str | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._key = key
        self._policy = policy
        self._wall = wall
        self._generation = (0, 0)
        self._notice = notice
        self._unsaved: Checkpoint | None = None
        self._saved: Checkpoint | None = None
        self._saving = False
        self._condemned: list[str] = []
        "Tombstones that are still to be put up."
        self._dead: set[str] = set()
        "All of them: what failed to be saved, or was and may be forgotten, can have been condemned since."
        self._ours: frozenset[str | None] = frozenset({None})
        "What the store may hold that nobody else has saved: nothing, or one of these handles."
        self._wake: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._taken = False
        self.errors = 0
        self._owner: Owner | None = None
        if owner is not None:
            leases = cast("Leases", store)  # `connect` has looked
            self._owner = Owner(leases, key, owner, policy, trouble=self._fail, untouched=self._untouched, lost=lost)

    @property
    def settled(self) -> bool:
        """Whether the store has all that it was to be given."""
        return not (self._taken or self._condemned or self._unsaved is not None or self._saving)

    async def claim(self) -> None:
        """Become the owner, if that is asked for.

        Raises:
            SessionTaken: somebody else owns it.
            Exception: the store failed.
        """
        if self._owner is not None:
            await self._owner.claim()

    async def load(self, transport: Transport) -> ev.CheckpointLoaded | ev.CheckpointNotLoaded:
        """What the store holds, compared with what it would be used for."""
        with survived(partial(self._fail, "load")):  # a store is somebody else's code, as is what it returns
            async with asyncio.timeout(self._policy.load_timeout):
                stored = await self._store.load(self._key)
                fact = compared(stored, transport.model, transport.backend, self._policy.bind_to)
            if stored is not None and stored.checkpoint is not None:
                self._ours |= {stored.checkpoint.handle}
            return fact
        return ev.CheckpointNotLoaded()

    def save(self, checkpoint: Checkpoint) -> None:
        """Have this kept; an older one that still waits is not saved at all."""
        self._unsaved = checkpoint
        self._rouse()

    def condemn(self, handle: str) -> None:
        """Have a tombstone put up."""
        tombstone = digest(handle)
        self._dead.add(tombstone)
        self._condemned.append(tombstone)
        self._rouse()

    def end(self) -> None:
        """Save what is unsaved, and stop."""
        self._ended = True
        self._rouse()

    async def leave(self, within: float) -> None:
        """Wait so many seconds for the last save, and then let another worker have the session.

        To be called once no connection is up any more, for two must not use one handle at the same time.
        """
        if self._task is None:
            return
        work: set[asyncio.Task[None]] = {self._task}
        if self._owner is not None:
            work.add(start(self._release(self._task, self._owner), "release"))
        _, unfinished = await asyncio.wait(work, timeout=within)
        if unfinished:
            self._fail("the last save", TimeoutError())
        for task in unfinished:
            task.cancel()

    async def _release(self, saved: asyncio.Task[None], owner: Owner) -> None:
        await asyncio.wait([saved])
        if not self._taken:
            await owner.release()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def begin(self, tasks: Tasks) -> None:
        """From now on what is to be saved is saved."""
        self._task = tasks.spawn(self._run(), "keeper")
        if self._owner is not None:
            self._owner.begin(tasks)

    async def _run(self) -> None:
        # Without leases a session that begins later is newer.
        self._generation = (self._owner.epoch if self._owner is not None else int(self._wall() * 1000), 0)
        loop, wait = asyncio.get_running_loop(), TRY_AGAIN
        while True:
            done = await self._work()
            if self._ended:
                return
            self._wake = loop.create_future()
            timer = None if done else loop.call_later(wait, self._rouse)
            wait = TRY_AGAIN if done else min(2 * wait, TRY_AGAIN_LATER)
            await self._wake
            if timer is not None:
                timer.cancel()

    async def _work(self) -> bool:
        """Do what there is to do, tombstones first; False if some of it failed, and is to be tried again."""
        failed = set[str]()
        while not self._taken:
            if self._condemned and "condemn" not in failed:
                if await self._try("condemn", self._condemn, self._condemned[0]):
                    self._condemned.pop(0)
                else:
                    failed.add("condemn")
            elif self._unsaved is not None and "save" not in failed:
                checkpoint, self._unsaved = self._unsaved, None
                if digest(checkpoint.handle) in self._dead:
                    continue
                self._saving = True
                saved = await self._try("save", self._save, checkpoint)
                self._saving = False
                if not saved and self._unsaved is None:  # else a newer one came meanwhile, and is saved instead
                    self._unsaved = checkpoint
                    failed.add("save")
            else:
                return self.settled
        return True

    async def _try(self, what: str, work: Callable[[T], Awaitable[None]], thing: T) -> bool:
        with survived(partial(self._fail, what)):
            async with asyncio.timeout(self._policy.save_timeout):
                await work(thing)
            return True
        return False

    async def _save(self, checkpoint: Checkpoint) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._ours |= {checkpoint.handle}
        kept = await self._put(checkpoint)
        if not kept and self._owner is not None and await self._owner.keep():
            kept = await self._put(checkpoint)  # the store had forgotten whose session it is
        if kept:
            self._saved = checkpoint
            self._ours = frozenset({None, checkpoint.handle})
            self._notice("saved", "", loop.time() - began)
            return
        self._taken = True
        self._notice("session_taken", "another worker owns this key now; nothing more is saved from here", None)
        if self._owner is not None:
            self._owner.lost()

    async def _put(self, checkpoint: Checkpoint) -> bool:
        epoch, sequence = self._generation
        if self._owner is not None and self._owner.epoch != epoch:
            epoch, sequence = self._owner.epoch, 0
        self._generation = (epoch, sequence + 1)
        return await self._store.save(self._key, checkpoint, generation=self._generation, ttl=self._policy.handle_ttl)

    async def _condemn(self, condemned: str) -> None:
        await self._store.condemn(self._key, condemned, ttl=self._policy.handle_ttl)

    async def _untouched(self) -> bool:
        """Whether the store holds nothing that somebody else saved; then what it may have forgotten is saved again."""
        stored = await self._store.load(self._key)
        checkpoint = stored.checkpoint if stored is not None else None
        untouched = (checkpoint.handle if checkpoint is not None else None) in self._ours
        if untouched and self._unsaved is None and not self._saving:
            self._unsaved = self._saved
            self._rouse()
        return untouched

    def _fail(self, what: str, exc: BaseException) -> None:
        self.errors += 1
        # The text of a foreign exception may quote what was being saved: name its kind only.
        self._notice("store_error", f"{what} failed: {type(exc).__name__}", None)
