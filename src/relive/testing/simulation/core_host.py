"""A fake server and its clients at the core level: `relive.testing.host_memory` without an event loop.

What travels how is in `relive.testing.host_lines`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, assert_never

from relive.testing.host_items import CONTROL, HostRefused, Item, LinkClosed, Ping, Upgrade
from relive.testing.host_lines import LineHost
from relive.testing.links import Hang, Line, Network
from relive.testing.server import FakeLiveServer, Send
from relive.testing.simulation.core_time import Timeline


class Host(LineHost["End"]):
    """Lets clients dial a fake server. Call `advance` at `at`.

    Args:
        server: the server.
        network: what lies between.
        time: its time.
    """

    def __init__(self, server: FakeLiveServer, network: Network, time: Timeline) -> None:
        super().__init__(server, network)
        self.time: Final = time
        self.at = inf
        "When the server, or a line, is due."
        self.order = 0
        "Among what is due at the same time."
        network.watch(self.changed)

    def dial(self, path: str) -> End | Hang | None:
        """Open a link; what comes of it, its reader learns. None if the network refuses, as when nobody is there."""
        fate = self.network.dial(self.time.now)
        if isinstance(fate, Hang):
            return fate
        if fate is not None and fate.status is None:
            return None
        end = End(self, self.network.line(self.time.now))
        self.lines[end] = None
        self.up(end, Upgrade(path, {}, None if fate is None else fate.status), 0)
        return end

    def clock(self) -> float:
        """What time it is."""
        return self.time.now

    def advance(self, *, usual: bool = False) -> None:
        """Have the server do what is due, and let arrive what is.

        `usual`: nothing else happens at this instant, so that what the server says can be read without ado.
        """
        server = self.server
        self.at = inf
        server.advance(self.time.now)
        outputs = server.take()
        if not usual or self.agenda.entries or len(outputs) > 1:
            self.perform(outputs)
            self.flush()
            return
        for output in outputs:
            end = self.links.get(output.conn)
            if type(output) is Send and end is not None and end.take is not None and end.line.down.direct:
                end.take(output.frame)
            else:
                self.perform(outputs)
        if self.agenda.entries:
            self.flush()
        elif not self.settling:
            self.follow()  # whoever has answered meanwhile has had that performed

    def follow(self, other: float | None = None) -> None:
        """Say when it is due."""
        at = self.server.deadline
        at = inf if at is None else at
        if other is not None and other < at:
            at = other
        if at != self.at:
            self.at = at
            self.time.orders = self.order = self.time.orders + 1


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

    heard = arrived

    def _wake(self) -> None:
        self._awake = False
        if self.reader is not None:
            self.reader()
