"""The clock of a running event loop."""

from __future__ import annotations

import asyncio
import random
import time

from relive.ports import Clock


class LoopClock:
    """The loop's own time, so that a loop with virtual time brings everything with it.

    A loop that knows a wall clock of its own (a method ``wall()``) is asked for that as well.

    Args:
        seed: makes the jitter repeatable; None draws it from the system.
    """

    def __init__(self, seed: int | None = None) -> None:
        # One generator serves all sessions that need no repeatable one of their own: each weighs 3 KiB.
        self._draw = random.random if seed is None else random.Random(seed).random

    def now(self) -> float:
        """Monotonic seconds of the running loop."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """Wall-clock seconds."""
        wall = getattr(asyncio.get_running_loop(), "wall", None)
        return wall() if wall is not None else time.time()

    def jitter(self) -> float:
        """A random number from 0 to 1."""
        return self._draw()


_: type[Clock] = LoopClock
