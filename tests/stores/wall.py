"""A wall clock that nobody has to wait for."""

from __future__ import annotations


class Wall:
    """Shows what it was set to, in seconds."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
