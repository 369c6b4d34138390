"""Ports whose strings a test pulls: a transport, its connections, a store. Each port can hang, raise, or refuse."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import attrs
import pytest

from relive.clock import LoopClock
from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped
from relive.core.effects import Transition
from relive.core.journal import Frame
from relive.core.policy import Policy
from relive.errors import SessionFailed
from relive.ports import ConnectionGone, Notice, Opening
from relive.runtime import Channel, DialLimiter, Runtime
from relive.stores.memory import MemoryStore
from relive.testing import loop as sim
from relive.transports.memory import KNOWN_KEYS

RESET = Dropped(None, "connection reset", origin="network")
ROUTINE = {"dialled", "go_away", "lost", "saved", "failed"}
AUDIO = '{"realtime_input": {"audio": {"data": "AAAA", "mime_type": "audio/pcm;rate=16000"}}}'
ACTIVITY = '{"realtime_input": {"audio_stream_end": true}}'


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a loop with virtual time. It may be parametrized."""

    def run(**given: Any) -> None:
        sim.run(test(**given), max_time=100_000.0)

    functools.update_wrapper(run, test)
    vars(run).pop("__wrapped__")  # pytest-asyncio must not take the test for its own
    vars(run)["__signature__"] = inspect.signature(test)
    return run


def now() -> float:
    return asyncio.get_running_loop().time()


def text(words: str) -> str:
    return json.dumps({"realtime_input": {"text": words}})


def said(words: str) -> bytes:
    return json.dumps({"serverContent": {"modelTurn": {"parts": [{"text": words}]}}}).encode()


def update(handle: str) -> bytes:
    return json.dumps({"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}).encode()


DONE = b'{"serverContent": {"turnComplete": true}}'


def go_away(seconds: float) -> bytes:
    return json.dumps({"goAway": {"timeLeft": f"{seconds}s"}}).encode()


class Port:
    """What every puppet has: calls that hang (politely, or refusing to be cancelled) or raise."""

    def __init__(self) -> None:
        self.hung: set[str] = set()
        self.stubborn: set[str] = set()
        self.raises: dict[str, BaseException] = {}
        self.called: list[str] = []
        self.held = asyncio.Event()

    async def enter(self, name: str) -> None:
        self.called.append(name)
        if name in self.raises:
            raise self.raises[name]
        while name in self.stubborn:
            with contextlib.suppress(asyncio.CancelledError):
                await self.held.wait()
                return
        if name in self.hung:
            await asyncio.get_running_loop().create_future()

    def let_go(self) -> None:
        """Let what refuses to be cancelled return."""
        self.held.set()


class Wire(Port):
    """A connection."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.session_id = f"session-{number}"
        self.setup_complete: object = {"sessionId": self.session_id}
        self.writable = True
        self.last_sign_of_life: Any = now()
        self.taken: list[Frame] = []
        self.aborted = 0
        self._coming: deque[Any] = deque()
        self._end: BaseException | None = None
        self._sending: BaseException | None = None
        self._news = asyncio.Event()

    def says(self, *frames: Any) -> None:
        self._coming.extend(frames)
        self._news.set()

    def ends(self, drop: Dropped = RESET) -> None:
        """It is gone, in both directions; what it said before can still be read."""
        self._end = self._sending = ConnectionGone(drop)
        self._news.set()

    def breaks(self, exc: BaseException) -> None:
        """Reading raises what no connection may raise."""
        self._end = exc
        self._news.set()

    def takes_no_more(self, exc: BaseException | None = None) -> None:
        """Writing fails from now on; reading hears nothing of it."""
        self._sending = exc or ConnectionGone(RESET)

    async def send(self, frame: Frame) -> None:
        if self._sending is not None:
            raise self._sending
        self.taken.append(frame)
        while "send" in self.hung | self.stubborn and self._end is None:
            self._news.clear()
            try:
                await self._news.wait()
            except asyncio.CancelledError:
                if "send" not in self.stubborn:
                    raise
                return
        if self._end is not None and "send" in self.hung:
            raise self._end

    async def recv(self) -> bytes:
        while not self._coming:
            if self._end is not None and "recv" not in self.hung:
                raise self._end
            self._news.clear()
            await self._news.wait()
        self.last_sign_of_life = now()
        return self._coming.popleft()

    async def close(self) -> None:
        await self.enter("close")
        self.ends(Dropped(1000))

    def abort(self) -> None:
        self.aborted += 1
        if "abort" in self.raises:
            raise self.raises["abort"]
        if self._end is None:
            self.ends(Dropped(1006, origin="local"))

    async def ping(self) -> float:
        await self.enter("ping")
        self.last_sign_of_life = now()
        return 0.05


class Exchange(Port):
    """A transport. `wires` are the connections that came up, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.backend, self.compressed, self.known_keys = "model", "backend", True, KNOWN_KEYS
        self.openings: list[Opening] = []
        self.wires: list[Wire] = []
        self.every: dict[str, Any] = {}
        self.refusals: list[Dropped] = []
        self.instead: Any = None

    @property
    def wire(self) -> Wire:
        return self.wires[-1]

    async def open(self, opening: Opening) -> Any:
        self.openings.append(opening)
        await self.enter("open")
        if self.refusals:
            raise ConnectionGone(self.refusals.pop(0))
        if self.instead is not None:
            return self.instead
        wire = Wire(opening.number)
        for name, value in self.every.items():
            setattr(wire, name, value)
        self.wires.append(wire)
        return wire

    async def prepare(self) -> None:
        await self.enter("prepare")

    async def aclose(self) -> None:
        await self.enter("aclose")


class Shelf(Port, MemoryStore):
    """A store."""

    def __init__(self) -> None:
        loop: Any = asyncio.get_running_loop()
        MemoryStore.__init__(self, wall=loop.wall)
        Port.__init__(self)
        self.saved: list[tuple[str, tuple[int, int]]] = []
        self.answers: Any = ...

    async def load(self, key: str) -> Any:
        await self.enter("load")
        return await MemoryStore.load(self, key) if self.answers is ... else self.answers

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        await self.enter("save")
        self.saved.append((checkpoint.handle, generation))
        return await MemoryStore.save(self, key, checkpoint, generation=generation, ttl=ttl)

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        await self.enter("condemn")
        await MemoryStore.condemn(self, key, digest, ttl=ttl)


class Witness:
    """An observer."""

    def __init__(self) -> None:
        self.steps: list[Transition] = []
        self.notices: list[Notice] = []

    def transition(self, transition: Transition) -> None:
        self.steps.append(transition)

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    @property
    def states(self) -> list[str]:
        return [step.dest for step in self.steps]

    @property
    def troubles(self) -> list[str]:
        """What is not told of every session."""
        return [notice.what for notice in self.notices if notice.what not in ROUTINE]

    @property
    def details(self) -> list[str]:
        """The same in words."""
        return [notice.detail for notice in self.notices if notice.what not in ROUTINE]


@attrs.define
class Play:
    """A runtime and everything around it."""

    runtime: Runtime
    exchange: Exchange
    witness: Witness
    channel: Channel

    @property
    def wire(self) -> Wire:
        return self.exchange.wire

    @property
    def state(self) -> str:
        return self.runtime.lifecycle.state


def left_behind() -> list[str]:
    """Tasks and timers of a session that are still there."""
    loop: Any = asyncio.get_running_loop()
    tasks = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("relive")]
    return tasks + [repr(timer) for _, _, timer in loop._timers if not timer.cancelled() and "elive" in repr(timer)]


def staged(**options: Any) -> Play:
    """A runtime that has not begun."""
    exchange = options.pop("exchange", None) or Exchange()
    witness = Witness()
    options.setdefault("clock", LoopClock(seed=1))
    options.setdefault("limiter", DialLimiter())
    observers = (witness, *options.pop("observers", ()))
    runtime = Runtime(exchange, observers=observers, **options)
    return Play(runtime, exchange, witness, Channel(runtime))


@contextlib.asynccontextmanager
async def playing(**options: Any) -> AsyncIterator[Play]:
    """A session that is up, and that leaves nothing behind."""
    options.setdefault("policy", Policy(stable_after=0.5))
    play = staged(**options)
    try:
        await play.runtime.start()
        yield play
    finally:
        await play.runtime.close()
    assert left_behind() == []


async def moment(times: int = 30) -> None:
    """Let what is ready happen, without any time passing."""
    for _ in range(times):
        await asyncio.sleep(0)


async def receive_all(play: Play) -> None:
    """Receive to the end of the session, which raises."""
    while True:
        await play.channel.recv()


async def failed(play: Play) -> SessionFailed:
    """The session has failed on its own, and left nothing."""
    with pytest.raises(SessionFailed) as caught:
        await receive_all(play)
    await play.runtime.close()
    assert left_behind() == []
    return caught.value
