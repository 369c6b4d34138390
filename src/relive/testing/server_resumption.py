"""Handles for one connection: when an update is due, what it says, and what can be wrong with its index."""

from __future__ import annotations

from typing import assert_never

from relive.testing.server_admission import HANDLE_PREFIX
from relive.testing.server_desk import Desk
from relive.testing.server_truth import Branch, Context, Session, Snapshot
from relive.testing.server_wire import JsonObject, Setup


class Handles:
    """Issues the updates of one connection."""

    def __init__(self, desk: Desk, conn: int, setup: Setup) -> None:
        """Start without having sent any."""
        self._desk = desk
        self._conn = conn
        self._setup = setup
        self._last_index = 0

    @property
    def wanted(self) -> bool:
        """The setup asked for updates."""
        return self._setup.resumption

    def update(self, session: Session, context: Context, branch: Branch, consumed: int, *, busy: bool) -> None:
        """Send an update about this moment; `consumed` is the index of the last consumed client message."""
        if not self.wanted:
            return
        mode = self._desk.script.updates.while_busy
        if busy and mode != "handle":
            self._unresumable(mode)
            return
        handle = self._desk.new_id(HANDLE_PREFIX)
        self._desk.snapshots[handle] = Snapshot(session, context.copy(), branch, branch.length)
        session.handles_given += 1
        body: JsonObject = {"newHandle": handle, "resumable": True}
        if self._setup.transparent:
            self._add_index(body, consumed)
        self._desk.say(self._conn, {"sessionResumptionUpdate": body})

    def announce_busy(self) -> None:
        """Say that a turn begins, if the script says so."""
        if self.wanted:
            self._unresumable(self._desk.script.updates.while_busy)

    def _unresumable(self, mode: str) -> None:
        if mode == "empty":
            self._desk.say(self._conn, {"sessionResumptionUpdate": {}})
        elif mode == "not_resumable":
            self._desk.say(self._conn, {"sessionResumptionUpdate": {"newHandle": "", "resumable": False}})

    def _add_index(self, body: JsonObject, consumed: int) -> None:
        """Add the index: an int64, so a string in JSON."""
        index = consumed
        anomaly = self._desk.script.updates.index
        match anomaly:
            case "none":
                pass
            case "missing":
                return
            case "repeated":
                index = self._last_index or consumed
            case "backwards":
                index = max(0, min(consumed, self._last_index) - 1)
            case "too_high":
                index = consumed + 1000
            case _:
                assert_never(anomaly)
        self._last_index = index
        body["lastConsumedClientMessageIndex"] = str(index)
