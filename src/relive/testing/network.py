"""The network of a `SimLoop`: in memory, in virtual time, and with the same order of bytes in every process.

Whatever is written for asyncio's streams and protocols runs on it: `websockets`, and the SDK with it. Host names are
addresses, so a server may listen as the real one's name; an `ssl` context is accepted and nothing is encrypted. A
connection takes one round trip to open. What can be written without being read is bounded as with sockets. What lies
between the ends is `relive.testing.links`: nothing, until conditions are set.

Not here: what a peer has acknowledged takes no time to be known, also when the way back is held.
Libraries have dice and sets of their own: `websockets` masks its frames at random, and `Server.close` goes over its
connections in the order of their addresses in memory.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, Final, Literal, TypeVar

from relive.testing.lanes import Lane
from relive.testing.links import Hang, Line, Network, Refuse
from relive.testing.network_server import Address, NetworkServer, text_of
from relive.testing.network_transport import Carrier, NetworkTransport, Segment, reset_by_peer

P = TypeVar("P", bound=asyncio.BaseProtocol)

_FIRST_PORT: Final = 49152
"The first of the ports that nobody owns; they are given out in order."

# What real sockets need and these do not: hints about names, ports, TLS and patience.
_IGNORED: Final = frozenset({
    "all_errors", "backlog", "family", "flags", "happy_eyeballs_delay", "interleave", "keep_alive", "local_addr",
    "proto", "reuse_address", "reuse_port", "server_hostname", "ssl", "ssl_handshake_timeout", "ssl_shutdown_timeout",
})  # fmt: skip
_SAME: Final = {"": "", "0.0.0.0": "", "::": "", "localhost": "127.0.0.1", "::1": "127.0.0.1"}  # noqa: S104 - in memory


def _name(host: str | None) -> str:
    """The one name of an address; the empty one is everybody's."""
    host = (host or "").lower()
    return _SAME.get(host, host)


class SimNetwork:
    """Who listens, and which connections there are.

    `links` is what lies between: conditions are set there for all connections, those to come among them, and on the
    `line` of each `NetworkConnection` for that one alone.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, links: Network | None = None) -> None:
        self.loop = loop
        self.links: Final = links or Network()
        self.links.watch(self._changed)
        self._listening: dict[Address, NetworkServer] = {}
        self._connections: dict[int, NetworkConnection] = {}
        self._numbers = itertools.count(1)
        self._ports = itertools.count(_FIRST_PORT)

    @property
    def connections(self) -> tuple[NetworkConnection, ...]:
        """Those that at least one end has not lost, oldest first."""
        return tuple(self._connections.values())

    def describe(self) -> tuple[str, ...]:
        """Say of each connection what is on its way."""
        return tuple(map(repr, self.connections))

    def close(self) -> None:
        """Leave the links, which may be those of other loops too: called when the loop is closed."""
        self.links.unwatch(self._changed)
        for connection in self.connections:
            connection.line.close()
        self._connections.clear()

    def listen(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        start_serving: bool = True,
        **options: Any,
    ) -> NetworkServer:
        """Make a server; no port, or 0, picks a free one. What only concerns real sockets is ignored.

        Raises:
            OSError: somebody listens there.
            TypeError: there is no such option.
            NotImplementedError: a socket was given.
        """
        tls = _check(options)
        port = port or self._free_port()
        hosts = [host] if host is None or isinstance(host, str) else list(host)
        addresses = tuple((_name(each), port) for each in hosts)
        for address in addresses:
            if address in self._listening:
                raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address {address!r}")
        server = NetworkServer(self, factory, addresses, tls)
        self._listening.update(dict.fromkeys(addresses, server))
        if start_serving:
            server.begin()
        return server

    async def connect(
        self, factory: Callable[[], P], host: str | None = None, port: int | None = None, **options: Any
    ) -> tuple[NetworkTransport, P]:
        """Dial, and return the client's end and its protocol. What only concerns real sockets is ignored.

        Raises:
            ConnectionRefusedError: nobody listens there.
            ConnectionResetError: the connection was reset on the way.
            ValueError: no port was given.
            TypeError: there is no such option.
            NotImplementedError: a socket was given.
        """
        tls = _check(options)
        if port is None:
            raise ValueError("host and port was not specified and no sock specified")
        address = (_name(host) or "127.0.0.1", port)
        opened: asyncio.Future[tuple[NetworkTransport, P]] = self.loop.create_future()
        match self.links.dial(self.loop.time()):
            case Refuse():  # its status is for those who can answer with one
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address!r}")
            case Hang():
                return await opened
            case None:
                connection = NetworkConnection(self, next(self._numbers), address, tls)
        self._connections[connection.number] = connection
        connection.dial(factory, opened)
        try:
            return await opened
        except BaseException:
            connection.abandon()
            raise

    def server_at(self, address: Address) -> NetworkServer | None:
        """Return who serves there."""
        server = self._listening.get(address) or self._listening.get(("", address[1]))
        return server if server is not None and server.is_serving() else None

    def forget(self, gone: NetworkConnection | NetworkServer) -> None:
        """Take it from the lists: called when it has ended."""
        if isinstance(gone, NetworkConnection):
            self._connections.pop(gone.number, None)
        else:
            for address in gone.addresses:
                self._listening.pop(address, None)

    def free_address(self) -> Address:
        """Return an address for a client."""
        return "127.0.0.1", self._free_port()

    def _changed(self) -> None:
        for connection in self.connections:
            connection.to_server.arm()
            connection.to_client.arm()

    def _free_port(self) -> int:
        taken = {port for _, port in self._listening}
        return next(port for port in self._ports if port not in taken)


def _check(options: dict[str, Any]) -> Any:
    """Return the TLS context among `options`, if there is one."""
    if options.pop("sock", None) is not None:
        raise NotImplementedError("a SimLoop has no sockets: give host and port")
    unknown = options.keys() - _IGNORED
    if unknown:
        raise TypeError(f"the network of a SimLoop has no option {', '.join(sorted(unknown))}")
    return options.get("ssl") or None


class NetworkConnection:
    """One connection. `client` and `server` are its ends, once they are there.

    `number` is its place among those of its network, `address` is what was dialled. `line` is where conditions are set.
    `context` is that of whoever dialled: a context variable that was set there tells whose the connection is.
    """

    def __init__(self, network: SimNetwork, number: int, address: Address, tls: Any) -> None:
        loop, changed = network.loop, network.links.tell
        self.number, self.address = number, address
        self.context: Final = copy_context()
        self.line: Final[Line[Segment]] = network.links.line(loop.time(), _cut)
        self.client: NetworkTransport | None = None
        self.server: NetworkTransport | None = None
        self.to_server = Carrier(loop, self.line.up, self._knocked, changed)
        self.to_client = Carrier(loop, self.line.down, self._answered, changed)
        self._network, self._tls, self._client_address = network, tls, network.free_address()
        self._ends = {"client", "server"}
        self._answer: Callable[[Segment], None] = _ignore

    def __repr__(self) -> str:
        ways = f"{_way(self.line.up)} up, {_way(self.line.down)} down"
        return f"connection {self.number} from {text_of(self._client_address)} to {text_of(self.address)}: {ways}"

    def dial(self, factory: Callable[[], P], opened: asyncio.Future[tuple[NetworkTransport, P]]) -> None:
        """Knock. `opened` is given the client's end and the protocol that `factory` makes, or why there is none."""

        def answer(segment: Segment) -> None:
            if opened.cancelled():
                return  # `abandon` is about to be called
            if isinstance(segment, OSError):
                self._leave("client")
                opened.set_exception(segment)
                return
            try:
                protocol, client = factory(), self._end("client")
                client.set_protocol(protocol)
            except Exception as error:  # noqa: BLE001 - the caller of `connect` gets it
                opened.set_exception(error)
            else:
                self.client = client
                client.begin()
                opened.set_result((client, protocol))

        self._answer = answer
        self.to_server.send(b"")

    def abandon(self) -> None:
        """Leave: whoever dialled does not want it any more."""
        if self.client is not None:
            self.client.abort()
        elif "client" in self._ends:
            self._answer = _ignore
            self.to_server.send(reset_by_peer())
            self._leave("client")

    def _answered(self, segment: Segment) -> None:
        answer, self._answer = self._answer, _ignore
        answer(segment)

    def _knocked(self, segment: Segment) -> None:
        server = self._network.server_at(self.address)
        if segment != b"":  # it was reset or abandoned before it was accepted
            self._leave("server")
        elif server is None:
            self._leave("server")
            why = "nobody listens there, and the network of a SimLoop is in memory only"
            failed = f"Connect call failed {self.address!r}: {why}"
            self.to_client.send(ConnectionRefusedError(errno.ECONNREFUSED, failed))
        else:
            try:
                end = self._end("server", server)
                end.set_protocol(server.factory())
            except Exception as error:  # noqa: BLE001 - as with asyncio's servers
                context = {"message": "Fatal error: the protocol factory failed.", "exception": error}
                self._network.loop.call_exception_handler(context)
                self._leave("server")
                self.to_client.send(reset_by_peer())
            else:
                self.to_client.send(b"")  # goes before anything that the protocol writes
                self.server = end
                server.attach(end)
                end.begin()

    def _end(self, end: Literal["client", "server"], server: NetworkServer | None = None) -> NetworkTransport:
        ours, theirs, ways = self._client_address, self.address, (self.to_server, self.to_client)
        if server is not None:
            ours, theirs, ways = theirs, ours, (self.to_client, self.to_server)

        def lost(transport: NetworkTransport) -> None:
            self._leave(end)
            if server is not None:
                server.detach(transport)

        tls = self._tls if server is None else server.tls
        return NetworkTransport(
            self._network.loop, ways, {"sockname": ours, "peername": theirs, "sslcontext": tls}, lost
        )

    def _leave(self, end: Literal["client", "server"]) -> None:
        self._ends.discard(end)
        if not self._ends:
            self.line.close()
            self._network.forget(self)


def _way(lane: Lane[Segment]) -> str:
    stuck = " held" if len(lane) and lane.due is None else " (a black hole)" if lane.swallows else ""
    return f"{lane.bytes} bytes{stuck}"


def _cut(segment: Segment, size: int) -> Segment:
    return segment[:size] if isinstance(segment, bytes) else segment


def _ignore(_segment: Segment) -> None:
    """Nobody waits for the answer any more."""
