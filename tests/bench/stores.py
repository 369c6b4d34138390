"""What it takes to save: from the call to the acknowledgement, and how long that holds the loop up."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, median
from tests.stores.servers import BINARY, RedisServer

from relive.core.checkpoint import Checkpoint
from relive.core.policy import Policy
from relive.ports import HandleStore
from relive.runtime.keeper import Keeper
from relive.runtime.tasks import Tasks
from relive.stores.memory import MemoryStore
from relive.stores.redis import RedisStore
from relive.stores.sqlite import SqliteStore

_HANDLE = "x" * 400
_FLEET = 1000
_EVERY = 5.0
"Seconds between two checkpoints of each session of a fleet."
_ROUND = 200
"Single saves for which the whole fleet saves once."
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
            _saving("sqlite", asyncio.run(_fleet(SqliteStore(Path(folder) / "fleet.db"), count // _ROUND))),
        ]
        if BINARY is not None:
            figures += _in_redis(folder, count)
    return figures


def _in_redis(folder: str, count: int) -> list[Figure]:
    server = RedisServer(Path(folder))
    server.start()
    try:
        return [
            *_figures("redis", asyncio.run(_saves(RedisStore.from_url(server.url), count)), 400.0, None),
            _saving("redis", asyncio.run(_fleet(RedisStore.from_url(server.url), count // _ROUND))),
        ]
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


async def _fleet(store: HandleStore, rounds: int) -> list[float]:
    """Seconds of a core that it takes to save once for each session: of its keeper, of the store and its thread."""
    tasks, done, failed = Tasks(lambda *_: None), asyncio.Semaphore(0), Counter[str]()

    def notice(what: str, detail: str, _seconds: float | None) -> None:
        if what != "saved":
            failed[f"{what}: {detail}"] += 1
        done.release()

    policy = Policy(save_timeout=60.0)
    keepers = [Keeper(store, f"session-{n}", policy, wall=time.time, notice=notice) for n in range(_FLEET)]
    for keeper in keepers:
        keeper.begin(tasks)
    samples: list[float] = []
    for number in range(1 + rounds):
        began = time.process_time()
        for keeper in keepers:
            keeper.save(Checkpoint(_HANDLE, "models/m", "developer", float(number)))
        for _ in keepers:
            await done.acquire()
        samples.append(time.process_time() - began)
    for keeper in keepers:
        keeper.end()
        await keeper.leave(10.0)
    await store.aclose()
    if failed:
        raise RuntimeError(f"saves failed: {failed}")
    return samples[1:]


def _saving(name: str, samples: list[float]) -> Figure:
    value, noise = median([100.0 * seconds / _EVERY for seconds in samples])
    detail = f"{_FLEET} sessions, a checkpoint every {_EVERY:g} s each"
    return Figure(f"saving for a fleet ({name})", value, noise, "% of a core", 5.0, detail)
