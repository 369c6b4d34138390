"""A handle store in memory: for tests, and for sessions that need not outlive their process."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from relive.core.checkpoint import Checkpoint
from relive.ports import HandleStore, Stored


@attrs.define
class _Record:
    checkpoint: Checkpoint | None = None
    generation: tuple[int, int] = (0, 0)
    expires: float = 0.0
    condemned: dict[str, float] = attrs.Factory(dict[str, float])


class MemoryStore:
    """Keeps checkpoints in a dictionary.

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
        if record is None:
            return None
        now = self._wall()
        condemned = frozenset(digest for digest, until in record.condemned.items() if now < until)
        return Stored(record.checkpoint if now < record.expires else None, condemned)

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint, unless a newer generation is there."""
        record = self._records.setdefault(key, _Record())
        if generation < record.generation:
            return False
        record.checkpoint, record.generation, record.expires = checkpoint, generation, self._wall() + ttl
        return True

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Put up a tombstone for the handle with this digest."""
        self._records.setdefault(key, _Record()).condemned[digest] = self._wall() + ttl

    async def delete(self, key: str) -> None:
        """Forget this session."""
        self._records.pop(key, None)

    async def aclose(self) -> None:
        """Nothing is held open."""


_: type[HandleStore] = MemoryStore
