"""What the contract of transports works with: a host, connections over it, and how they are judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol

from relive.core.effects import Open
from relive.ports import Connection, ConnectionGone, Transport
from relive.testing.contracts_bench import PATIENCE
from relive.testing.server import FakeLiveServer

MOMENT: Final = 0.2
"Seconds in which something that should not happen would."


class Host(Protocol):
    """What a transport dials: a `TlsHost` that is entered, or a `MemoryHost`."""

    @property
    def server(self) -> FakeLiveServer:
        """The fake server."""
        ...

    @property
    def now(self) -> float:
        """The server's time."""
        ...

    def flush(self) -> None:
        """Perform what the server wants done."""
        ...

    def freeze(self, conn: int) -> None:
        """Turn a connection into a black hole: nothing passes, no ping either. The client is not told."""
        ...


@asynccontextmanager
async def opened(transport: Transport, *, seeded: bool = False) -> AsyncGenerator[Connection]:
    """One that is closed afterwards."""
    connection = await transport.open(Open(1, None, seeded))
    try:
        yield connection
        with contextlib.suppress(ConnectionGone):
            await connection.close()
    finally:
        connection.abort()


@asynccontextmanager
async def frozen(transport: Transport, host: Host) -> AsyncGenerator[Connection]:
    """One that has become a black hole."""
    connection = await transport.open(Open(1, None))
    host.freeze(host.server.live[-1])
    try:
        yield connection
    finally:
        connection.abort()


def inject(host: Host, frame: str) -> None:
    """Have a frame sent to the newest connection."""
    host.server.inject(host.server.live[-1], frame, host.now)
    host.flush()


async def handle_on(connection: Connection) -> str:
    """Receive until a handle has come, and return it."""
    while True:
        message: dict[str, Any] = json.loads(await connection.recv())
        update: dict[str, Any] = message.get("sessionResumptionUpdate") or {}
        if update.get("newHandle"):
            return update["newHandle"]


async def is_gone(what: Awaitable[object], sentence: str) -> ConnectionGone:
    """What this raises; it must."""
    try:
        async with asyncio.timeout(PATIENCE):
            await what
    except ConnectionGone as gone:
        return gone
    except TimeoutError:
        raise AssertionError(f"{sentence}; it hangs") from None
    raise AssertionError(sentence)


@contextmanager
def saying(sentence: str) -> Generator[None]:
    """What fails in here is told in this sentence."""
    try:
        yield
    except (AssertionError, ConnectionGone) as error:
        raise AssertionError(sentence) from error


async def until(met: Callable[[], bool], sentence: str) -> None:
    """Wait for this, but not for ever."""
    for _ in range(1000):
        if met():
            return
        await asyncio.sleep(PATIENCE / 1000)
    raise AssertionError(sentence)
