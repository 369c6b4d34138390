"""The clock of a running event loop."""

from __future__ import annotations

import asyncio
import random
import time

from relive.ports import Clock


def wall_clock() -> float:
    """Wall-clock seconds: of the loop that runs in this thread, if it has a clock of its own (a method ``wall``)."""
    try:
        wall = getattr(asyncio.get_running_loop(), "wall", None)
    except RuntimeError:  # none runs here
        wall = None
    return wall() if wall is not None else time.time()


class LoopClock:
    """The loop's own time, so that a loop with virtual time brings everything with it: see `wall_clock`.

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
        return wall_clock()

    def jitter(self) -> float:
        """A random number from 0 to 1."""
        return self._draw()


_: type[Clock] = LoopClock
