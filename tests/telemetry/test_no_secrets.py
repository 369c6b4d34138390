"""P5: a session with everything that logs, measures and prints switched on tells neither a handle nor a key.

Over TLS, with the real SDK. The log of the fake server's own end of the connection is somebody else's, and left out.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google import genai
from google.genai import types
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import REGISTRY, generate_latest
from tests.canaries import Canaries
from tests.telemetry.readings import Readings

import relive
from relive.telemetry.logging import LogObserver
from relive.telemetry.opentelemetry import Telemetry
from relive.telemetry.trace import SessionTrace
from relive.testing import FakeLiveServer, TlsHost
from relive.testing.server_script import CLOSES

KEY = "canary-key-4711-0815-2342"
LOUD = ("", "relive", "websockets.client", "google_genai", "asyncio", "httpx", "httpcore", "opentelemetry")
POLICY = relive.Policy(stable_after=0.0, retry_base=0.01)


class Loud(logging.Handler):
    """Keeps all that is logged as text: the line, its traceback, and all fields of its record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {self.format(record)} {vars(record)}")


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Every logger at DEBUG, but that of the server's end."""
    loggers = [logging.getLogger(name) for name in LOUD]
    server = logging.getLogger("websockets.server")
    levels, handler = [logger.level for logger in (*loggers, server)], Loud()
    server.setLevel(logging.WARNING)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    try:
        yield handler.lines
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in zip((*loggers, server), levels, strict=True):
            logger.setLevel(level)


class Told:
    """All that was told, by where it was told, and what must not be in it."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, where: str, *things: Any) -> None:
        self.texts[where] = self.texts.get(where, "") + "\n".join(f"{thing!r}\n{thing}" for thing in things)

    def add_error(self, error: BaseException) -> None:
        self.add("errors", error, "".join(traceback.format_exception(error)), vars(error))

    def holding(self, secrets: set[str]) -> dict[str, list[str]]:
        """Where there is a secret, or a piece of one that is long enough to know it by."""
        pieces = {secret[start : start + 12] for secret in secrets for start in range(8, len(secret) - 12)}
        found = {where: [one for one in {*secrets, *pieces} if one in text] for where, text in self.texts.items()}
        return {where: some for where, some in found.items() if some}


def public_things(session: relive.Session, store: relive.MemoryStore, *more: Any) -> list[Any]:
    runtime: Any = session._runtime
    life = runtime.lifecycle
    return [
        session, session.stats, session.verdict, session.state, session.changes(), runtime, runtime.transport, life,
        life.scene, life.scene.situation, life.scene.situation.checkpoint, life.snapshot(), life.journal,
        life.journal.written, runtime.link, runtime.watch, runtime._keeper, runtime.delivery, runtime.ended, store,
        *more,
    ]  # fmt: skip


async def ask(session: relive.Session) -> None:
    """One turn, and the handle that follows it."""
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="hello")]))
    async for _ in session.receive():
        pass
    update = await session._receive()
    assert update.session_resumption_update is not None


async def is_lost(session: relive.Session, host: TlsHost) -> None:
    host.kill(host.newest)
    await session.wait_for("RESUMING")


async def goes_away(session: relive.Session, host: TlsHost) -> None:
    host.server.go_away(host.server.live[-1], 5.0, host.now)
    host.flush()
    await session.wait_for("RESUMING")


async def forgets(session: relive.Session, host: TlsHost) -> None:
    host.server.expire_handles(host.now)
    await is_lost(session, host)
    await session.wait_for("HANDLE_EXPIRED")


async def quotes(session: relive.Session, host: TlsHost) -> None:
    """The service is known to quote the key: "Consumer 'api_key:…' has been suspended."."""
    newest = list(host.server.handles)[-1]
    reason = f"API key {KEY} suspended {newest}"
    host.server.close(host.server.live[-1], 1008, reason, host.now)
    host.flush()
    with pytest.raises(relive.SessionFailed):
        await session.wait_for("CLOSED")


async def is_refused(session: relive.Session, host: TlsHost) -> None:
    host.server.close(host.server.live[-1], *CLOSES["bad_key"], host.now)
    host.flush()
    with pytest.raises(relive.SessionFailed):
        await session.wait_for("CLOSED")


ENDS: tuple[Callable[[relive.Session, TlsHost], Awaitable[None]], ...] = (quotes, is_refused)


@pytest.mark.sockets
@pytest.mark.parametrize("end", ENDS)
async def test_whatever_becomes_of_a_session_no_secret_is_told(
    end: Callable[[relive.Session, TlsHost], Awaitable[None]], capfd: pytest.CaptureFixture[str]
) -> None:
    told, readings, reader = Told(), Readings(), InMemoryMetricReader()
    prometheus = MeterProvider([reader, PrometheusMetricReader()], shutdown_on_exit=False)
    telemetry = Telemetry(readings.tracers, prometheus)
    traced: list[object] = []
    tracing = SessionTrace(traced.append, conversation="ada")
    observers = [telemetry.observer(model="m", conversation="ada"), LogObserver(conversation="ada"), tracing]
    store = relive.MemoryStore()
    with everything_logged() as lines:
        async with TlsHost(FakeLiveServer()) as host:
            options: Any = host.http_options()
            client = genai.Client(vertexai=True, api_key=KEY, http_options=options)
            connecting = relive.connect(client, model="m", policy=POLICY, key="ada", store=store, observers=observers)
            async with connecting as session:
                for deed in (is_lost, goes_away, forgets):
                    await ask(session)
                    told.add("reprs", *public_things(session, store, telemetry, *observers))
                    await deed(session, host)
                    await session.wait_for("ACTIVE")
                await ask(session)
                await end(session, host)
                told.add("reprs", *public_things(session, store))
                for late in (session.receive().__anext__, lambda: session.send_realtime_input(text="late")):
                    with pytest.raises(relive.SessionFailed) as failed:
                        await late()
                    told.add_error(failed.value)
            await asyncio.sleep(0)
            stored = await store.load("ada")
            secrets = {KEY, *host.server.handles}
    told.add("stored", stored)
    told.add("trace", *traced)
    told.add("logs", *lines)
    told.add("spans", *(span.to_json() for span in readings.spans))
    told.add("metrics", str(reader.get_metrics_data()), generate_latest(REGISTRY).decode())
    told.add("streams", *capfd.readouterr())
    prometheus.shutdown()
    for where, word in {"logs": "websockets.client", "spans": "relive.lost", "metrics": "relive_connections_total",
                        "reprs": "Session", "trace": "HANDLE_EXPIRED", "errors": "Traceback",
                        "stored": "Checkpoint"}.items():  # fmt: skip
        assert word in told.texts[where]
    assert len(secrets) > 4
    assert told.holding(secrets) == {}


def test_the_search_would_find_a_secret_and_a_piece_of_it() -> None:
    told = Told()
    told.add("here", ValueError(KEY))
    told.add("there", KEY[8:20])
    told.add("elsewhere", "nothing")
    assert told.holding({KEY}).keys() == {"here", "there"}


def test_a_handle_in_the_log_of_any_test_would_be_found() -> None:
    handle = "handle-" + "0" * 32
    canaries = Canaries()
    for record in (
        {"msg": f"saved {handle}"},
        {"msg": "saved", "relive_handle": handle},
        {"msg": "saved %s", "args": (handle,)},
        {"msg": "saved handle-0"},
    ):
        canaries.handle(logging.makeLogRecord(record))
    error = ValueError(handle)
    canaries.handle(logging.makeLogRecord({"msg": "raised", "exc_info": (ValueError, error, None)}))
    assert len(canaries.found) == 4
