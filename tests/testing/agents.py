"""Applications that do not do the same twice, each for a reason of its own. In a module, for other processes."""

from __future__ import annotations

import itertools
import time
from typing import Any

from google.genai import types

import relive

_RUNS = itertools.count()


async def say(client: Any, *words: str, **config: Any) -> None:
    """Say one thing after the other."""
    async with relive.connect(client, model="m", config=types.LiveConnectConfig(**config)) as session:
        for text in words:
            await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
            async for _ in session.receive():
                pass


async def steady(client: Any) -> None:
    """Always says the same."""
    print("to whoever reads along")  # noqa: T201 - another process must bear it
    await say(client, "hello", "good bye")


async def by_the_clock(client: Any) -> None:
    """Says what time it is, as many words at any time."""
    await say(client, "hello", f"it is {time.time_ns()}")


async def by_the_clock_at_once(client: Any) -> None:
    """Tells the model what time it is, before anything is said, at the end of many words."""
    await say(client, "hello", system_instruction="be kind " * 100 + f"it is {time.time_ns()}")


async def by_the_set(client: Any) -> None:
    """Says what is in a set, in the order that it has there."""
    await say(client, *{"north", "east", "south", "west", "up", "down", "left", "right"})


async def by_its_past(client: Any) -> None:
    """Says how often it has been run."""
    await say(client, f"hello again, {next(_RUNS)}")
