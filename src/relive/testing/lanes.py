"""One direction of a link as a queue through time, and the conditions there. Pure; see `relive.testing.links`."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

import attrs
from attrs.validators import ge, gt, optional

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@attrs.define
class Conditions:
    """What holds in one direction for all connections of a network. Set them with `Network.set`."""

    base: float = attrs.field(default=0.0, validator=ge(0.0))
    "Seconds that everything takes, always; `Network.heal` leaves it."
    latency: float = attrs.field(default=0.0, validator=ge(0.0))
    "Seconds more."
    jitter: float = attrs.field(default=0.0, validator=ge(0.0))
    "Up to so many seconds more, for what is sent from now on; never out of order."
    bandwidth: float | None = attrs.field(default=None, validator=optional(gt(0.0)))
    "Bytes a second; None: any number."
    slice_size: int | None = attrs.field(default=None, validator=optional(ge(1)))
    "Bytes in a piece; None: whole."
    slice_delay: float = attrs.field(default=0.0, validator=ge(0.0))
    "Seconds between two pieces. A frame has arrived when its last piece has."
    slow_close: float = attrs.field(default=0.0, validator=ge(0.0))
    "Seconds more that a close takes."
    held: bool = False
    "Whether nothing arrives for now. It comes afterwards, at once and in order."

    @property
    def clear(self) -> bool:
        """Whether everything arrives when it is sent."""
        return self == _CLEAR

    def slices(self, data: bytes) -> list[bytes]:
        """Cut a stretch of a byte stream into the pieces in which it is to be pushed."""
        size = self.slice_size or len(data) or 1
        return [data[at : at + size] for at in range(0, len(data), size)]


_CLEAR: Final = Conditions()


class Lane(Generic[T]):
    """One direction of a line: a queue through time. `Network.line` makes them."""

    __slots__ = (
        "_chance", "_cut", "_free", "_held", "_queue", "_reset_at",
        "broken", "bytes", "conditions", "direct", "gauge", "swallows",
    )  # fmt: skip

    def __init__(self, conditions: Conditions, chance: random.Random, cut: Callable[[T, int], T] | None = None) -> None:
        self.conditions: Final = conditions
        self.direct = conditions.clear
        "Whether what is sent now arrives now, so that there is no need to push it."
        self.broken = False
        "Whether a reset has arrived at the far end. Nothing arrives after it."
        self.swallows = False
        "Whether it is a black hole."
        self.bytes = 0
        "How much is under way."
        self.gauge: Callable[[int], int] | None = None
        "How much of something of a size may pass, asked as it arrives; None: all of it. The line's business."
        self._chance = chance
        self._cut = cut
        self._queue: deque[tuple[T, int, float, float, bool]] = deque()
        self._free = float("-inf")
        "When the last byte of what has arrived had been sent: before, nothing else could begin."
        self._held = False
        self._reset_at: float | None = None

    def __len__(self) -> int:
        """How many things are under way."""
        return len(self._queue)

    def push(self, item: T, size: int, now: float, *, closing: bool = False) -> None:
        """Send something of so many bytes. `closing`: it is a close, which may be slow."""
        if not (self.swallows or self.broken):
            late = self._chance.random() if self.conditions.jitter else 0.0
            self._queue.append((item, size, now, late, closing))
            self.bytes += size
            self.direct = False

    @property
    def due(self) -> float | None:
        """When `pop` is to be called next; it may be past. None: not until something is pushed or changed."""
        if self.broken:
            return None
        if not self._queue or self._held or self.conditions.held:
            return self._reset_at
        arrival = self._times()[1]
        return arrival if self._reset_at is None else min(arrival, self._reset_at)

    def pop(self, now: float) -> list[T]:
        """Take what has arrived, in order; see `broken` afterwards."""
        arrived: list[T] = []
        queue = self._queue
        until = now if self._reset_at is None else min(now, self._reset_at)
        while queue and not (self._held or self.conditions.held):
            sent, arrival = self._times()
            if arrival > until:
                break
            item, size = queue.popleft()[:2]
            self._free = sent
            self.bytes -= size
            passed = size if self.gauge is None else self.gauge(size)  # it may break the line, and empty the queue
            if passed >= size:
                arrived.append(item)
            elif passed and self._cut:
                arrived.append(self._cut(item, passed))
        if self._reset_at is not None and self._reset_at <= now:
            self.break_off()
        elif not queue:
            self.refresh()
        return arrived

    def hold(self, held: bool = True) -> None:
        """Let nothing arrive on this lane alone, or let it arrive again."""
        self._held = held
        self.refresh()

    def swallow(self) -> None:
        """Lose what is under way and whatever is pushed from now on: a black hole. There is no way back."""
        self.swallows = True
        self._drop()

    def reset(self, at: float) -> None:
        """Break off at that time, if it is not to happen earlier anyway."""
        self._reset_at = at if self._reset_at is None else min(at, self._reset_at)

    def break_off(self) -> None:
        """Reset the far end now. What is under way is lost."""
        self.broken = True
        self._drop()

    def heal(self) -> None:
        """Take back what is on this lane alone, but for a black hole and the reset that is to end one."""
        self._held = False
        self.gauge = None
        if not self.swallows:
            self._reset_at = None
        self.refresh()

    def refresh(self) -> None:
        """See anew whether the lane is `direct`: conditions have changed."""
        dead = self.swallows or self.broken or self._held
        self.direct = not (self._queue or dead or self.gauge) and self.conditions.clear

    def _drop(self) -> None:
        self._queue.clear()
        self.bytes = 0
        self.direct = False

    def _times(self) -> tuple[float, float]:
        """When the first in the queue has been sent, so that the next may be, and when it arrives."""
        _, size, pushed, late, closing = self._queue[0]
        now = self.conditions
        sent = there = pushed
        if now.bandwidth is not None or now.slice_size is not None:
            there = max(pushed, self._free)
            if now.bandwidth is not None:
                there += size / now.bandwidth
            sent = there
            if now.slice_size is not None and size:
                there += (size - 1) // now.slice_size * now.slice_delay
                sent = there + now.slice_delay
        return sent, there + now.base + now.latency + late * now.jitter + (now.slow_close if closing else 0.0)


class Agenda(Generic[K]):
    """Who is due when: an owner of many lines asks it instead of all of them."""

    def __init__(self) -> None:
        self.entries: list[tuple[float, int, K]] = []
        "A heap; some of it may be void. While it is empty nothing is due."
        self._at: dict[K, float] = {}
        self._noted = 0

    def note(self, key: K, due: float | None) -> None:
        """Put down when something is due; None: not at all. At equal times what was put down first comes first."""
        if due is None:
            self._at.pop(key, None)
        elif self._at.get(key) != due:
            self._at[key] = due
            self._noted += 1
            heapq.heappush(self.entries, (due, self._noted, key))

    @property
    def due(self) -> float | None:
        """When the next is due."""
        heap = self.entries
        while heap:
            due, _, key = heap[0]
            if self._at.get(key) == due:
                return due
            heapq.heappop(heap)
        return None

    def pop(self, now: float) -> K | None:
        """Take the next that is due, out of the agenda; None if nothing is."""
        due = self.due
        if due is None or due > now:
            return None
        key = heapq.heappop(self.entries)[2]
        del self._at[key]
        return key
