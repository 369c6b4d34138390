"""Gemini Live sessions that outlive their connections.

Use `connect` in place of ``client.aio.live.connect``. Importing relive imports neither the SDK nor any extra: what needs
them is looked up on first access.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped
from relive.core.effects import Failure, Transition, Verdict
from relive.core.policy import Policy
from relive.core.table import State
from relive.errors import (
    CommandError,
    ReceiverBusy,
    ReliveError,
    SendBufferFull,
    SessionClosed,
    SessionFailed,
    SettingError,
    TableError,
    UsageError,
)
from relive.ports import Clock, HandleStore, Notice, Observer, Said, Transport
from relive.runtime import DialLimiter, Stats
from relive.stores.memory import MemoryStore

if TYPE_CHECKING:
    from relive.session import Seed, Session, connect

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "Clock",
    "CommandError",
    "DialLimiter",
    "Dropped",
    "Failure",
    "HandleStore",
    "MemoryStore",
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
    "SettingError",
    "State",
    "Stats",
    "TableError",
    "Transition",
    "Transport",
    "UsageError",
    "Verdict",
    "__version__",
    "connect",
]

if not TYPE_CHECKING:  # to a type checker the names above are all there is

    def __getattr__(name: str) -> object:
        if name not in {"Seed", "Session", "connect"}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module("relive.session"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
