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
from typing import TYPE_CHECKING, Any, Final, cast

from relive.testing.host_tls import TlsHost
from relive.testing.links import Line
from relive.testing.loop import SimLoop
from relive.testing.loop_halts import describe_all
from relive.testing.network import SimNetwork
from relive.testing.server import FakeLiveServer
from relive.testing.simulation.alarm import Alarm
from relive.testing.simulation.chaos import Chaos, Store
from relive.testing.simulation.embedding import Agent, AgentHistory, make_client, name_of
from relive.testing.simulation.embedding_watch import DIALLING, Watch, watching
from relive.testing.simulation.history import Dialled
from relive.testing.simulation.live import RECOVERY

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response


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


class _Host(TlsHost):
    """Notes whose the connections are that its server admits."""

    def __init__(self, network: SimNetwork, history: AgentHistory) -> None:
        super().__init__(history.server)
        self._network, self._dialled = network, history.dialled

    def _judge(self, ws: ServerConnection, request: Request) -> Response | None:
        refusal = super()._judge(ws, request)
        if refusal is None:
            here = next(link for link in self._network.connections if link.server is ws.transport)
            whose = here.context.get(DIALLING)
            if whose is not None:
                self._dialled[self._numbers[ws]] = whose
        return refusal


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
        self.host: TlsHost
        self._running: asyncio.Future[object] | None = None
        self._crash: float | None = None

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
        async with _Host(loop.network, history) as self.host:
            alarm = Alarm(self.chaos, loop, history.began)
            history.watch = Watch(history, self.now, alarm.entered)
            with watching(history.watch):
                await self._live()
            alarm.cancel()
            history.ended = self.now()
            for watched in history.watch.sessions:
                history.watch.finish(watched)
        await asyncio.sleep(0.0)

    async def _live(self) -> None:
        """Be the application, through all its processes.

        Raises:
            TypeError: it is no async function.
        """
        history = self.history
        while True:
            history.runs += 1
            client = make_client(self.host, vertex=self.plan.service.backend == "vertex")
            work = self.agent(client)
            if not inspect.isawaitable(work):
                raise TypeError(
                    f"an application is an async function: {name_of(self.agent)} is none, it returned {work!r}"
                )
            self._running = task = asyncio.ensure_future(work)
            left = self.plan.seconds + RECOVERY - self.now()
            _, late = await asyncio.wait([task], timeout=max(left, RECOVERY))
            where = "; ".join(describe_all(cast("set[asyncio.Task[Any]]", late)))
            task.cancel()
            await asyncio.wait([task])
            self._running = None
            with suppress(Exception):
                await client.aio.aclose()
            down, self._crash = self._crash, None
            if late:
                history.late = where or "it cannot be told where it waits"
                return
            if down is None:
                try:
                    history.returned = task.result()
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is the application's
                    history.error = error
                return
            await asyncio.sleep(down)

    def _broke(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised where nobody could catch it: in a task of the application's that nobody awaits."""
        error = context.get("exception")
        if self.history.error is None and isinstance(error, Exception):
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
        """Kill the application."""
        if self._running is None or self._crash is not None:
            return
        self._crash = down
        for watched in self.history.watch.sessions:
            if watched.life.ended is None:
                watched.life.crashed, watched.life.ended = True, self.now()
                watched.life.stats = watched.runtime.stats()
                watched.scribe.note("crash", watched.life.state)
                watched.scribe.mute = True
        for line in self.lines(-1):
            line.reset_peer(self.loop.time())
        self._running.cancel()

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
