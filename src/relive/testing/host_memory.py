"""A fake server and its clients in one process, without sockets, with whatever network is between them.

What travels how is in `relive.testing.host_lines`.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Mapping
from typing import Final, assert_never

from relive.testing.host_items import CONTROL, HostRefused, Item, LinkClosed, Ping, Upgrade
from relive.testing.host_lines import LineHost
from relive.testing.host_timer import DeadlineTimer
from relive.testing.links import Hang, Line, Network
from relive.testing.server import FakeLiveServer

__all__ = ["CLOSE_TIMEOUT", "DEFAULT_PATH", "HostRefused", "LinkClosed", "MemoryHost", "MemoryLink"]

DEFAULT_PATH: Final = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
CLOSE_TIMEOUT: Final = 10.0
"Seconds after which closing gives up if the server does not answer, as with the websockets library."


class MemoryHost(LineHost["MemoryLink"]):
    """Lets clients dial a fake server in memory. Its time is that of the running loop."""

    def __init__(self, server: FakeLiveServer, network: Network | None = None) -> None:
        """Serve this server over this network, which is clear if none is given.

        Other hosts must not serve the same server at the same time; they may share the network.
        """
        super().__init__(server, network or Network())
        self._timer = DeadlineTimer(server, self.flush)

    async def dial(self, path: str = DEFAULT_PATH, headers: Mapping[str, str] | None = None) -> MemoryLink:
        """Open a link.

        Raises:
            HostRefused: the upgrade was answered with an HTTP status.
            OSError: the network refused the dial, or reset it.
        """
        fate = self.network.dial(self.clock())
        if isinstance(fate, Hang):
            await asyncio.Event().wait()
        elif fate and fate.status is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the network refused the dial")
        status = None if fate is None or isinstance(fate, Hang) else fate.status
        link = MemoryLink(self, self.network.line(self.clock()))
        self.lines[link] = None
        self.network.watch(self.changed)
        self.up(link, Upgrade(path, headers or {}, status), 0)
        await link.opened()
        return link

    @property
    def now(self) -> float:
        """Time of the running loop, which is the server's."""
        return self.clock()

    def close(self) -> None:
        """End every link without a close frame, and leave no timer behind."""
        self.network.unwatch(self.changed)
        for link in tuple(self.lines):
            link.arrived(LinkClosed(None, ""))
            self.lost(link)
            self.forget(link)
        self.flush()
        self._timer.cancel()

    def link(self, conn: int) -> MemoryLink:
        """Return the link of an open connection; raises `KeyError` if it has ended."""
        return self.links[conn]

    def freeze(self, conn: int, *, server_notices_after: float | None = 0.0) -> None:
        """Turn a connection into a black hole, if it has not ended: `drop_everything` by its number."""
        link = self.links.get(conn)
        if link is not None:
            self.drop_everything(link, server_notices_after)

    def drop_everything(self, link: MemoryLink, server_notices_after: float | None = 0.0) -> None:
        """Turn a link into a black hole: nothing passes any more, either way, and the client is told nothing.

        The server takes it for lost after `server_notices_after` seconds: at once by default, so that its session can
        be resumed; None for never, so that a handle of this session stays in use.
        """
        link.line.half_open(self.clock(), server_notices_after)

    def clock(self) -> float:
        """What time it is."""
        return asyncio.get_running_loop().time()

    def follow(self, other: float | None = None) -> None:
        """Set the timer."""
        self._timer.follow(other)

    def settle(self, now: float) -> None:
        """Deliver everything that is due, in the order of its times."""
        super().settle(max(now, self._timer.reached))


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
