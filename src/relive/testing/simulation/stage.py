"""What chaos needs of a level of simulation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import attrs

from relive.testing.links import Line, Network
from relive.testing.server import FakeLiveServer


class Stage(Protocol):
    """What a level of simulation offers to chaos."""

    server: FakeLiveServer
    network: Network
    store: Store

    def states(self) -> Iterable[tuple[int, str]]:
        """Each client and the state of its session."""
        ...

    def conns(self, client: int) -> tuple[int, ...]:
        """The server's numbers of the connections of a client that are open; -1 for all."""
        ...

    def lines(self, client: int) -> Iterable[Line[Any]]:
        """The links of a client that are open; -1 for all."""
        ...

    def flush(self) -> None:
        """Perform what the server wants done."""
        ...

    def crash(self, client: int, store: str, down: float) -> None:
        """Kill the process of a client, and start another so many seconds later."""
        ...

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock."""
        ...

    def stop_reading(self, client: int, seconds: float) -> None:
        """Have the application not receive for a while."""
        ...

    def clog(self, client: int, seconds: float) -> None:
        """Have the client's socket take nothing for a while."""
        ...

    def burst(self, client: int, frames: int) -> None:
        """Have the application send so many frames of audio at once."""
        ...

    def hang_up(self, client: int) -> None:
        """Have the application close its session."""
        ...

    def stray(self, client: int, fact: str) -> None:
        """Tell the machine a fact that comes too late."""
        ...


@attrs.define(eq=False)
class Store:
    """How the store behaves, and how long the application's hook takes."""

    delay: float = 0.0
    failing: bool = False
    hook_delay: float = 0.0
