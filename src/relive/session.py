"""`connect` and `Session`: where the pieces are put together. The only module that knows all of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias, cast

import attrs
import websockets
from google.genai import Client, types
from google.genai.errors import APIError
from google.genai.live import AsyncSession
from websockets.frames import Close

from relive.core.effects import Failure, Transition, Verdict
from relive.core.events import Extra
from relive.core.policy import DEFAULT, Policy
from relive.core.schema import Table
from relive.core.table import TABLE, State
from relive.errors import SessionClosed, SessionFailed, SettingError
from relive.ports import Clock, HandleStore, Leases, Observer, Said, SeedHook, Stats, Transport
from relive.runtime import Channel, DialLimiter, Runtime
from relive.runtime.runtime import End
from relive.transports.genai import ClientFactory, Config, GenaiTransport, resolve

Seed: TypeAlias = Callable[[str, tuple[Said, ...]], Awaitable[Sequence[types.ContentOrDict] | None]]
"""Asked after a loss of context, with the reason and what was said so far, less what was not answered yet and is going
to be said again. Returns the turns to begin the fresh session with (an empty list for none), or None to refuse: then
the session fails."""


@attrs.frozen
class HandOver:
    """What a worker has left behind: frames that it took, and that the session will not know that another resumes."""

    reliable: int
    "Text, marks and tool responses; not 0 only if there was no safe point in time."
    audio: int
    video: int
    saved: bool
    "Whether the store has what another worker goes on from. If not, it goes on from an older handle, if from any."


class Session(AsyncSession):
    """The SDK's session, over as many connections as it takes.

    Everything that ``AsyncSession`` has works as it does there. What is added: `state`, `verdict`, `changes`,
    `wait_for` and `stats`. Made by `connect`; use it in one event loop, receive in one task.
    """

    def __init__(self, runtime: Runtime, transport: Transport, api_client: Any) -> None:
        self._runtime = runtime
        self._transport = transport
        super().__init__(api_client=api_client, websocket=cast("Any", Channel(runtime)))

    def __repr__(self) -> str:
        return f"<relive.Session: {self.state}, connection {self._runtime.lifecycle.connection}>"

    @property
    def session_id(self) -> str | None:
        """The id that the server gave with the newest connection."""
        return self._runtime.session_id

    @session_id.setter
    def session_id(self, _value: str | None) -> None:
        """The SDK's constructor sets what changes with every connection here."""

    @property
    def setup_complete(self) -> types.LiveServerSetupComplete | None:
        """The server's answer to the newest connection's setup."""
        return cast("types.LiveServerSetupComplete | None", self._runtime.setup_complete)

    @setup_complete.setter
    def setup_complete(self, _value: types.LiveServerSetupComplete | None) -> None:
        """The SDK's constructor sets what changes with every connection here."""

    @property
    def state(self) -> State:
        """Where the session is in its life; `relive.core.table` tells what each state means."""
        return cast("State", self._runtime.lifecycle.state)

    @property
    def verdict(self) -> Verdict | None:
        """How the newest connection came up, and what that means for the conversation."""
        return self._runtime.lifecycle.verdict

    @property
    def stats(self) -> Stats:
        """What was counted since the session began."""
        return self._runtime.stats()

    def changes(self) -> AsyncIterator[Transition]:
        """Every transition from this call on, to the end of the session. Who lags far behind misses some, counted."""
        return self._runtime.watch.follow()

    async def hand_over(self, *, within: float = 30.0) -> HandOver:
        """End the session here, so that another worker can go on with it: `connect` there with the same key and store.

        It goes on until nothing but media would be lost (no turn open, no tool pending, everything else covered by a
        handle), for so many seconds at most. Then the handle is saved, with what is left behind, and the session is
        no longer this worker's own. Stop feeding it meanwhile: media that are still sent are left behind. For the
        store there is `Policy.save_timeout`, besides. Who cancels this goes on with the session.

        Raises:
            SettingError: it has no store.
            CommandError: it has ended.
            SessionFailed: it failed meanwhile.
        """
        left, saved = await self._runtime.hand_over(within)
        return HandOver(left["reliable"], left["audio"], left["video"], saved)

    def tell(self, fact: Extra) -> None:
        """Tell the machine a fact of one's own table; for whoever passed one to `connect`.

        Raises:
            CommandError: that table has no row for it in this state.
        """
        self._runtime.tell(fact)

    async def wait_for(self, state: State) -> None:
        """Return once the session is in this state.

        Raises:
            SessionFailed, SessionClosed: it has ended in another one.
            SettingError: there is no such state.
        """
        if self.state == state:
            return
        states = self._runtime.lifecycle.table.states
        if state not in states:
            raise SettingError("state", state, f"one of {', '.join(states)}")
        reached = await self._runtime.watch.next(lambda step: step.dest == state)
        if reached is None and self.state != state:
            raise self._runtime.receive_error()


class _ReceiveFailed(SessionFailed, APIError):
    """A failed session, as its receivers get it: also the SDK's error."""

    def __init__(self, failure: Failure) -> None:
        SessionFailed.__init__(self, failure)
        drop = failure.drop
        self.code = (drop.code or drop.status or 1006) if drop is not None else 1006
        self.details = self.message = drop.reason if drop is not None else failure.detail
        self.status = None
        self.response = cast("Any", None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failure,)


class _ReceiveClosed(SessionClosed, APIError):
    """A closed session, as its receivers get it: what the SDK raises after a normal close."""

    def __init__(self) -> None:
        Exception.__init__(self)
        self.code, self.status = 1000, None
        self.details = self.message = "the session is closed"
        self.response = cast("Any", None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


class _SendFailed(SessionFailed, websockets.ConnectionClosedError):
    """A failed session, as its senders get it: also the websocket library's error."""

    def __init__(self, failure: Failure) -> None:
        drop = failure.drop
        code = drop.code if drop is not None and drop.code not in (None, 1006) else None
        received = Close(code, drop.reason) if drop is not None and code is not None else None
        websockets.ConnectionClosedError.__init__(self, received, None)
        SessionFailed.__init__(self, failure)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failure,)


class _SendClosed(SessionClosed, websockets.ConnectionClosedOK):
    """A closed session, as its senders get it: also the websocket library's error."""

    def __init__(self) -> None:
        websockets.ConnectionClosedOK.__init__(self, Close(1000, ""), Close(1000, ""), rcvd_then_sent=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


def _receive_error(end: End) -> Exception:
    return _ReceiveFailed(end.failure) if isinstance(end, SessionFailed) else _ReceiveClosed()


def _send_error(end: End) -> Exception:
    return _SendFailed(end.failure) if isinstance(end, SessionFailed) else _SendClosed()


class _Recorder:
    """Takes the place of a websocket to learn how the SDK would write something."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    async def send(self, frame: str) -> None:
        self.frames.append(frame)


def _seed_hook(seed: Seed, transport: GenaiTransport) -> SeedHook:
    """The application's turns as the client frame that the SDK would make of them."""

    async def hook(reason: str, transcript: tuple[Said, ...]) -> tuple[str, ...] | None:
        turns = await seed(reason, transcript)
        if turns is None:
            return None
        recorder = _Recorder()
        if turns:
            scribe = AsyncSession(_api_client(transport.client), cast("Any", recorder))
            await scribe.send_client_content(turns=cast("Any", list(turns)), turn_complete=True)
        return tuple(recorder.frames)

    return hook


def _api_client(client: Client) -> Any:
    return client._api_client  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


_OF_A_STORE: Final = ("load", "save", "condemn", "delete", "aclose")
_OF_AN_OBSERVER: Final = ("transition", "notice")


def _must_do(name: str, given: object, methods: tuple[str, ...], expected: str) -> None:
    """Refuse what has not these methods. `isinstance` would not see those that a wrapper hands on."""
    kind = given if isinstance(given, type) else type(given)
    if kind is given or not all(callable(getattr(given, method, None)) for method in methods):
        raise SettingError(name, kind, expected)  # not what was given: a URL may have a password in it


@contextlib.asynccontextmanager
async def connect(
    client: Client | ClientFactory,
    *,
    model: str,
    config: Config = None,
    policy: Policy | None = None,
    key: str | None = None,
    store: HandleStore | None = None,
    owner: str | None = None,
    seed: Seed | None = None,
    observers: Iterable[Observer] = (),
    limiter: DialLimiter | None = None,
    clock: Clock | None = None,
    transport: Transport | None = None,
    table: Table[Any, Any, Any] = TABLE,
) -> AsyncGenerator[Session]:
    """Open a Live session that outlives its connections; use it in place of ``client.aio.live.connect``.

    Args:
        client: any ``google.genai.Client``, or an async function that returns one, called anew for each connection.
        model: the model, as for the SDK.
        config: the configuration, as for the SDK. Session resumption and context-window compression are added. A handle
            in its ``session_resumption`` is where the session begins.
        policy: the numbers; see `Policy`.
        key: names this conversation in the `store`, so that another process can go on from it.
        store: keeps the newest handle under `key`. Both or neither.
        owner: names this worker, and asks that the session be its own: no other worker that asks so can open it
            meanwhile. If one does after all (this one was not heard of for `Policy.lease_ttl`), the session fails here
            with ``session_taken``. The store must offer `Leases`.
        seed: asked when context is lost; see `Seed`. Without it a session begins afresh and its verdict says so.
        observers: told of transitions and notices, off the path.
        limiter: keeps sessions from dialling all at once; by default one for the process.
        clock: time and chance, for simulation.
        transport: opens connections in place of the SDK, for simulation.
        table: another table than ours, made from it with ``TABLE.extend``.

    Yields:
        The session, once it is up.

    Raises:
        SettingError: an argument cannot be right.
        SessionTaken: another worker owns the session, and did not let go within `Policy.lease_wait`.
        SessionFailed: the session could not be opened, or not kept; also a ``google.genai.errors.APIError``.
    """
    if (key is None) != (store is None):
        raise SettingError(
            "key" if key is None else "store", None, "given together with the other one of key and store"
        )
    if store is not None:
        _must_do("store", store, _OF_A_STORE, "a HandleStore: relive.stores.open(url) makes one, a URL alone is none")
    observers = tuple(observers)
    for observer in observers:
        _must_do("an observer", observer, _OF_AN_OBSERVER, "a relive.ports.Observer")
    if owner is not None and not isinstance(store, Leases):
        raise SettingError("owner", owner, "None, or the store must offer leases (relive.ports.Leases)")
    if not model:
        raise SettingError("model", model, "the name of a model")
    policy = policy if policy is not None else DEFAULT
    first, factory = await resolve(client)
    genai = GenaiTransport(first, model=model, config=config, policy=policy, factory=factory)
    opener = transport if transport is not None else genai
    runtime = Runtime(
        opener,
        policy=policy,
        store=store,
        key=key,
        owner=owner,
        seed=_seed_hook(seed, genai) if seed is not None else None,
        observers=observers,
        clock=clock,
        limiter=limiter,
        table=table,
        receive_error=_receive_error,
        send_error=_send_error,
    )
    session = Session(runtime, opener, _api_client(first))
    try:
        await runtime.start(genai.handle)
        yield session
    finally:
        await runtime.close()
