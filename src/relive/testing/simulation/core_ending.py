"""The end of a session at the core level: `relive.runtime.ending` without an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from relive.core.journal import Journal
from relive.core.policy import Policy
from relive.testing.simulation.core_link import Link
from relive.testing.simulation.core_store import Keeper
from relive.testing.simulation.core_time import Alarm, Timeline

# Seconds at most, as in `relive.runtime.ending`.
_FLUSH: Final = 1.0
_FAREWELL: Final = 0.3
_SAVE: Final = 0.25


class Ended(Protocol):
    """What ends."""

    time: Timeline
    policy: Policy
    journal: Journal


class Ending:
    """Writes what waits if asked to, takes leave, and lets what happened last be saved.

    Args:
        session: what ends.
        link: its connection, if there is one.
        keeper: its store, if there is one.
        over: called when all is done.
    """

    def __init__(self, session: Ended, link: Link | None, keeper: Keeper | None, over: Callable[[], None]) -> None:
        self._time = session.time
        self._journal = session.journal
        self._grace = min(session.policy.close_grace, _FAREWELL)
        self._link = link
        self._keeper = keeper
        self._over = over
        self._patience: Alarm | None = None

    def begin(self, *, flush: bool) -> None:
        """Begin. `flush`: what is unwritten goes out first, if it can."""
        if self._keeper is not None:
            self._keeper.end()
        link = self._link
        if link is None:
            self._rest()
        elif not flush:
            link.close(self._grace, self._rest)
        else:
            self._patience = self._time.at(self._time.now + _FLUSH, self._flushed)
            link.wake()
            if link.writing:
                link.written = self._flushed
            else:
                self._flushed()

    def _flushed(self) -> None:
        """What waited is written, or too much time has passed."""
        link = self._link
        assert link is not None
        assert self._patience is not None
        self._patience.cancel()
        link.written = None
        if self._journal.waiting:
            link.release()  # who takes no frames takes no farewell either
            self._rest()
        else:
            link.close(self._grace, self._rest)

    def _rest(self) -> None:
        if self._keeper is not None:
            self._keeper.rest(_SAVE, self._over)
        else:
            self._over()
