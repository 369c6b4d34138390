"""What was acknowledged outlives the writer, however it ends. More rounds: ``python -m tests.stores.kill``."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.stores.kill import play
from tests.stores.servers import RedisServer

ROUNDS = 20


@pytest.mark.slow
def test_in_a_file(tmp_path: Path) -> None:
    tally = play(f"sqlite:///{tmp_path}/handles.db", ROUNDS)
    assert tally.wrong == []
    assert tally.acknowledged > ROUNDS


@pytest.mark.slow
@pytest.mark.sockets
def test_in_redis(redis_server: RedisServer) -> None:
    tally = play(f"{redis_server.url}?client_name=kill", ROUNDS)
    assert tally.wrong == []
    assert tally.acknowledged > ROUNDS
