"""The SDK as a transport: ``client.aio.live.connect`` dials and sets up, and we use the websocket it leaves us.

Two private attributes are used, ``AsyncSession._ws`` and ``._api_client``, both here and in `relive.session`, both
unchanged from google-genai 1.0 to 3.4 and held by a contract test. Nothing else in relive knows what a websocket is.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, cast

import attrs
import google.auth.exceptions
import pydantic
import websockets
from google.genai import Client, types
from google.genai.errors import APIError
from google.genai.live import AsyncSession

from relive.core.closes import Dropped, Phase
from relive.core.journal import Frame
from relive.core.policy import Policy
from relive.errors import SettingError
from relive.ports import Connection, ConnectionGone, Opening, Transport
from relive.transports.discretion import keep_secrets

ClientFactory: TypeAlias = Callable[[], Awaitable[Client]]
Config: TypeAlias = types.LiveConnectConfigOrDict | None

_OPEN: Final = websockets.State.OPEN  # looked up once: the library imports its names anew at each access
# Shared by all sessions: every connection is opened with a copy of the configuration.
_EMPTY: Final = types.LiveConnectConfig()
_COMPRESSED: Final = types.ContextWindowCompressionConfig(sliding_window=types.SlidingWindow())
_PAGE: Final = 123
"Letters kept of the page that came with a refusal: as many as a close frame has."
KNOWN_KEYS: Final = frozenset(field.alias or name for name, field in types.LiveServerMessage.model_fields.items())
"Top-level keys of server frames, as the installed SDK knows them."


def _reason_of(error: APIError) -> str:
    details: object = getattr(error, "details", None)
    return details if isinstance(details, str) else str(error.message or details)


def _dropped(exc: Exception, phase: Phase = "steady") -> Dropped:
    """What an exception of the SDK, of the websocket library, or of the system says."""
    match exc:
        case websockets.InvalidStatus():
            body = exc.response.body
            text = body.decode(errors="replace") if body else exc.response.reason_phrase
            return Dropped(None, text, phase, exc.response.status_code)
        case websockets.ConnectionClosed():
            if exc.rcvd is not None:
                return Dropped(exc.rcvd.code, exc.rcvd.reason, phase)
            if exc.sent is not None:  # the library gave up: keepalive, a protocol error
                return Dropped(exc.sent.code, exc.sent.reason, phase, origin="network")
            return Dropped(1006, "", phase, origin="network")
        case APIError():
            return Dropped(exc.code, _reason_of(exc), phase, origin="network" if exc.code == 1006 else "server")
        case ssl.SSLCertVerificationError():
            return Dropped(None, f"{type(exc).__name__}: {exc}", phase, origin="local")
        case OSError() | websockets.WebSocketException() | EOFError() | google.auth.exceptions.TransportError():
            return Dropped(None, f"{type(exc).__name__}: {exc}", phase, origin="network")
        case _:
            return Dropped(None, f"{type(exc).__name__}: {exc}", phase, origin="local")


def _discreet(drop: Dropped, *secrets: str | None) -> Dropped:
    """The same without the secrets that a server, or the text of an exception, may quote; of a page, its beginning.

    "Permission denied: Consumer 'api_key:…' has been suspended.", says the service, and there is the key in full
    (google/generative-ai-docs#356).
    """
    drop = drop.without(*secrets)
    return attrs.evolve(drop, reason=drop.reason[:_PAGE]) if drop.status is not None else drop


def read_config(config: Config) -> types.LiveConnectConfig:
    """The caller's configuration as the SDK's model, copied: the SDK changes what it is given.

    Raises:
        SettingError: the SDK does not accept it.
    """
    if config is None:
        return _EMPTY
    if isinstance(config, types.LiveConnectConfig):
        return config.model_copy()
    try:
        return types.LiveConnectConfig(**cast("dict[str, Any]", config))
    except (pydantic.ValidationError, TypeError) as exc:
        wrong = exc.errors(include_input=False)[0] if isinstance(exc, pydantic.ValidationError) else None
        where = ".".join(str(part) for part in wrong["loc"]) if wrong else "config"
        what = wrong["msg"] if wrong else str(exc)
        raise SettingError("config", where, f"a LiveConnectConfig ({what})") from exc


class GenaiTransport:
    """Opens connections with a google-genai client.

    Args:
        client: any client, Developer API or Vertex.
        factory: makes a client for each connection (to renew credentials); it made the first one as well.
        model: passed to the SDK as it is.
        config: the caller's; resumption and compression are added to it.
        policy: the numbers.
    """

    __slots__ = ("_config", "_factory", "_fresh_client", "_leaving", "_opened", "_policy", "client", "known_keys",
                 "model")  # fmt: skip

    def __init__(
        self, client: Client, *, model: str, config: Config = None, policy: Policy, factory: ClientFactory | None = None
    ) -> None:
        keep_secrets()
        self.model = model
        self.known_keys = KNOWN_KEYS
        self.client = client
        self._factory = factory
        self._fresh_client = True
        self._opened = 0
        self._policy = policy
        self._config = read_config(config)
        self._leaving: list[asyncio.Future[Any]] = []

    def __repr__(self) -> str:
        return f"<GenaiTransport: {self.model} on {self.backend}>"

    @property
    def backend(self) -> str:
        """The Developer API, or Vertex with project and location (express mode has neither)."""
        api = self.client._api_client  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if not api.vertexai:
            return "developer"
        return f"vertex:{api.project or ''}/{api.location or ''}"

    @property
    def compressed(self) -> bool:
        """Whether sessions are opened with context-window compression."""
        return self._policy.compress or self._config.context_window_compression is not None

    @property
    def handle(self) -> str | None:
        """The handle in the caller's own configuration."""
        resumption = self._config.session_resumption
        return resumption.handle if resumption is not None else None

    def config_for(self, opening: Opening) -> types.LiveConnectConfig:
        """The configuration for one connection."""
        ours: dict[str, Any] = {
            "session_resumption": types.SessionResumptionConfig(handle=opening.handle, transparent=self._transparent())
        }
        if self._config.context_window_compression is None and self._policy.compress:
            ours["context_window_compression"] = _COMPRESSED
        # Initial history belongs to a session's beginning: the caller's to the first, ours to one that is seeded.
        if opening.handle is not None or (opening.number > 1 and not opening.seeded):
            ours["history_config"] = None
        elif opening.seeded:
            ours["history_config"] = types.HistoryConfig(initial_history_in_client_content=True)
        return self._config.model_copy(update=ours)

    def _transparent(self) -> bool | None:
        theirs = self._config.session_resumption
        if theirs is not None and theirs.transparent is not None:
            return theirs.transparent
        if self._policy.transparent is not None:
            return self._policy.transparent or None
        return True if self.client.vertexai else None

    async def prepare(self) -> None:
        """Have a client with fresh credentials ready."""
        if self._factory is not None and not self._fresh_client:
            opened = self._opened
            client: Any = await self._factory()
            if not isinstance(client, Client):
                raise SettingError("client", type(client).__name__, "a google.genai.Client from the function as well")
            if opened == self._opened:  # else it comes too late, and would be stale by the next time
                self.client, self._fresh_client = client, True

    async def open(self, opening: Opening) -> Connection:
        """Dial and set up, with the SDK."""
        try:
            await self.prepare()
        except SettingError as exc:
            raise ConnectionGone(_dropped(exc, "opening")) from exc
        except Exception as exc:
            # The factory's own: whoever makes tokens has bad minutes. The budget ends it if it does not pass.
            drop = attrs.evolve(_dropped(exc, "opening"), origin="network")
            raise ConnectionGone(_discreet(drop, opening.handle, self._key)) from exc
        self._fresh_client = False
        self._opened += 1
        manager = self.client.aio.live.connect(model=self.model, config=self.config_for(opening))
        entering = asyncio.ensure_future(manager.__aenter__())
        try:
            session = await asyncio.shield(entering)
        except asyncio.CancelledError:
            self._give_up(manager, entering)
            raise
        except Exception as exc:  # noqa: BLE001 - the SDK, pydantic, websockets, the system: all are told as drops
            # Without the cause: its text, and that of what caused it, may quote the handle or the key.
            raise ConnectionGone(_discreet(_dropped(exc, "opening"), opening.handle, self._key)) from None
        connection = _Websocket(session, manager, self._track, self._key)
        if session.setup_complete is None:
            # The SDK swallows a first frame that is something else, and goes on as if the session were set up.
            connection.abort()
            raise ConnectionGone(Dropped(None, "the first frame was not setupComplete", "opening"))
        connection.limit_silence(self._policy.probe_after + self._policy.probe_timeout)
        return connection

    @property
    def _key(self) -> str | None:
        return self.client._api_client.api_key  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def _give_up(self, manager: Any, entering: asyncio.Future[AsyncSession]) -> None:
        """Leave a dial in the middle. The SDK would wait ten seconds for a mute peer to answer its close frame."""
        generator = getattr(manager, "gen", None)
        frame = getattr(generator, "ag_frame", None)
        websocket = frame.f_locals.get("ws") if frame is not None else None
        if websocket is not None:
            websocket.transport.abort()
        else:
            entering.cancel()
        self._track(asyncio.ensure_future(self._leave(manager, entering)))

    async def _leave(self, manager: Any, entering: asyncio.Future[AsyncSession]) -> None:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await entering
            await manager.__aexit__(None, None, None)  # it came up in the very moment that it was given up

    def _track(self, task: asyncio.Future[Any]) -> None:
        self._leaving.append(task)
        task.add_done_callback(self._leaving.remove)

    async def aclose(self) -> None:
        """Wait until connections that were left are gone; who is cancelled waiting leaves none either."""
        try:
            if self._leaving:
                await asyncio.wait(self._leaving)
        finally:
            for task in self._leaving:
                task.cancel()


class _Websocket:
    """The SDK's websocket as a connection."""

    __slots__ = ("_key", "_left", "_loop", "_manager", "_track", "_ws", "last_sign_of_life", "session_id",
                 "setup_complete")  # fmt: skip

    def __init__(
        self, session: AsyncSession, manager: Any, track: Callable[[asyncio.Future[Any]], None], key: str | None
    ) -> None:
        self._ws: Any = session._ws  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._manager = manager
        self._track = track
        self._key = key
        self._left = False
        pings: asyncio.Task[None] | None = getattr(self._ws, "keepalive_task", None)
        if pings is not None:
            pings.cancel()  # the library's own: silence is judged by the policy, also by one that waits for longer
        self._loop = asyncio.get_running_loop()
        self.session_id = session.session_id
        self.setup_complete = session.setup_complete
        self.last_sign_of_life = self._loop.time()

    @property
    def writable(self) -> bool:
        # The library pauses when the network takes no more; asking the transport for its buffers costs ten times that.
        return not self._ws.paused and self._ws.protocol.state is _OPEN

    def _gone(self, exc: Exception) -> ConnectionGone:
        return ConnectionGone(_discreet(_dropped(exc), self._key))

    async def send(self, frame: Frame) -> None:
        try:
            await self._ws.send(frame)
        except (websockets.ConnectionClosed, OSError) as exc:
            raise self._gone(exc) from exc

    async def recv(self) -> bytes:
        try:
            frame: bytes = await self._ws.recv(False)  # as bytes, whatever they were sent as
        except (websockets.ConnectionClosed, OSError) as exc:
            raise self._gone(exc) from exc
        self.last_sign_of_life = self._loop.time()
        return frame

    async def ping(self) -> float:
        began = self._loop.time()
        try:
            await (await self._ws.ping())
        except (websockets.ConnectionClosed, OSError) as exc:
            raise self._gone(exc) from exc
        self.last_sign_of_life = self._loop.time()
        return self.last_sign_of_life - began

    async def close(self) -> None:
        try:
            await self._ws.close()
        finally:
            self._leave()

    def abort(self) -> None:
        self._ws.transport.abort()
        self._leave()

    def _leave(self) -> None:
        """Let the SDK's context manager end; with the websocket closed or cut that takes no time."""
        if not self._left:
            self._left = True
            self._track(self._loop.create_task(self._exit(), name="relive leave"))

    async def _exit(self) -> None:
        with contextlib.suppress(Exception):
            await self._manager.__aexit__(None, None, None)

    def limit_silence(self, seconds: float) -> None:
        """Have the kernel give up on unacknowledged bytes after this time, where it can (Linux: TCP_USER_TIMEOUT).

        Elsewhere only our own pings notice a black hole.
        """
        sock = self._ws.transport.get_extra_info("socket")
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if sock is not None and option is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


async def resolve(client: Client | ClientFactory) -> tuple[Client, ClientFactory | None]:
    """A client, and the factory that it came from.

    Raises:
        SettingError: this is neither.
    """
    if isinstance(client, Client):
        return client, None
    made: Any = client() if callable(client) else client
    if inspect.isawaitable(made):
        made = await made
    if not isinstance(made, Client):
        raise SettingError(
            "client", type(made).__name__, "a google.genai.Client, or an async function that returns one"
        )
    return made, client if callable(client) else None


_: type[Transport] = GenaiTransport
