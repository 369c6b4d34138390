"""A fake Live server for any Gemini client, until somebody interrupts it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import attrs

from relive.testing.hosts import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import Limits, ServerScript

_KEY: Final = "demo"
_NOTICE: Final = 60.0


class CannotServe(Exception):
    """The server cannot be started: the port is taken, the name unknown, the file not writable."""


@attrs.frozen(kw_only=True)
class Serving:
    """What was asked for."""

    host: str
    port: int
    ca: Path | None
    seed: int
    connection_limit: float | None
    notice: float | None
    turn_chunks: int
    turn_interval: float
    turn_thinking: float
    as_json: bool

    @property
    def script(self) -> ServerScript:
        """How the server behaves."""
        limit = self.connection_limit
        lead = min(_NOTICE, limit / 2 if limit is not None else _NOTICE) if self.notice is None else self.notice
        return ServerScript(
            model=EchoModel(chunks=self.turn_chunks, interval=self.turn_interval, thinking=self.turn_thinking),
            limits=Limits(connection=limit, lead=lead or None),
        )


def environment(base_url: str, ca_file: str, *, vertex: bool) -> dict[str, str]:
    """What points an unchanged client at the server: read by google-genai itself."""
    if vertex:
        # Which base URL it reads depends on `Client(vertexai=…)` alone (google-genai 3.4): without that argument it is
        # the Developer API's, even where GOOGLE_GENAI_USE_VERTEXAI makes it a Vertex client. So both are set.
        return {
            "GOOGLE_GENAI_USE_VERTEXAI": "true",
            "GOOGLE_VERTEX_BASE_URL": base_url,
            "GOOGLE_GEMINI_BASE_URL": base_url,
            "GOOGLE_API_KEY": _KEY,
            "SSL_CERT_FILE": ca_file,
        }
    return {"GOOGLE_GEMINI_BASE_URL": base_url, "GEMINI_API_KEY": _KEY, "SSL_CERT_FILE": ca_file}


async def serve(asked: Serving, say: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CannotServe: it cannot be started.
    """
    server = FakeLiveServer(asked.script, seed=asked.seed)
    async with contextlib.AsyncExitStack() as stack:
        stopped = stack.enter_context(_signals())
        try:
            host = await stack.enter_async_context(TlsHost(server, asked.host, asked.port))
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="relive-"))
            ca_file = host.write_ca(asked.ca or Path(directory) / "ca.pem").resolve()
        except OSError as exc:
            where = exc.filename or f"{asked.host}:{asked.port}"
            raise CannotServe(f"{where}: {exc.strerror or exc}") from exc
        say(_instructions(host.base_url, str(ca_file), as_json=asked.as_json))
        await stopped.wait()


def _instructions(base_url: str, ca_file: str, *, as_json: bool) -> str:
    developer = environment(base_url, ca_file, vertex=False)
    vertex = environment(base_url, ca_file, vertex=True)
    if as_json:
        return json.dumps({"base_url": base_url, "ca_file": ca_file, "env": developer, "env_vertex": vertex})
    return "\n".join(
        (
            f"A fake Live server is listening at {base_url}; Ctrl-C ends it.",
            "",
            "# Point a client at it, with nothing changed but the environment. As the Gemini Developer API:",
            *_exports(developer),
            "",
            "# Or as Vertex AI in express mode:",
            *_exports(vertex),
        )
    )


def _exports(environment: dict[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        yield f"export {name}={value}"


@contextlib.contextmanager
def _signals() -> Generator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop(_signal: int = 0, _frame: FrameType | None = None) -> None:
        loop.call_soon_threadsafe(stopped.set)

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    try:
        for kind in kinds:
            loop.add_signal_handler(kind, stop)
    except NotImplementedError:  # Windows: the handlers of the process itself
        for kind in kinds:
            signal.signal(kind, stop)
    try:
        yield stopped
    finally:
        with contextlib.suppress(NotImplementedError):
            for kind in kinds:
                loop.remove_signal_handler(kind)
        for kind, handler in before.items():
            signal.signal(kind, handler)
