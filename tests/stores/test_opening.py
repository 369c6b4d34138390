"""A URL names a store; what is wrong with it is said without quoting a password."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

import relive
from relive import stores
from relive.stores.redis import RedisStore
from relive.stores.sqlite import SqliteStore


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///handles.db", Path("handles.db").absolute()),
        ("sqlite:///some/handles.db", Path("some/handles.db").absolute()),
        ("sqlite:////var/handles.db", Path("/var/handles.db")),
    ],
)
def test_a_file_is_named_as_in_sqlalchemy(url: str, path: Path) -> None:
    store = stores.open(url)
    assert isinstance(store, SqliteStore)
    assert store.path == path


@pytest.mark.parametrize("url", ["redis://host", "rediss://:secret@host:6380/3", "redis://host?socket_timeout=3"])
def test_redis_is_named_as_in_its_own_client(url: str) -> None:
    assert isinstance(stores.open(url), RedisStore)


def test_memory_needs_no_path() -> None:
    assert isinstance(stores.open("memory:"), relive.MemoryStore)


@pytest.mark.parametrize(
    "url",
    ["", "handles.db", "sqlite:handles.db", "sqlite://handles.db", "sqlite:///", "sqlite:///x?mode=ro", "memory:x",
     "redis://host?secret=1", "redis://host?retry=secret", "redis://host/secret", "redis://host/0/1",
     "redis:host", "redis://u:secret@host:port/0", "redis://host?socket_timeout=secret", "postgres://u:secret@host"],
)  # fmt: skip
def test_what_names_no_store_is_told_what_would(url: str) -> None:
    with pytest.raises(relive.SettingError, match=r"sqlite:///relative/path, .* or memory:") as caught:
        stores.open(url)
    assert "secret" not in f"{caught.value} {caught.value!r}"


def test_a_setting_that_is_missing_is_told_what_a_store_is() -> None:
    with pytest.raises(relive.SettingError, match="the store's URL is 'None'"):
        stores.open(cast("str", None))
