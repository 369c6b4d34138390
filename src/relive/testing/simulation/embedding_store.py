"""An application's own store, and a scribe who reads along: what is loaded, saved and condemned for a session."""

from __future__ import annotations

import asyncio
from typing import cast

from relive.core.checkpoint import Checkpoint, digest
from relive.ports import HandleStore, Lease, Leases, Stored
from relive.testing.simulation.recording import Scribe


class WatchedStore:
    """What one session does with the store that its application gave it; once its process has died, nothing more."""

    def __init__(self, store: HandleStore, scribe: Scribe) -> None:
        self._store = store
        self._leases = cast("Leases", store)  # asked only of those that are
        self._scribe = scribe

    def __repr__(self) -> str:
        return repr(self._store)

    async def _live(self) -> None:
        if self._scribe.mute:
            await asyncio.get_running_loop().create_future()  # the dead save nothing, and let go of nothing

    async def load(self, key: str) -> Stored | None:
        """As it does."""
        await self._live()
        found = await self._store.load(key)
        # Later an owner looks whether somebody else has saved: that is not to go on from.
        if self._scribe.life.state == "IDLE":
            checkpoint = found.checkpoint if found is not None else None
            usable = checkpoint is not None and found is not None and digest(checkpoint.handle) not in found.condemned
            name = self._scribe.history.name(checkpoint.handle) if checkpoint is not None and usable else None
            self._scribe.note("load", name or "")
        return found

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """As it does."""
        await self._live()
        kept = await self._store.save(key, checkpoint, generation=generation, ttl=ttl)
        self._scribe.note("save", self._scribe.history.name(checkpoint.handle) or "", kept)
        return kept

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """As it does."""
        await self._live()
        await self._store.condemn(key, digest, ttl=ttl)
        self._scribe.note("condemn", digest[:10])

    async def delete(self, key: str) -> None:
        """As it does."""
        await self._live()
        await self._store.delete(key)

    async def aclose(self) -> None:
        """As it does."""
        await self._store.aclose()

    async def claim(self, key: str, owner: str, *, ttl: float) -> Lease:
        """As it does. A session that waits for its lease has not begun: its time to load does not run yet."""
        await self._live()
        lease = await self._leases.claim(key, owner, ttl=ttl)
        if self._scribe.life.state == "IDLE":
            self._scribe.life.began = self._scribe.now()
        return lease

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        """As it does."""
        await self._live()
        return await self._leases.renew(key, lease, ttl=ttl)

    async def release(self, key: str, lease: Lease) -> None:
        """As it does."""
        await self._live()
        await self._leases.release(key, lease)


_: tuple[type[HandleStore], type[Leases]] = (WatchedStore, WatchedStore)
