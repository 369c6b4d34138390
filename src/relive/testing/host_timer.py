"""Keeps a `FakeLiveServer`'s deadline on the running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relive.testing.server import FakeLiveServer


class DeadlineTimer:
    """Calls `advance` when the server wants it, and then what the host gave to be called."""

    def __init__(self, server: FakeLiveServer, after: Callable[[], None]) -> None:
        """Set nothing yet. `after` is called each time that the server has advanced."""
        self._server = server
        self._after = after
        self._handle: asyncio.TimerHandle | None = None
        self._at: float | None = None

    def follow(self) -> None:
        """Set the timer to the server's deadline."""
        deadline = self._server.deadline
        if deadline == self._at:
            return
        self.cancel()
        if deadline is not None:
            self._at = deadline
            self._handle = asyncio.get_running_loop().call_at(deadline, self._due, deadline)

    def cancel(self) -> None:
        """Set it to nothing."""
        if self._handle:
            self._handle.cancel()
        self._handle = self._at = None

    def _due(self, deadline: float) -> None:
        self._handle = self._at = None
        # A loop may call early, by its clock's resolution: nothing would be due then, and it would call for ever.
        self._server.advance(max(deadline, asyncio.get_running_loop().time()))
        self._after()
