"""Handles for one connection: when an update is due, what it says, and what can be wrong with its index."""

from __future__ import annotations

from typing import assert_never

from relive.testing import server_frames as frames
from relive.testing.server_admission import HANDLE_PREFIX
from relive.testing.server_desk import Desk
from relive.testing.server_truth import Branch, Context, Session, Snapshot
from relive.testing.server_wire import Setup


class Handles:
    """Issues the updates of one connection."""

    def __init__(self, desk: Desk, conn: int, setup: Setup) -> None:
        """Start without having sent any."""
        self.held_back = False
        "An update was due while handles were withheld, and none has been given since."
        self._desk = desk
        self._conn = conn
        self._setup = setup
        self._last_index = 0

    @property
    def wanted(self) -> bool:
        """The setup asked for updates."""
        return self._setup.resumption

    def update(
        self, session: Session, context: Context, branch: Branch, consumed: int, *, busy: bool, now: float
    ) -> None:
        """Send an update about this moment; `consumed` is the index of the last consumed client message.

        While handles are withheld it says that, and `held_back` becomes true.
        """
        if not self.wanted:
            return
        script = self._desk.script
        mode = script.updates.while_busy
        if script.withhold_handles:
            self.held_back = True
            self._say_unresumable("empty" if mode == "empty" else "not_resumable")
        elif busy and mode != "handle":
            self._say_unresumable(mode)
        else:
            self.give(session, context, branch, consumed, now)

    def give(self, session: Session, context: Context, branch: Branch, consumed: int, now: float) -> None:
        """Send an update with a handle for this moment, whatever else is going on."""
        self.held_back = False
        handle = self._desk.new_id(HANDLE_PREFIX)
        told = self._index(consumed) if self._setup.transparent else None
        snapshot = Snapshot(session, context.copy(), branch, branch.length, self._conn, now, consumed, told)
        self._desk.snapshots[handle] = self._desk.handles[handle] = snapshot
        session.handles_given += 1
        self._desk.utter(self._conn, frames.update(handle, told))

    def announce_busy(self) -> None:
        """Say that a turn begins, if the script says so."""
        if self.wanted:
            self._say_unresumable(self._desk.script.updates.while_busy)

    def _say_unresumable(self, mode: str) -> None:
        if mode == "empty":
            self._desk.utter(self._conn, frames.EMPTY_UPDATE)
        elif mode == "not_resumable":
            self._desk.utter(self._conn, frames.NOT_RESUMABLE)

    def _index(self, consumed: int) -> int | None:
        """Return the index to tell, None for none."""
        index = consumed
        anomaly = self._desk.script.updates.index
        match anomaly:
            case "none":
                pass
            case "missing":
                return None
            case "repeated":
                index = self._last_index or consumed
            case "backwards":
                index = max(0, min(consumed, self._last_index) - 1)
            case "too_high":
                index = consumed + 1000
            case _:
                assert_never(anomaly)
        self._last_index = index
        return index
