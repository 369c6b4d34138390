"""What it takes to save: from the call to the acknowledgement, and how long that holds the loop up."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, median
from tests.stores.servers import BINARY, RedisServer

from relive.core.checkpoint import Checkpoint
from relive.ports import HandleStore
from relive.stores.memory import MemoryStore
from relive.stores.redis import RedisStore
from relive.stores.sqlite import SqliteStore

_HANDLE = "x" * 400
_WARM = 50
"Saves before any is measured: a file is made, a connection dialled, a script loaded."


class _Watched:
    """Awaits something, and measures how long each step of it holds the event loop up."""

    def __init__(self, work: Awaitable[Any]) -> None:
        self._work = work
        self.held = 0.0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, answer = self._work.__await__(), None
        while True:
            began = time.perf_counter()
            try:
                waited_for = steps.send(answer)
            except StopIteration as end:
                return end.value
            finally:
                self.held += time.perf_counter() - began
            answer = yield waited_for


async def _saves(store: HandleStore, count: int) -> tuple[list[float], list[float]]:
    """Microseconds from call to acknowledgement, and microseconds in which the loop was held up."""
    whole: list[float] = []
    held: list[float] = []
    for number in range(_WARM + count):
        checkpoint = Checkpoint(_HANDLE, "models/m", "developer", float(number))
        watched = _Watched(store.save("ada", checkpoint, generation=(1, number), ttl=7200.0))
        began = time.perf_counter()
        await watched
        whole.append((time.perf_counter() - began) * 1e6)
        held.append(watched.held * 1e6)
    await store.aclose()
    return whole[_WARM:], held[_WARM:]


def stores(count: int) -> list[Figure]:
    """Memory, a file, and Redis on this machine if there is one to start."""
    with tempfile.TemporaryDirectory() as folder:
        figures = [
            *_figures("memory", asyncio.run(_saves(MemoryStore(), count)), None, None),
            *_figures("sqlite", asyncio.run(_saves(SqliteStore(Path(folder) / "handles.db"), count)), 150.0, 20.0),
        ]
        if BINARY is not None:
            figures += _figures("redis", _in_redis(folder, count), 400.0, None)
    return figures


def _in_redis(folder: str, count: int) -> tuple[list[float], list[float]]:
    server = RedisServer(Path(folder))
    server.start()
    try:
        return asyncio.run(_saves(RedisStore.from_url(server.url), count))
    finally:
        server.kill()


def _figures(
    name: str, samples: tuple[list[float], list[float]], limit: float | None, limit_held: float | None
) -> list[Figure]:
    (whole, noise), (held, noise_held) = (median(some) for some in samples)
    rank = sorted(samples[0])[len(samples[0]) * 99 // 100]
    return [
        Figure(f"a save in {name}", whole, noise, "µs", limit, f"99 % within {rank:.0f} µs"),
        Figure(f"of it, the loop is held up ({name})", held, noise_held, "µs", limit_held),
    ]
