"""The physics of links, without I/O and without a clock: what is sent, when, in; what arrives, at its time, out.

A `Network` has `Conditions` for each direction, up from the client and down to it, which hold for all of its
connections at once, and `Line`s, the connections. A line has two `Lane`s, one each way. Whoever owns a line pushes what
its ends send, and at `due` pops what arrives: frames in a `MemoryHost`, bytes in a `Proxy`. Nothing is ever out of
order, and nothing but a reset or a black hole loses anything.

Three things can end a line, and they differ in who learns of it when. What an *end* does, a close frame or a reset, is
pushed like everything else and travels behind what that end sent before. A reset by the *network* strikes both ends at
once, and what was under way is lost. A black hole tells nobody.

Conditions hold for what is under way too: when the latency goes, what waited for it is there. Most links have none:
while a lane is `direct`, what is pushed would arrive at once and the push can be left out. Times are seconds of any
monotonic clock, sizes are bytes. `Refuse`, `Hang`: what the network does to dials. Names are Toxiproxy's where it has
them.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar, Unpack

import attrs

from relive.testing.lanes import Agenda, Conditions, Lane

__all__ = ["Agenda", "Changes", "Conditions", "Hang", "Lane", "Line", "Network", "Refuse", "Way", "cut_bytes"]

T = TypeVar("T")
Way: TypeAlias = Literal["up", "down", "both"]
"From the client to the server, back, or both."


class Changes(TypedDict, total=False):
    """Fields of `Conditions`, for `Network.set`."""

    latency: float
    jitter: float
    bandwidth: float | None
    slice_size: int | None
    slice_delay: float
    slow_close: float
    held: bool


@attrs.frozen
class Refuse:
    """A dial is refused."""

    status: int | None
    "HTTP status of the answer to the upgrade; None: there is no answer, the network failed."


@attrs.frozen
class Hang:
    """A dial comes to nothing, without a word."""


def cut_bytes(data: bytes, size: int) -> bytes:
    """What is left of a stretch of a byte stream when only so much of it passes; the `cut` of lines of bytes."""
    return data[:size]


class Line(Generic[T]):
    """A connection: two lanes, and what concerns both. `Network.line` makes it; close it when both ends are done."""

    __slots__ = ("_left", "_network", "down", "up")

    def __init__(self, network: Network, cut: Callable[[T, int], T] | None) -> None:
        self.up: Final = Lane(network.up, network.chance, cut)
        self.down: Final = Lane(network.down, network.chance, cut)
        self._network = network
        self._left = 0

    @property
    def due(self) -> float | None:
        """When something arrives next at either end; None: nothing is under way."""
        up, down = self.up.due, self.down.due
        return down if up is None else up if down is None else min(up, down)

    def lanes(self, way: Way = "both") -> tuple[Lane[T], ...]:
        """Those of a way."""
        return (self.up, self.down) if way == "both" else (self.up,) if way == "up" else (self.down,)

    def close(self) -> None:
        """Be forgotten by the network."""
        self._network.forget(self)

    def hold(self, way: Way = "both") -> None:
        """Let nothing arrive on this line for now; it comes afterwards."""
        for lane in self.lanes(way):
            lane.hold()
        self._network.tell()

    def release(self, way: Way = "both") -> None:
        """Let arrive what was held on this line."""
        for lane in self.lanes(way):
            lane.hold(held=False)
        self._network.tell()

    def reset_peer(self, now: float, after: float = 0.0) -> None:
        """Reset both ends so many seconds from now."""
        self._reset(self.lanes(), now, after)

    def timeout(self, now: float, after: float | None = None) -> None:
        """Let nothing pass any more, either way, and reset both ends so many seconds from now; None: never."""
        self._swallow()
        self._reset(self.lanes(), now, after)

    def half_open(self, now: float, notices_after: float | None = 0.0) -> None:
        """As `timeout`, but only the server is reset; the client is not told."""
        self._swallow()
        self._reset((self.up,), now, notices_after)

    def limit_data(self, size: int) -> None:
        """Reset both ends as soon as so many more bytes have arrived, up and down together."""
        self._left = size
        for lane in self.lanes():
            lane.gauge = self._spend
            lane.refresh()
        if not size:
            self._break()
        self._network.tell()

    def truncate(self, way: Way = "down") -> None:
        """Let the next thing of any size arrive by half, of a frame nothing, and reset both ends."""
        for lane in self.lanes(way):
            lane.gauge = self._halve
            lane.refresh()
        self._network.tell()

    def _swallow(self) -> None:
        for lane in self.lanes():
            lane.swallow()

    def _reset(self, lanes: tuple[Lane[T], ...], now: float, after: float | None) -> None:
        if after is not None:
            for lane in lanes:
                lane.reset(now + after)
        self._network.tell()

    def _spend(self, size: int) -> int:
        passed = min(size, self._left)
        self._left -= passed
        if not self._left:
            self._break()
        return passed

    def _halve(self, size: int) -> int:
        if size:
            self._break()
        return size // 2

    def _break(self) -> None:
        for lane in self.lanes():
            lane.break_off()


class Network:
    """What lies between clients and a server.

    Args:
        chance: where jitter is drawn from; the same chance and the same pushes make the same times.
        latency: seconds that everything takes each way, always.
    """

    def __init__(self, chance: random.Random | None = None, *, latency: float = 0.0) -> None:
        self.chance: Final = chance or random.Random(0)
        self.up: Final = Conditions(base=latency)
        self.down: Final = Conditions(base=latency)
        self._lines: dict[Line[Any], None] = {}
        self._dials: deque[Refuse | Hang] = deque()
        self._downs: list[tuple[float, float]] = []
        self._watchers: dict[Callable[[], None], None] = {}

    @property
    def clear(self) -> bool:
        """Whether everything arrives when it is sent; single lines may be in trouble nevertheless."""
        return self.up.clear and self.down.clear

    @property
    def lines(self) -> tuple[Line[Any], ...]:
        """Those that are open, oldest first."""
        return tuple(self._lines)

    def line(self, now: float, cut: Callable[[T, int], T] | None = None) -> Line[T]:
        """Make a connection. `cut` makes so many bytes of something; without it what is cut is lost."""
        line: Line[T] = Line(self, cut)
        self._lines[line] = None
        for down, up in self._downs:
            if now < up:
                for lane in line.lanes():
                    lane.reset(max(now, down))
                break
        return line

    def forget(self, line: Line[Any]) -> None:
        """Strike a line off the list; called by the line as it is closed."""
        self._lines.pop(line, None)

    def set(self, way: Way = "both", **changes: Unpack[Changes]) -> None:
        """Set conditions, for the lines that there are and for those to come."""
        for conditions in self._conditions(way):
            for name, value in changes.items():
                setattr(conditions, name, value)
        self._refresh()

    def hold(self, way: Way = "both") -> None:
        """Let nothing arrive for now."""
        self.set(way, held=True)

    def release(self, way: Way = "both") -> None:
        """Let arrive what was held."""
        self.set(way, held=False)

    def refuse_dials(self, status: int | None = None, times: int = 1) -> None:
        """Refuse the next dials, with an HTTP status or, if None, as a network does."""
        self._dials.extend([Refuse(status)] * times)

    def hang_dials(self, times: int = 1) -> None:
        """Let the next dials come to nothing."""
        self._dials.extend([Hang()] * times)

    def flap(self, now: float, times: int, down: float, up: float) -> None:
        """Go down now, for so many seconds, and come up for so many, so many times.

        What is open when the network goes down is reset; dials fail while it is down.
        """
        self._downs = sorted(
            self._downs + [(now + n * (down + up), now + n * (down + up) + down) for n in range(times)]
        )
        for line in self._lines:
            for lane in line.lanes():
                lane.reset(now)
        self.tell()

    def dial(self, now: float) -> Refuse | Hang | None:
        """Say what becomes of a dial; None: nothing happens to it."""
        self._downs = [window for window in self._downs if now < window[1]]
        if any(down <= now for down, _ in self._downs):
            return Refuse(None)
        return self._dials.popleft() if self._dials else None

    def heal(self) -> None:
        """Take everything back: what was held arrives. What is lost stays lost, and a black hole stays one."""
        self._dials.clear()
        self._downs.clear()
        for conditions in self._conditions("both"):
            for field in attrs.fields(Conditions):
                if field.name != "base":
                    setattr(conditions, field.name, field.default)
        for line in self._lines:
            for lane in line.lanes():
                lane.heal()
        self.tell()

    def watch(self, changed: Callable[[], None]) -> None:
        """Have this called whenever the `due` of any line may have changed by other things than pushes and pops."""
        self._watchers[changed] = None

    def unwatch(self, changed: Callable[[], None]) -> None:
        """Have it called no more."""
        self._watchers.pop(changed, None)

    def tell(self) -> None:
        """Call those who watch."""
        for changed in tuple(self._watchers):
            changed()

    def _conditions(self, way: Way) -> tuple[Conditions, ...]:
        return (self.up, self.down) if way == "both" else (self.up,) if way == "up" else (self.down,)

    def _refresh(self) -> None:
        for line in self._lines:
            for lane in line.lanes():
                lane.refresh()
        self.tell()
