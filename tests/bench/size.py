"""What an idle session weighs: Python's memory, as `tracemalloc` counts it, of many at once, over one TLS server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from google import genai
from google.genai.live import AsyncSession
from tests.bench.figures import Figure, median
from tests.bench.firehose import firehose
from tests.bench.flow import MODEL

import relive

LIMIT = 10.0

Open = Callable[[], AbstractAsyncContextManager[AsyncSession]]


async def weigh(open_session: Open, count: int) -> float:
    """KiB of one of `count` sessions, each of which has been opened and then rests."""
    async with contextlib.AsyncExitStack() as stack:
        await _rest()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            await stack.enter_async_context(open_session())
        await _rest()
        return (tracemalloc.get_traced_memory()[0] - before) / count / 1024


async def _rest() -> None:
    await asyncio.sleep(0.2)  # the first ping is answered
    gc.collect()


async def _compare(client: genai.Client, count: int, rounds: int) -> Figure:
    arms: tuple[Open, Open] = (
        lambda: client.aio.live.connect(model=MODEL),
        lambda: relive.connect(client, model=MODEL),
    )
    for arm in arms:  # whatever is made once is made now
        await weigh(arm, 3)
    bare: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        bare.append(await weigh(arms[0], count))
        ours.append(await weigh(arms[1], count))
    value, noise = median([mine - theirs for theirs, mine in zip(bare, ours, strict=True)])
    detail = f"{median(bare)[0]:.1f} → {median(ours)[0]:.1f} KiB, of {count} sessions"
    return Figure("an idle session", value, noise, "KiB", LIMIT, detail)


async def size(count: int, rounds: int) -> list[Figure]:
    """The weight that relive adds."""
    async with firehose() as client:
        tracemalloc.start()
        try:
            return [await _compare(client, count, rounds)]
        finally:
            tracemalloc.stop()
