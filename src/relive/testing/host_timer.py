"""Keeps a `FakeLiveServer`'s deadline on the event loop of its host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relive.testing.server import FakeLiveServer


class HostLoop:
    """The loop that a host runs on: the running one or, for whoever acts between two runs of it, the one before."""

    def __init__(self) -> None:
        self._kept: asyncio.AbstractEventLoop | None = None

    def __call__(self) -> asyncio.AbstractEventLoop:
        """Return it; raises `RuntimeError` if there was none yet."""
        try:
            self._kept = asyncio.get_running_loop()
        except RuntimeError:
            if self._kept is None:
                raise
        return self._kept


class DeadlineTimer:
    """Calls `advance` when the server wants it, and then what the host gave to be called."""

    def __init__(self, server: FakeLiveServer, after: Callable[[], None], loop: HostLoop | None = None) -> None:
        """Set nothing yet. `after` is called each time that the server has advanced."""
        self._loop = loop or HostLoop()
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
            self._handle = self._loop().call_at(deadline, self._due, deadline)

    def cancel(self) -> None:
        """Set it to nothing."""
        if self._handle:
            self._handle.cancel()
        self._handle = self.at = None

    def _due(self, deadline: float) -> None:
        self._handle = self.at = None
        self.reached = deadline
        # A loop may call early, by its clock's resolution: nothing would be due then, and it would call for ever.
        self._server.advance(max(deadline, self._loop().time()))
        self._after()
