"""A fake server and its clients in one process, without sockets: a frame is there as soon as it is sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final, assert_never

import attrs

from relive.testing.host_timer import DeadlineTimer
from relive.testing.server import Close, FakeLiveServer, Refused, Reset, Send

DEFAULT_PATH: Final = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
CLOSE_TIMEOUT: Final = 10.0
"Seconds that closing a dead link takes, as with the websockets library."


@attrs.define
class HostRefused(Exception):
    """The upgrade was answered with an HTTP status."""

    status: int
    "HTTP status."
    body: str
    "Text of the answer."

    def __str__(self) -> str:
        """Say what the server said."""
        return f"the server refused the upgrade: HTTP {self.status}, {self.body!r}"


@attrs.define
class LinkClosed(Exception):
    """The link has ended, for whichever side's doing."""

    code: int | None
    "Close code; None if there was no close frame."
    reason: str
    "Reason in the close frame."

    def __str__(self) -> str:
        """Say how it ended."""
        return "the link ended without a close frame" if self.code is None else f"closed: {self.code} {self.reason!r}"


class MemoryHost:
    """Lets clients dial a fake server in memory. Its time is that of the running loop."""

    def __init__(self, server: FakeLiveServer) -> None:
        """Serve this server; other hosts must not serve it at the same time."""
        self.server: Final = server
        self._links: dict[int, MemoryLink] = {}
        self._timer = DeadlineTimer(server, self.flush)

    async def dial(self, path: str = DEFAULT_PATH, headers: Mapping[str, str] | None = None) -> MemoryLink:
        """Open a link; raises `HostRefused`."""
        admitted = self.server.dial(path, headers or {}, _now())
        self.flush()
        if isinstance(admitted, Refused):
            raise HostRefused(admitted.status, admitted.body)
        link = MemoryLink(self, admitted)
        self._links[admitted] = link
        return link

    @property
    def now(self) -> float:
        """Time of the running loop, which is the server's."""
        return _now()

    def close(self) -> None:
        """End every link without a close frame, and leave no timer behind."""
        for conn, link in tuple(self._links.items()):
            link.abort()
            self.left(conn)
        self._timer.cancel()

    def link(self, conn: int) -> MemoryLink:
        """Return the link of an open connection; raises `KeyError` if it has ended."""
        return self._links[conn]

    def flush(self) -> None:
        """Perform what the server wants done: to be called after acting on the server directly."""
        for output in self.server.take():
            link = self._links.get(output.conn)
            if link is None:
                continue
            match output:
                case Send():
                    link.arrived(output.frame)
                case Close():
                    del self._links[output.conn]
                    link.ended(LinkClosed(output.code, output.reason))
                case Reset():
                    del self._links[output.conn]
                    link.ended(LinkClosed(None, ""))
                case _:
                    assert_never(output)
        self._timer.follow()

    def drop_everything(self, link: MemoryLink, server_notices_after: float | None = 0.0) -> None:
        """Turn a link into a black hole: nothing passes any more, either way, and the client is told nothing.

        The server takes it for lost after `server_notices_after` seconds: at once by default, so that its session can
        be resumed; None for never, so that a handle of this session stays in use.
        """
        link.swallow()
        if server_notices_after is None:
            return
        if server_notices_after <= 0:
            self.left(link.conn)
        else:
            asyncio.get_running_loop().call_later(server_notices_after, self.left, link.conn)

    def received(self, conn: int, frame: str | bytes) -> None:
        """Take a client's frame; called by the link."""
        self.server.receive(conn, frame, _now())
        self.flush()

    def left(self, conn: int) -> None:
        """Take note that a client is gone; called by the link."""
        self._links.pop(conn, None)
        self.server.lost(conn, _now())
        self.flush()


class MemoryLink:
    """A client's end of a link: what a websocket is to a client, and no more."""

    def __init__(self, host: MemoryHost, conn: int) -> None:
        """Made by `MemoryHost.dial`."""
        self.host: Final = host
        self.conn: Final = conn
        self._frames: deque[bytes] = deque()
        self._end: LinkClosed | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._black_hole = False

    def __repr__(self) -> str:
        """Show no frame: it may carry a handle."""
        state = "closed" if self._end else "black hole" if self._black_hole else "open"
        return f"<MemoryLink {self.conn} {state}>"

    @property
    def writable(self) -> bool:
        """Whether a frame would be taken at once: always."""
        return True

    @property
    def closed(self) -> LinkClosed | None:
        """How it ended; None while it is open. Frames that came before the end can still be received."""
        return self._end

    async def send(self, frame: str | bytes) -> None:
        """Send a frame; raises `LinkClosed` if the link has ended. Into a black hole goes everything."""
        if self._end:
            raise LinkClosed(self._end.code, self._end.reason)
        if not self._black_hole:
            self.host.received(self.conn, frame)

    async def recv(self) -> bytes:
        """Return the next frame, text as UTF-8; raises `LinkClosed` after the last. Cancelling it loses nothing."""
        while not self._frames:
            if self._end:
                raise LinkClosed(self._end.code, self._end.reason)
            await self._news()
        return self._frames.popleft()

    async def ping(self) -> None:
        """Return when the server's side has answered, which a muted server's socket does; never in a black hole."""
        while self._black_hole and not self._end:
            await self._news()
        if self._end:
            raise LinkClosed(self._end.code, self._end.reason)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it. In a black hole that takes as long as it takes the websockets library to give up: 10 s."""
        if self._end:
            return
        if self._black_hole:
            await asyncio.sleep(CLOSE_TIMEOUT)
            self.abort()
        else:
            self._finish(LinkClosed(code, reason))
            self.host.left(self.conn)

    def abort(self) -> None:
        """End it at once, without a close frame. The server of a black hole is not told."""
        if self._end is None:
            self._finish(LinkClosed(None, ""))
            if not self._black_hole:
                self.host.left(self.conn)

    def arrived(self, frame: str | bytes) -> None:
        """Take a frame of the server; called by the host."""
        if not self._black_hole:
            self._frames.append(frame.encode() if isinstance(frame, str) else frame)
            self._wake()

    def ended(self, end: LinkClosed) -> None:
        """Take note of the end; called by the host, and not passed on by a black hole."""
        if not self._black_hole:
            self._finish(end)

    def swallow(self) -> None:
        """Become a black hole; called by the host. What had arrived before can still be received."""
        self._black_hole = True

    def _finish(self, end: LinkClosed) -> None:
        self._end = end
        self._wake()

    async def _news(self) -> None:
        """Wait until something has happened. Several may wait."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
