"""Any transport, and a scribe who reads along: what opens, what comes, what ends."""

from __future__ import annotations

from relive.core.journal import Frame
from relive.ports import Connection, ConnectionGone, Opening, Transport
from relive.testing.simulation.recording import Scribe


class TappedTransport:
    """A transport whose connections are tapped."""

    def __init__(self, inner: Transport, scribe: Scribe) -> None:
        self.scribe = scribe
        self.model, self.known_keys = inner.model, inner.known_keys
        self._inner = inner

    @property
    def backend(self) -> str:
        """As it has it."""
        return self._inner.backend

    @property
    def compressed(self) -> bool:
        """As it has it."""
        return self._inner.compressed

    async def open(self, opening: Opening) -> Connection:
        """Open a connection."""
        with self.scribe.opening(opening):
            connection = await self._inner.open(opening)
        return _TappedConnection(connection, self.scribe)

    async def prepare(self) -> None:
        """As it does."""
        await self._inner.prepare()

    async def aclose(self) -> None:
        """As it does."""
        await self._inner.aclose()


class _TappedConnection:
    """A connection, and a scribe who reads along."""

    def __init__(self, inner: Connection, scribe: Scribe) -> None:
        self._inner = inner
        self._scribe = scribe
        self._ended = self._left = False
        self.session_id, self.setup_complete = inner.session_id, inner.setup_complete

    @property
    def writable(self) -> bool:
        return self._inner.writable and self._scribe.clog is None

    @property
    def last_sign_of_life(self) -> float:
        return self._inner.last_sign_of_life

    async def send(self, frame: Frame) -> None:
        if await self._scribe.lets_out():
            await self._inner.send(frame)

    async def recv(self) -> bytes:
        try:
            frame = await self._inner.recv()
        except ConnectionGone as gone:
            if not self._ended:
                self._ended = True
                self._scribe.note("gone", "", [gone.drop.code, gone.drop.reason])
            raise
        self._scribe.has_read(frame)
        return frame

    async def ping(self) -> float:
        return await self._inner.ping()

    async def close(self) -> None:
        self._leave("close")
        await self._inner.close()

    def abort(self) -> None:
        self._leave("abort")
        self._inner.abort()

    def _leave(self, how: str) -> None:
        if not (self._left or self._ended):
            self._left = True
            self._scribe.note("left", how)
