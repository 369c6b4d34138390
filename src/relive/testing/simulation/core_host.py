"""A fake server and its clients at the core level: `relive.testing.host_memory` without an event loop.

The rules are the same, word for word: while a line is clear a frame is there as soon as it is sent, a dial takes a
round trip, a close frame and a reset by an end travel behind what that end sent before, and the network's own resets
strike both ends at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, assert_never

from relive.testing.host_items import CONTROL, HostRefused, Item, LinkClosed, Ping, Upgrade, is_close_frame
from relive.testing.links import Agenda, Hang, Line, Network
from relive.testing.server import Close, FakeLiveServer, Refused, Reset, Send, ServerOutput
from relive.testing.simulation.core_time import Timeline


class Host:
    """Lets clients dial a fake server. Call `advance` at `at`.

    Args:
        server: the server.
        network: what lies between.
        time: its time.
    """

    def __init__(self, server: FakeLiveServer, network: Network, time: Timeline) -> None:
        self.server: Final = server
        self.network: Final = network
        self.time: Final = time
        self.at = inf
        "When the server, or a line, is due."
        self.order = 0
        "Among what is due at the same time."
        self.links: Final[dict[int, End]] = {}
        "What the server knows as open."
        self._lines: dict[End, None] = {}
        self._agenda: Agenda[End] = Agenda()
        self._settling = False
        network.watch(self._changed)

    def dial(self, path: str) -> End | Hang | None:
        """Open a link; what comes of it, its reader learns. None if the network refuses, as when nobody is there."""
        fate = self.network.dial(self.time.now)
        if isinstance(fate, Hang):
            return fate
        if fate is not None and fate.status is None:
            return None
        end = End(self, self.network.line(self.time.now))
        self._lines[end] = None
        self.up(end, Upgrade(path, {}, None if fate is None else fate.status), 0)
        return end

    def flush(self) -> None:
        """Perform what the server wants done."""
        outputs = self.server.take()
        if outputs:
            self._perform(outputs)
        if self._settling:
            return
        if self._agenda.entries:
            self._settle()
        elif self.server.deadline != self.at:
            self._follow(None)

    def advance(self, *, usual: bool = False) -> None:
        """Have the server do what is due, and let arrive what is.

        `usual`: nothing else happens at this instant, so that what the server says can be read without ado.
        """
        server = self.server
        self.at = inf
        server.advance(self.time.now)
        outputs = server.take()
        if not usual or self._agenda.entries or len(outputs) > 1:
            self._perform(outputs)
            self.flush()
            return
        for output in outputs:
            end = self.links.get(output.conn)
            if type(output) is Send and end is not None and end.take is not None and end.line.down.direct:
                end.take(output.frame)
            else:
                self._perform(outputs)
        if self._agenda.entries:
            self.flush()
        elif not self._settling:
            self._follow(None)  # whoever has answered meanwhile has had that performed

    def received(self, conn: int, frame: str | bytes) -> None:
        """Take a client's frame, on a line that is direct."""
        server = self.server
        server.receive(conn, frame, self.time.now)
        outputs = server.take()
        if outputs or self._agenda.entries:
            if outputs:
                self._perform(outputs)
            self.flush()
        elif server.deadline != self.at and not self._settling:
            self._follow(None)

    def up(self, end: End, item: Item, size: int) -> None:
        """Take what a client sends up its line."""
        lane = end.line.up
        if lane.direct:
            self._arrived(end, item, self.time.now)
            self._tidy(end)
        else:
            lane.push(item, size, self.time.now, closing=is_close_frame(item))
            self._agenda.note(end, end.line.due)
        self.flush()

    def _follow(self, other: float | None) -> None:
        at = self.server.deadline
        at = inf if at is None else at
        if other is not None and other < at:
            at = other
        if at != self.at:
            self.at = at
            self.time.orders = self.order = self.time.orders + 1

    def _perform(self, outputs: list[ServerOutput]) -> None:
        for output in outputs:
            end = self.links.get(output.conn)
            if end is None:
                continue
            match output:
                case Send():
                    if end.line.down.direct:
                        end.arrived(output.frame)
                    else:
                        self._down(end, output.frame, len(output.frame))
                case Close() | Reset():
                    said = LinkClosed(output.code, output.reason) if isinstance(output, Close) else LinkClosed(None, "")
                    del self.links[output.conn]
                    self._down(end, said, said.size)
                    self._tidy(end)
                case _:
                    assert_never(output)

    def _down(self, end: End, item: Item, size: int) -> None:
        lane = end.line.down
        if lane.direct:
            end.arrived(item)
        else:
            lane.push(item, size, self.time.now, closing=is_close_frame(item))
            self._agenda.note(end, end.line.due)

    def _arrived(self, end: End, item: Item, now: float) -> None:
        """Take what has come up a line."""
        match item:
            case str() | bytes():
                self.server.receive(end.conn, item, now)
            case Ping():
                self._down(end, item, CONTROL)
            case LinkClosed():
                self._lost(end)
                if item.code is not None:
                    self._down(end, item, item.size)
            case Upgrade():
                self._down(end, self._admit(end, item, now), 0)
            case HostRefused() | int():
                raise AssertionError("this goes down only")
            case _:
                assert_never(item)

    def _admit(self, end: End, upgrade: Upgrade, now: float) -> int | HostRefused:
        if upgrade.status is not None:
            return HostRefused(upgrade.status, "refused by the network")
        admitted = self.server.dial(upgrade.path, upgrade.headers, now)
        if isinstance(admitted, Refused):
            return HostRefused(admitted.status, admitted.body)
        end.conn = admitted
        self.links[admitted] = end
        return admitted

    def _lost(self, end: End) -> None:
        if self.links.pop(end.conn, None):
            self.server.lost(end.conn, self.time.now)

    def _changed(self) -> None:
        """Find out what is due when: the network is not what it was."""
        for end in self._lines:
            self._agenda.note(end, end.line.due)
        if self._lines:
            self.flush()

    def _settle(self) -> None:
        """Deliver everything that is due, in the order of its times."""
        self._settling = True
        now = self.time.now
        try:
            while end := self._agenda.pop(now):
                self._deliver(end, now)
        finally:
            self._settling = False
        self._follow(self._agenda.due)

    def _deliver(self, end: End, now: float) -> None:
        line = end.line
        for item in line.up.pop(now):
            self._arrived(end, item, now)
            self.flush()
        for item in line.down.pop(now):
            end.arrived(item)
        if line.up.broken:
            self._lost(end)
            self.flush()
        if line.down.broken:
            end.arrived(LinkClosed(None, ""))
        self._agenda.note(end, line.due)
        self._tidy(end)

    def _tidy(self, end: End) -> None:
        """Forget a link if it is over at both ends, and the client has told all that it had to tell."""
        if end.closed and end.conn not in self.links and not end.line.up:
            self._lines.pop(end, None)
            self._agenda.note(end, None)
            end.line.close()


class End:
    """A client's end of a link. Its reader is called once something has come: see `frames` and `closed`."""

    __slots__ = ("_asking", "_awake", "closed", "conn", "ending", "frames", "host", "line", "pong", "reader", "refusal",
                 "take", "welcome")  # fmt: skip

    def __init__(self, host: Host, line: Line[Item]) -> None:
        self.line = line
        self.conn = 0
        "Number of the connection at the server; 0 while there is none."
        self.frames: deque[str | bytes] = deque()
        "What has come, and was not read yet."
        self.closed: LinkClosed | None = None
        "How it ended; the frames come before."
        self.welcome = False
        self.refusal: HostRefused | None = None
        self.reader: Callable[[], None] | None = None
        "Called, a little later, when something has come."
        self.take: Callable[[str | bytes], None] | None = None
        "Takes a frame at once, if the reader is at leisure."
        self.pong: Callable[[], None] | None = None
        "Called, a little later, when a ping was answered."
        self.host = host
        self.ending = False
        "It has ended, or we have sent a close frame: it takes nothing any more."
        self._awake = self._asking = False

    def __repr__(self) -> str:
        """Show no frame: it may carry a handle."""
        return f"<End {self.conn} {'closed' if self.closed else 'open'}>"

    def send(self, frame: str | bytes) -> bool:
        """Send a frame; returns whether the link took it. Into a black hole goes everything."""
        if self.ending:
            return False
        if self.line.up.direct:
            self.host.received(self.conn, frame)
        else:
            self.host.up(self, frame, len(frame))
        return True

    def ping(self) -> bool:
        """Ask for a sign of life; returns whether it is there already, else `pong` is called when it is."""
        ping = Ping()
        self._asking = True
        self.host.up(self, ping, CONTROL)
        self._asking = False
        return ping.answered

    def close(self) -> None:
        """Send a close frame; the answer ends the link."""
        if not self.ending:
            self.ending = True
            said = LinkClosed(1000, "")
            self.host.up(self, said, said.size)

    def abort(self) -> None:
        """End it at once, without a close frame. The server learns of it in its time, that of a black hole never."""
        if self.closed is None:
            gone = LinkClosed(None, "")
            self.arrived(gone)
            self.host.up(self, gone, 0)

    def arrived(self, item: Item) -> None:
        """Take what comes down the line."""
        if self.closed:
            return
        match item:
            case bytes() | str():
                self.frames.append(item)
            case LinkClosed():
                self.closed, self.ending = item, True
            case HostRefused():
                self.refusal, self.closed, self.ending = item, LinkClosed(None, ""), True
            case Ping():
                item.answered = True
                if self.pong is not None and not self._asking:
                    self.host.time.soon(self.pong)
                return
            case int():
                self.welcome = True
            case Upgrade():
                raise AssertionError("this goes up only")
            case _:
                assert_never(item)
        if not self._awake:
            self._awake = True
            self.host.time.soon(self._wake)

    def _wake(self) -> None:
        self._awake = False
        if self.reader is not None:
            self.reader()
