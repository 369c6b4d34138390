"""Facts that come too late, or again: what a machine must bear."""

from __future__ import annotations

from typing import Final

from relive.core import events as ev
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle

_AWAITED: Final = {
    "HANDLE_EXPIRED": ("SeedAnswered", "SeedRefused"),
    "IDLE": ("CheckpointLoaded", "CheckpointNotLoaded"),
}


def stray(fact: str, lifecycle: Lifecycle) -> ev.Event | None:
    """The fact of this name; None if the machine waits for it now, or if it is a command that it could obey."""
    if fact in _AWAITED.get(lifecycle.state, ()) or (fact == "CloseRequested" and not lifecycle.final):
        return None
    number = lifecycle.connection
    facts: dict[str, ev.Event] = {
        "CheckpointLoaded": ev.CheckpointLoaded(),
        "CheckpointNotLoaded": ev.CheckpointNotLoaded(),
        "SeedAnswered": ev.SeedAnswered(),
        "SeedRefused": ev.SeedRefused(),
        "JournalFlushed": ev.JournalFlushed(number),
        "Heard": ev.Heard(number, 0.0),
        "OutputHeard": ev.OutputHeard(number, 0.0),
        "OldConnectionDropped": ev.ConnectionDropped(number - 1, Dropped(None, "", origin="network")),
        "OldConnectionClosed": ev.ConnectionClosed(number - 1),
        "InputAccepted": ev.InputAccepted(1, demands_answer=True),
        "CloseRequested": ev.CloseRequested(),
    }
    return facts[fact]
