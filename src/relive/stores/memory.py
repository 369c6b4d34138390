"""A handle store in memory: for tests, and for sessions that need not outlive their process."""

from __future__ import annotations

from collections.abc import Callable

from relive.clock import wall_clock
from relive.core.checkpoint import Checkpoint
from relive.ports import Browsable, Entry, HandleStore, Lease, Leases, Stored
from relive.stores.record import Record, until


class MemoryStore:
    """Keeps checkpoints, and who owns which session, in a dictionary.

    Args:
        wall: the wall clock, in seconds, by which times to live run out; by default that of the running loop, if it has
            one.
    """

    def __init__(self, *, wall: Callable[[], float] = wall_clock) -> None:
        self._wall = wall
        self._records: dict[str, Record] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._records)} sessions>"

    async def load(self, key: str) -> Stored | None:
        """What is there under this key, if it is not too old."""
        record = self._records.get(key)
        return record.stored(self._wall()) if record is not None else None

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint, unless a newer generation is there, or was claimed."""
        return self._record(key).save(checkpoint, generation, until(self._wall(), ttl))

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Put up a tombstone for the handle with this digest."""
        self._record(key).condemn(digest, self._wall(), ttl)

    async def delete(self, key: str) -> None:
        """Forget this session."""
        self._records.pop(key, None)

    async def claim(self, key: str, owner: str, *, ttl: float) -> Lease:
        """Own this session, if nobody does."""
        return self._record(key).claim(owner, self._wall(), ttl)

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        """Own it further, if nobody has claimed it since."""
        record = self._records.get(key)
        return record is not None and record.renew(lease, self._wall(), ttl)

    async def release(self, key: str, lease: Lease) -> None:
        """Own it no longer."""
        record = self._records.get(key)
        if record is not None:
            record.release(lease)

    async def browse(self, key: str | None = None) -> list[Entry]:
        """What is there."""
        now = self._wall()
        shown = (record.entry(name, now) for name, record in sorted(self._records.items()) if key in (None, name))
        return [entry for entry in shown if entry is not None]

    async def aclose(self) -> None:
        """Nothing is held open."""

    def _record(self, key: str) -> Record:
        return self._records.setdefault(key, Record())


_: tuple[type[HandleStore], type[Leases], type[Browsable]] = (MemoryStore, MemoryStore, MemoryStore)
