"""A TCP proxy: puts a `Network` between a real client and a real server. It sees bytes, and TLS is opaque to it."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from relive.testing.links import Agenda, Hang, Line, Network, Refuse, cut_bytes
from relive.testing.tcp_reset import reset

if TYPE_CHECKING:
    from typing import Self

_Piece: TypeAlias = bytes | None
_EOF: Final = b""
"Travels behind the last bytes of an end that says no more."
_RESET: Final = None
"Travels behind the last bytes of an end that has reset its connection."


class Proxy:
    """Forwards what connects to `port` to a server, over a network, while it is entered. On exit all is reset.

    Dials: a refusal is a reset right after the connection was made, which is before TLS: there is nobody here who could
    answer with an HTTP status, so that `Refuse.status` is of no account (a fake server's `refuse_next` is). One that
    hangs is accepted and left alone.

    A reset that one of the ends makes travels as a close does: behind what it sent before.
    """

    def __init__(
        self, network: Network, upstream_host: str, upstream_port: int, *, port: int = 0, buffer: int = 65536
    ) -> None:
        """Port 0 picks a free one. An end that has sent `buffer` bytes which have not arrived is not read from."""
        self.network: Final = network
        self.buffer: Final = buffer
        self._upstream = (upstream_host, upstream_port)
        self._port = port
        self._server: asyncio.Server | None = None
        self._routes: dict[_Route, None] = {}
        self._agenda: Agenda[_Route] = Agenda()
        self._timer: asyncio.TimerHandle | None = None
        self._at: float | None = None
        self._settling = False

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._port

    @property
    def lines(self) -> tuple[Line[bytes | None], ...]:
        """The connections that are open, oldest first: to be held, cut, reset one by one."""
        return tuple(route.line for route in self._routes if route.line)

    async def __aenter__(self) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.network.watch(self._changed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Reset what is open, and wait until nothing is left."""
        self.network.unwatch(self._changed)
        assert self._server is not None
        self._server.close()
        while self._routes:
            await asyncio.gather(*(route.end() for route in tuple(self._routes)))
        await self._server.wait_closed()
        self._set_timer(None)

    def _accept(self) -> _End:
        route = _Route(self)
        self._routes[route] = None
        return route.client

    async def connect(self, end: _End) -> None:
        """Dial the server; called by a route."""
        await asyncio.get_running_loop().create_connection(lambda: end, *self._upstream)

    def knows(self, route: _Route) -> bool:
        """Whether a connection is still wanted; asked by the route."""
        return route in self._routes

    def left(self, route: _Route) -> None:
        """Forget a connection of which nothing is left; called by the route."""
        self._routes.pop(route, None)
        self._agenda.note(route, None)

    def flush(self, route: _Route) -> None:
        """Deliver what is due: something has been pushed; called by the route."""
        if route.line:
            self._agenda.note(route, route.line.due)
            self._settle()

    def _changed(self) -> None:
        for route in self._routes:
            if route.line:
                self._agenda.note(route, route.line.due)
        self._settle()

    def _settle(self, reached: float = float("-inf")) -> None:
        if self._settling:
            return
        self._settling = True
        now = max(reached, _now())
        try:
            while route := self._agenda.pop(now):
                route.deliver(now)
        finally:
            self._settling = False
        self._set_timer(self._agenda.due)

    def _set_timer(self, at: float | None) -> None:
        if at != self._at:
            if self._timer:
                self._timer.cancel()
            self._at = at
            self._timer = None if at is None else asyncio.get_running_loop().call_at(at, self._due, at)

    def _due(self, at: float) -> None:
        self._timer = self._at = None
        self._settle(at)


class _Route:
    """A client, the line, and the server. The line begins when the client has connected."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy: Final = proxy
        self.client: Final = _End(self)
        self.server: Final = _End(self)
        self.line: Line[_Piece] | None = None
        self._dialling: asyncio.Task[None] | None = None

    def began(self) -> None:
        """The client is there: see what the network makes of it, and dial the server if that is to be."""
        network = self.proxy.network
        match network.dial(_now()):
            case Refuse():
                self.client.reset()
            case Hang():
                pass
            case None:
                self.line = network.line(_now(), _cut)
                self._dialling = asyncio.create_task(self._dial())
                self._dialling.add_done_callback(lambda _: self.tidy())
                self.proxy.flush(self)

    async def _dial(self) -> None:
        try:
            await self.proxy.connect(self.server)
        except OSError:
            self.client.reset()

    def _beyond(self, end: _End) -> _End:
        return self.server if end is self.client else self.client

    def sent(self, end: _End, data: _Piece) -> None:
        """Take what an end has sent."""
        if self.line is None:
            return
        lane = self.line.up if end is self.client else self.line.down
        beyond = self._beyond(end)
        if lane.direct and beyond.transport:
            beyond.take([data])
            return
        for piece in (data and lane.conditions.slices(data)) or [data]:
            lane.push(piece, len(piece or _EOF), _now(), closing=not piece)
        self.proxy.flush(self)
        self.pause(end)

    def deliver(self, now: float) -> None:
        """Hand over what has arrived by now, and reset those ends that a reset has reached."""
        line = self.line
        if line is None or not self.server.transport:
            return
        self.server.take(line.up.pop(now))
        self.client.take(line.down.pop(now))
        if line.up.broken:
            self.server.reset()
        if line.down.broken:
            self.client.reset()
        self.pause(self.client)
        self.pause(self.server)
        self.proxy.flush(self)

    def pause(self, end: _End) -> None:
        """Read from an end, or not: what it sends must have somewhere to go."""
        if self.line:
            lane = self.line.up if end is self.client else self.line.down
            end.pause(lane.bytes >= self.proxy.buffer or self._beyond(end).full)

    def unblocked(self, end: _End) -> None:
        """What was written to an end stalls, or flows again: so does the other end."""
        self.pause(self._beyond(end))

    def tidy(self) -> None:
        """When both ends are gone there is nobody left to tell anything."""
        if self.client.open or self.server.open:
            return
        if self._dialling and not self._dialling.done():
            self._dialling.cancel()
            return
        if self.line:
            self.line.close()
        self.proxy.left(self)

    async def end(self) -> None:
        """Reset both ends and wait until they are gone."""
        if self._dialling:
            self._dialling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._dialling
        for end in (self.client, self.server):
            end.reset()
            if end.transport:
                await end.gone
        self.tidy()


class _End(asyncio.Protocol):
    """The socket to the client, or that to the server."""

    def __init__(self, route: _Route) -> None:
        self.transport: asyncio.Transport | None = None
        self.gone: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        self.full = False
        "Whether what was written to it stalls."
        self._route = route
        self._paused = self._said_all = self._told_all = False

    @property
    def open(self) -> bool:
        """Whether the socket is there."""
        return self.transport is not None and not self.gone.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        route = self._route
        if not route.proxy.knows(route):
            self.reset()
        elif self is route.client:
            route.began()
        else:
            route.proxy.flush(route)

    def data_received(self, data: bytes) -> None:
        self._route.sent(self, data)

    def eof_received(self) -> bool:
        self._said_all = True
        self._route.sent(self, _EOF)
        self._close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set_result(None)
        if exc is not None:
            self._route.sent(self, _RESET)
        self._route.tidy()

    def pause_writing(self) -> None:
        self.full = True
        self._route.unblocked(self)

    def resume_writing(self) -> None:
        self.full = False
        self._route.unblocked(self)

    def pause(self, full: bool) -> None:
        """Read no more for now, or read on."""
        if self.transport and full != self._paused and not self.transport.is_closing():
            self._paused = full
            if full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def take(self, pieces: list[_Piece]) -> None:
        """Send on what has arrived."""
        for piece in pieces:
            if self.transport is None or self.transport.is_closing() or self._told_all:
                return
            if piece:
                self.transport.write(piece)
            elif piece is None:
                self.reset()
            else:
                self._told_all = True
                with contextlib.suppress(OSError):  # reset meanwhile, which will be told
                    self.transport.write_eof()
                self._close()

    def reset(self) -> None:
        """Send a TCP reset; what was still to be sent is lost."""
        if self.transport and not self.gone.done():
            reset(self.transport)

    def _close(self) -> None:
        if self.transport and self._said_all and self._told_all:
            self.transport.close()


def _cut(piece: _Piece, size: int) -> _Piece:
    return cut_bytes(piece or _EOF, size)


def _now() -> float:
    return asyncio.get_running_loop().time()
