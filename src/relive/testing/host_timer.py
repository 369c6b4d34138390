"""Keeps a `FakeLiveServer`'s deadline on the running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relive.testing.server import FakeLiveServer


class DeadlineTimer:
    """Calls `advance` when the server wants it, and then what the host gave to be called."""

    def __init__(self, server: FakeLiveServer, after: Callable[[], None]) -> None:
        """Set nothing yet. `after` is called each time that the server has advanced."""
        self.reached = float("-inf")
        "The time for which it went off last. By the loop's clock it may not be that late yet."
        self._server = server
        self._after = after
        self.at: float | None = None
        "What it is set to."
        self._handle: asyncio.TimerHandle | None = None

    def follow(self, other: float | None = None) -> None:
        """Set the timer to the server's deadline, or to another time if that comes first."""
        deadline = self._server.deadline
        if other is not None and (deadline is None or other < deadline):
            deadline = other
        if deadline == self.at:
            return
        self.cancel()
        if deadline is not None:
            self.at = deadline
            self._handle = asyncio.get_running_loop().call_at(deadline, self._due, deadline)

    def cancel(self) -> None:
        """Set it to nothing."""
        if self._handle:
            self._handle.cancel()
        self._handle = self.at = None

    def _due(self, deadline: float) -> None:
        self._handle = self.at = None
        self.reached = deadline
        # A loop may call early, by its clock's resolution: nothing would be due then, and it would call for ever.
        self._server.advance(max(deadline, asyncio.get_running_loop().time()))
        self._after()
