"""Keeps the newest checkpoint in the store, without ever holding a session up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import cast

from relive.core import events as ev
from relive.core.checkpoint import Checkpoint
from relive.core.policy import Policy
from relive.ports import HandleStore, Leases, Stored, Transport
from relive.runtime.owner import Owner
from relive.runtime.tasks import Tasks


def digest(handle: str) -> str:
    """What a tombstone says of a handle: enough to know it again, nothing to use it by."""
    return hashlib.sha256(handle.encode()).hexdigest()


def compared(stored: Stored | None, model: str, backend: str) -> ev.CheckpointLoaded:
    """What a store holds, as a fact: it can be used for this model on this backend, or why not."""
    checkpoint = stored.checkpoint if stored is not None else None
    if stored is None or checkpoint is None:
        return ev.CheckpointLoaded()
    mismatch = ""
    if digest(checkpoint.handle) in stored.condemned:
        mismatch = "quarantined"
    elif checkpoint.model != model:
        mismatch = "other_model"
    elif checkpoint.backend != backend:
        mismatch = "other_backend"
    return ev.CheckpointLoaded(checkpoint, mismatch)


class Keeper:
    """Saves: the newest wins, one at a time, each with a time limit; a failure is told and the session goes on."""

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
        self._condemned: list[str] = []
        self._wake: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._taken = False
        self.errors = 0
        self._owner: Owner | None = None
        if owner is not None:
            leases = cast("Leases", store)  # `connect` has looked
            self._owner = Owner(leases, key, owner, policy, trouble=self._fail, lost=lost)

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
        try:
            async with asyncio.timeout(self._policy.load_timeout):
                return compared(await self._store.load(self._key), transport.model, transport.backend)
        except Exception as exc:  # noqa: BLE001 - a store is somebody else's code, and so is what it returns
            self._fail("load", exc)
            return ev.CheckpointNotLoaded()

    def save(self, checkpoint: Checkpoint) -> None:
        """Have this kept; an older one that still waits is not saved at all."""
        self._unsaved = checkpoint
        self._rouse()

    def condemn(self, handle: str) -> None:
        """Have a tombstone put up."""
        if self._unsaved is not None and self._unsaved.handle == handle:
            self._unsaved = None
        self._condemned.append(digest(handle))
        self._rouse()

    def end(self) -> None:
        """Save what is unsaved, and stop."""
        self._ended = True
        self._rouse()

    async def rest(self, within: float) -> None:
        """Wait so many seconds for the last save."""
        if self._task is not None:
            _, unfinished = await asyncio.wait([self._task], timeout=within)
            if unfinished:
                self._fail("the last save", TimeoutError())

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
        while True:
            while self._condemned:
                await self._condemn(self._condemned.pop(0))
            if self._unsaved is not None:
                checkpoint, self._unsaved = self._unsaved, None
                await self._save(checkpoint)
                continue
            if self._ended:
                if self._owner is not None and not self._taken:
                    await self._owner.release()
                return
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    async def _save(self, checkpoint: Checkpoint) -> None:
        if self._taken:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        epoch, sequence = self._generation
        self._generation = (epoch, sequence + 1)
        try:
            async with asyncio.timeout(self._policy.save_timeout):
                kept = await self._store.save(
                    self._key, checkpoint, generation=self._generation, ttl=self._policy.handle_ttl
                )
        except Exception as exc:  # noqa: BLE001 - a store is somebody else's code
            self._fail("save", exc)
            return
        if kept:
            self._notice("saved", "", loop.time() - began)
        else:
            self._taken = True
            self._notice("session_taken", "another worker owns this key now; nothing more is saved from here", None)
            if self._owner is not None:
                self._owner.lost()

    async def _condemn(self, condemned: str) -> None:
        try:
            async with asyncio.timeout(self._policy.save_timeout):
                await self._store.condemn(self._key, condemned, ttl=self._policy.handle_ttl)
        except Exception as exc:  # noqa: BLE001 - a store is somebody else's code
            self._fail("condemn", exc)

    def _fail(self, what: str, exc: Exception) -> None:
        self.errors += 1
        # The text of a foreign exception may quote what was being saved: name its kind only.
        self._notice("store_error", f"{what} failed: {type(exc).__name__}", None)
