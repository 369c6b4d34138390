"""Who serves on the network of a `SimLoop`: what asyncio's servers are to sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from relive.testing.network_transport import NetworkTransport

if TYPE_CHECKING:
    from relive.testing.network import SimNetwork

Address = tuple[str, int]
"Host and port. The empty host is everybody's."


def text_of(address: Address) -> str:
    """Write it as people do."""
    return f"{address[0] or '*'}:{address[1]}"


@attrs.frozen
class Listening:
    """What stands for a listening socket in `NetworkServer.sockets`."""

    address: Address
    family: socket.AddressFamily = socket.AF_INET

    def getsockname(self) -> Address:
        """Return host and port; the host is empty if every name is served."""
        return self.address


class NetworkServer(asyncio.AbstractServer):
    """Serves its `addresses` as asyncio's servers do. `factory` makes a protocol for each connection."""

    def __init__(
        self, network: SimNetwork, factory: Callable[[], asyncio.BaseProtocol], addresses: tuple[Address, ...], tls: Any
    ) -> None:
        self.factory, self.addresses, self.tls = factory, addresses, tls
        self._network = network
        self._serving = self._closed = False
        self._clients: dict[NetworkTransport, None] = {}
        self._gone: asyncio.Future[None] = network.loop.create_future()
        self._forever: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<NetworkServer at {', '.join(map(text_of, self.addresses))}, serving={self._serving}>"

    @property
    def sockets(self) -> tuple[Listening, ...]:
        """What it listens on: nothing once it is closed."""
        return () if self._closed else tuple(map(Listening, self.addresses))

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return its loop."""
        return self._network.loop

    def is_serving(self) -> bool:
        """Return whether it accepts connections."""
        return self._serving

    def begin(self) -> None:
        """Accept connections from now on; raises `RuntimeError` if it is closed."""
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        self._serving = True

    async def start_serving(self) -> None:
        """Accept connections from now on."""
        self.begin()

    async def serve_forever(self) -> None:
        """Serve until cancelled, and close then; or until it is closed, which cancels this."""
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self.begin()
        self._forever = self._network.loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()
            await self.wait_closed()

    def close(self) -> None:
        """Accept no more; connections stay as they are."""
        if not self._closed:
            self._closed, self._serving = True, False
            self._network.forget(self)
            if self._forever is not None:
                self._forever.cancel()
            self._settle()

    async def wait_closed(self) -> None:
        """Return once it is closed and its end of every connection is lost (as asyncio does from Python 3.12 on)."""
        await asyncio.shield(self._gone)

    def close_clients(self) -> None:
        """Close its end of every connection."""
        for transport in tuple(self._clients):
            transport.close()

    def abort_clients(self) -> None:
        """Abort its end of every connection."""
        for transport in tuple(self._clients):
            transport.abort()

    def attach(self, transport: NetworkTransport) -> None:
        """Count a connection's end as its own."""
        self._clients[transport] = None

    def detach(self, transport: NetworkTransport) -> None:
        """Count it no more: it is lost."""
        del self._clients[transport]
        self._settle()

    def _settle(self) -> None:
        if self._closed and not self._clients and not self._gone.done():
            self._gone.set_result(None)
