"""A fake server behind a real websocket over TLS, so that the unmodified SDK connects.

On a `SimLoop` the same host serves the same SDK in virtual time, without sockets; TLS is then only pretended.

Needs `websockets` and `trustme`, which are imported when they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, assert_never

from relive.extras import extra
from relive.testing.host_timer import DeadlineTimer, HostLoop
from relive.testing.network_transport import NetworkTransport
from relive.testing.server import Close, FakeLiveServer, Refused, Reset, Send, ServerOutput
from relive.testing.tcp_reset import reset
from relive.transports.discretion import discreet_server_logger

if TYPE_CHECKING:
    from typing import Self

    from google.genai.types import HttpOptionsDict
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

_CLOSE_TIMEOUT: Final = 1.0
"Seconds that a client has to answer a close frame before its socket is aborted."


class TlsHost:
    """Serves a fake server at `base_url` while it is entered. On exit sockets are reset, and no task is left."""

    def __init__(self, server: FakeLiveServer, host: str = "127.0.0.1", port: int = 0) -> None:
        """Make a certificate authority; port 0 picks a free port on entering.

        Raises:
            ModuleNotFoundError: the extra is not installed; says how to.
        """
        with extra("testing", type(self).__name__):
            import trustme

        self.server: Final = server
        self._host = host
        self._port = port
        self._authority = trustme.CA()
        self._sockets: dict[int, ServerConnection] = {}
        self._outgoing: dict[int, asyncio.Queue[ServerOutput]] = {}
        self._numbers: dict[ServerConnection, int] = {}
        self._listener: Server | None = None
        self._loop = HostLoop()
        self._timer = DeadlineTimer(server, self.flush, self._loop)
        self._noticing: set[asyncio.TimerHandle] = set()

    @property
    def base_url(self) -> str:
        """What `http_options.base_url` of an SDK client is to be."""
        return f"https://{self._host}:{self._port}"

    @property
    def ca_pem(self) -> bytes:
        """Certificate of the authority, which clients are to trust."""
        return self._authority.cert_pem.bytes()

    def write_ca(self, path: str | Path) -> Path:
        """Write that certificate to a file, for `SSL_CERT_FILE`; returns its path."""
        target = Path(path)
        target.write_bytes(self.ca_pem)
        return target

    def ssl_client_context(self) -> ssl.SSLContext:
        """Make a context that trusts this host and nobody else."""
        return ssl.create_default_context(cadata=self.ca_pem.decode())

    def http_options(self) -> HttpOptionsDict:
        """What a `google.genai.Client` needs to find and to trust this host; any key will do."""
        return {"base_url": self.base_url, "async_client_args": {"ssl": self.ssl_client_context()}}

    @property
    def newest(self) -> int:
        """Number of the newest open connection; raises `IndexError` if there is none."""
        if not self.server.live:
            ended = len(self.server.admissions)
            raise IndexError(f"no connection is open at the server: there were {ended}, and all of them have ended")
        return self.server.live[-1]

    def go_away(self, time_left: float | str | None) -> None:
        """Have the server announce the end of the newest connection; raises `IndexError` if there is none."""
        self.server.go_away(self.newest, time_left, self.now)
        self.flush()

    @property
    def now(self) -> float:
        """Time of the loop that it is served on, which is the server's."""
        return self._loop().time()

    async def __aenter__(self) -> Self:
        """Listen. From now on whoever stands outside the loop may act on it as well, between two runs of it."""
        self._loop()
        from websockets.asyncio.server import serve

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(self._host, "localhost").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
        self._listener = await serve(
            self._serve_client,
            self._host,
            self._port,
            ssl=context,
            process_request=self._judge,
            compression=None,
            ping_interval=None,
            max_size=None,
            close_timeout=_CLOSE_TIMEOUT,
            logger=discreet_server_logger(),
        )
        self._port = next(iter(self._listener.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Reset what is open, and wait until nothing is left."""
        self._timer.cancel()
        for timer in self._noticing:
            timer.cancel()
        for conn in tuple(self._sockets):
            self.kill(conn)
            self.server.lost(conn, self.now)
        assert self._listener is not None
        self._listener.close()
        await self._listener.wait_closed()
        self._timer.cancel()

    def flush(self) -> None:
        """Perform what the server wants done: to be called after acting on the server directly."""
        for output in self.server.take():
            outgoing = self._outgoing.get(output.conn)
            if outgoing:
                outgoing.put_nowait(output)
        self._timer.follow()

    def kill(self, conn: int) -> None:
        """Reset a connection's TCP socket at once; what was still to be sent is lost."""
        ws = self._sockets.get(conn)
        if ws and isinstance(ws.transport, NetworkTransport):
            ws.transport.reset()
        elif ws:
            reset(ws.transport)

    def freeze(self, conn: int, *, server_notices_after: float | None = 0.0) -> None:
        """Turn a connection into a black hole, if it has not ended: TCP stays up, and nothing passes, not even pings.

        The client is told nothing. The server takes it for lost after `server_notices_after` seconds: at once by
        default, so that its session can be resumed; None for never, so that a handle of this session stays in use.
        """
        ws = self._sockets.get(conn)
        if ws:
            ws.transport.pause_reading()
            self._outgoing.pop(conn, None)
            self.server.mute(conn, self.now)
            if server_notices_after == 0.0:
                self._notice(conn)
            elif server_notices_after is not None:
                self._noticing.add(self._loop().call_later(server_notices_after, self._notice, conn))

    def _notice(self, conn: int) -> None:
        self.server.lost(conn, self.now)
        self.flush()

    def _judge(self, ws: ServerConnection, request: Request) -> Response | None:
        admitted = self.server.dial(request.path, dict(request.headers.raw_items()), self.now)
        if isinstance(admitted, Refused):
            self.flush()
            return ws.respond(admitted.status, admitted.body)
        self._numbers[ws] = admitted
        self._sockets[admitted] = ws
        self._outgoing[admitted] = asyncio.Queue()
        self.flush()
        return None

    async def _serve_client(self, ws: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        conn = self._numbers.pop(ws)
        writer = asyncio.create_task(self._write(ws, conn, self._outgoing.get(conn) or asyncio.Queue()))
        try:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    frame = await ws.recv()
                    self.server.receive(conn, frame, self.now)
                    self.flush()
        finally:
            del self._sockets[conn]
            self._outgoing.pop(conn, None)  # a black hole has none
            said = ws.protocol.close_rcvd
            self.server.lost(conn, self.now, said.code if said is not None else None)
            self.flush()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await writer

    async def _write(self, ws: ServerConnection, conn: int, outgoing: asyncio.Queue[ServerOutput]) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while True:
                output = await outgoing.get()
                match output:
                    case Send():
                        await ws.send(output.frame)
                    case Close():
                        await ws.close(output.code, output.reason)
                    case Reset():
                        self.kill(conn)
                    case _:
                        assert_never(output)
