"""The trace of real sessions: a file that `relive timeline` draws, with a line of JSON for each thing that happens.

::

    traces = TraceFile("calls.jsonl")  # once per process
    observer = traces.observer(conversation="ada")  # once per session
    async with relive.connect(client, model=model, observers=[observer]) as session: ...

It has the format of `relive simulate --trace`, with fewer kinds of records: transitions, notices, and how many frames
flowed. It holds neither a handle nor a key, and nothing of what is said.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from os import SEEK_END, PathLike
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Self, TypeAlias

from relive.core.effects import Transition
from relive.ports import Meter, Notice, Stats

VERSION: Final = 1
COLUMNS: Final = ("t", "client", "conn", "kind", "what", "data")
BEHIND: Final = 10_000
"Lines that may wait for the disk; what is more is left out, and counted in the trace."
_LOG = logging.getLogger("relive")
Record: TypeAlias = dict[str, Any]


def header() -> Record:
    """What a trace begins with."""
    began = datetime.now(UTC).isoformat(timespec="seconds")
    return {"relive_trace": VERSION, "columns": COLUMNS, "began": began}


class SessionTrace:
    """Tells what one session does as records of a trace. Not to be used for a second session.

    Args:
        tell: is given each record.
        client: the session's number in its trace.
        conversation: the application's own name for it; never a handle.
        zero: the clock at the beginning of the trace, from what the clock is at the first record; the same by default.
    """

    every: Final = 1.0
    "Seconds between two counts of frames while nothing else happens."

    def __init__(
        self,
        tell: Callable[[Record], object],
        client: int = 0,
        conversation: str = "",
        zero: Callable[[float], float] | None = None,
    ) -> None:
        self._tell = tell
        self._client = client
        self._conversation = conversation
        self._zero = zero
        self._began: float | None = None
        self._now = 0.0
        self._conn = 0
        self._counts: tuple[int, int, int, int] = (0, 0, 0, 0)
        self._since = 0.0

    def transition(self, transition: Transition) -> None:
        """The session went from one state to another."""
        step, verdict = transition, transition.verdict
        at = self._time(step.at)
        up = step.event == "ConnectionOpened" and verdict is not None
        said = [verdict.kind, verdict.reason, verdict.replayed, verdict.dropped, verdict.uncertain] if verdict else []
        self._conn = step.connection
        data = [step.event, step.connection, at, said if up else None]
        self._record(at, "transition", f"{step.source} → {step.dest}", data)

    def notice(self, notice: Notice) -> None:
        """Something else happened."""
        at = self._time(notice.at)
        self._conn = notice.connection
        seconds = notice.seconds
        self._record(
            at, "notice", notice.what, notice.detail if seconds is None else [notice.detail, round(seconds, 6)]
        )

    def counted(self, stats: Stats) -> None:
        """How the counts stand: what flowed since the last time is written down."""
        if self._began is None:
            return
        counts = (stats.frames_accepted, stats.frames_written, stats.frames_received, stats.frames_delivered)
        flowed = [now - before for now, before in zip(counts, self._counts, strict=True)]
        since, now = self._since, self._time(_clock(self._began + self._now))
        if any(flowed):
            data = [*flowed, stats.frames_waiting, stats.frames_uncovered, round(max(now - since, 0.0), 6)]
            self._record(since, "flow", "", data)
        self._counts, self._since = counts, now

    def _time(self, at: float) -> float:
        """Seconds since the trace began. The first thing that is told also says whose it is."""
        if self._began is None:
            self._began = at if self._zero is None else self._zero(at)
            self._since = round(at - self._began, 6)
            self._record(self._since, "session", self._conversation)
        self._now = round(at - self._began, 6)
        return self._now

    def _record(self, at: float, kind: str, what: str, data: Any = None) -> None:
        self._tell({"t": at, "client": self._client, "conn": self._conn, "kind": kind, "what": what, "data": data})


def _clock(otherwise: float) -> float:
    """The event loop's clock, which is also that of transitions and notices."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return otherwise


class TraceFile:
    """A trace of the sessions of a process, for `relive timeline`. Lines are added at the end of the file.

    A thread of its own writes, so that a slow disk slows no session. If the disk is too slow, or cannot be written,
    lines are left out, which the trace, or the log, then says. What was told is written when the interpreter ends, or
    at `close`; as a context manager it closes itself.

    Only one may write to a file at a time, also of several processes: give each a file of its own. What is told after
    `close` is left out, which the log says once.

    Args:
        path: of the file. A file that is there is continued, as another run.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._numbers = count()
        self._zero: float | None = None
        self._box = _Box(Path(path))
        self._box.put(header())
        # The thread knows the box alone, so that a trace that nobody refers to any more is closed.
        self._finish = weakref.finalize(self, self._box.close)

    def observer(self, *, conversation: str = "") -> SessionTrace:
        """An observer for one session.

        Args:
            conversation: your own name for it, which the picture shows. Never a handle.
        """
        return SessionTrace(self._box.put, next(self._numbers), conversation, self._began)

    def close(self) -> None:
        """Write what is left, and close the file. Waits two seconds for the disk at most."""
        self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _began(self, at: float) -> float:
        if self._zero is None:
            self._zero = at
        return self._zero


class _Box:
    """Between the sessions, which never wait, and the thread that writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: SimpleQueue[Record | None] = SimpleQueue()
        self._missed = 0
        self._thread: threading.Thread | None = None
        self._closed = self._warned = False

    def put(self, record: Record) -> None:
        """Have a record written. Never waits."""
        if self._closed:
            if not self._warned:
                self._warned = True
                _LOG.warning("the trace %s is closed: what is told now is not in it", self._path)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="relive trace", daemon=True)
            self._thread.start()
        if self._queue.qsize() >= BEHIND:
            self._missed += 1
            return
        if self._missed:
            missed, self._missed = self._missed, 0
            self._queue.put(
                {**record, "kind": "notice", "what": "trace_overflow", "data": f"{missed} lines are missing"}
            )
        self._queue.put(record)

    def close(self) -> None:
        """Have the rest written, and wait for that a little."""
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(2.0)

    def _write(self) -> None:
        try:
            with self._path.open("ab") as file:
                if file.tell() and not _ends_well(self._path):
                    file.write(b"\n")
                while (record := self._queue.get()) is not None:
                    file.write(json.dumps(record, separators=(",", ":"), default=str).encode() + b"\n")
                    if self._queue.empty():
                        file.flush()
        except OSError as exc:
            _LOG.warning("the trace %s cannot be written, and ends here: %s", self._path, type(exc).__name__)
            while self._queue.get() is not None:
                pass


def _ends_well(path: Path) -> bool:
    """Whether a file ends with a line's end. A process that crashed may have left half a line."""
    with path.open("rb") as file:
        file.seek(-1, SEEK_END)
        return file.read(1) == b"\n"


_: type[Meter] = SessionTrace
