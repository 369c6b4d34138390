"""A handle store in memory: for tests, and for sessions that need not outlive their process."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from relive.core.checkpoint import Checkpoint
from relive.ports import Browsable, Entry, HandleStore, Lease, Leases, Stored


@attrs.define
class _Record:
    checkpoint: Checkpoint | None = None
    generation: tuple[int, int] = (0, 0)
    expires: float = 0.0
    condemned: dict[str, float] = attrs.Factory(dict[str, float])
    owner: str = ""
    epoch: int = 0
    owned_until: float = 0.0

    def stored(self, now: float) -> Stored:
        condemned = frozenset(digest for digest, until in self.condemned.items() if now < until)
        return Stored(self.checkpoint if now < self.expires else None, condemned)

    def lease(self, now: float) -> Lease | None:
        return Lease(self.owner, self.epoch, self.owned_until - now) if self.owner and now < self.owned_until else None


class MemoryStore:
    """Keeps checkpoints, and who owns which session, in a dictionary.

    Args:
        wall: the wall clock, in seconds; what has outlived its time to live by it is not handed out.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._records: dict[str, _Record] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._records)} sessions>"

    async def load(self, key: str) -> Stored | None:
        """What is there under this key, if it is not too old."""
        record = self._records.get(key)
        return record.stored(self._wall()) if record is not None else None

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint, unless a newer generation is there, or was claimed."""
        record = self._records.setdefault(key, _Record())
        if generation < record.generation or generation[0] < record.epoch:
            return False
        record.checkpoint, record.generation, record.expires = checkpoint, generation, self._wall() + ttl
        return True

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Put up a tombstone for the handle with this digest."""
        self._records.setdefault(key, _Record()).condemned[digest] = self._wall() + ttl

    async def delete(self, key: str) -> None:
        """Forget this session."""
        self._records.pop(key, None)

    async def claim(self, key: str, owner: str, *, ttl: float) -> Lease:
        """Own this session, if nobody does."""
        record, now = self._records.setdefault(key, _Record()), self._wall()
        held = record.lease(now)
        if held is not None and held.owner != owner:
            return held
        record.owner, record.owned_until = owner, now + ttl
        record.epoch = max(record.epoch, record.generation[0]) + 1
        return Lease(owner, record.epoch, ttl)

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        """Own it further, if nobody else has claimed it."""
        record = self._records.get(key)
        if record is None or (record.owner, record.epoch) != (lease.owner, lease.epoch):
            return False
        record.owned_until = self._wall() + ttl
        return True

    async def release(self, key: str, lease: Lease) -> None:
        """Own it no longer."""
        record = self._records.get(key)
        if record is not None and (record.owner, record.epoch) == (lease.owner, lease.epoch):
            record.owner = ""

    async def browse(self, key: str | None = None) -> list[Entry]:
        """What is there."""
        now = self._wall()
        return [
            Entry(
                name, record.stored(now), record.generation, record.expires if now < record.expires else None,
                record.lease(now),
            )
            for name, record in sorted(self._records.items())
            if key in (None, name)
        ]  # fmt: skip

    async def aclose(self) -> None:
        """Nothing is held open."""


_: tuple[type[HandleStore], type[Leases], type[Browsable]] = (MemoryStore, MemoryStore, MemoryStore)
