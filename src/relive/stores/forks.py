"""What must not be open while the process forks: SQLite's connections.

A child that inherits one cannot use it, nor close it. Nor can it open another to the same file: it would believe that
it holds the locks that its parent holds, and what it writes would be lost. So they are closed before, and are opened
again by whoever needs them.
"""

from __future__ import annotations

import os
import threading
from typing import Final, Protocol
from weakref import WeakSet


class Closable(Protocol):
    """Something that is opened again when it is needed."""

    in_use: threading.RLock
    "Held by whoever opens or uses it."

    def close(self) -> None:
        """Close it."""
        ...


_known: Final = WeakSet[Closable]()
_knowing: Final = threading.Lock()


def close_before_forks(thing: Closable) -> None:
    """Have it closed before each fork, and left closed until the process has forked."""
    with _knowing:
        _known.add(thing)


def _before() -> None:
    _knowing.acquire()
    for thing in _known:
        thing.in_use.acquire()
        thing.close()


def _after() -> None:
    for thing in _known:
        thing.in_use.release()
    _knowing.release()


if hasattr(os, "register_at_fork"):  # elsewhere nothing forks
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
