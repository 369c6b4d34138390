"""What the levels that run the real runtime have in common: clients, their processes, and the stage of chaos."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from relive.ports import Clock, Said, Transport
from relive.runtime.limiter import DialLimiter
from relive.runtime.runtime import Runtime
from relive.testing.links import Line, Network
from relive.testing.server import FakeLiveServer
from relive.testing.simulation.alarm import Alarm
from relive.testing.simulation.chaos import Chaos
from relive.testing.simulation.history import History, Ledger, Life
from relive.testing.simulation.plan import UNKNOWN, Plan
from relive.testing.simulation.process import Process
from relive.testing.simulation.recording import Recording, Scribe, SimulatedStore
from relive.testing.simulation.script import script_of
from relive.testing.simulation.stage import Store
from relive.testing.simulation.user import User
from relive.testing.simulation.voices import Voice

MODEL: Final = "models/simulated"
RECOVERY: Final = 400.0
"Seconds within which a session must have come to rest once nothing goes wrong any more."
PATIENCE: Final = 150.0
"Seconds that the user then waits for an answer that is still owed."
SEED: Final = '{"client_content": {"turns": [{"parts": [{"text": "before"}], "role": "user"}], "turnComplete": true}}'
_LOOK: Final = 0.5


def most_steps(plan: Plan) -> float:
    """Callbacks of an event loop within which a plan is played, and many times over: more is a loop gone wild."""
    return 1e5 + plan.herd * (plan.seconds + RECOVERY) * (300.0 + 100.0 * plan.talk.audio.rate)


class Live(ABC):
    """A simulation in progress: the stage of its chaos."""

    def __init__(
        self,
        plan: Plan,
        *,
        recovery: float = RECOVERY,
        patience: float = PATIENCE,
        look: float = _LOOK,
        scale: float | None = None,
    ) -> None:
        self.plan = plan
        self.policy = plan.client.make_policy()
        script = script_of(plan, scale or 1.0)
        self.server = FakeLiveServer(script, seed=plan.stream("server").getrandbits(32))
        self.network = Network(plan.stream("network"), latency=plan.service.latency)
        self.store = Store()
        self.history = History(plan, self.server, scale=scale)
        self.chaos = Chaos(plan, self, self.history, script)
        self._recovery, self._patience, self._look = recovery, patience, look
        self.loop: asyncio.AbstractEventLoop
        self._alarm: Alarm
        self._stored = SimulatedStore(self.store, self.wall)
        self._conns: dict[int, int] = {}
        self._processes: dict[int, Process] = {}
        self._limiter = DialLimiter()
        self._ends: dict[int, asyncio.Future[None]] = {}
        self._crashes: dict[int, tuple[str, float]] = {}

    @abstractmethod
    def wall(self) -> float:
        """The wall clock."""

    @abstractmethod
    def clock(self, seed: int) -> Clock:
        """Time and chance for a session."""

    @abstractmethod
    def transport(self, client: int, scribe: Scribe) -> Transport:
        """What opens the connections of a client, written down by the scribe."""

    @abstractmethod
    def voice(self, runtime: Runtime, scribe: Scribe) -> Voice:
        """How the application talks to its session."""

    @abstractmethod
    def lines(self, client: int) -> Iterable[Line[Any]]:
        """The links of a client that are open; -1 for all."""

    @abstractmethod
    def flush(self) -> None:
        """Perform what the server wants done."""

    @abstractmethod
    def step_wall(self, seconds: float) -> None:
        """Set the wall clock."""

    async def play(self) -> History:
        """Play the plan to its end."""
        self.loop = loop = asyncio.get_running_loop()
        others = asyncio.all_tasks()
        history, plan = self.history, self.plan
        history.began = loop.time()
        loop.set_exception_handler(self._broke)
        for number in range(plan.herd):
            history.clients.append(Ledger(number, User(plan.talk, client=number)))
        self._alarm = Alarm(self.chaos, loop, history.began)
        for client in [loop.create_task(self._client(ledger), name="client") for ledger in history.clients]:
            await client
        self._alarm.cancel()
        history.ended = self.now()
        left = tuple(sorted(_describe(task) for task in await self.left_over(others)))
        history.clients[0].lives[-1].left_over += left
        return history

    async def left_over(self, others: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
        """Tasks that are left although every session has ended; `others` were there before."""
        return asyncio.all_tasks() - others

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.loop.time() - self.history.began

    def dialled(self, client: int, conn: int) -> None:
        """A connection of the server's belongs to this client."""
        self._conns[conn] = client

    def _broke(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised where nobody could catch it."""
        what = f"{context.get('message')}: {context.get('exception')!r}"
        self.history.add(self.now(), -1, 0, "wrong", "P22", what)

    async def _client(self, ledger: Ledger) -> None:
        """Be one client, through all its processes."""
        handle = UNKNOWN if self.plan.client.handle else None
        while True:
            process = self._start(ledger)
            self._ends[ledger.number] = end = self.loop.create_future()
            up = self.loop.create_task(process.open(handle, eager=self.plan.client.eager), name="opening")
            await asyncio.wait([up, end], return_when=asyncio.FIRST_COMPLETED)
            if up.done() and up.result():
                rest = self.loop.create_task(self._until_rest(process), name="rest")
                await asyncio.wait([rest, end], return_when=asyncio.FIRST_COMPLETED)
                rest.cancel()
            crash = self._crashes.pop(ledger.number, None)
            if crash is None:
                await process.close()
                await up
                return
            await process.die()
            await up
            if crash[0] != "kept":
                await self._stored.lose(_key(ledger.number), crash[0])
            await asyncio.sleep(crash[1])
            ledger.user.restart(self.now())
            handle = None

    async def _until_rest(self, process: Process) -> None:
        """Wait until the conversation is over and has come to rest, or the session has ended."""
        user, plan = process.user, self.plan
        while not process.over and self.now() < plan.seconds:  # noqa: ASYNC110 - nobody rings when a plan is over
            await asyncio.sleep(min(plan.seconds - self.now(), 10 * self._look))
        user.retire()
        process.rouse()
        began = max(plan.seconds, self.now())
        while not process.at_rest or (user.waiting and not process.over and self.now() < began + self._patience):
            if self.now() >= began + self._recovery:
                lacks = f"{self._recovery:.0f} s after the end of all faults it is {process.runtime.lifecycle!r}"
                process.scribe.note("wrong", "P11", lacks)
                return
            await asyncio.sleep(self._look)

    def _start(self, ledger: Ledger) -> Process:
        plan, now = self.plan, self.now()
        life = Life(ledger.number, len(ledger.lives) + 1, now)
        ledger.lives.append(life)
        scribe = Scribe(self.history, life, self.now, self._alarm.entered)
        scribe.note("start", f"life {life.number}")
        runtime = Runtime(
            self.transport(ledger.number, scribe),
            policy=self.policy,
            store=self._stored.at(scribe) if plan.client.store else None,
            key=_key(ledger.number) if plan.client.store else None,
            seed=None if plan.client.hook == "none" else partial(self._hook, scribe),
            observers=[scribe],
            clock=self.clock(plan.stream("backoff").getrandbits(32) + 1000 * ledger.number + life.number),
            limiter=self._limiter,
            engine=Recording(scribe),
        )
        process = Process(ledger, scribe, runtime, self.voice(runtime, scribe), self.history.began)
        self._processes[ledger.number] = process
        self._alarm.entered(ledger.number, runtime.lifecycle.state)
        return process

    async def _hook(self, scribe: Scribe, reason: str, transcript: tuple[Said, ...]) -> tuple[str, ...] | None:
        how = self.plan.client.hook
        scribe.note("asked", reason, len(transcript))
        if self.store.hook_delay:
            await asyncio.sleep(self.store.hook_delay)
        if how == "raise":
            raise RuntimeError("the hook of the application is broken")
        return None if how == "refuse" else (SEED,)

    def states(self) -> Iterable[tuple[int, str]]:
        """Each client and the state of its session."""
        return [
            (client, process.runtime.lifecycle.state)
            for client, process in self._processes.items()
            if not process.scribe.mute
        ]

    def conns(self, client: int) -> tuple[int, ...]:
        """The server's numbers of the connections of a client that are open; -1 for all."""
        return tuple(conn for conn in self.server.live if client in (-1, self._conns.get(conn)))

    def crash(self, client: int, store: str, down: float) -> None:
        """Kill the process of a client, and start another so many seconds later."""
        end = self._ends.get(client)
        if end is not None and not end.done():
            self._crashes[client] = store, down
            end.set_result(None)

    def hang_up(self, client: int) -> None:
        """Have the application close its session."""
        end = self._ends.get(client)
        if end is not None and not end.done():
            end.set_result(None)

    def stop_reading(self, client: int, seconds: float) -> None:
        """Have the application not receive for a while."""
        self._processes[client].stop_reading(seconds)

    def clog(self, client: int, seconds: float) -> None:
        """Have the client's socket take nothing for a while."""
        self._processes[client].clog(seconds)

    def burst(self, client: int, frames: int) -> None:
        """Have the application send so many frames of audio at once."""
        self._processes[client].burst(frames)

    def stray(self, client: int, fact: str) -> None:
        """Tell the machine a fact that comes too late."""
        self._processes[client].stray(fact)


def _describe(task: asyncio.Task[Any]) -> str:
    """Name a task, and what it runs: most tasks of others have no names."""
    return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', 'unknown')})"


def _key(client: int) -> str:
    return f"client {client}"
