"""`FakeLiveServer`: the Gemini Live API without a network, a clock or a model. Start reading here.

It is sans-IO: frames and a time go in, frames and closes come out. A host (`relive.testing.hosts`) gives it a
transport, in memory or over TLS. Times are seconds of one monotonic clock, whichever; a time before the newest one
counts as the newest.

What it knows is the ground truth: what was consumed and not rolled back. It refuses to guess what a client meant:
what the real service would close a connection for closes it here, with the same words.

Where to look next: `server_script` (all that can be configured), `server_connection` (setup, limits, closes),
`server_conversation` (input, turns, handles), `server_truth` (sessions, timelines), `server_model` (answers),
`server_wire` (client frames), `server_client` (the client's words, and a client without a transport).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TypeAlias

from relive.testing.server_admission import Refused, read_door
from relive.testing.server_connection import Connection, Fate
from relive.testing.server_desk import Close, Desk, Reset, Send, ServerOutput
from relive.testing.server_script import ServerScript
from relive.testing.server_truth import Kind, Payload, Session

__all__ = ["Admitted", "Close", "FakeLiveServer", "Refused", "Reset", "Send", "ServerOutput"]

Admitted: TypeAlias = Refused | int
"What a dial comes to: refused, or the number of the connection."


class FakeLiveServer:
    """A Gemini Live server as a state machine. After each input comes `take()`; at `deadline` comes `advance()`.

    Two servers with the same script and seed that are given the same inputs at the same times put out the same bytes.
    """

    def __init__(self, script: ServerScript | None = None, *, seed: int = 0) -> None:
        """Start without connections and sessions. The seed makes ids and handles."""
        self._desk = Desk(script or ServerScript(), seed)
        self._connections: dict[int, Connection] = {}
        self._dialled = 0
        self._now = float("-inf")
        self._refusals: deque[int] = deque()
        self._fates: deque[Fate] = deque()

    @property
    def script(self) -> ServerScript:
        """How it behaves; assign another to change that from now on."""
        return self._desk.script

    @script.setter
    def script(self, script: ServerScript) -> None:
        self._desk.script = script

    @property
    def live(self) -> tuple[int, ...]:
        """Numbers of the open connections, also those still in their setup, oldest first."""
        return tuple(self._connections)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Every session that ever was, oldest first: the ground truth."""
        return tuple(self._desk.sessions)

    @property
    def deadline(self) -> float | None:
        """When `advance` is to be called next; None while nothing is going on. Nothing need come of that call."""
        return self._desk.deadline

    def session_of(self, conn: int) -> Session | None:
        """Return the session of an open connection; None before its setup is complete."""
        connection = self._connections.get(conn)
        return connection.session if connection else None

    def ground_truth(self, kind: Kind) -> tuple[Payload, ...]:
        """Return what was consumed and survived of one kind, over all sessions in the order of their beginning."""
        return tuple(payload for session in self._desk.sessions for payload in session.payloads(kind))

    def dial(self, path: str, headers: Mapping[str, str], now: float) -> Admitted:
        """Judge an upgrade request; the path may carry a query."""
        self.advance(now)
        if self._refusals:
            return Refused(self._refusals.popleft(), "refused by script")
        door = read_door(path, headers, self._desk.script)
        if isinstance(door, Refused):
            return door
        self._dialled += 1
        fate = self._fates.popleft() if self._fates else None
        self._connections[self._dialled] = Connection(self._desk, self._dialled, door, fate)
        return self._dialled

    def receive(self, conn: int, frame: str | bytes, now: float) -> None:
        """Take a client frame. One that comes after the connection's end is ignored."""
        self.advance(now)
        connection = self._connections.get(conn)
        if connection:
            connection.receive(frame, self._now)
            self._settle(connection)

    def lost(self, conn: int, now: float) -> None:
        """Learn that the client's side is gone, closed or reset; nothing is put out for it any more."""
        self.advance(now)
        connection = self._connections.pop(conn, None)
        if connection:
            connection.lost(self._now)

    def advance(self, now: float) -> None:
        """Let time pass. What was due on the way happens at its own time, so a late call changes nothing."""
        self._now = max(self._now, now)
        self._settle()

    def take(self) -> list[ServerOutput]:
        """Take what is to be done to connections, in order. `Close` and `Reset` end theirs."""
        outputs = self._desk.outputs
        self._desk.outputs = []
        return outputs

    def go_away(self, conn: int, time_left: float | str | None, now: float) -> None:
        """Send GoAway, and end the connection after that time as the script says.

        A number is seconds, put as the script says; a text is sent as it is; None leaves the field out, and the
        script's lead counts.
        """
        connection = self._operate(conn, now)
        if connection:
            connection.go_away(time_left, self._now)
            self._settle(connection)

    def close(self, conn: int, code: int | None, reason: str, now: float) -> None:
        """Close a connection, for instance with one of `CLOSES`; None or 1006 resets it."""
        connection = self._operate(conn, now)
        if connection:
            connection.close(code, reason, self._now)
            self._settle(connection)

    def reset(self, conn: int, now: float) -> None:
        """Reset a connection without a close frame."""
        self.close(conn, None, "", now)

    def mute(self, conn: int, now: float) -> None:
        """Turn a connection into a black hole: it stays open, consumes nothing and says nothing."""
        connection = self._operate(conn, now)
        if connection:
            connection.mute()

    def update(self, conn: int, now: float) -> None:
        """Send a resumption update now, if the setup asked for them; what it says depends on script and moment."""
        connection = self._operate(conn, now)
        if connection and connection.talk and not connection.muted:
            connection.talk.update()

    def inject(self, conn: int, frame: str | bytes, now: float) -> None:
        """Send any frame at all: malformed, unknown, several messages in one."""
        if self._operate(conn, now):
            self._desk.outputs.append(Send(conn, frame))

    def refuse_next(self, status: int, times: int = 1) -> None:
        """Answer the next dials with this HTTP status."""
        self._refusals.extend([status] * times)

    def hang_next_setup(self, times: int = 1) -> None:
        """Accept the next dials and never answer their setup."""
        self._fates.extend([Fate("hang")] * times)

    def close_next_setup(self, code: int | None, reason: str, times: int = 1) -> None:
        """Accept the next dials and close instead of answering their setup; None or 1006 resets."""
        self._fates.extend([Fate("close_in_setup", (code, reason))] * times)

    def close_after_next_setup(self, code: int | None, reason: str, delay: float = 0.0, times: int = 1) -> None:
        """Let the next connections come up, and close them so many seconds after `setupComplete`."""
        self._fates.extend([Fate("close_later", (code, reason), delay)] * times)

    def mute_after_next_setup(self, delay: float = 0.0, times: int = 1) -> None:
        """Let the next connections come up, and mute them so many seconds after `setupComplete`."""
        self._fates.extend([Fate("mute_later", delay=delay)] * times)

    def expire_handles(self, now: float) -> None:
        """Make all handles given so far unknown."""
        self.advance(now)
        self._desk.snapshots.clear()

    def forget_plans(self) -> None:
        """Undo what was said about the next dials: they are treated as the script says again."""
        self._refusals.clear()
        self._fates.clear()

    def _operate(self, conn: int, now: float) -> Connection | None:
        self.advance(now)
        return self._connections.get(conn)

    def _settle(self, touched: Connection | None = None) -> None:
        """Do everything that is due, each at its time, and forget the connections that have ended by it."""
        if touched and not touched.is_open:
            del self._connections[touched.number]
        while due := self._desk.pop_due(self._now):
            at, conn, timer = due
            connection = self._connections[conn]
            connection.due(timer, at)
            if not connection.is_open:
                del self._connections[conn]
