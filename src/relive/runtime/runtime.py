"""Performs the core's orders, and tells it what came of them. It decides nothing: `relive.core.table` does.

One runtime is one session. Every task it starts is in `_tasks`, so that closing leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, assert_never

from relive.clock import LoopClock
from relive.core import effects as do, events as ev, wire
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.policy import DEFAULT, Policy
from relive.core.schema import Table
from relive.core.table import TABLE
from relive.errors import CommandError, SessionClosed, SessionFailed
from relive.ports import Clock, ConnectionGone, HandleStore, Notice, Observer, SeedHook, Transport
from relive.runtime.asking import Asking
from relive.runtime.delivery import Delivery
from relive.runtime.keeper import Keeper
from relive.runtime.limiter import DialLimiter, shared_limiter
from relive.runtime.link import Link
from relive.runtime.room import Room
from relive.runtime.stats import Stats
from relive.runtime.tasks import Tasks
from relive.runtime.watch import Watch

log = logging.getLogger("relive")

End: TypeAlias = SessionClosed | SessionFailed
_CLOCK = LoopClock()  # it has nothing of a session's
_FLUSH = 1.0  # seconds that closing waits for what is unwritten (P13)
_REST = 0.25  # seconds that closing waits for the store, for observers, for cancelled tasks


class Runtime:
    """A session at work: the pure lifecycle, and around it connections, timers, a store, whoever listens.

    Args:
        transport: opens connections.
        policy: the numbers.
        store: where checkpoints are kept under `key`; both or neither.
        key: names this session in the store.
        seed: asked after a loss of context.
        observers: told what happens, off the path.
        clock: time and chance.
        limiter: keeps sessions from dialling all at once; by default one for the process.
        table: another table than ours.
        receive_error: makes what receivers get at the end, from our own error.
        send_error: makes what senders get at the end, from our own error.
    """

    # Slots, a list where an empty deque would weigh 0.7 KiB, tasks only for who is there: an idle session is light.
    __slots__ = ("_asking", "_culprit", "_dialling", "_facts", "_flushed", "_keeper", "_keeping", "_limiter",
                 "_observing", "_receive_error", "_send_error", "_shutting", "_tasks", "_telling", "_timer",
                 "_timer_at", "arrived", "clock", "delivery", "ended", "lifecycle", "link", "outgoing", "policy",
                 "room", "session_id", "setup_complete", "transport", "watch")  # fmt: skip

    def __init__(
        self,
        transport: Transport,
        *,
        policy: Policy | None = None,
        store: HandleStore | None = None,
        key: str | None = None,
        seed: SeedHook | None = None,
        observers: Iterable[Observer] = (),
        clock: Clock | None = None,
        limiter: DialLimiter | None = None,
        table: Table[Any, Any, Any] = TABLE,
        receive_error: Callable[[End], Exception] = lambda error: error,
        send_error: Callable[[End], Exception] = lambda error: error,
    ) -> None:
        self.policy = policy or DEFAULT
        self.transport = transport
        self.clock: Clock = clock or _CLOCK
        self.lifecycle = Lifecycle(
            self.policy,
            model=transport.model,
            backend=transport.backend,
            compressed=transport.compressed,
            table=table,
        )
        self.watch = Watch(observers)
        self.delivery = Delivery(
            self.lifecycle,
            self.policy,
            transport.known_keys,
            tell=self.tell,
            notice=self.notice,
            remember=seed is not None,
        )
        self.arrived = self.delivery.arrived
        self.room = self.delivery.room
        self.outgoing = Room(self.lifecycle.journal, limit=self.policy.send_limit, timeout=self.policy.send_timeout)
        self.link: Link | None = None
        self.session_id: str | None = None
        self.setup_complete: object | None = None
        self.ended: End | None = None
        self._keeper: Keeper | None = None
        if store is not None and key is not None:
            self._keeper = Keeper(store, key, self.policy, wall=self.clock.wall, trouble=self.notice)
        self._limiter = limiter
        self._receive_error = receive_error
        self._send_error = send_error
        self._tasks = Tasks(self._broke)
        self._asking = Asking(seed, self._tasks, tell=self.tell, notice=self.notice)
        self._dialling: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._observing: asyncio.Task[None] | None = None
        self._shutting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._facts: list[ev.Event] = []
        self._telling = False
        self._flushed: asyncio.Future[None] | None = None
        self._culprit: Exception | None = None

    def __repr__(self) -> str:
        return f"<Runtime: {self.lifecycle!r}>"

    async def start(self, handle: str | None = None) -> None:
        """Open the session; returns at the first ACTIVE.

        Raises:
            SessionFailed: it could not be opened (in the shape of `receive_error`).
            CommandError: it was started before.
        """
        if self.lifecycle.state != self.lifecycle.table.initial or self._timer is not None:
            raise CommandError("open it again", self.lifecycle.state)
        if self._keeper is not None:
            self._keeping = self._tasks.spawn(self._keeper.run(), "keeper")
        if self.watch.observed:
            self._observing = self._tasks.spawn(self.watch.dispatch(), "observers")
        final = self.lifecycle.table.final
        up = self.watch.next(lambda step: step.dest == "ACTIVE" or step.dest in final)
        try:
            self.tell(ev.ConnectRequested(handle, stored=self._keeper is not None))
            await up
        except BaseException:
            await self.close()
            raise
        if self.ended is not None:
            await self.close()
            raise self.receive_error() from self._culprit

    async def close(self) -> None:
        """End the session, within two seconds; again and again if one likes. Being cancelled does not stop it."""
        if not self.lifecycle.final:
            self.tell(ev.CloseRequested())
        if self._shutting is not None and self._shutting is not asyncio.current_task():
            await asyncio.shield(self._shutting)

    def receive_error(self) -> Exception:
        """What a receiver gets after the end."""
        return self._receive_error(self.ended or SessionClosed())

    def send_error(self) -> Exception:
        """What a sender gets after the end."""
        return self._send_error(self.ended or SessionClosed())

    def stats(self) -> Stats:
        """What was counted so far."""
        store_errors = self._keeper.errors if self._keeper is not None else 0
        return self.delivery.counts.stats(self.lifecycle.journal, self.watch.overflows, store_errors)

    def tell(self, event: ev.Event) -> None:
        """Pass a fact to the core, and perform what it orders. Facts told meanwhile wait for their turn."""
        self._facts.append(event)
        if self._telling:
            return
        self._telling = True
        clock, lifecycle = self.clock, self.lifecycle
        try:
            while self._facts:
                fact = self._facts.pop(0)
                for order in lifecycle.handle(fact, clock.now(), clock.wall(), clock.jitter()):
                    self._perform(order)
        finally:
            self._telling = False
        self._set_timer()

    def notice(self, what: str, detail: str) -> None:
        """Tell the observers of something that is no transition."""
        log.info("%s: %s", what, detail)
        self.watch.tell(Notice(what, detail, self.clock.now(), self.lifecycle.connection))

    def written(self) -> None:
        """A waiting frame has gone out."""
        self.outgoing.written()
        if not self.lifecycle.journal.waiting and self._flushed is not None and not self._flushed.done():
            self._flushed.set_result(None)

    def _perform(self, order: do.Effect) -> None:
        match order:
            case do.Report(transition):
                self._report(transition)
            case do.Open():
                self.delivery.counts.openings += 1
                self._dialling = self._tasks.spawn(self._dial(order), f"dial {order.number}")
            case do.Write(number):
                if self.link is not None and self.link.number == number:
                    self.link.start_writing()
            case do.HangUp(number):
                if self.link is not None and self.link.number == number:
                    self._tasks.spawn(self._hang_up(self.link), f"hang-up {number}")
            case do.Abandon(number):
                self._abandon(number)
            case do.Probe(number):
                if self.link is not None and self.link.number == number:
                    self.link.probe(self.policy.probe_after)
            case do.Prepare():
                self._tasks.spawn(self._prepare(), "prepare")
            case do.Load():
                self._tasks.spawn(self._load(), "load")
            case do.Save(checkpoint):
                if self._keeper is not None:
                    self._keeper.save(checkpoint)
            case do.Quarantine(handle, reason):
                self.notice("handle_quarantined", reason)
                if self._keeper is not None:
                    self._keeper.condemn(handle)
            case do.AskSeed(reason):
                self._asking.ask(reason, self.delivery.transcript)
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
                self.ended = SessionFailed(failure)
            case do.Shut(flush):
                self._shut(flush=flush)
            case _:
                assert_never(order)

    def _report(self, step: do.Transition) -> None:
        log.info("%s → %s on %s (connection %d)", step.source, step.dest, step.event, step.connection)
        if step.dest == "ACTIVE" and step.verdict is not None:
            self.delivery.counts.came_up(step.verdict)
        self.watch.tell(step)

    async def _dial(self, order: do.Open) -> None:
        try:
            async with self._limiter or shared_limiter():
                self.tell(ev.DialStarted(order.number))
                connection = await self.transport.open(order)
        except ConnectionGone as exc:
            self._culprit = exc
            self.tell(ev.OpenFailed(order.number, exc.drop))
            return
        except Exception as exc:  # noqa: BLE001 - a wrong configuration surfaces as whatever the SDK raises
            self._culprit = exc
            reason = f"{type(exc).__name__}: {exc}"
            self.tell(ev.OpenFailed(order.number, Dropped(None, reason, "opening", origin="local")))
            return
        if self._dialling is not asyncio.current_task() or self.lifecycle.final:
            connection.abort()
            return
        self._dialling = None
        self.session_id = connection.session_id
        self.setup_complete = connection.setup_complete
        self.link = Link(order.number, connection, self.lifecycle.journal, self, self._tasks.spawn)
        self.tell(ev.ConnectionOpened(order.number))

    async def _hang_up(self, link: Link) -> None:
        await link.close(self.policy.close_grace)
        self.tell(ev.ConnectionClosed(link.number))

    def _abandon(self, number: int) -> None:
        if self._dialling is not None and self._dialling is not asyncio.current_task():
            self._dialling.cancel()
        self._dialling = None
        if self.link is not None and self.link.number == number:
            self.link.release()
            self.link = None

    async def _prepare(self) -> None:
        with contextlib.suppress(Exception):  # the dial itself will tell
            await self.transport.prepare()

    async def _load(self) -> None:
        assert self._keeper is not None  # noqa: S101 - asked for only with a store
        self.tell(await self._keeper.load(self.transport))

    def _set_timer(self) -> None:
        due = self.lifecycle.deadline
        when = due[0] if due is not None else None
        if when == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = asyncio.get_running_loop().call_at(when, self._due) if when is not None else None

    def _due(self) -> None:
        self._timer = self._timer_at = None
        now = self.clock.now()
        while (due := self.lifecycle.deadline) is not None and due[0] <= now:
            name = due[1]
            if name in ("probe", "silence") and self.link is not None:
                # Frames are signs of life too, but telling the core of each would cost more than looking now and then.
                silent_for = now - self.link.connection.last_sign_of_life
                limit = self.policy.probe_after if name == "probe" else self.policy.probe_timeout
                if silent_for < limit:
                    self.tell(ev.Heard(self.link.number, silent_for))
                    continue
            self.tell(ev.DeadlineReached(name))
        self._set_timer()

    def _shut(self, *, flush: bool) -> None:
        if self.ended is None:
            self.ended = SessionClosed()
        self.delivery.inbox.end(self.receive_error)
        self.outgoing.end()
        if self._timer is not None:
            self._timer.cancel()
        self._shutting = asyncio.get_running_loop().create_task(self._release(flush=flush), name="relive close")

    async def _release(self, *, flush: bool) -> None:
        """Leave nothing behind, in less than two seconds, whatever hangs."""
        if self._keeper is not None:
            self._keeper.end()
        link = self.link
        if link is not None:
            if flush and not await self._flush(link):
                link.release()  # who takes no frames takes no farewell either
            await link.close(self.policy.close_grace)
            self.link = None
        self.watch.end()
        last = [task for task in (self._keeping, self._observing) if task is not None]
        if last:
            await asyncio.wait(last, timeout=_REST)  # what happened last is saved and told, too
        await self._tasks.end(_REST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REST):
                await self.transport.aclose()

    async def _flush(self, link: Link) -> bool:
        """Write what waits; returns whether all of it went out in time."""
        self._flushed = asyncio.get_running_loop().create_future()
        link.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH):
                while self.lifecycle.journal.waiting and link.writing:
                    await self._flushed
                    self._flushed = asyncio.get_running_loop().create_future()
        return not self.lifecycle.journal.waiting

    def _broke(self, exc: Exception) -> None:
        if not self.lifecycle.final:
            self._culprit = exc
            drop = Dropped(None, f"internal error: {type(exc).__name__}", origin="local")
            self.tell(ev.OpenFailed(self.lifecycle.connection, drop))
            self.tell(ev.ConnectionDropped(self.lifecycle.connection, drop))
