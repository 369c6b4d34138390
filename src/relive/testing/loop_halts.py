"""Why a run on a `SimLoop` was stopped, in words that say who waits for what."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Any


class Halt(RuntimeError):
    """A run that cannot go on.

    `why` is a clause, `time` in virtual seconds. `pending` says of each task, oldest first, where it is; `connections`
    what is on its way over each open connection of the loop's network.
    """

    def __init__(self, why: str, time: float, pending: tuple[str, ...], connections: tuple[str, ...] = ()) -> None:
        self.why, self.time, self.pending, self.connections = why, time, pending, connections
        super().__init__(why, time, pending, connections)

    def __str__(self) -> str:
        lines = [f"at {self.time} s {self.why}; pending tasks: {len(self.pending)}", *self.pending]
        if self.connections:
            lines += (f"open connections: {len(self.connections)}", *self.connections)
        return "\n  ".join(lines)


class Deadlock(Halt):
    """Nothing is ready, no timer is set, and the run is not over: the program under test waits for itself."""


class TimeLimit(Halt):
    """The program under test needs more time or steps than its `SimLoop` was given, or lets no time pass at all."""


def describe_all(tasks: Iterable[asyncio.Task[Any]]) -> tuple[str, ...]:
    """Say where each task is, oldest first."""
    return tuple(map(_describe, sorted(tasks, key=lambda task: (getattr(task, "number", 0), task.get_name()))))


def _describe(task: asyncio.Task[Any]) -> str:
    """Say where `task` is: at which line of its own, and at the innermost one that is not asyncio's."""
    coro: Any = task.get_coro()
    inner, frames = coro, list[FrameType]()
    while inner is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(inner, f"{kind}_frame")), "")
        frame = getattr(inner, f"{kind}_frame", None)
        if frame and (inner is coro or not frame.f_globals.get("__name__", "").startswith("asyncio.")):
            frames.append(frame)
        inner = getattr(inner, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)
    where = " → ".join(map(_place, dict.fromkeys((frames[0], frames[-1])))) if frames else "an unknown place"
    return f"{task.get_name()}: {getattr(coro, '__qualname__', coro)} is at {where}"


def _place(frame: FrameType) -> str:
    at = traceback.extract_stack(frame, limit=1)[0]
    return f"{at.filename}:{at.lineno} in {at.name}: {at.line}"
