"""What all connections of one fake server share: script, agenda, outputs, ids and handles. Times come from outside."""

from __future__ import annotations

import hashlib
import heapq
import json
from typing import Final, Literal, TypeAlias, get_args

import attrs

from relive.testing.server_script import ServerScript
from relive.testing.server_truth import Session, Snapshot

Timer: TypeAlias = Literal[
    "setup", "inbox", "turn", "late", "rhythm", "speech", "notice", "deadline", "session", "fate"
]
"Each connection has at most one of each armed."

TIMERS: Final[tuple[Timer, ...]] = get_args(Timer)

MAX_REASON: Final = 123
"Bytes that fit into a close frame beside the code."


@attrs.frozen
class Send:
    """Send this frame on this connection: text if it is a `str`, else binary."""

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
        self.snapshots: dict[str, Snapshot] = {}
        self._seed = seed
        self._ids = 0
        self._armed: dict[tuple[int, Timer], int] = {}
        self._agenda: list[tuple[float, int, int, Timer]] = []
        self._entries = 0

    def new_id(self, kind: str) -> str:
        """Make an id that nobody can guess from another, and that is the same in every run."""
        self._ids += 1
        key = f"{self._seed}:{kind}:{self._ids}".encode()
        return f"{kind}-{hashlib.blake2b(key, digest_size=16).hexdigest()}"

    def arm(self, conn: int, timer: Timer, at: float) -> None:
        """Set a timer, or set it anew. At equal times what was armed first is due first."""
        self._entries += 1
        self._armed[conn, timer] = self._entries
        heapq.heappush(self._agenda, (at, self._entries, conn, timer))

    def is_armed(self, conn: int, timer: Timer) -> bool:
        """Say whether a timer is set."""
        return (conn, timer) in self._armed

    def disarm(self, conn: int, *timers: Timer) -> None:
        """Forget timers, armed or not."""
        for timer in timers:
            self._armed.pop((conn, timer), None)

    def disarm_all(self, conn: int) -> None:
        """Forget all timers of a connection."""
        self.disarm(conn, *TIMERS)

    @property
    def deadline(self) -> float | None:
        """When the next timer is due."""
        agenda = self._agenda
        while agenda:
            at, entry, conn, timer = agenda[0]
            if self._armed.get((conn, timer)) == entry:
                return at
            heapq.heappop(agenda)
        return None

    def pop_due(self, now: float) -> tuple[float, int, Timer] | None:
        """Take the next timer that is due: when it was, on which connection, and which."""
        due = self.deadline
        if due is None or due > now:
            return None
        at, _, conn, timer = heapq.heappop(self._agenda)
        del self._armed[conn, timer]
        return at, conn, timer

    def say(self, conn: int, message: dict[str, object]) -> None:
        """Send a message as JSON, in the script's manner."""
        text = json.dumps(message, indent=2) + "\n" if self.script.pretty else json.dumps(message)
        self.outputs.append(Send(conn, text.encode() if self.script.binary else text))

    def hang_up(self, conn: int, code: int | None, reason: str) -> None:
        """Close a connection, or reset it if no code could be seen on a wire."""
        if code is None or code == 1006:
            self.outputs.append(Reset(conn))
        else:
            self.outputs.append(Close(conn, code, reason.encode()[:MAX_REASON].decode(errors="ignore")))
