"""`FakeLiveServer`: the Gemini Live API without a network, a clock or a model. Start reading here.

It is sans-IO: frames and a time go in, frames and closes come out. A host (`relive.testing.hosts`) gives it a
transport, in memory or over TLS. Times are seconds of one monotonic clock, whichever; a time before the newest one
counts as the newest.

What it knows is the ground truth: what was consumed and not rolled back. It refuses to guess what a client meant:
what the real service would close a connection for closes it here, with the same words.

Where to look next: `server_script` (all that can be configured), `server_connection` (setup, limits, closes),
`server_conversation` (input, turns, handles), `server_truth` (sessions, timelines), `server_record` (connections),
`server_fate` (what is decided beforehand), `server_unsolicited` (words out of turn), `server_model` (answers),
`server_wire` (client frames), `server_client` (the client's words, and a client without a transport).

A simulation sends hundreds of millions of audio frames through here. The way of such a frame is kept short (`receive`,
`Connection.receive`, `Conversation.consume`), and a test counts its calls.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from relive.testing.server_admission import Refused, read_door
from relive.testing.server_connection import Connection
from relive.testing.server_desk import NEVER, Close, Desk, Reset, Send, ServerOutput
from relive.testing.server_fate import Fate, Plans
from relive.testing.server_model import ModelFailed
from relive.testing.server_record import Admission
from relive.testing.server_script import CLOSES, ServerScript
from relive.testing.server_truth import Kind, Payload, Session, Snapshot, check_kind
from relive.testing.server_unsolicited import UNSOLICITED, Unsolicited

__all__ = ["Admitted", "Close", "FakeLiveServer", "Refused", "Reset", "Send", "ServerOutput"]

_log: Final = logging.getLogger("relive.testing")

Admitted: TypeAlias = Refused | int
"What a dial comes to: refused, or the number of the connection."


class FakeLiveServer(Plans):
    """A Gemini Live server as a state machine. After each input comes `take()`; at `deadline` comes `advance()`.

    Two servers with the same script and seed that are given the same inputs at the same times put out the same bytes.
    """

    def __init__(self, script: ServerScript | None = None, *, seed: int = 0) -> None:
        """Start without connections and sessions. The seed makes ids and handles.

        Raises:
            TypeError: that is no script.
        """
        super().__init__()
        self._desk = Desk(_checked(ServerScript() if script is None else script), seed)
        self._connections: dict[int, Connection] = {}
        self._now = -NEVER
        self.model_failure: ModelFailed | None = None
        "How the model failed first, if it did: what is tested with such a model is not tested."

    @property
    def script(self) -> ServerScript:
        """How it behaves; assign another to change that from now on."""
        return self._desk.script

    @script.setter
    def script(self, script: ServerScript) -> None:
        self._desk.script = _checked(script)
        if not script.withhold_handles:
            for connection in self._connections.values():
                connection.release(self._now)

    @property
    def live(self) -> tuple[int, ...]:
        """Numbers of the open connections, also those still in their setup, oldest first."""
        return tuple(self._connections)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Every session that ever was, oldest first: the ground truth."""
        return tuple(self._desk.sessions)

    @property
    def admissions(self) -> tuple[Admission, ...]:
        """What became of each connection, in the order of their numbers. Upgrades that were refused are not among them.

        The records of open connections go on being written.
        """
        return tuple(self._desk.admissions)

    @property
    def handles(self) -> Mapping[str, Snapshot]:
        """What each handle stands for that was ever given, good or not, in the order in which they were given.

        The keys are the handles themselves, which are secrets elsewhere: think before you print it.
        """
        return MappingProxyType(self._desk.handles)

    @property
    def deadline(self) -> float | None:
        """When `advance` is to be called next; None while nothing is going on. Nothing need come of that call."""
        at = self._desk.next_at
        return at if at < NEVER else None

    def session_of(self, conn: int) -> Session | None:
        """Return the session of an open connection; None before its setup is complete."""
        connection = self._connections.get(conn)
        return connection.session if connection else None

    def ground_truth(self, kind: Kind) -> tuple[Payload, ...]:
        """Return what was consumed and survived of one kind, over all sessions in the order of their beginning.

        Raises:
            ValueError: there is no such kind.
        """
        check_kind(kind)
        return tuple(payload for session in self._desk.sessions for payload in session.payloads(kind))

    def dial(self, path: str, headers: Mapping[str, str], now: float) -> Admitted:
        """Judge an upgrade request; the path may carry a query."""
        self.advance(now)
        if self._refusals:
            return Refused(self._refusals.popleft(), "refused by script")
        door = read_door(path, headers, self._desk.script)
        if isinstance(door, Refused):
            return door
        record = Admission(len(self._desk.admissions) + 1, self._now)
        self._desk.admissions.append(record)
        fate = self._fates.popleft() if self._fates else None
        self._connections[record.number] = Connection(self._desk, record, door, fate)
        return record.number

    def receive(self, conn: int, frame: str | bytes, now: float) -> None:
        """Take a client frame. One that comes after the connection's end is ignored."""
        if now < self._now or self._desk.next_at <= now:
            self.advance(now)
        else:
            # The usual case, without a further call: nothing is due.
            self._now = now
        connection = self._connections.get(conn)
        if connection is not None:
            try:
                connection.receive(frame, self._now)
            except ModelFailed as failure:
                self._fail(connection, failure, self._now)
            if not connection.is_open or self._desk.next_at <= self._now:
                self._settle(connection)

    def lost(self, conn: int, now: float, code: int | None = None) -> None:
        """Learn that the client's side is gone; nothing is put out for it any more.

        `code` is that of its close frame; None: there was none.
        """
        self.advance(now)
        connection = self._connections.pop(conn, None)
        if connection:
            connection.lost(self._now, code=code)

    def advance(self, now: float) -> None:
        """Let time pass. What was due on the way happens at its own time, so a late call changes nothing."""
        self._now = max(self._now, now)
        if self._desk.next_at <= self._now:
            self._settle()

    def take(self) -> list[ServerOutput]:
        """Take what is to be done to connections, in order. `Close` and `Reset` end theirs."""
        outputs = self._desk.outputs
        if outputs:
            self._desk.outputs = []
            return outputs
        return []

    def go_away(self, conn: int, time_left: float | str | None, now: float) -> None:
        """Send GoAway, and end the connection after that time as the script says.

        A number is seconds, put as the script says; a text is sent as it is; None leaves the field out, and the
        script's lead counts.

        Raises:
            ValueError: the number is none.
        """
        if isinstance(time_left, float) and not math.isfinite(time_left):
            raise ValueError(f"a GoAway leaves a number of seconds, a text, or None, and not {time_left}")
        connection = self._operate(conn, now)
        if connection:
            connection.go_away(time_left, self._now)
            self._settle(connection)

    def close(self, conn: int, code: int | None, reason: str, now: float) -> None:
        """Close a connection, for instance with one of `CLOSES`; None or 1006 resets it.

        Raises:
            ValueError: no close frame can have that code.
        """
        if code is not None and not 1000 <= code <= 4999:
            raise ValueError(f"a close code is from 1000 to 4999, or None for a reset, and not {code}")
        connection = self._operate(conn, now)
        if connection:
            connection.close(code, reason, self._now, "server")
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
            connection.talk.update(self._now)
            self._settle(connection)

    def inject(self, conn: int, frame: str | bytes, now: float) -> None:
        """Send any frame at all: malformed, unknown, several messages in one."""
        if self._operate(conn, now):
            self._desk.send(conn, frame)

    def unsolicited(self, conn: int, kind: Unsolicited, now: float) -> None:
        """Say something that nothing asks for. It changes nothing in what the server knows, with two exceptions.

        A handle is a good one, whatever is going on and whatever the setup asked for. A tool call waits for a response
        of this connection, outside any turn: nothing comes of the response, but it is not a stray one. What needs a
        session is not said before the setup is complete.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in UNSOLICITED:
            raise ValueError(f"there is nothing unsolicited of the kind {kind!r}; there are {', '.join(UNSOLICITED)}")
        connection = self._operate(conn, now)
        if connection:
            connection.unsolicited(kind, self._now)

    def duplicate_next(self, conn: int, times: int) -> None:
        """Send the next frames of this connection twice each, whatever they are."""
        if conn in self._connections:
            self._desk.send_twice(conn, times)

    def restart(self, now: float, *, keep_handles: bool = True) -> None:
        """Reset all connections at once, as a server that is started anew; its handles are known to it, or not."""
        self.advance(now)
        for connection in tuple(self._connections.values()):
            connection.close(None, "", self._now, "server")
        self._connections.clear()
        if not keep_handles:
            self.expire_handles(now)

    def expire_handles(self, now: float) -> None:
        """Make all handles given so far unknown."""
        self.advance(now)
        self._desk.snapshots.clear()

    def reject_handles(self, code: int | None, reason: str, now: float) -> None:
        """Close every setup that presents one of the handles given so far, with these words; None or 1006 resets."""
        self._doom_handles(Fate("close_in_setup", (code, reason)), now)

    def poison_handles(
        self,
        how: Literal["die", "mute"],
        delay: float,
        now: float,
        close: tuple[int | None, str] = CLOSES["internal_error"],
    ) -> None:
        """Accept the handles given so far, and have what comes up from them die or fall mute.

        That happens so many seconds after `setupComplete`, each time; `close` is what those that die are closed with.
        A plan for that connection (`close_after_next_setup`, `mute_after_next_setup`) goes first. Handles that are
        given on such a connection before its end are good.
        """
        self._doom_handles(Fate("close_later", close, delay) if how == "die" else Fate("mute_later", delay=delay), now)

    def _doom_handles(self, fate: Fate, now: float) -> None:
        self.advance(now)
        self._desk.dooms.update(dict.fromkeys(self._desk.snapshots, fate))

    def _operate(self, conn: int, now: float) -> Connection | None:
        self.advance(now)
        return self._connections.get(conn)

    def _settle(self, touched: Connection | None = None) -> None:
        """Do everything that is due, each at its time, and forget the connections that have ended by it."""
        if touched and not touched.is_open:
            del self._connections[touched.number]
        desk = self._desk
        while desk.next_at <= self._now:
            at, conn, timer = desk.pop()
            connection = self._connections[conn]
            try:
                connection.due(timer, at)
            except ModelFailed as failure:
                self._fail(connection, failure, at)
            if not connection.is_open:
                del self._connections[conn]

    def _fail(self, connection: Connection, failure: ModelFailed, at: float) -> None:
        """End a connection that the model leaves without an answer. Whoever serves others goes on."""
        if self.model_failure is None:
            self.model_failure = failure
            _log.error("%s", failure, exc_info=failure)
        connection.close(*CLOSES["internal_error"], at, "server")


def _checked(script: object) -> ServerScript:
    """What fails here would fail in each dial, and look like a service that is down."""
    if not isinstance(script, ServerScript):
        raise TypeError(f"a fake server needs a ServerScript, as in ServerScript(model=…), and was given {script!r}")
    return script
