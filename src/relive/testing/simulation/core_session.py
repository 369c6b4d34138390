"""A session at the core level: performs the core's orders as `relive.runtime.runtime` does, without an event loop.

What needs no event loop is the runtime's own: reading and delivering frames (`Delivery`), what is counted. The rest is
the same said again in a few words: links (`core_link`), the store (`core_store`), the hook, and here the orders.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, Final, Protocol, assert_never, cast

from relive.core import effects as do, events as ev, wire
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.policy import Policy
from relive.errors import SessionClosed, SessionFailed
from relive.ports import HandleStore, Notice, Stats
from relive.runtime.delivery import Delivery
from relive.testing.loop_halts import TimeLimit
from relive.testing.server_client import DEVELOPER_PATH, VERTEX_PATH
from relive.testing.simulation.core_asking import Asking, Hook
from relive.testing.simulation.core_dial import Dial, Limiter, setup_frame
from relive.testing.simulation.core_ending import Ending
from relive.testing.simulation.core_host import End, Host
from relive.testing.simulation.core_link import Link
from relive.testing.simulation.core_store import Keeper
from relive.testing.simulation.core_time import STILL, Timeline
from relive.testing.simulation.live import MODEL
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.recording import Recording, Scribe
from relive.transports.memory import KNOWN_KEYS

BACKEND: Final = "memory"


class Application(Protocol):
    """Who holds the session."""

    def written(self) -> None:
        """Less waits to be written than before."""
        ...

    def opened(self) -> None:
        """The session has come up, or ended before it had."""
        ...

    def ended(self) -> None:
        """The session has ended: no frame follows."""
        ...


class Inbox(Protocol):
    """Where frames are delivered to."""

    size: int
    full: bool

    def put(self, frame: bytes) -> bool:
        """Take a frame. Returns whether more is kept now than should be."""
        ...


class Session:
    """One session: the lifecycle, and around it a link, a store, a hook.

    Args:
        plan: what the client is told.
        application: who holds it.
        scribe: writes down.
        time: its time.
        host: whom it dials.
        jitter: draws a number from 0 to 1.
        limiter: keeps a herd from dialling all at once.
        store: where checkpoints are kept, if anywhere, and
        key: under which name.
        hook: asked after a loss of context, if there is one.
        conns: where the client of each of the server's connections is noted.
    """

    def __init__(
        self,
        plan: Plan,
        policy: Policy,
        application: Application,
        *,
        scribe: Scribe,
        time: Timeline,
        host: Host,
        jitter: Callable[[], float],
        limiter: Limiter,
        store: HandleStore | None,
        key: str,
        hook: Hook | None,
        conns: dict[int, int],
    ) -> None:
        compressed, vertex = plan.client.compressed, plan.service.backend == "vertex"
        self.time = time
        self.scribe = scribe
        self.policy = policy
        self.lifecycle = Lifecycle(
            policy, model=MODEL, backend=BACKEND, compressed=compressed, engine=Recording(scribe)
        )
        self.journal = self.lifecycle.journal
        self.delivery = Delivery(
            self.lifecycle, policy, KNOWN_KEYS, tell=self.tell, notice=self.notice, remember=hook is not None
        )
        self.remembers = hook is not None
        "Whether a transcript is kept, for the hook."
        self.arrived = self.delivery.arrived
        self.link: Link | None = None
        self.failure: SessionClosed | SessionFailed | None = None
        "Why it has ended; None while it has not."
        self.life_at = inf
        "When the machine's earliest deadline comes."
        self.order = 0
        "Among what is due at the same time."
        self.clogged = False
        self.unclogged: list[Callable[[], None]] = []
        self._application = application
        self._host = host
        self._limiter = limiter
        self._conns = conns
        self._path = VERTEX_PATH if vertex else DEVELOPER_PATH
        transparent = vertex if policy.transparent is None else policy.transparent
        self._setup = partial(setup_frame, compressed=compressed, transparent=transparent)
        self._jitter = jitter
        self._asking = Asking(hook, time, tell=self.tell, notice=self.notice)
        self._dial: Dial | None = None
        self._leaving: Link | None = None
        self._keeper: Keeper | None = None
        if store is not None:
            self._keeper = Keeper(store, key, policy, time=time, bound=(MODEL, BACKEND), trouble=self.notice)
        self._facts: list[ev.Event] = []
        self._telling = self._looking = self._up = self._dead = False
        self._awaited: tuple[float, str] | None = None
        self._shut_at: float | None = None
        self._shut: list[Callable[[], None]] = []

    def deliver_to(self, inbox: Inbox) -> None:
        """Have an inbox that needs no event loop."""
        self.delivery.inbox = cast("Any", inbox)

    def start(self, handle: str | None) -> None:
        """Open the session."""
        if self._keeper is not None:
            self._keeper.begin()
        self.tell(ev.ConnectRequested(handle, stored=self._keeper is not None))

    def close(self, then: Callable[[], None]) -> None:
        """End the session, and call `then` when that is done."""
        if not self.lifecycle.final:
            self.tell(ev.CloseRequested())
        if self._shut_at is not None:
            self.time.soon(then)
        else:
            self._shut.append(then)

    def die(self) -> None:
        """Be gone, as a killed process is."""
        self._dead = True
        self.life_at = inf
        if self._dial is not None:
            self._dial.abandon()
        for link in (self.link, self._leaving):
            if link is not None:
                link.release()
        if self._keeper is not None:
            self._keeper.stop()
        self._asking.cancel()
        self.time.stale = True

    def stats(self) -> Stats:
        """What was counted so far."""
        errors = self._keeper.errors if self._keeper is not None else 0
        return self.delivery.counts.stats(self.lifecycle.scene, self.time.lead + self.time.now, 0, errors)

    def tell(self, event: ev.Event) -> None:
        """Pass a fact to the core, and perform what it orders. Facts told meanwhile wait for their turn."""
        if self._dead:
            return
        self._facts.append(event)
        if self._telling:
            return
        self._telling = True
        time, lifecycle, facts = self.time, self.lifecycle, self._facts
        try:
            while facts:
                for order in lifecycle.handle(facts.pop(0), time.now, time.lead + time.now, self._jitter()):
                    self._perform(order)
        finally:
            self._telling = False
        self._awaited = due = lifecycle.deadline
        at = due[0] if due is not None else inf
        if at != self.life_at and not self._looking and not self._dead:
            self.life_at = at
            self.order = time.order()
            time.stale = True

    def look(self) -> None:
        """The machine's earliest deadline has come: tell it, unless a sign of life has come meanwhile."""
        now, turns = self.time.now, 0
        self._looking = True
        while self._shut_at is None and not self._dead and (due := self._awaited) is not None and due[0] <= now:
            turns += 1
            if turns == STILL:
                raise TimeLimit(f"the deadline {due[1]} is set for now, {STILL:,} times", now, (repr(self.lifecycle),))
            self.tell(self._sign_instead(due[1]) or ev.DeadlineReached(due[1]))
        self._looking = False
        due = self._awaited
        self.life_at = due[0] if due is not None and not self._dead else inf
        self.order = self.time.order()
        self.time.stale = True

    def written(self) -> None:
        """Less waits to be written than before."""
        self._application.written()

    def _sign_instead(self, deadline: str) -> ev.Heard | ev.OutputHeard | None:
        """What was heard meanwhile, so that it is too early for this deadline; None if it is not."""
        policy = self.policy
        match deadline:
            case "probe":
                limit = policy.probe_after
            case "silence":
                limit = policy.probe_timeout
            case "answer":
                limit = policy.answer_timeout
            case _:
                return None
        if limit is None:
            return None
        link = self._link
        sign, heard = link.sign, ev.Heard
        if deadline == "answer":
            sign, heard = self.delivery.output_at(sign), ev.OutputHeard
        silent_for = link.silent_for(sign)
        return heard(link.number, silent_for) if silent_for < limit else None

    def held(self, since: float | None) -> None:
        """What is read from now on may have waited since then; None: it is read as it comes."""
        self.delivery.held_since = since

    def stall(self) -> None:
        """Too much waits to be received: the connection is not read for now."""
        self.delivery.counts.reader_stalls += 1
        self.notice("reader_stalled", f"{self.delivery.inbox.size} bytes wait to be received; reading pauses")

    def room(self) -> None:
        """The application has received enough."""
        if self.link is not None:
            self.link.resume()
        if self._leaving is not None:
            self._leaving.resume()

    def dropped(self, number: int, drop: Dropped) -> None:
        """A connection was lost."""
        checkpoint = self.lifecycle.scene.situation.checkpoint
        self.tell(ev.ConnectionDropped(number, drop.without(checkpoint.handle if checkpoint is not None else None)))

    def notice(self, what: str, detail: str, seconds: float | None = None) -> None:
        """Something that is no transition."""
        self.scribe.notice(Notice(what, detail, self.time.now, self.lifecycle.connection, seconds))

    def up(self, number: int, end: End) -> None:
        """A connection is up."""
        self._dial = None
        self.link = Link(number, end, self)
        self.tell(ev.ConnectionOpened(number))

    def clog(self, seconds: float) -> None:
        """The socket takes nothing for a while."""
        if not self.clogged:
            self.clogged = True
            self.time.at(self.time.now + seconds, self._unclog)

    def _unclog(self) -> None:
        self.clogged = False
        calls, self.unclogged = self.unclogged, []
        for call in calls:
            self.time.soon(call)

    def _perform(self, order: do.Effect) -> None:
        match order:
            case do.Report(transition):
                self._report(transition)
            case do.Open():
                self.delivery.counts.openings += 1
                setup = self._setup(order)
                self._dial = Dial(
                    order, setup, self, path=self._path, host=self._host, limiter=self._limiter, conns=self._conns
                )
            case do.Write():
                self._link.start_writing()
            case do.HangUp(number):
                self._leaving = link = self._link
                link.stop_writing()
                self.time.soon(lambda: link.close(self.policy.close_grace, lambda: self._left(number)))
            case do.Abandon():
                self._abandon()
            case do.Probe():
                self.delivery.output_at(self._link.sign)  # before the pong is the newest
                self._link.probe()
            case do.Prepare():
                pass  # there is nothing to prepare
            case do.Load():
                if self._keeper is not None:
                    self.time.soon(lambda: self._keeper and self._keeper.load(self.tell))
            case do.Save(checkpoint):
                if self._keeper is not None:
                    self._keeper.save(checkpoint)
            case do.Quarantine(handle, reason):
                self.notice("handle_quarantined", reason)
                if self._keeper is not None:
                    self._keeper.condemn(handle)
            case do.AskSeed(reason):
                self._asking.ask(reason, self.delivery.transcript.so_far(self.journal.oldest))
            case do.CancelSeed():
                self._asking.stop()
            case do.CancelCalls(ids):
                self.delivery.synthetic(wire.tool_call_cancellation(ids))
            case do.Interrupt():
                self.delivery.synthetic(wire.interrupted())
            case do.CompleteTurn():
                self.delivery.synthetic(wire.turn_complete())
            case do.Warn(what, detail):
                self.notice(what, detail)
            case do.Fail(failure):
                self.failure = self.failure or SessionFailed(failure)
            case do.Shut(flush):
                self._end(flush=flush)
            case _:
                assert_never(order)

    @property
    def _link(self) -> Link:
        assert self.link is not None  # the core orders nothing of any other
        return self.link

    def _report(self, step: do.Transition) -> None:
        if step.dest == "ACTIVE" and step.verdict is not None:
            self.delivery.counts.came_up(step.verdict)
        self.scribe.transition(step)
        if not self._up and (step.dest == "ACTIVE" or self.lifecycle.final):
            self._up = True
            self.time.soon(self._application.opened)

    def _left(self, number: int) -> None:
        if self._leaving is not None and self._leaving.number == number:
            self._leaving = None
        self.link = None
        self.tell(ev.ConnectionClosed(number))

    def _abandon(self) -> None:
        if self._dial is not None:
            self._dial.abandon()
            self._dial = None
        if self.link is not None:
            self.link.release()
            self.link = None

    def _end(self, *, flush: bool) -> None:
        """Let go of everything: write what waits if asked to, take leave, and let what happened last be saved."""
        self.failure = self.failure or SessionClosed()
        self._application.ended()
        self.room()
        if self._dial is not None:
            self._dial.abandon()
        link, self.link = self.link, None
        self._leaving = link
        ending = Ending(self, link, self._keeper, self._over)
        self.time.soon(lambda: None if self._dead else ending.begin(flush=flush))

    def _over(self) -> None:
        self._asking.cancel()
        self._shut_at = self.time.now
        for then in self._shut:
            then()
        self._shut.clear()
