"""Keeps chaos on an event loop: wakes it when it is due, and tells it of states."""

from __future__ import annotations

import asyncio
from math import inf

from relive.testing.simulation.chaos import Chaos


class Alarm:
    """Calls `Chaos.due` at its deadline, until it is cancelled.

    Args:
        chaos: what is to be kept.
        loop: where it is kept.
        began: the loop's time at the beginning of the simulation.
    """

    def __init__(self, chaos: Chaos, loop: asyncio.AbstractEventLoop, began: float) -> None:
        self._chaos = chaos
        self._loop = loop
        self._began = began
        self._timer: asyncio.TimerHandle | None = None
        self._set()

    def entered(self, client: int, state: str) -> None:
        """A session has come into a state: something may be due then."""
        if self._chaos.entered(client, state, self._loop.time() - self._began):
            self._set()

    def cancel(self) -> None:
        """Wake it no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self) -> None:
        self.cancel()
        at = self._chaos.deadline
        self._timer = self._loop.call_at(self._began + at, self._due) if at < inf else None

    def _due(self) -> None:
        self._chaos.due(self._loop.time() - self._began)
        self._set()
