"""The core level: the pure core against the fake server, without an event loop. The fastest way to play a plan.

`Lifecycle` on the compiled machine, the journal, the reading of frames and the delivery are the real ones. What the
runtime does with tasks is done here with one agenda of instants: what the user, the server, the lines, the machine's
deadlines and the faults want is done in the order of time, and what falls on one instant in the order in which it was
set. There is no other order: a run is the same in every process, for every hash seed and on every Python.

The same plan makes the same transitions here as at the runtime level, but for ties in which more than the order of
setting decides. What is not modelled: the log, and the pace of observers.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from math import inf
from typing import Any, TypeAlias

from relive.testing.links import Line, Network
from relive.testing.loop import WALL_EPOCH
from relive.testing.loop_halts import Deadlock, TimeLimit
from relive.testing.server import FakeLiveServer
from relive.testing.simulation.chaos import Chaos
from relive.testing.simulation.core_client import Client
from relive.testing.simulation.core_dial import Limiter
from relive.testing.simulation.core_host import Host
from relive.testing.simulation.core_mouth import Mouth
from relive.testing.simulation.core_session import Session
from relive.testing.simulation.core_time import STILL, Timeline, nap
from relive.testing.simulation.history import History
from relive.testing.simulation.live import RECOVERY
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.recording import SimulatedStore
from relive.testing.simulation.script import script_of
from relive.testing.simulation.stage import Store

_Due: TypeAlias = tuple[float, int, Callable[[], int], Callable[[], object]]
"When something is due, its place among what is due then, its place if one asks again, and the thing to do."


def play(plan: Plan) -> History:
    """Play a plan, and return what happened.

    Raises:
        Deadlock: the session waits for what cannot come.
        TimeLimit: it never came to an end, or to the next instant.
    """
    with _uncollected():
        return _Play(plan).run()


@contextmanager
def _uncollected() -> Generator[None]:
    """Collect no garbage meanwhile: nearly all that a play makes lives to its end, and would be gone through often."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Play:
    """A simulation in progress: the stage of its chaos."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.policy = plan.client.make_policy()
        self.time = Timeline(WALL_EPOCH)
        script = script_of(plan)
        self.server = FakeLiveServer(script, seed=plan.stream("server").getrandbits(32))
        self.network = Network(plan.stream("network"), latency=plan.service.latency)
        self.store = Store()
        self.history = History(plan, self.server)
        self.chaos = Chaos(plan, self, self.history, script)
        self.host = Host(self.server, self.network, self.time)
        self.stored = SimulatedStore(self.store, self.time.wall, nap)
        self.limiter = Limiter()
        self.noted: dict[int, int] = {}
        "The clients of the server's connections."
        self.clients = [Client(self, number) for number in range(plan.herd)]
        self.left = plan.herd
        "Clients that are not through."
        self._limit = plan.seconds + 2 * RECOVERY + 1000.0
        self._chaos_at = inf
        self._chaos_order = 0

    def run(self) -> History:
        """Play it to the end."""
        self._set_alarm()
        for client in self.clients:
            client.begin()
        time, ready = self.time, self.time.ready
        turns, since = 0, time.now
        while self.left:
            turns += 1
            if turns == STILL:
                turns, since = 0, self._later_than(since)
            if not ready:
                self._go_on()
            due = self._due_now()
            for _ in range(len(ready)):
                ready.popleft()()
            for _, order, place, do in due:
                if place() == order:  # else it was called off, or set anew, a moment ago
                    do()
        self.history.ended = time.now
        return self.history

    def _go_on(self) -> None:
        """Let time pass to the next instant that is not as usual.

        As usual is that one thing alone falls on an instant: a user says something, the server does, or a deadline of
        the machine comes; and that nothing is left to be done then.
        """
        time, host, ready, clients = self.time, self.host, self.time.ready, self.clients
        only = len(clients) == 1
        talker, session = clients[0].process.mouth, clients[0].process.session
        others = life_at = limit = inf
        turns, since = 0, time.now
        time.stale = True
        while not ready:
            turns += 1
            if turns == STILL:
                turns, since = 0, self._later_than(since)
            if time.stale:
                time.stale = False
                others = min(time.next, self._chaos_at)
                life_at = session.life_at if only else min([client.process.session.life_at for client in clients])
                limit = min(others, life_at)
            if not only:
                talker = min([client.process.mouth for client in clients], key=_turn)
            talk_at, host_at = talker.talk_at, host.at
            if talk_at < host_at and talk_at < limit:
                time.now = talk_at
                talker.talk()
            elif host_at < talk_at and host_at < limit:
                time.now = host_at
                host.advance(usual=True)
            elif (
                only
                and life_at < others
                and life_at < talk_at
                and (life_at < host_at or (life_at == host_at and session.order < host.order))
            ):
                time.now = life_at
                session.look()
                if ready and host.at == life_at:
                    host.advance()  # both were due: what comes of the one comes after the other
            else:
                self._jump(min(limit, talk_at, host_at))
                return

    def _jump(self, at: float) -> None:
        """Go on to a time at which more is to be done."""
        if at == inf:
            raise Deadlock("nothing is ready and nothing is due", self.time.now, self._states(), ())
        if at > self._limit:
            raise TimeLimit(f"the next thing is due after {self._limit} s", self.time.now, self._states(), ())
        self.time.now = max(self.time.now, at)

    def _later_than(self, since: float) -> float:
        """Insist that it is later than so many turns ago, and return what time it is. Asked seldom: turns are many."""
        if self.time.now == since:
            raise TimeLimit(f"time stands still, for {STILL:,} turns", since, self._states(), ())
        return self.time.now

    def _due_now(self) -> list[_Due]:
        """What is due by now, in the order in which it was set. Who speaks is woken first, and speaks then."""
        now, time, host = self.time.now, self.time, self.host
        dues: list[_Due] = []
        if host.at <= now:
            dues.append((host.at, host.order, lambda: host.order, host.advance))
        if self._chaos_at <= now:
            dues.append((self._chaos_at, self._chaos_order, lambda: self._chaos_order, self._bring))
        if time.next <= now:
            dues += [_ring(*due) for due in time.due(now)]
        for client in self.clients:
            session, mouth = client.process.session, client.process.mouth
            if session.life_at <= now:
                dues.append(_look(session))
            if mouth.talk_at <= now:
                dues.append(_wake(mouth))
        if len(dues) > 1:
            dues.sort(key=_when)
        return dues

    def _states(self) -> tuple[str, ...]:
        return tuple(f"client {client.number}: {client.process.session.lifecycle!r}" for client in self.clients)

    def _bring(self) -> None:
        self.chaos.due(self.time.now)
        self._set_alarm()

    def _set_alarm(self) -> None:
        self._chaos_at = self.chaos.deadline
        self._chaos_order = self.time.order()
        self.time.stale = True

    def entered(self, client: int, state: str) -> None:
        """A session has come into a state."""
        if self.chaos.entered(client, state, self.time.now):
            self._set_alarm()

    # What chaos asks for.

    def states(self) -> Iterable[tuple[int, str]]:
        return [
            (client.number, client.process.session.lifecycle.state)
            for client in self.clients
            if not client.process.scribe.mute
        ]

    def conns(self, client: int) -> tuple[int, ...]:
        return tuple(conn for conn in self.server.live if client in (-1, self.noted.get(conn)))

    def lines(self, client: int) -> Iterable[Line[Any]]:
        return [self.host.links[conn].line for conn in self.conns(client)]

    def flush(self) -> None:
        self.host.flush()

    def crash(self, client: int, store: str, down: float) -> None:
        self.clients[client].crash(store, down)

    def step_wall(self, seconds: float) -> None:
        self.time.lead += seconds

    def stop_reading(self, client: int, seconds: float) -> None:
        self.clients[client].process.ear.pause(seconds)

    def clog(self, client: int, seconds: float) -> None:
        self.clients[client].process.session.clog(seconds)

    def burst(self, client: int, frames: int) -> None:
        self.clients[client].process.mouth.burst(frames)

    def hang_up(self, client: int) -> None:
        self.clients[client].hang_up()

    def stray(self, client: int, fact: str) -> None:
        self.clients[client].process.stray(fact)


def _when(due: _Due) -> tuple[float, int]:
    return due[:2]


def _ring(at: float, order: int, ring: Callable[[], object]) -> _Due:
    return at, order, lambda: order, ring


def _look(session: Session) -> _Due:
    return session.life_at, session.order, lambda: session.order, session.look


def _wake(mouth: Mouth) -> _Due:
    return mouth.talk_at, mouth.order, lambda: mouth.order, mouth.wake


def _turn(mouth: Mouth) -> tuple[float, int]:
    return mouth.talk_at, mouth.order
