"""What is sealed is told by its own key alone, for its own session, in its own generation, and in its time."""

from __future__ import annotations

import copy
import sqlite3
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.stores.doubles import key_values
from tests.stores.lives import chain, live
from tests.stores.wall import Wall

from relive.core.checkpoint import Checkpoint
from relive.errors import SettingError, StoreUnreadable
from relive.ports import Browsable
from relive.stores.kv import KvStore
from relive.stores.memory import MemoryStore
from relive.stores.sealed import SealedStore
from relive.stores.sqlite import SqliteStore

OLD, NEW = Fernet.generate_key(), Fernet.generate_key().decode()


async def refused(store: SealedStore, sentence: str, key: str = "ada") -> None:
    with pytest.raises(StoreUnreadable, match=sentence) as caught:
        await store.load(key)
    assert not [said for said in chain(caught.value) if "CANAR" in said]
    life = await live(store, "two", key=key)
    assert life.told[0] == "store_error: load failed: StoreUnreadable"
    assert life.found is None


async def taken(store: MemoryStore | KvStore, key: str = "ada") -> Checkpoint:
    stored = await store.load(key)
    assert stored is not None
    assert stored.checkpoint is not None
    return stored.checkpoint


async def test_nothing_of_the_handle_lies_in_the_file(tmp_path: Path) -> None:
    store = SealedStore(SqliteStore(tmp_path / "handles.db"), [OLD])
    await live(store, "CANARY")
    contents = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"sealed:1:" in contents
    assert b"CANARY" not in contents
    assert (await live(store, "next")).found == "CANARY"
    assert "CANARY" not in repr(store)
    await store.aclose()


async def test_keys_are_changed_one_after_the_other() -> None:
    inner = MemoryStore()
    await live(SealedStore(inner, [OLD]), "one")
    assert (await live(SealedStore(inner, [NEW, OLD]), "two")).found == "one"
    assert (await live(SealedStore(inner, [NEW]), "three")).found == "two"
    await refused(SealedStore(inner, [OLD]), "a key that is not among ours")


async def test_what_was_sealed_and_is_no_text_is_not_quoted() -> None:
    inner = MemoryStore()
    token = Fernet(OLD).encrypt(b'"ada"\n{"v":1,"handle":"CANARY\xff"}').decode()
    for handle in (token, "é" + token):
        await inner.save("ada", Checkpoint(f"sealed:1:{handle}"), generation=(1, 1), ttl=60.0)
        await refused(SealedStore(inner, [OLD]), "it is broken")
        await inner.delete("ada")


async def test_plain_text_is_refused() -> None:
    inner = MemoryStore()
    await live(inner, "CANARY")
    await refused(SealedStore(inner, [OLD]), "it is not sealed")


@pytest.mark.parametrize("over_kv", [False, True])
async def test_another_session_s_is_refused(over_kv: bool) -> None:
    inner = KvStore(key_values()) if over_kv else MemoryStore()
    store = SealedStore(inner, [OLD])
    await live(store, "CANARY", key="eve")
    await inner.save("ada", await taken(inner, "eve"), generation=(1, 1), ttl=60.0)
    await refused(store, "sealed for another session")


async def test_an_older_one_in_the_place_of_a_newer_is_refused() -> None:
    inner = MemoryStore()
    store = SealedStore(inner, [OLD])
    await store.save("ada", Checkpoint("CANARY"), generation=(1, 1), ttl=60.0)
    old = await taken(inner)
    await store.save("ada", Checkpoint("new"), generation=(1, 2), ttl=60.0)
    await inner.save("ada", old, generation=(1, 2), ttl=60.0)
    await refused(store, "an older one took its place")


async def test_an_older_one_over_a_store_that_tells_no_generation_is_not_noticed() -> None:
    inner = KvStore(key_values())
    store = SealedStore(inner, [OLD])
    await store.save("ada", Checkpoint("old"), generation=(1, 1), ttl=60.0)
    old = await taken(inner)
    await store.save("ada", Checkpoint("new"), generation=(1, 2), ttl=60.0)
    await inner.save("ada", old, generation=(1, 2), ttl=60.0)
    assert (await live(store, "next")).found == "old"


async def test_a_whole_record_that_is_put_back_is_not_noticed() -> None:
    inner = MemoryStore()
    store = SealedStore(inner, [OLD])
    await store.save("ada", Checkpoint("old"), generation=(1, 1), ttl=60.0)
    record = copy.deepcopy(inner._records["ada"])
    await store.save("ada", Checkpoint("new"), generation=(1, 2), ttl=60.0)
    inner._records["ada"] = record
    assert (await live(store, "next")).found == "old"


@pytest.mark.parametrize("over_kv", [False, True])
async def test_it_runs_out_whatever_the_inner_store_says(over_kv: bool) -> None:
    wall = Wall()
    inner = KvStore(key_values(), wall=wall) if over_kv else MemoryStore(wall=wall)
    store = SealedStore(inner, [OLD], wall=wall)
    await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    await inner.save("ada", await taken(inner), generation=(1, 1), ttl=7200.0)
    assert (await live(store, "two", wall=wall)).found == "one"
    await store.save("bob", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    await inner.save("bob", await taken(inner, "bob"), generation=(1, 1), ttl=7200.0)
    wall.now += 61.0
    assert (await live(store, "two", key="bob", wall=wall)).found is None


async def test_what_is_shown_is_opened() -> None:
    store = SealedStore(MemoryStore(), [OLD])
    await store.save("ada", Checkpoint("one", "m", "b"), generation=(1, 1), ttl=60.0)
    await store.condemn("bob", "digest", ttl=60.0)
    assert isinstance(store, Browsable)
    ada, bob = await store.browse()
    assert ada.stored.checkpoint == Checkpoint("one", "m", "b")
    assert bob.stored.condemned == {"digest"}


async def test_what_cannot_be_opened_hides_nothing_else(tmp_path: Path) -> None:
    inner = SqliteStore(tmp_path / "handles.db")
    old, store = SealedStore(inner, [OLD]), SealedStore(inner, [NEW])
    await store.save("ada", Checkpoint("one"), generation=(1, 1), ttl=60.0)
    await store.save("bob", Checkpoint("two"), generation=(1, 1), ttl=60.0)
    await old.save("eve", Checkpoint("CANARY"), generation=(1, 1), ttl=60.0)
    database = sqlite3.connect(inner.path)
    database.execute("UPDATE sessions SET checkpoint = '{' WHERE key = 'bob'")
    database.commit()
    database.close()
    ada, bob, eve = await store._unsealed_entries()
    assert (ada.stored.checkpoint, ada.problem) == (Checkpoint("one"), "")
    assert (bob.stored.checkpoint, bob.problem) == (None, "what is there was not written by relive, or is broken")
    assert (eve.stored.checkpoint, eve.expires) == (None, None)
    assert eve.problem == "it is broken, or sealed with a key that is not among ours"
    await refused(store, "was not written by relive, or is broken", key="bob")
    await store.aclose()


@pytest.mark.parametrize("keys", [[], ["CANARY"], [OLD, b"short"]])
def test_keys_that_are_none_are_refused_and_not_shown(keys: list[str | bytes]) -> None:
    with pytest.raises(SettingError, match="Fernet key") as caught:
        SealedStore(MemoryStore(), keys)
    assert "CANARY" not in str(caught.value)
