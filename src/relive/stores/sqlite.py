"""A handle store in a file, for the workers of one machine: SQLite, from the standard library."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from relive.clock import wall_clock
from relive.core.checkpoint import Checkpoint
from relive.errors import StoreUnavailable
from relive.ports import Browsable, Entry, HandleStore, Lease, Leases, Stored
from relive.stores.record import Record, decode_checkpoint, encode_checkpoint, shown_unreadable, until
from relive.stores.sqlite_file import SqliteFile
from relive.stores.worker import Worker

T = TypeVar("T")


class SqliteStore:
    """Keeps checkpoints, and who owns which session, in one SQLite file, which several processes may share.

    The file is written to in a thread of the store's own, so that the event loop never waits for a disk. It is made by
    the first save, readable by its owner alone. What was acknowledged survives the death of the process; when the whole
    machine loses power, the last moments before it may be missing, and the file is sound (WAL, ``synchronous=NORMAL``).

    A file that is broken, or that somebody else made, is never written to; each call then raises `StoreUnreadable`.
    One that is removed, or replaced, while it is in use is made anew, or used as it is. Do not put it on a network file
    system. A child that the process forks may go on with the store: it has a connection and a thread of its own.

    Args:
        path: of the file. Two more lie beside it while it is in use, ``-wal`` and ``-shm``; they hold handles, too.
        wall: the wall clock, in seconds; by default that of the running loop, if it has one.
        patience: seconds to wait for another process that is writing.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, wall: Callable[[], float] = wall_clock, patience: float = 1.0
    ) -> None:
        self.path = Path(path).absolute()
        self._wall = wall
        self._file = SqliteFile(self.path, patience)
        self._closed = False
        self._begin()

    def __repr__(self) -> str:
        return f"<SqliteStore: {self.path}>"

    async def load(self, key: str) -> Stored | None:
        """What is there under this key, if it is not too old."""
        text, condemned = await self._do(partial(self._file.load, key, self._wall()))
        checkpoint = decode_checkpoint(text, str(self.path)) if text is not None else None
        return Stored(checkpoint, condemned) if checkpoint is not None or condemned else None

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint, unless a newer generation is there, or was claimed."""
        text, now = encode_checkpoint(checkpoint), self._wall()
        return await self._do(partial(self._file.save, key, text, generation, until(now, ttl), now))

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Put up a tombstone for the handle with this digest."""
        now = self._wall()
        await self._do(partial(self._file.condemn, key, digest, until(now, ttl), now))

    async def delete(self, key: str) -> None:
        """Forget this session."""
        await self._do(partial(self._file.delete, key))

    async def claim(self, key: str, owner: str, *, ttl: float) -> Lease:
        """Own this session, if nobody does."""
        return await self._do(partial(self._file.claim, key, owner, self._wall(), ttl))

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        """Own it further, if nobody has claimed it since."""
        return await self._do(partial(self._file.renew, key, lease, self._wall(), ttl))

    async def release(self, key: str, lease: Lease) -> None:
        """Own it no longer."""
        await self._do(partial(self._file.release, key, lease))

    async def browse(self, key: str | None = None) -> list[Entry]:
        """What is there."""
        now = self._wall()
        records = await self._do(partial(self._file.records, key))
        entries = (
            record.entry(name, now) if isinstance(record, Record) else shown_unreadable(name, record)
            for name, record in sorted(records.items())
        )
        return [entry for entry in entries if entry is not None]

    async def aclose(self) -> None:
        """Finish what was asked for, and end the thread."""
        if not self._closed:
            self._closed = True
            await self._here().stop()

    async def _do(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailable(str(self.path), "the store was closed")
        return await self._here().do(work)

    def _here(self) -> Worker:
        """The thread, in the process that this is: a child has none of its parent's."""
        if self._process != os.getpid():
            self._begin()
        return self._worker

    def _begin(self) -> None:
        self._process = os.getpid()
        self._worker = Worker(f"relive {self.path.name}", self._file.close)


_: tuple[type[HandleStore], type[Leases], type[Browsable]] = (SqliteStore, SqliteStore, SqliteStore)
