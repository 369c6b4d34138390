"""What all connections of one fake server share: script, agenda, outputs, ids and handles. Times come from outside."""

from __future__ import annotations

import hashlib
import heapq
import json
from typing import Final, Literal, TypeAlias, get_args

import attrs

from relive.testing.server_fate import Fate
from relive.testing.server_record import Admission
from relive.testing.server_script import ServerScript
from relive.testing.server_truth import Session, Snapshot

Timer: TypeAlias = Literal[
    "setup", "inbox", "turn", "late", "rhythm", "speech", "notice", "deadline", "session", "fate"
]
"Each connection has at most one of each armed."

TIMERS: Final[tuple[Timer, ...]] = get_args(Timer)

NEVER: Final = float("inf")
"An instant that does not come."

MAX_REASON: Final = 123
"Bytes that fit into a close frame beside the code."


@attrs.define(unsafe_hash=True, weakref_slot=False)
class Send:
    """Send this frame on this connection: text if it is a `str`, else binary.

    Nobody changes it; it is not frozen because that is slow.
    """

    conn: int
    "Number of the connection."
    frame: str | bytes = attrs.field(repr=lambda frame: f"<{len(frame)} long>")
    "What to send. Not shown: it may carry a handle."


@attrs.frozen
class Close:
    """Close this connection with a close frame; it has ended."""

    conn: int
    "Number of the connection."
    code: int
    "Close code."
    reason: str
    "At most 123 bytes of UTF-8."


@attrs.frozen
class Reset:
    """Reset this connection without a close frame; it has ended."""

    conn: int
    "Number of the connection."


ServerOutput: TypeAlias = Send | Close | Reset


class Desk:
    """Shared by the connections of one server."""

    def __init__(self, script: ServerScript, seed: int) -> None:
        """Start with nothing going on. Ids are made from the seed and a counter: the same run has the same ids."""
        self.script = script
        self.outputs: list[ServerOutput] = []
        self.sessions: list[Session] = []
        self.admissions: list[Admission] = []
        self.snapshots: dict[str, Snapshot] = {}
        "What the handles that are good stand for."
        self.handles: dict[str, Snapshot] = {}
        "The same of every handle that was ever given."
        self.dooms: dict[str, Fate] = {}
        "What becomes of connections that present one of these handles."
        self.callers: dict[str, int] = {}
        "Ids of all tool calls that were ever announced, and the connections they were announced on."
        self.next_at = NEVER
        "When the next timer is due: always exact, because it is looked at with every frame."
        self._twice: dict[int, int] = {}
        self._seed = seed
        self._ids = 0
        self._armed: dict[tuple[int, Timer], int] = {}
        self._agenda: list[tuple[float, int, tuple[int, Timer]]] = []
        self._entries = 0

    def new_id(self, kind: str) -> str:
        """Make an id that nobody can guess from another, and that is the same in every run."""
        self._ids += 1
        key = f"{self._seed}:{kind}:{self._ids}".encode()
        return f"{kind}-{hashlib.blake2b(key, digest_size=16).hexdigest()}"

    def new_call(self, conn: int) -> str:
        """Make the id of a tool call that is announced on this connection."""
        call = self.new_id("call")
        self.callers[call] = conn
        return call

    def arm(self, conn: int, timer: Timer, at: float) -> None:
        """Set a timer, or set it anew. At equal times what was armed first is due first."""
        key = (conn, timer)
        anew = key in self._armed
        entry = self._entries = self._entries + 1
        self._armed[key] = entry
        heapq.heappush(self._agenda, (at, entry, key))
        if anew:
            self._look()
        elif at < self.next_at:
            self.next_at = at

    def is_armed(self, conn: int, timer: Timer) -> bool:
        """Say whether a timer is set."""
        return (conn, timer) in self._armed

    def disarm(self, conn: int, *timers: Timer) -> None:
        """Forget timers, armed or not."""
        for timer in timers:
            self._armed.pop((conn, timer), None)
        self._look()

    def forget(self, conn: int) -> None:
        """Forget everything about a connection: it has ended."""
        self._twice.pop(conn, None)
        self.disarm(conn, *TIMERS)

    def pop(self) -> tuple[float, int, Timer]:
        """Take the next timer: when it is due, on which connection, and which. There must be one: see `next_at`."""
        at, _, key = heapq.heappop(self._agenda)
        del self._armed[key]
        self._look()
        conn, timer = key
        return at, conn, timer

    def send(self, conn: int, frame: str | bytes) -> None:
        """Send a frame as it is, twice if that was asked for."""
        self.outputs.append(Send(conn, frame))
        if self._twice and self._twice.get(conn, 0) > 0:
            self._twice[conn] -= 1
            self.outputs.append(Send(conn, frame))

    def send_twice(self, conn: int, times: int) -> None:
        """Send so many more frames twice."""
        self._twice[conn] = self._twice.get(conn, 0) + times

    def say(self, conn: int, message: dict[str, object]) -> None:
        """Send a message as JSON, in the script's manner."""
        text = json.dumps(message, indent=2) + "\n" if self.script.pretty else json.dumps(message)
        self.send(conn, text.encode() if self.script.binary else text)

    def utter(self, conn: int, frame: str) -> None:
        """The same of a message that is JSON already: `server_frames` has those that are sent most often."""
        if self.script.pretty:
            self.say(conn, json.loads(frame))
        else:
            self.send(conn, frame.encode() if self.script.binary else frame)

    def hang_up(self, conn: int, code: int | None, reason: str) -> Close | Reset:
        """Close a connection, or reset it if no code could be seen on a wire."""
        output = Reset(conn)
        if code is not None and code != 1006:
            output = Close(conn, code, reason.encode()[:MAX_REASON].decode(errors="ignore"))
        self.outputs.append(output)
        return output

    def _look(self) -> None:
        """Find out when the next timer is due: one that was disarmed or set anew leaves an entry that is none."""
        agenda, armed = self._agenda, self._armed
        while agenda:
            at, entry, key = agenda[0]
            if armed.get(key) == entry:
                self.next_at = at
                return
            heapq.heappop(agenda)
        self.next_at = NEVER
