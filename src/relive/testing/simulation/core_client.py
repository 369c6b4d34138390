"""One client at the core level, through all its processes: comes up, talks, comes to rest, crashes, begins anew."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from relive.core.policy import Policy
from relive.ports import Said
from relive.testing.simulation.core_dial import Limiter
from relive.testing.simulation.core_host import Host
from relive.testing.simulation.core_process import Process
from relive.testing.simulation.core_session import Session
from relive.testing.simulation.core_time import Timeline, at_once, nap
from relive.testing.simulation.history import History, Ledger, Life
from relive.testing.simulation.live import PATIENCE, RECOVERY, SEED
from relive.testing.simulation.plan import UNKNOWN, Plan
from relive.testing.simulation.recording import Scribe, SimulatedStore
from relive.testing.simulation.stage import Store
from relive.testing.simulation.user import User

# As at the runtime level.
_POLL: Final = 5.0
_LOOK: Final = 0.5


class World(Protocol):
    """What clients share."""

    plan: Plan
    policy: Policy
    time: Timeline
    history: History
    host: Host
    store: Store
    stored: SimulatedStore
    limiter: Limiter
    noted: dict[int, int]
    left: int

    def entered(self, client: int, state: str) -> None:
        """A session has come into a state."""
        ...


class Client:
    """Runs the lives of one client, one after the other."""

    def __init__(self, world: World, number: int) -> None:
        self.number = number
        self.process: Process
        self._world = world
        self._time = world.time
        self._ledger = Ledger(number, User(world.plan.talk, client=number))
        self._ended = False
        "This life has been told to end."
        self._came_up = self._quiet_since = 0.0
        self._retired: Process | None = None
        "The process whose user has retired."
        world.history.clients.append(self._ledger)

    def begin(self) -> None:
        """Begin the first life."""
        self._start(UNKNOWN if self._world.plan.client.handle else None)

    def crash(self, store: str, down: float) -> None:
        """Kill the process, and start another so many seconds later."""
        if not self._ended:
            self._ended = True
            self._time.soon(partial(self._die, store, down))

    def hang_up(self) -> None:
        """Have the application close its session."""
        if not self._ended:
            self._ended = True
            self._time.soon(self._close)

    def _start(self, handle: str | None) -> None:
        world, ledger, now = self._world, self._ledger, self._time.now
        plan = world.plan
        life = Life(ledger.number, len(ledger.lives) + 1, now)
        ledger.lives.append(life)
        scribe = Scribe(world.history, life, self._time.clock, world.entered)
        scribe.note("start", f"life {life.number}")
        seed = plan.stream("backoff").getrandbits(32) + 1000 * ledger.number + life.number

        def make(process: Process) -> Session:
            return Session(
                plan,
                world.policy,
                process,
                scribe=scribe,
                time=self._time,
                host=world.host,
                jitter=random.Random(seed).random,
                limiter=world.limiter,
                store=world.stored.at(scribe) if plan.client.store else None,
                key=f"client {ledger.number}",
                hook=None if plan.client.hook == "none" else partial(self._hook, scribe),
                conns=world.noted,
            )

        process = Process(ledger, scribe, self._time, make)
        self.process = process
        self._ended = False
        world.entered(self.number, process.session.lifecycle.state)
        process.open(handle, self._up, eager=plan.client.eager)

    async def _hook(self, scribe: Scribe, reason: str, transcript: tuple[Said, ...]) -> tuple[str, ...] | None:
        how = self._world.plan.client.hook
        scribe.note("asked", reason, len(transcript))
        if self._world.store.hook_delay:
            await nap(self._world.store.hook_delay)
        if how == "raise":
            raise RuntimeError("the hook of the application is broken")
        return None if how == "refuse" else (SEED,)

    def _up(self, up: bool) -> None:
        """The session has come up, or ended before it had."""
        if self._ended:
            return
        if up:
            self._wait_for_the_end()
        else:
            self._finish()

    def _wait_for_the_end(self) -> None:
        """Wait until the conversation is over, or the session has ended."""
        process, plan, now = self.process, self._world.plan, self._time.now
        self._came_up = now
        if process.over or now >= plan.seconds:
            self._retire()
        else:
            self._later(plan.seconds, self._retire)
            process.at_end = self._ended_early

    def _ended_early(self) -> None:
        """The session has ended: that is seen at the next look, and there is one every so many seconds."""
        at, seconds = self._came_up, self._world.plan.seconds
        while at < self._time.now and at < seconds:
            at += min(seconds - at, _POLL)
        self._later(at, self._retire)

    def _retire(self) -> None:
        process = self.process
        if self._ended or self._retired is process:
            return
        self._retired = process
        process.user.retire()
        process.mouth.rouse()
        self._quiet_since = max(self._world.plan.seconds, self._time.now)
        self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        """Wait until what was begun has come to rest."""
        process = self.process
        if self._ended:
            return
        now, patient = self._time.now, process.user.waiting and not process.over
        if process.at_rest and not (patient and now < self._quiet_since + PATIENCE):
            self._finish()
        elif now >= self._quiet_since + RECOVERY:
            lacks = f"{RECOVERY:.0f} s after the end of all faults it is {process.session.lifecycle!r}"
            process.scribe.note("wrong", "P11", lacks)
            self._finish()
        else:
            self._later(now + _LOOK, self._wait_for_rest)

    def _later(self, when: float, do: Callable[[], None]) -> None:
        """Do something then, if this process is still there."""
        process = self.process

        def go_on() -> None:
            if self.process is process:
                do()

        self._time.at(when, lambda: self._time.soon(go_on))

    def _finish(self) -> None:
        self._ended = True
        self._time.soon(self._close)

    def _close(self) -> None:
        self.process.close(self._through)

    def _through(self) -> None:
        self._world.left -= 1

    def _die(self, store: str, down: float) -> None:
        self.process.die()
        if store != "kept":
            at_once(self._world.stored.lose(f"client {self.number}", store))
        self._later(self._time.now + down, self._restart)

    def _restart(self) -> None:
        self._ledger.user.restart(self._time.now)
        self._start(None)
