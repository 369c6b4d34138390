"""The disk under the store in a file, and the process around it: full, taken away, forked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stores.lives import live

from relive.core.checkpoint import Checkpoint
from relive.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "handles.db"


@pytest.fixture
def little_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("nobody may mount a disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - whichever there is


def fill(folder: Path, left: int = 0) -> None:
    """Leave so many KiB of the disk."""
    with (folder / "junk").open("wb", buffering=0) as junk, contextlib.suppress(OSError):
        for _ in range(256 - left):
            junk.write(b"x" * 1024)


@pytest.mark.parametrize("left", [0, 4, 8, 32, 40, 60])
async def test_a_disk_that_is_really_full_is_told_until_there_is_room(left: int, little_disk: Path) -> None:
    store = SqliteStore(little_disk / "handles.db")
    fill(little_disk, left)
    assert (await live(store, "CANARY" * 2000)).told[-1] == "store_error: save failed: StoreUnavailable"
    (little_disk / "junk").unlink()
    assert (await live(store, "one")).told == []
    fill(little_disk)
    life = await live(store, "CANARY" * 10_000)
    assert (life.found, life.told) == ("one", ["store_error: save failed: StoreUnavailable"])
    await store.aclose()
    store = SqliteStore(little_disk / "handles.db")
    (little_disk / "junk").unlink()
    assert (await live(store, "two")).found == "one"
    assert (await live(store, "three")).found == "two"
    await store.aclose()


@pytest.mark.parametrize("others", [(), ("-wal", "-shm")])
async def test_a_file_that_was_removed_is_made_anew(others: tuple[str, ...], path: Path) -> None:
    store, other = SqliteStore(path), SqliteStore(path)
    await live(store, "one")
    for name in ("", *others):
        path.with_name(path.name + name).unlink()
    assert await store.load("ada") is None
    assert (await live(store, "two")).told == []
    assert (await live(other, "three")).found == "two"
    await store.aclose()
    assert (await live(other, "four")).found == "three"
    await other.aclose()


async def test_so_is_one_in_whose_place_another_was_put(path: Path) -> None:
    store, other = SqliteStore(path), SqliteStore(path.with_name("backup.db"))
    await live(store, "one")
    await live(other, "of the backup")
    await other.aclose()
    path.with_name("backup.db").replace(path)
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink()
    assert (await live(store, "two")).found == "of the backup"
    await store.aclose()


FORKS = """
import asyncio, os, signal, sys
from relive.core.checkpoint import Checkpoint
from relive.stores.sqlite import SqliteStore

async def save(handle, sequence):
    return await store.save("ada", Checkpoint(handle), generation=(1, sequence), ttl=60.0)

async def child():
    print((await store.load("ada")).checkpoint.handle, await save("the child's", 2), flush=True)
    os.read(ready, 1)
    print(await save("the child's own", 3), flush=True)
    await store.aclose()

async def parent():
    found = (await store.load("ada")).checkpoint.handle
    await store.aclose()
    return found

store = SqliteStore(sys.argv[1])
unused = SqliteStore(sys.argv[1])
asyncio.run(save("the parent's", 1))
ready, tell = os.pipe()
if os.fork() == 0:
    signal.alarm(30)  # a child that hangs is nobody's
    asyncio.run(unused.aclose())
    asyncio.run(child())
    os._exit(0)
asyncio.run(parent())
os.write(tell, b"x")
os.wait()
"""


def test_a_child_begins_anew_and_loses_nothing_when_its_parent_leaves(path: Path) -> None:
    words = [sys.executable, "-W", "ignore", "-c", FORKS, str(path)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout == "the parent's True\nTrue\n", said.stderr
    store = SqliteStore(path)
    found = asyncio.run(store.load("ada"))
    asyncio.run(store.aclose())
    assert found is not None
    assert found.checkpoint == Checkpoint("the child's own")
