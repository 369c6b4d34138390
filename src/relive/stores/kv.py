"""A handle store over any store of py-key-value, or whatever else can get, put and delete. The extra ``kv`` brings it.

Nothing of that library is imported here: a store is known by what it can do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from relive.clock import wall_clock
from relive.core.checkpoint import Checkpoint
from relive.ports import HandleStore, Stored
from relive.stores.record import Record, decode_record, encode_record, unreadable, until

_FIELD: Final = "relive"


class KeyValue(Protocol):
    """What a store must be able to do: a part of py-key-value's ``AsyncKeyValue``."""

    async def get(self, key: str, *, collection: str | None = None) -> Mapping[str, Any] | None:
        """The value under this key."""
        ...

    async def put(
        self, key: str, value: Mapping[str, Any], *, collection: str | None = None, ttl: float | None = None
    ) -> None:
        """Keep a value, for `ttl` seconds."""
        ...

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        """Forget what is under this key."""
        ...


class KvStore:
    """Keeps checkpoints wherever a key-value store keeps things.

    Such a store cannot compare before it writes. Within this object generations are kept apart and tombstones stand;
    **between processes the last writer wins**, whether its checkpoint is newer or not, and a tombstone that two of them
    put up at the same moment may be lost. So there are no leases: asking for ownership is refused. Where that is too
    little, use `SqliteStore` or `RedisStore`.

    Args:
        store: it stays yours; close it yourself.
        collection: where in it the sessions are kept.
        wall: the wall clock, in seconds; by default that of the running loop, if it has one.
    """

    def __init__(self, store: KeyValue, *, collection: str = "relive", wall: Callable[[], float] = wall_clock) -> None:
        self._store = store
        self._collection = collection
        self._wall = wall
        self._locks = WeakValueDictionary[str, asyncio.Lock]()  # of a key, as long as somebody holds it or waits for it

    def __repr__(self) -> str:
        return f"<KvStore: {type(self._store).__name__}, collection {self._collection!r}>"

    async def load(self, key: str) -> Stored | None:
        """What is there under this key, if it is not too old."""
        record = await self._read(key)
        return record.stored(self._wall()) if record is not None else None

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint, unless a newer generation was there a moment ago."""
        async with self._one_at_a_time(key):
            record = await self._read(key) or Record()
            if not record.save(checkpoint, generation, until(self._wall(), ttl)):
                return False
            await self._write(key, record)
            return True

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Put up a tombstone for the handle with this digest."""
        async with self._one_at_a_time(key):
            record = await self._read(key) or Record()
            record.condemn(digest, self._wall(), ttl)
            await self._write(key, record)

    async def delete(self, key: str) -> None:
        """Forget this session."""
        await self._store.delete(key, collection=self._collection)

    async def aclose(self) -> None:
        """Nothing of ours is held open."""

    def _one_at_a_time(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    async def _read(self, key: str) -> Record | None:
        value = await self._store.get(key, collection=self._collection)
        if value is None:
            return None
        where = f"{key} in {self!r}"
        text = value.get(_FIELD)
        if not isinstance(text, str):
            raise unreadable(where)
        return decode_record(text, where)

    async def _write(self, key: str, record: Record) -> None:
        left = record.kept_until() - self._wall()
        await self._store.put(key, {_FIELD: encode_record(record)}, collection=self._collection, ttl=left)


_: type[HandleStore] = KvStore
