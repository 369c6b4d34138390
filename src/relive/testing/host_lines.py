"""What every host of a fake server does: carry what clients and server say to each other, each on a line of its own.

While a line is clear a frame is there as soon as it is sent. Else it is there when the `Network` says: a dial takes a
round trip; a close frame travels behind what was sent before it, and so does a reset that one of the ends makes. The
network's own resets strike both ends at once.

Whose time it is, and who calls when something is due, is for the two that are made of this:
`relive.testing.host_memory` on an event loop, and the core level of the simulator without one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Generic, Protocol, TypeVar, assert_never

from relive.testing.host_items import CONTROL, HostRefused, Item, LinkClosed, Ping, Upgrade, Welcome, is_close_frame
from relive.testing.links import Agenda, Line, Network
from relive.testing.server import Close, FakeLiveServer, Refused, Reset, Send, ServerOutput


class LineEnd(Protocol):
    """A client's end of a line."""

    conn: int

    @property
    def line(self) -> Line[Item]:
        """What it runs on."""
        ...

    @property
    def closed(self) -> LinkClosed | None:
        """How it ended; None while it is open."""
        ...

    def arrived(self, item: Item, /) -> None:
        """Take what comes down the line."""
        ...

    def heard(self, frame: str | bytes, /) -> None:
        """Take a frame: `arrived`, for nearly all that there is."""
        ...


End = TypeVar("End", bound=LineEnd)


class LineHost(ABC, Generic[End]):
    """Serves a fake server over a network."""

    def __init__(self, server: FakeLiveServer, network: Network) -> None:
        self.server: Final = server
        self.network: Final = network
        self.links: Final[dict[int, End]] = {}
        "What the server knows as open."
        self.lines: Final[dict[End, None]] = {}
        "Where anything may still travel."
        self.agenda: Final[Agenda[End]] = Agenda()
        self.settling = False

    @abstractmethod
    def clock(self) -> float:
        """What time it is."""

    @abstractmethod
    def follow(self, other: float | None = None) -> None:
        """Be called when the server wants it, or at another time if that comes first."""

    def flush(self) -> None:
        """Perform what the server wants done: to be called after acting on the server directly."""
        outputs = self.server.take()
        if outputs:
            self.perform(outputs)
        if self.settling:
            return
        if self.agenda.entries:
            self.settle(self.clock())
        else:
            self.follow()

    def received(self, conn: int, frame: str | bytes) -> None:
        """Take a client's frame; called by the link, with every frame: it is `flush` once more, without its calls."""
        server = self.server
        server.receive(conn, frame, self.clock())
        outputs = server.take()
        if outputs or self.agenda.entries:
            if outputs:
                self.perform(outputs)
            self.flush()
        elif not self.settling:
            self.follow()

    def up(self, end: End, item: Item, size: int) -> None:
        """Take what a client sends up its line."""
        lane = end.line.up
        if lane.direct:
            self._arrived(end, item, self.clock())
        else:
            lane.push(item, size, self.clock(), closing=is_close_frame(item))
            self.agenda.note(end, end.line.due)
        self._tidy(end)
        self.flush()

    def perform(self, outputs: list[ServerOutput]) -> None:
        """Do what the server wants done."""
        for output in outputs:
            end = self.links.get(output.conn)
            if end is None:
                continue
            match output:
                case Send():
                    if end.line.down.direct:
                        end.heard(output.frame)
                    else:
                        self._down(end, output.frame, len(output.frame))
                case Close() | Reset():
                    said = LinkClosed(output.code, output.reason) if isinstance(output, Close) else LinkClosed(None, "")
                    del self.links[output.conn]
                    self._down(end, said, said.size)
                    self._tidy(end)
                case _:
                    assert_never(output)

    def changed(self) -> None:
        """Find out what is due when: the network is not what it was."""
        if self.lines:
            for end in tuple(self.lines):
                self.agenda.note(end, end.line.due)
                self._tidy(end)
            self.flush()

    def settle(self, now: float) -> None:
        """Deliver everything that is due, in the order of its times."""
        self.settling = True
        try:
            while end := self.agenda.pop(now):
                self._deliver(end, now)
        finally:
            self.settling = False
        self.follow(self.agenda.due)

    def lost(self, end: End, code: int | None = None) -> None:
        """Tell the server that a connection is gone, unless it knows; with the code of its close frame, if any."""
        if self.links.pop(end.conn, None):
            self.server.lost(end.conn, self.clock(), code)

    def forget(self, end: End) -> None:
        """Nothing travels to or from it any more."""
        self.lines.pop(end, None)
        self.agenda.note(end, None)
        end.line.close()

    def _down(self, end: End, item: Item, size: int) -> None:
        lane = end.line.down
        if lane.direct:
            end.arrived(item)
        else:
            lane.push(item, size, self.clock(), closing=is_close_frame(item))
            self.agenda.note(end, end.line.due)

    def _arrived(self, end: End, item: Item, now: float) -> None:
        """Take what has come up a line."""
        match item:
            case str() | bytes():
                self.server.receive(end.conn, item, now)
            case Ping():
                self._down(end, item, CONTROL)
            case LinkClosed():
                # Whether the server has closed meanwhile or not, the answer to a close frame is a close frame.
                self.lost(end, item.code)
                if item.code is not None:
                    self._down(end, item, item.size)
            case Upgrade():
                self._down(end, self._admit(end, item, now), 0)
            case HostRefused() | int():
                raise AssertionError("this goes down only")
            case _:
                assert_never(item)

    def _admit(self, end: End, upgrade: Upgrade, now: float) -> Welcome | HostRefused:
        if upgrade.status is not None:
            return HostRefused(upgrade.status, "refused by the network")
        admitted = self.server.dial(upgrade.path, upgrade.headers, now)
        if isinstance(admitted, Refused):
            return HostRefused(admitted.status, admitted.body)
        end.conn = admitted
        self.links[admitted] = end
        return admitted

    def _deliver(self, end: End, now: float) -> None:
        line = end.line
        for item in line.up.pop(now):
            self._arrived(end, item, now)
            self.flush()
        for item in line.down.pop(now):
            end.arrived(item)
        if line.up.broken:
            self.lost(end)
            self.flush()
        if line.down.broken:
            end.arrived(LinkClosed(None, ""))
        self.agenda.note(end, line.due)
        self._tidy(end)

    def _tidy(self, end: End) -> None:
        """Forget a link if it is over at both ends, and the client has told all that it had to tell."""
        if end.closed and end.conn not in self.links and not end.line.up:
            self.forget(end)
