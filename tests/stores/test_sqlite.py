"""The store in a file, and what can be wrong with the file: the session lives on, and nothing is overwritten."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.stores.lives import chain, live, lost
from tests.stores.wall import Wall

from relive.core.checkpoint import Checkpoint
from relive.errors import StoreUnavailable, StoreUnreadable
from relive.ports import Stored
from relive.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "handles.db"


async def test_the_next_process_goes_on_where_the_last_one_was(path: Path) -> None:
    for before, handle in ((None, "one"), ("one", "two"), ("two", "three")):
        store = SqliteStore(path)
        life = await live(store, handle)
        await store.aclose()
        assert (life.found, life.told) == (before, [])


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
async def test_its_owner_alone_can_read_it(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = SqliteStore(path)
        await store.save("ada", Checkpoint("secret"), generation=(1, 1), ttl=60.0)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        await store.aclose()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("handles.db", "handles.db-wal", "handles.db-shm"), 0o600)


async def test_to_look_makes_no_file(path: Path) -> None:
    store = SqliteStore(path)
    assert await store.load("ada") is None
    assert await store.browse() == []
    await store.delete("ada")
    await store.aclose()
    assert not path.exists()


def garbage(path: Path) -> None:
    path.write_bytes(b"This is no database, but a letter." * 100)


def torn(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (x)")
    database.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 50)
    database.commit()
    database.close()
    path.write_bytes(path.read_bytes()[:16] + os.urandom(4000))


def foreign(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE sessions (key TEXT PRIMARY KEY, precious TEXT)")
    database.close()


def from_the_future(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA application_id = {0x72656C76}")
    database.execute("PRAGMA user_version = 7")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (garbage, "broken, or no database"),
        (torn, "broken, or no database"),
        (foreign, "another program's database"),
        (from_the_future, "schema 7, and this relive knows schema 1"),
    ],
)
async def test_what_is_not_ours_is_left_as_it_is(spoil: object, sentence: str, path: Path) -> None:
    assert callable(spoil)
    spoil(path)
    before = path.read_bytes()
    store = SqliteStore(path)
    life = await live(store, "CANARY")
    assert (life.found, life.told) == (None, lost("StoreUnreadable"))
    with pytest.raises(StoreUnreadable, match=sentence) as caught:
        await store.save("ada", Checkpoint("CANARY"), generation=(1, 1), ttl=60.0)
    assert "CANARY" not in f"{caught.value!r} {caught.value.__cause__!r}"
    await store.aclose()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["handles.db"]


async def test_a_broken_checkpoint_concerns_its_own_session_only(path: Path) -> None:
    store = SqliteStore(path)
    await live(store, "one", key="ada")
    await live(store, "one", key="bob")
    database = sqlite3.connect(path)
    database.execute("UPDATE sessions SET checkpoint = '{CANARY' WHERE key = 'ada'")
    database.commit()
    database.close()
    assert (await live(store, "two", key="bob")).found == "one"
    life = await live(store, "two", key="ada")
    assert life.told == ["store_error: load failed: StoreUnreadable"]
    assert (await live(store, "three", key="ada")).found == "two"
    await store.aclose()


def flipped(checkpoint: bytes) -> bytes:
    """One bit is another."""
    return checkpoint.replace(b"R", bytes([ord("R") ^ 0x80]))


@pytest.mark.parametrize(
    "spoilt",
    [flipped, lambda _: 7, lambda text: text.replace(b"CANARY", rb"CANARY\ud800")],
    ids=["bit", "type", "half"],
)
async def test_what_cannot_be_decoded_is_not_quoted(spoilt: Any, path: Path) -> None:
    store = SqliteStore(path)
    await live(store, "CANARY")
    database = sqlite3.connect(path)
    database.text_factory = bytes
    (text,) = database.execute("SELECT checkpoint FROM sessions").fetchone()
    database.execute("ALTER TABLE sessions DROP COLUMN checkpoint")
    database.execute("ALTER TABLE sessions ADD COLUMN checkpoint")
    database.execute("UPDATE sessions SET checkpoint = ?", (spoilt(text),))
    database.execute("UPDATE sessions SET checkpoint = CAST(checkpoint AS TEXT) WHERE typeof(checkpoint) = 'blob'")
    database.commit()
    database.close()
    (entry,) = await store.browse()
    assert (entry.stored, entry.problem) == (Stored(None), "what is there was not written by relive, or is broken")
    with pytest.raises(StoreUnreadable) as caught:
        await store.load("ada")
    assert not [said for said in chain(caught.value) if "CANA" in said]
    assert (await live(store, "next")).told == ["store_error: load failed: StoreUnreadable"]
    await store.aclose()


async def test_another_broken_column_concerns_its_own_session_only(path: Path) -> None:
    store = SqliteStore(path)
    for key in ("ada", "bob"):
        await store.claim(key, "one", ttl=60.0)
    database = sqlite3.connect(path)
    database.execute("UPDATE sessions SET term = 'CANARY' WHERE key = 'ada'")
    database.commit()
    database.close()
    with pytest.raises(StoreUnreadable):
        await store.claim("ada", "two", ttl=60.0)
    assert (await store.claim("bob", "two", ttl=60.0)).owner == "one"
    assert [(entry.key, bool(entry.problem)) for entry in await store.browse()] == [("ada", True), ("bob", False)]
    await store.delete("ada")
    assert [entry.key for entry in await store.browse()] == ["bob"]
    await store.aclose()


@contextmanager
def nobody() -> Iterator[Path]:
    """Be somebody whom file modes concern, in a folder that he can read."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_file_that_may_only_be_read_is_left_as_it_is() -> None:
    with nobody() as folder:
        path = folder / "handles.db"
        store = SqliteStore(path)
        await live(store, "one")
        await store.aclose()
        path.chmod(0o444)
        folder.chmod(0o555)
        with as_nobody():
            store = SqliteStore(path)
            life = await live(store, "two")
            await store.aclose()
        folder.chmod(0o755)
        assert life.told[-1] == "store_error: save failed: StoreUnavailable"
        path.chmod(0o600)
        store = SqliteStore(path)
        assert (await live(store, "three")).found == "one"
        await store.aclose()


async def test_a_folder_that_is_not_there_is_told(path: Path) -> None:
    store = SqliteStore(path.parent / "none" / "handles.db")
    assert (await live(store, "one")).told == ["store_error: save failed: StoreUnavailable"]
    (path.parent / "none").mkdir()
    assert (await live(store, "two")).told == []
    await store.aclose()


async def test_a_full_disk_keeps_what_there_was(path: Path) -> None:
    store = SqliteStore(path)
    await live(store, "one", key="ada")
    await live(store, "one", key="bob")
    connection = store._file._connection
    assert connection is not None
    await store._worker.do(lambda: connection.execute("PRAGMA max_page_count = 6").fetchall())
    life = await live(store, "CANARY" * 10_000)
    assert (life.found, life.told) == ("one", ["store_error: save failed: StoreUnavailable"])
    assert (await live(store, "two", key="bob")).told == []
    assert (await live(store, "two", key="ada")).found == "one"
    await store.aclose()


async def test_another_process_that_writes_for_too_long_is_told(path: Path) -> None:
    store = SqliteStore(path, patience=0.01)
    await live(store, "one")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    life = await live(store, "two")
    assert (life.found, life.told) == ("one", ["store_error: save failed: StoreUnavailable"])
    other.execute("ROLLBACK")
    other.close()
    assert (await live(store, "three")).told == []
    await store.aclose()


async def test_a_clock_that_was_set_back_lets_nothing_older_in(path: Path) -> None:
    wall = Wall()
    store = SqliteStore(path, wall=wall)
    await live(store, "new", wall=wall)
    wall.now -= 3600.0
    life = await live(store, "after", wall=wall)
    assert life.found == "new"
    assert [told.partition(":")[0] for told in life.told] == ["session_taken"]
    lease = await store.claim("ada", "bob", ttl=30.0)
    assert await store.save("ada", Checkpoint("owned"), generation=(lease.epoch, 1), ttl=60.0)
    await store.aclose()


async def test_a_lease_that_was_given_before_the_clock_was_set_back_does_not_last_for_an_hour(path: Path) -> None:
    wall = Wall()
    store = SqliteStore(path, wall=wall)
    first = await store.claim("ada", "dead", ttl=30.0)
    wall.now -= 3600.0
    assert await store.renew("ada", first, ttl=30.0)
    assert (await store.claim("ada", "bob", ttl=30.0)).owner == "dead"
    wall.now -= 3600.0
    second = await store.claim("ada", "bob", ttl=30.0)
    assert second.owner == "bob"
    assert second.epoch > first.epoch
    await store.aclose()


async def test_what_ran_out_long_ago_is_swept_away(path: Path) -> None:
    wall = Wall()
    store = SqliteStore(path, wall=wall)
    await store.save("old", Checkpoint("old"), generation=(1, 1), ttl=60.0)
    await store.condemn("old", "digest", ttl=60.0)
    wall.now += 3 * 86400.0
    await store.save("new", Checkpoint("new"), generation=(1, 1), ttl=float("inf"))
    await store.aclose()
    database = sqlite3.connect(path)
    left = [*database.execute("SELECT key FROM sessions"), *database.execute("SELECT key FROM condemned")]
    database.close()
    assert left == [("new",)]


async def test_many_stores_may_begin_on_the_same_new_file_at_once(path: Path) -> None:
    many = [SqliteStore(path, patience=10.0) for _ in range(8)]
    await asyncio.gather(
        *(one.save(f"{n}", Checkpoint("x"), generation=(1, 1), ttl=60.0) for n, one in enumerate(many))
    )
    assert len(await many[0].browse()) == 8
    for store in many:
        await store.aclose()


async def test_after_aclose_there_is_no_thread_and_no_store(path: Path) -> None:
    store = SqliteStore(path)
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreUnavailable, match="the store was closed"):
        await store.load("ada")
    assert repr(store) == f"<SqliteStore: {path}>"
