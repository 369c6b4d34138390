"""One Redis server for all tests of stores that do not break theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from tests.stores.servers import BINARY, RedisServer


def _folder(factory: pytest.TempPathFactory) -> Path:
    if BINARY is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed, and CI insists on it")
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    return factory.mktemp("redis")


@pytest.fixture(scope="session")
def lasting_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(_folder(tmp_path_factory))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(lasting_redis: RedisServer) -> RedisServer:
    """A server that is not to be stopped, with nothing on it."""
    with Redis.from_url(lasting_redis.url) as client:
        client.flushall()
    return lasting_redis


@pytest.fixture
def mortal_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that may be."""
    server = RedisServer(_folder(tmp_path_factory), careful=True)
    server.start()
    yield server
    server.kill()
