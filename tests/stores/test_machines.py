"""Two writers that crash, wake up late, and whose clocks are set: every store does what the model does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import settings
from tests.stores.doubles import key_values
from tests.stores.servers import RedisServer

from relive.ports import HandleStore
from relive.stores.kv import KvStore
from relive.stores.memory import MemoryStore
from relive.stores.sealed import SealedStore
from relive.stores.sqlite import SqliteStore
from relive.testing.store_machine import StoreMachine

KEY = Fernet.generate_key()
settings.register_profile("stores", parent=settings.get_profile("relive"), max_examples=40, stateful_step_count=30)
FEW = settings(settings.get_profile("stores"))


class InMemory(StoreMachine):
    def open_world(self) -> None:
        self.shared = MemoryStore(wall=self.wall)

    def make_store(self) -> HandleStore:
        return self.shared


class InAFile(StoreMachine):
    def open_world(self) -> None:
        self.folder = tempfile.TemporaryDirectory()

    def make_store(self) -> HandleStore:
        return SqliteStore(Path(self.folder.name) / "handles.db", wall=self.wall)

    def close_world(self) -> None:
        self.folder.cleanup()


class Sealed(InAFile):
    def make_store(self) -> HandleStore:
        return SealedStore(super().make_store(), [KEY], wall=self.wall)


class OverKeyValues(StoreMachine):
    def open_world(self) -> None:
        self.shared = key_values()

    def make_store(self) -> HandleStore:
        return KvStore(self.shared, wall=self.wall)


class InRedis(StoreMachine):
    clock = False
    server: RedisServer
    worlds = 0

    def open_world(self) -> None:
        InRedis.worlds += 1

    def make_store(self) -> HandleStore:
        return self.server.store(f"world-{InRedis.worlds}:")


class TestMemory(InMemory.TestCase):
    settings = FEW


class TestSqlite(InAFile.TestCase):
    settings = FEW


class TestSealed(Sealed.TestCase):
    settings = FEW


class TestKeyValues(OverKeyValues.TestCase):
    settings = FEW


@pytest.mark.sockets
class TestRedis(InRedis.TestCase):
    settings = FEW

    @pytest.fixture(autouse=True)
    def served(self, redis_server: RedisServer) -> None:
        InRedis.server = redis_server
