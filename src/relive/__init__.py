"""Gemini Live sessions that outlive their connections.

Use `connect` in place of ``client.aio.live.connect``. Importing relive imports next to nothing, neither the SDK nor any
extra nor an event loop: every name is looked up when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relive.core.checkpoint import Checkpoint
    from relive.core.closes import Dropped
    from relive.core.effects import Failure, Transition, Verdict
    from relive.core.policy import Policy
    from relive.core.table import State
    from relive.errors import (
        CommandError,
        MissingExtra,
        ReceiverBusy,
        ReliveError,
        SendBufferFull,
        SessionClosed,
        SessionFailed,
        SessionTaken,
        SettingError,
        StoreError,
        StoreUnavailable,
        StoreUnreadable,
        TableError,
        UsageError,
    )
    from relive.ports import Clock, HandleStore, Notice, Observer, Said, Stats, Transport
    from relive.runtime.limiter import DialLimiter
    from relive.session import HandOver, Seed, Session, connect
    from relive.stores.memory import MemoryStore

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "Clock",
    "CommandError",
    "DialLimiter",
    "Dropped",
    "Failure",
    "HandOver",
    "HandleStore",
    "MemoryStore",
    "MissingExtra",
    "Notice",
    "Observer",
    "Policy",
    "ReceiverBusy",
    "ReliveError",
    "Said",
    "Seed",
    "SendBufferFull",
    "Session",
    "SessionClosed",
    "SessionFailed",
    "SessionTaken",
    "SettingError",
    "State",
    "Stats",
    "StoreError",
    "StoreUnavailable",
    "StoreUnreadable",
    "TableError",
    "Transition",
    "Transport",
    "UsageError",
    "Verdict",
    "__version__",
    "connect",
]

if not TYPE_CHECKING:  # to a type checker the names above are all there is
    _HOMES = {
        "relive.core.checkpoint": ("Checkpoint",),
        "relive.core.closes": ("Dropped",),
        "relive.core.effects": ("Failure", "Transition", "Verdict"),
        "relive.core.policy": ("Policy",),
        "relive.core.table": ("State",),
        "relive.errors": (
            "CommandError", "MissingExtra", "ReceiverBusy", "ReliveError", "SendBufferFull", "SessionClosed",
            "SessionFailed", "SessionTaken", "SettingError", "StoreError", "StoreUnavailable", "StoreUnreadable",
            "TableError", "UsageError",
        ),
        "relive.ports": ("Clock", "HandleStore", "Notice", "Observer", "Said", "Stats", "Transport"),
        "relive.runtime.limiter": ("DialLimiter",),
        "relive.session": ("HandOver", "Seed", "Session", "connect"),
        "relive.stores.memory": ("MemoryStore",),
    }  # fmt: skip
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
