"""A store of one's own: a file for each conversation, in a folder that all the workers of a machine share.

`test_folder_store.py`, beside it, holds it to the contract that every store has to keep.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from relive.clock import wall_clock
from relive.core.checkpoint import Checkpoint
from relive.ports import Stored
from relive.stores.record import Record, decode_record, encode_record, until


class FolderStore:
    """Keeps each conversation in a file that its owner alone can read. Not for network file systems."""

    def __init__(self, folder: Path, *, wall: Callable[[], float] = wall_clock) -> None:
        self._folder = folder
        self._wall = wall
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def load(self, key: str) -> Stored | None:
        def load() -> Stored | None:
            with self._locked(key) as path:
                record = self._read(path)
            return record.stored(self._wall()) if record is not None else None

        return await asyncio.to_thread(load)

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        def save() -> bool:
            with self._locked(key) as path:
                record = self._read(path) or Record()
                kept = record.save(checkpoint, generation, until(self._wall(), ttl))
                if kept:
                    self._write(path, record)
            return kept

        return await asyncio.to_thread(save)

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        def condemn() -> None:
            with self._locked(key) as path:
                record = self._read(path) or Record()
                record.condemn(digest, self._wall(), ttl)
                self._write(path, record)

        await asyncio.to_thread(condemn)

    async def delete(self, key: str) -> None:
        def delete() -> None:
            with self._locked(key) as path:
                path.unlink(missing_ok=True)

        await asyncio.to_thread(delete)

    async def aclose(self) -> None:
        """No file is held open."""

    @contextmanager
    def _locked(self, key: str) -> Iterator[Path]:
        """The file of a conversation, which nobody else reads or writes meanwhile, in this process or another."""
        name = hashlib.sha256(key.encode()).hexdigest()  # keys may hold anything, and differ in their case alone
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._folder / f"{name}.json"

    def _read(self, path: Path) -> Record | None:
        return decode_record(path.read_text("utf-8"), f"{path.name}") if path.exists() else None

    def _write(self, path: Path, record: Record) -> None:
        """Replace the file as a whole: who is killed in the middle of it leaves the old one."""
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(encode_record(record))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
