"""A fake server and its clients in one process, without sockets, with whatever network is between them.

While a line is clear a frame is there as soon as it is sent. Else it is there when the `Network` says: a dial takes a
round trip; a close frame travels behind what was sent before it, and so does a reset that one of the ends makes. The
network's own resets strike both ends at once.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Mapping
from typing import Final, assert_never

from relive.testing.host_items import CONTROL, HostRefused, Item, LinkClosed, Ping, Upgrade, Welcome, is_close_frame
from relive.testing.host_timer import DeadlineTimer
from relive.testing.links import Agenda, Hang, Line, Network
from relive.testing.server import Close, FakeLiveServer, Refused, Reset, Send, ServerOutput

__all__ = ["CLOSE_TIMEOUT", "DEFAULT_PATH", "HostRefused", "LinkClosed", "MemoryHost", "MemoryLink"]

DEFAULT_PATH: Final = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
CLOSE_TIMEOUT: Final = 10.0
"Seconds after which closing gives up if the server does not answer, as with the websockets library."


class MemoryHost:
    """Lets clients dial a fake server in memory. Its time is that of the running loop."""

    def __init__(self, server: FakeLiveServer, network: Network | None = None) -> None:
        """Serve this server over this network, which is clear if none is given.

        Other hosts must not serve the same server at the same time; they may share the network.
        """
        self.server: Final = server
        self.network: Final = network or Network()
        self._links: dict[int, MemoryLink] = {}
        "What the server knows as open."
        self._lines: dict[MemoryLink, None] = {}
        "Where anything may still travel."
        self._agenda: Agenda[MemoryLink] = Agenda()
        self._timer = DeadlineTimer(server, self.flush)
        self._settling = False

    async def dial(self, path: str = DEFAULT_PATH, headers: Mapping[str, str] | None = None) -> MemoryLink:
        """Open a link.

        Raises:
            HostRefused: the upgrade was answered with an HTTP status.
            OSError: the network refused the dial, or reset it.
        """
        fate = self.network.dial(_now())
        if isinstance(fate, Hang):
            await asyncio.Event().wait()
        elif fate and fate.status is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the network refused the dial")
        status = None if fate is None or isinstance(fate, Hang) else fate.status
        link = MemoryLink(self, self.network.line(_now()))
        self._lines[link] = None
        self.network.watch(self._changed)
        self.up(link, Upgrade(path, headers or {}, status), 0)
        await link.opened()
        return link

    @property
    def now(self) -> float:
        """Time of the running loop, which is the server's."""
        return _now()

    def close(self) -> None:
        """End every link without a close frame, and leave no timer behind."""
        self.network.unwatch(self._changed)
        for link in tuple(self._lines):
            link.arrived(LinkClosed(None, ""))
            self._lost(link)
            self._forget(link)
        self.flush()
        self._timer.cancel()

    def link(self, conn: int) -> MemoryLink:
        """Return the link of an open connection; raises `KeyError` if it has ended."""
        return self._links[conn]

    def flush(self) -> None:
        """Perform what the server wants done: to be called after acting on the server directly."""
        outputs = self.server.take()
        if outputs:
            self._perform(outputs)
        if self._settling:
            return
        if self._agenda.entries:
            self._settle()
        elif self.server.deadline != self._timer.at:
            self._timer.follow()

    def drop_everything(self, link: MemoryLink, server_notices_after: float | None = 0.0) -> None:
        """Turn a link into a black hole: nothing passes any more, either way, and the client is told nothing.

        The server takes it for lost after `server_notices_after` seconds: at once by default, so that its session can
        be resumed; None for never, so that a handle of this session stays in use.
        """
        link.line.half_open(_now(), server_notices_after)

    def received(self, conn: int, frame: str | bytes) -> None:
        """Take a client's frame; called by the link, with every frame: it is `flush` once more, without its calls."""
        server = self.server
        server.receive(conn, frame, asyncio.get_running_loop().time())
        outputs = server.take()
        if outputs or self._agenda.entries:
            if outputs:
                self._perform(outputs)
            self.flush()
        elif server.deadline != self._timer.at:
            self._timer.follow()

    def up(self, link: MemoryLink, item: Item, size: int) -> None:
        """Take what a client sends up its line; called by the link."""
        lane = link.line.up
        if lane.direct:
            self._arrived(link, item, _now())
        else:
            lane.push(item, size, _now(), closing=is_close_frame(item))
            self._agenda.note(link, link.line.due)
        self._tidy(link)
        self.flush()

    def _perform(self, outputs: list[ServerOutput]) -> None:
        for output in outputs:
            link = self._links.get(output.conn)
            if link is None:
                continue
            match output:
                case Send():
                    if link.line.down.direct:
                        link.heard(output.frame)
                    else:
                        self._down(link, output.frame, len(output.frame))
                case Close() | Reset():
                    end = LinkClosed(output.code, output.reason) if isinstance(output, Close) else LinkClosed(None, "")
                    del self._links[output.conn]
                    self._down(link, end, end.size)
                    self._tidy(link)
                case _:
                    assert_never(output)

    def _down(self, link: MemoryLink, item: Item, size: int) -> None:
        lane = link.line.down
        if lane.direct:
            link.arrived(item)
        else:
            lane.push(item, size, _now(), closing=is_close_frame(item))
            self._agenda.note(link, link.line.due)

    def _arrived(self, link: MemoryLink, item: Item, now: float) -> None:
        """Take what has come up a line."""
        match item:
            case str() | bytes():
                self.server.receive(link.conn, item, now)
            case Ping():
                self._down(link, item, CONTROL)
            case LinkClosed():
                # Whether the server has closed meanwhile or not, the answer to a close frame is a close frame.
                self._lost(link)
                if item.code is not None:
                    self._down(link, item, item.size)
            case Upgrade():
                self._down(link, self._admit(link, item, now), 0)
            case HostRefused() | int():
                raise AssertionError("this goes down only")
            case _:
                assert_never(item)

    def _admit(self, link: MemoryLink, upgrade: Upgrade, now: float) -> Welcome | HostRefused:
        if upgrade.status is not None:
            return HostRefused(upgrade.status, "refused by the network")
        admitted = self.server.dial(upgrade.path, upgrade.headers, now)
        if isinstance(admitted, Refused):
            return HostRefused(admitted.status, admitted.body)
        link.conn = admitted
        self._links[admitted] = link
        return admitted

    def _lost(self, link: MemoryLink) -> None:
        if self._links.pop(link.conn, None):
            self.server.lost(link.conn, _now())

    def _changed(self) -> None:
        """Find out what is due when: the network is not what it was."""
        if self._lines:
            for link in tuple(self._lines):
                self._agenda.note(link, link.line.due)
                self._tidy(link)
            self.flush()

    def _settle(self) -> None:
        """Deliver everything that is due, in the order of its times."""
        self._settling = True
        now = max(_now(), self._timer.reached)
        try:
            while link := self._agenda.pop(now):
                self._deliver(link, now)
        finally:
            self._settling = False
        self._timer.follow(self._agenda.due)

    def _deliver(self, link: MemoryLink, now: float) -> None:
        line = link.line
        for item in line.up.pop(now):
            self._arrived(link, item, now)
            self.flush()
        for item in line.down.pop(now):
            link.arrived(item)
        if line.up.broken:
            self._lost(link)
            self.flush()
        if line.down.broken:
            link.arrived(LinkClosed(None, ""))
        self._agenda.note(link, line.due)
        self._tidy(link)

    def _tidy(self, link: MemoryLink) -> None:
        """Forget a link if it is over at both ends, and the client has told all that it had to tell."""
        if link.closed and link.conn not in self._links and not link.line.up:
            self._forget(link)

    def _forget(self, link: MemoryLink) -> None:
        self._lines.pop(link, None)
        self._agenda.note(link, None)
        link.line.close()


class MemoryLink:
    """A client's end of a link: what a websocket is to a client, and no more."""

    def __init__(self, host: MemoryHost, line: Line[Item]) -> None:
        """Made by `MemoryHost.dial`."""
        self.host: Final = host
        self.line: Final = line
        "What it runs on: where this link alone can be held, cut, reset."
        self.conn = 0
        "Number of the connection at the server; 0 while there is none."
        self._frames: deque[bytes] = deque()
        self._welcome = False
        self._refusal: HostRefused | None = None
        self._closing: LinkClosed | None = None
        self._end: LinkClosed | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        """Show no frame: it may carry a handle."""
        state = "closed" if self._end else "black hole" if self.line.up.swallows else "open"
        return f"<MemoryLink {self.conn} {state}>"

    @property
    def writable(self) -> bool:
        """Whether a frame would be taken at once: always."""
        return True

    @property
    def closed(self) -> LinkClosed | None:
        """How it ended; None while it is open. Frames that came before the end can still be received."""
        return self._end

    async def opened(self) -> None:
        """Wait until the dial has come to something; called by the host."""
        try:
            while not (self._welcome or self._end):
                await self._news()
        except asyncio.CancelledError:
            self.abort()
            raise
        if self._refusal:
            raise self._refusal
        if not self._welcome:
            raise ConnectionResetError(errno.ECONNRESET, "the network reset the dial")

    async def send(self, frame: str | bytes) -> None:
        """Send a frame; raises `LinkClosed` if the link has ended or is closing. Into a black hole goes everything."""
        ended = self._end or self._closing
        if ended:
            raise LinkClosed(ended.code, ended.reason)
        if self.line.up.direct:
            self.host.received(self.conn, frame)
        else:
            self.host.up(self, frame, len(frame))

    async def recv(self) -> bytes:
        """Return the next frame, text as UTF-8; raises `LinkClosed` after the last. Cancelling it loses nothing."""
        while not self._frames:
            if self._end:
                raise LinkClosed(self._end.code, self._end.reason)
            await self._news()
        return self._frames.popleft()

    async def ping(self) -> None:
        """Return when the server's side has answered, which a muted server's socket does; never in a black hole."""
        ping = Ping()
        if not self._end:
            self.host.up(self, ping, CONTROL)
        while not (ping.answered or self._end):
            await self._news()
        if self._end:
            raise LinkClosed(self._end.code, self._end.reason)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, and wait for the server's answer as long as the websockets library does: 10 s.

        What the server sends meanwhile can be received.
        """
        if not (self._end or self._closing):
            self._closing = LinkClosed(code, reason)
            self.host.up(self, self._closing, self._closing.size)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while not self._end:
                    await self._news()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """End it at once, without a close frame. The server learns of it in its time, that of a black hole never."""
        if self._end is None:
            end = LinkClosed(None, "")
            self.arrived(end)
            self.host.up(self, end, 0)

    def arrived(self, item: Item) -> None:
        """Take what comes down the line; called by the host."""
        if self._end:
            return
        match item:
            case bytes() | str():
                self.heard(item)
            case LinkClosed():
                self._end = item
            case HostRefused():
                self._refusal, self._end = item, LinkClosed(None, "")
            case Ping():
                item.answered = True
            case int():
                self._welcome = True
            case Upgrade():
                raise AssertionError("this goes up only")
            case _:
                assert_never(item)
        self._wake()

    def heard(self, frame: str | bytes) -> None:
        """Take a frame; called by the host, with every frame."""
        if not self._end:
            self._frames.append(frame.encode() if isinstance(frame, str) else frame)
            if self._waiters:
                self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _news(self) -> None:
        """Wait until something has happened. Several may wait."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)


def _now() -> float:
    return asyncio.get_running_loop().time()
