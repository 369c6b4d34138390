"""Time at the core level: what is ready now, and what comes when. It takes the place of an event loop's.

What is ready is done in the order in which it became so, and what comes at one instant in the order in which it was
set, as on a `SimLoop`. Coroutines of the kit's that wait for nothing but time are run on it too, by a `Run`.
"""

from __future__ import annotations

import heapq
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from math import inf
from typing import Any, Final

Call = Callable[[], object]

STILL: Final = 100_000
"Turns that one instant may take: far more than the thousand sessions of a herd need, and less than a second or two."


class Alarm:
    """Something that is to be done at a time, if it is not cancelled before."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        """It is no longer wanted."""
        self.call = None

    def ring(self) -> None:
        """The time has come."""
        if self.call is not None:
            self.call()


class Timeline:
    """Now, what is ready, and what comes.

    Args:
        wall: what the wall clock shows at the beginning, in Unix seconds.
    """

    __slots__ = ("_heap", "lead", "now", "orders", "ready", "stale")

    def __init__(self, wall: float) -> None:
        self.now = 0.0
        "Seconds since the beginning."
        self.lead = wall
        "By how much the wall clock is ahead of that."
        self.ready: Final[deque[Call]] = deque()
        self.stale = True
        "Somebody's deadline may have changed: whoever has looked at all of them is to look again."
        self._heap: list[tuple[float, int, Alarm]] = []
        self.orders = 0
        "How many things were set: the place of the last in their order. Whoever keeps a deadline of its own counts on."

    def clock(self) -> float:
        """Seconds since the beginning."""
        return self.now

    def wall(self) -> float:
        """Unix seconds."""
        return self.lead + self.now

    def soon(self, call: Call) -> None:
        """Have something done now, after what is ready already."""
        self.ready.append(call)

    def at(self, when: float, call: Call) -> Alarm:
        """Have something done at a time."""
        alarm = Alarm(call)
        heapq.heappush(self._heap, (when, self.order(), alarm))
        self.stale = True
        return alarm

    def order(self) -> int:
        """The place of what is set now."""
        self.orders += 1
        return self.orders

    @property
    def next(self) -> float:
        """When the next alarm comes."""
        heap = self._heap
        while heap and heap[0][2].call is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else inf

    def due(self, now: float) -> list[tuple[float, int, Call]]:
        """Take what is due out of the heap, in order."""
        found: list[tuple[float, int, Call]] = []
        while self._heap and self._heap[0][0] <= now:
            at, order, alarm = heapq.heappop(self._heap)
            if alarm.call is not None:
                found.append((at, order, alarm.ring))
        return found


@types.coroutine
def nap(seconds: float) -> Generator[float, None, None]:
    """Wait; in a coroutine that a `Run` runs."""
    yield seconds


class Run:
    """A coroutine at work that waits only by `nap`.

    Args:
        time: where it runs.
        work: it.
        done: gets its result and None, or None and what it raised. Not called once it was cancelled.
    """

    __slots__ = ("_alarm", "_done", "_time", "_work")

    def __init__(
        self, time: Timeline, work: Coroutine[Any, Any, Any], done: Callable[[Any, Exception | None], None]
    ) -> None:
        self._time = time
        self._work = work
        self._done = done
        self._alarm: Alarm | None = None

    def step(self) -> None:
        """Go on, to the next nap or the end."""
        try:
            seconds: float = self._work.send(None)
        except StopIteration as end:
            self._done(end.value, None)
        except Exception as exc:  # noqa: BLE001 - whatever the store or the hook raises, as its caller would see it
            self._done(None, exc)
        else:
            self._alarm = self._time.at(self._time.now + seconds, lambda: self._time.soon(self._wake))

    def _wake(self) -> None:
        if self._alarm is not None:
            self.step()

    def cancel(self) -> None:
        """Stop it."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._done = _nothing
        self._work.close()


def _nothing(_result: object, _error: Exception | None) -> None:
    """Nobody wants to know."""


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")
