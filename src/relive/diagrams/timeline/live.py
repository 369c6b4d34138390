"""The page while sessions run: served on this machine, to whoever has its address.

::

    async with LiveTimeline() as live:
        print(live.url)
        async with relive.connect(client, model=model, observers=[live.observer(conversation="ada")]) as session: ...

Only the loopback interface is listened on. The address holds a random token, which is compared in constant time, and a
request has to name this server as its host and, if it says where it comes from, as its origin: a page from elsewhere
that a browser on this machine shows can neither read this one nor listen. It shows what a trace would hold: no handle,
no key, and nothing of what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
from collections import deque
from itertools import count, islice
from typing import Any, Final, Self

from relive.core.table import TABLE
from relive.diagrams.model import Diagram
from relive.diagrams.reading import of_table
from relive.diagrams.timeline.page import written
from relive.telemetry.trace import Record, SessionTrace

KEPT: Final = 50_000
"Records that a page is told which is opened late; older ones are left out."
LISTENERS: Final = 20
"Pages that may be open at once."
_HEAD: Final = 16_384
_PATIENCE: Final = 10.0
"Seconds that a request may take, and that a page may not read."
_TICK: Final = 1.0
_FINAL: Final = (" → CLOSED", " → FAILED")
_HEADERS: Final = (
    "Cache-Control: no-store",
    "Connection: close",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
)
_TEXT: Final = "text/plain; charset=utf-8"


class LiveTimeline:
    """Serves the page of sessions that run in this event loop, as an async context manager.

    Args:
        name: stands on top of the page.
        machine: whose states are lit; ours by default.
        port: to listen on; 0 picks a free one.
    """

    def __init__(self, name: str = "live", machine: Diagram | None = None, port: int = 0) -> None:
        self._name = name
        self._machine = machine
        self._port = port
        self._token = secrets.token_urlsafe(24)
        self._records: deque[tuple[int, Record]] = deque(maxlen=KEPT)
        self._count = 0
        self._numbers = count()
        self._zero: float | None = None
        self._running: set[int] = set()
        self._last = 0.0
        self._news = asyncio.Event()
        self._ended = False
        self._listeners: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address of the page; a secret of whoever may look."""
        return f"http://{self._host}/{self._token}/"

    @property
    def _host(self) -> str:
        return f"127.0.0.1:{self._port}"

    def observer(self, *, conversation: str = "") -> SessionTrace:
        """An observer for one session.

        Args:
            conversation: your own name for it, which the page shows. Never a handle.
        """
        return SessionTrace(self._put, next(self._numbers), conversation, self._began)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=_HEAD)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended = True
        self._news.set()
        if self._server is not None:
            self._server.close()
        if self._listeners:
            await asyncio.wait(self._listeners, timeout=0.5)
        late = list(self._listeners)
        for listener in late:
            listener.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _began(self, at: float) -> float:
        if self._zero is None:
            self._zero = at
        return self._zero

    def _put(self, record: Record) -> None:
        self._count += 1
        client, what = record["client"], record["what"]
        if record["kind"] == "session":
            self._running.add(client)
        elif record["kind"] == "transition" and what.endswith(_FINAL):
            self._running.discard(client)
        self._last = max(self._last, record["t"])
        self._records.append((self._count, record))
        self._news.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a server's callback is a task
        self._listeners.add(task)
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._answer(head.decode("latin-1"), writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._listeners.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        request, *lines = head.split("\r\n")
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0]
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        _, token, what = [*path.split("/", 2), "", ""][:3]
        if not self._is_ours(fields):
            await _send(writer, "403 Forbidden", _TEXT, "this page is for this machine alone\n")
        elif not hmac.compare_digest(token.encode(), self._token.encode()) or what not in ("", "events"):
            await _send(writer, "404 Not Found", _TEXT, "there is nothing here\n")
        elif method != "GET":
            await _send(writer, "405 Method Not Allowed", _TEXT, "this page can be looked at, and no more\n")
        elif path == f"/{token}":  # the page asks for what lies beside it
            await _send(writer, "308 Permanent Redirect", _TEXT, "", f"Location: /{token}/")
        elif what == "":
            await _send(writer, "200 OK", "text/html; charset=utf-8", self._page())
        elif len(self._listeners) > LISTENERS:
            await _send(writer, "503 Service Unavailable", _TEXT, "too many pages are open\n")
        else:
            await self._tell(writer, fields.get("last-event-id", ""))

    def _is_ours(self, fields: dict[str, str]) -> bool:
        """Whether a request was made for this server, and not by a page from elsewhere."""
        hosts = (self._host, f"localhost:{self._port}")
        if fields.get("host") not in hosts:
            return False
        if fields.get("origin") not in (None, *(f"http://{host}" for host in hosts)):
            return False
        return fields.get("sec-fetch-site") in (None, "none", "same-origin")

    def _page(self) -> str:
        # Nothing has happened yet: the page is told of it all, and asks where `live` says.
        data: dict[str, Any] = {"name": self._name, "notes": [], "runs": [{"number": 1}], "live": "events"}
        machine = self._machine if self._machine is not None else of_table(TABLE)
        return written(self._name, machine, data, more="; connect-src 'self'")

    async def _tell(self, writer: asyncio.StreamWriter, last: str) -> None:
        """Tell a page what happened, and then what happens, until one of us has enough."""
        told = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else 0
        writer.write(_head("200 OK", "text/event-stream; charset=utf-8"))
        while True:
            ended = self._ended
            self._news.clear()
            behind = min(self._count - told, len(self._records))
            new = list(islice(self._records, len(self._records) - behind, None)) if behind > 0 else []
            for number, record in new:
                writer.write(f"id: {number}\ndata: {json.dumps(record, separators=(',', ':'))}\n\n".encode())
            told = max(told, self._count)
            writer.write(_event("end" if ended else "now", self._now()))
            async with asyncio.timeout(_PATIENCE):
                await writer.drain()
            if ended:
                return
            # Another page may have cleared the event meanwhile, so it is not all that is asked.
            if told == self._count and not self._ended:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_TICK):
                        await self._news.wait()
            # What happens at about the same time is told together.
            await asyncio.sleep(0.05)

    def _now(self) -> float:
        """How far it is, in seconds since the beginning. When all sessions have ended it is over."""
        if self._zero is None or not self._running:
            return self._last
        return round(asyncio.get_running_loop().time() - self._zero, 3)


def _event(name: str, data: float) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


def _head(status: str, kind: str, *more: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", f"Content-Type: {kind}", *_HEADERS, *more, "", "")).encode()


async def _send(writer: asyncio.StreamWriter, status: str, kind: str, body: str, *more: str) -> None:
    data = body.encode()
    writer.write(_head(status, kind, f"Content-Length: {len(data)}", *more) + data)
    async with asyncio.timeout(_PATIENCE):
        await writer.drain()
