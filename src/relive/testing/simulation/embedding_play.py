"""The stage on which a plan is played against an application: its processes, its fake server, and what chaos asks for.

An application may have many sessions at a time. Whose a connection is, is told by who dialled it: a session's transport
marks the context in which it opens one (`embedding_watch.DIALLING`), the network remembers that context, and the host
reads the mark when the server admits the connection.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from relive.testing.host_tls import TlsHost
from relive.testing.links import Line
from relive.testing.loop import SimLoop
from relive.testing.loop_halts import Halt, describe_all
from relive.testing.network import SimNetwork
from relive.testing.server import FakeLiveServer, ServerOutput
from relive.testing.simulation.alarm import Alarm
from relive.testing.simulation.chaos import Chaos
from relive.testing.simulation.checks import noted
from relive.testing.simulation.checks_facts import Facts
from relive.testing.simulation.embedding import Agent, AgentHistory, make_client
from relive.testing.simulation.embedding_tell import name_of
from relive.testing.simulation.embedding_watch import DIALLING, PROCESS, Watch, watching
from relive.testing.simulation.history import Dialled
from relive.testing.simulation.live import RECOVERY
from relive.testing.simulation.stage import Store

if TYPE_CHECKING:
    from google.genai import Client
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

_BLOWS: Final = 100
"How often a task is cancelled that does not end by it."


def _session(whose: Dialled | None) -> int:
    """The number of the session that a connection was dialled for; -1 if for none of relive's."""
    return whose.client if whose is not None else -1


class Server(FakeLiveServer):
    """Tells of what it is sent."""

    told: Callable[[int, str | bytes, float], None]

    def receive(self, conn: int, frame: str | bytes, now: float) -> None:
        """Take a client frame."""
        self.told(conn, frame, now)
        super().receive(conn, frame, now)


def _kill(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.remove_done_callback(_ignore_its_end)
        task.add_done_callback(_ignore_its_end)
        task.cancel()


def _ignore_its_end(task: asyncio.Task[Any]) -> None:
    """What a task raises while it is killed is nobody's business; asyncio would tell of it if nobody had looked."""
    if not task.cancelled():
        task.exception()


class Host(TlsHost):
    """Notes whose the connections are that its server admits."""

    def __init__(self, network: SimNetwork, history: AgentHistory) -> None:
        super().__init__(history.server)
        self.tasks = set[asyncio.Task[Any]]()
        "Its own, which are no part of the application, although dials of the application's have brought them about."
        self._network, self._dialled = network, history.dialled

    def _judge(self, ws: ServerConnection, request: Request) -> Response | None:
        self._note_task()
        refusal = super()._judge(ws, request)
        if refusal is None:
            here = next(link for link in self._network.connections if link.server is ws.transport)
            whose = here.context.get(DIALLING)
            if whose is not None:
                self._dialled[self._numbers[ws]] = whose
        return refusal

    async def _write(self, ws: ServerConnection, conn: int, outgoing: asyncio.Queue[ServerOutput]) -> None:
        self._note_task()
        await super()._write(ws, conn, outgoing)

    def _note_task(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Play:
    """A simulation in progress: the stage of its chaos."""

    def __init__(self, agent: Agent, history: AgentHistory) -> None:
        self.agent = agent
        self.history = history
        self.plan: Final = history.plan
        self.server: Final = history.server
        self.store = Store()
        self.chaos = Chaos(self.plan, self, history, self.server.script)
        self.loop: SimLoop
        self.host: Host
        self.over = False
        "It was played to its end."
        self._others = set[asyncio.Task[Any]]()
        "Tasks that are not those of the process that there is."
        self._crash: asyncio.Future[float] | None = None
        "While there is a process: how long there is to be none after it has crashed."

    async def run(self) -> None:
        """Play the plan to its end, and write down in the history what happens."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.loop, history = loop, self.history
        self.network = loop.network.links
        self.network.chance.seed(self.plan.stream("network").getrandbits(64))
        if self.plan.service.latency:
            self.network.up.base = self.network.down.base = self.plan.service.latency
        history.began = loop.time()
        loop.set_exception_handler(self._broke)
        async with Host(loop.network, history) as self.host:
            alarm = Alarm(self.chaos, loop, history.began)
            history.watch = Watch(history, self.now, alarm.entered)
            with watching(history.watch):
                await self._live()
            alarm.cancel()
            history.ended = self.now()
        await asyncio.sleep(0.0)
        self.over = True

    async def _live(self) -> None:
        """Be the application, through all its processes.

        Raises:
            TypeError: it is no async function.
        """
        down = await self._process()
        while down is not None:
            await asyncio.sleep(down)
            down = await self._process()

    async def _process(self) -> float | None:
        """Be one of its processes. Returns for how long there is none after that; None: it was the last."""
        history = self.history
        history.runs += 1
        self._others = asyncio.all_tasks()
        client = make_client(self.host, vertex=self.plan.service.backend == "vertex")
        task = self._begin(client)
        crash = self._crash = self.loop.create_future()
        left = self.plan.seconds + RECOVERY - self.now()
        await asyncio.wait([task, crash], timeout=max(left, RECOVERY), return_when=asyncio.FIRST_COMPLETED)
        self._crash = None
        if crash.done():
            await self._bury()
        elif task.done():
            try:
                history.returned = task.result()
            except BaseException as error:  # noqa: BLE001 - it is the application's
                history.error = error
            history.late = "; ".join(describe_all(await self._bury()))
        else:
            history.late = "; ".join(describe_all([task] if isinstance(task, asyncio.Task) else self._own()))
            history.watch.look_for_waits()
            await self._bury()
        with suppress(Exception):
            await client.aio.aclose()
        return crash.result() if crash.done() else None

    def halted(self, why: Halt) -> None:
        """It cannot go on: note why, and what relive has to do with it."""
        if not self.over:  # else it is about what cannot be ended of what is over
            self.history.ended, self.history.late = self.now(), str(why)
            self.history.watch.look_for_waits()
            self.history.violations = tuple(noted(Facts(self.history)))

    def _begin(self, client: Client) -> asyncio.Future[object]:
        context = copy_context()
        context.run(PROCESS.set, self.history.watch.process)
        work = context.run(self.agent, client)
        if not inspect.isawaitable(work):
            raise TypeError(f"an application is an async function: {name_of(self.agent)} is none, it returned {work!r}")
        return context.run(asyncio.ensure_future, work)

    def _own(self) -> set[asyncio.Task[Any]]:
        """The tasks of the process that there is, or was last."""
        return asyncio.all_tasks() - self._others - self.host.tasks

    async def _bury(self) -> set[asyncio.Task[Any]]:
        """End all that a process has left running. Returns the tasks that cannot be ended.

        What they do about it (their `finally`) takes no time: if they wait for anything they are cancelled again.
        """
        self.history.watch.kill()
        known = self._own()
        for _ in range(_BLOWS):
            left = self._own()
            if not left:
                break
            _kill(left & known)  # what is begun to clean up takes its first step before it is cancelled
            known = left
            await asyncio.sleep(0.0)
        return self._own()

    def _broke(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised where nobody could catch it: in a task of the application's that nobody awaits."""
        error = context.get("exception")
        if self.history.error is None and not self.over and isinstance(error, Exception):
            self.history.error = error

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.loop.time() - self.history.began

    # What chaos asks for. Sessions count as its clients.

    def states(self) -> Iterable[tuple[int, str]]:
        """The sessions that live."""
        return [
            (watched.scribe.client, watched.runtime.lifecycle.state)
            for watched in self.history.watch.sessions
            if watched.life.ended is None
        ]

    def conns(self, client: int) -> tuple[int, ...]:
        """The server's numbers of the connections of a session that are open; -1 for all, whoever's they are."""
        dialled = self.history.dialled
        return tuple(conn for conn in self.server.live if client in (-1, _session(dialled.get(conn))))

    def lines(self, client: int) -> Iterable[Line[Any]]:
        """The links of a session that are open; -1 for all, whoever's they are."""
        links = self.loop.network.connections
        return [link.line for link in links if client in (-1, _session(link.context.get(DIALLING)))]

    def flush(self) -> None:
        """Perform what the server wants done."""
        self.host.flush()

    def crash(self, client: int, store: str, down: float) -> None:  # noqa: ARG002 - the store is the application's
        """Kill the application's process."""
        if self._crash is None or self._crash.done():
            return
        self._crash.set_result(down)
        self.history.watch.kill()
        for line in self.lines(-1):
            line.reset_peer(self.loop.time())
        _kill(self._own())

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock."""
        self.loop.step_wall(seconds)

    def stop_reading(self, client: int, seconds: float) -> None:  # noqa: ARG002
        """Is the application's own affair, as are the others."""
        self._leave_out("StopReading")

    def clog(self, client: int, seconds: float) -> None:  # noqa: ARG002
        """As `stop_reading`."""
        self._leave_out("Clog")

    def burst(self, client: int, frames: int) -> None:  # noqa: ARG002
        """As `stop_reading`."""
        self._leave_out("Burst")

    def hang_up(self, client: int) -> None:  # noqa: ARG002
        """As `stop_reading`."""
        self._leave_out("Hangup")

    def stray(self, client: int, fact: str) -> None:  # noqa: ARG002
        """As `stop_reading`."""
        self._leave_out("Stray")

    def _leave_out(self, name: str) -> None:
        if not any(record.kind == "left_out" and record.what == name for record in self.history.records):
            self.history.add(self.now(), -1, 0, "left_out", name)
