"""Performs the core's orders, and tells it what came of them. It decides nothing: `relive.core.table` does.

One runtime is one session. Every task it starts is in `_tasks`, so that closing leaves nothing behind.

What is plugged in is somebody else's code: it may raise, hang, or return nonsense. It is called where that ends in a
fact (a failed opening, a lost connection) or in a notice. If something raises all the same, `broke` ends the session
with an error, so that nobody hangs. One thing cannot be helped: code that blocks the event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, assert_never

from relive.clock import LoopClock
from relive.core import effects as do, events as ev, wire
from relive.core.closes import Dropped
from relive.core.journal import Lane
from relive.core.lifecycle import Lifecycle
from relive.core.machine import Runs
from relive.core.policy import DEFAULT, Policy
from relive.core.schema import Table, name_of
from relive.core.table import TABLE
from relive.errors import CommandError, SessionClosed, SessionFailed, SettingError
from relive.ports import Clock, Connection, HandleStore, Notice, Observer, SeedHook, Stats, Transport
from relive.runtime.asking import Asking
from relive.runtime.delivery import Delivery
from relive.runtime.dialling import Dialling
from relive.runtime.ending import release
from relive.runtime.keeper import Keeper
from relive.runtime.leaving import Leaving
from relive.runtime.limiter import DialLimiter
from relive.runtime.link import Link
from relive.runtime.room import Room
from relive.runtime.tasks import Tasks, complain, start
from relive.runtime.watch import Watch

End: TypeAlias = SessionClosed | SessionFailed
_CLOCK = LoopClock()  # it has nothing of a session's


class Runtime:
    """A session at work: the pure lifecycle, and around it connections, timers, a store, whoever listens.

    Args:
        transport: opens connections.
        policy: the numbers.
        store: where checkpoints are kept under `key`; both or neither.
        key: names this session in the store.
        owner: names this worker, and asks for the session to be its own; the store must offer `Leases`.
        seed: asked after a loss of context.
        observers: told what happens, off the path.
        clock: time and chance.
        limiter: keeps sessions from dialling all at once; by default one for the process.
        table: another table than ours.
        engine: what runs the table, for simulation; by default the one on `transitions`, shared by all sessions.
        receive_error: makes what receivers get at the end, from our own error.
        send_error: makes what senders get at the end, from our own error.
    """

    # Slots, a list where an empty deque would weigh 0.7 KiB, tasks only for who is there: an idle session is light.
    __slots__ = ("_asking", "_culprit", "_dialling", "_facts", "_keeper", "_leaving", "_receive_error", "_send_error",
                 "_shutting", "_tasks", "_telling", "_timer", "_timer_at", "arrived", "clock", "delivery", "ended",
                 "lifecycle", "link", "outgoing", "policy", "room", "session_id", "setup_complete", "transport",
                 "watch")  # fmt: skip

    def __init__(
        self,
        transport: Transport,
        *,
        policy: Policy | None = None,
        store: HandleStore | None = None,
        key: str | None = None,
        owner: str | None = None,
        seed: SeedHook | None = None,
        observers: Iterable[Observer] = (),
        clock: Clock | None = None,
        limiter: DialLimiter | None = None,
        table: Table[Any, Any, Any] = TABLE,
        engine: Runs | None = None,
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
            engine=engine,
        )
        self.watch = Watch(observers, self.stats, self.lifecycle.table.final)
        tell, notice = self.tell, self.notice  # one each: every mention of a method makes another
        self.delivery = Delivery(
            self.lifecycle,
            self.policy,
            transport.known_keys,
            tell=tell,
            notice=notice,
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
            wall, taken = self.clock.wall, self._taken
            self._keeper = Keeper(store, key, self.policy, wall=wall, notice=notice, owner=owner, lost=taken)
        self._receive_error = receive_error
        self._send_error = send_error
        self._tasks = Tasks(self.broke)
        self._asking = Asking(seed, self._tasks, tell=tell, notice=notice)
        self._dialling = Dialling(transport, limiter, self._tasks, tell=tell, up=self._up, notice=notice)
        self._shutting: asyncio.Task[None] | None = None
        self._leaving: Leaving | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._facts: list[ev.Event] = []
        self._telling = False
        self._culprit: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Runtime: {self.lifecycle!r}>"

    async def start(self, handle: str | None = None) -> None:
        """Open the session; returns at the first ACTIVE.

        Raises:
            SessionFailed: it could not be opened (in the shape of `receive_error`).
            SessionTaken: another worker owns it.
            CommandError: it was started before.
        """
        if self.lifecycle.state != self.lifecycle.table.initial or self._timer is not None:
            raise CommandError("open it again", self.lifecycle.state)
        if self._keeper is not None:
            await self._keeper.claim()
            self._keeper.begin(self._tasks)
        self.watch.begin(self._tasks)
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
            raise self.receive_error() from self._culprit or self._dialling.cause

    async def close(self) -> None:
        """End the session, within two seconds; again and again if one likes. Being cancelled does not stop it."""
        if not self.lifecycle.final:
            self.tell(ev.CloseRequested())
        assert self._shutting is not None  # noqa: S101 - whatever ends a session orders that
        await asyncio.shield(self._shutting)

    async def hand_over(self, within: float) -> tuple[Counter[Lane], bool]:
        """End it where another process loses least. Returns that, in frames, and whether the store has all of it."""
        if self._keeper is None:
            raise SettingError("store", None, "given to `connect`, with a key, to hand the session over by")
        if self.lifecycle.final:
            raise CommandError("hand over", self.lifecycle.state)
        leaving = self._leaving = self._leaving or Leaving(self.lifecycle, self.tell)
        try:
            await leaving.wait(within)
        except asyncio.CancelledError:
            self._leaving = leaving if leaving.waiters else None
            raise
        await self.close()
        if isinstance(self.ended, SessionFailed):
            raise self.receive_error()
        return leaving.left, self._keeper.settled

    def receive_error(self) -> Exception:
        """What a receiver gets after the end."""
        return self._receive_error(self.ended or SessionClosed())

    def send_error(self) -> Exception:
        """What a sender gets after the end."""
        return self._send_error(self.ended or SessionClosed())

    def stats(self) -> Stats:
        """What was counted so far."""
        errors = self._keeper.errors if self._keeper is not None else 0
        return self.delivery.counts.stats(self.lifecycle.scene, self.clock.wall(), self.watch.overflows, errors)

    def tell(self, event: ev.Event) -> None:
        """Pass a fact to the core, and perform what it orders. Facts told meanwhile wait for their turn.

        Raises:
            CommandError: the fact is a command that the session cannot obey in its state. It raises nothing else.
        """
        if self._shutting is not None and not self.lifecycle.final:
            return  # the machine itself broke
        self._facts.append(event)
        if self._telling:
            return
        self._telling = True
        clock, lifecycle = self.clock, self.lifecycle
        try:
            while self._facts:
                fact = self._facts.pop(0)
                try:
                    orders = lifecycle.handle(fact, clock.now(), clock.wall(), clock.jitter())
                except CommandError:
                    raise
                except Exception as exc:  # noqa: BLE001 - an embedder's guard, a clock, we ourselves
                    self.broke(exc, f"handling {name_of(fact)}")
                    continue
                for order in orders:
                    try:
                        self._perform(order)
                    except Exception as exc:  # noqa: BLE001 - what else was ordered is performed all the same
                        self.broke(exc, f"performing {type(order).__name__}")
        finally:
            self._telling = False
        self._set_timer()
        if self._leaving is not None:
            self._leaving.look()

    def dropped(self, number: int, drop: Dropped) -> None:
        """A connection was lost."""
        checkpoint = self.lifecycle.scene.situation.checkpoint
        drop = drop.without(checkpoint.handle if checkpoint is not None else None)
        if not self.lifecycle.final:  # else it was lost while the last frames went out
            self.notice("lost", drop.in_short())
        self.tell(ev.ConnectionDropped(number, drop))

    def held(self, since: float | None) -> None:
        """What is read from now on may have waited since then; None: it is read as it comes."""
        self.delivery.held_since = since

    def written(self) -> None:
        """Less waits to be written than before."""
        self.outgoing.written()

    def broke(self, exc: BaseException, what: str) -> None:
        """Something raised that may not. The session ends with an error, so that nobody hangs for it."""
        complain("%s raised", what, exc=exc)
        if self._shutting is not None:
            return
        if self.ended is None:
            self._culprit = exc
            detail = "something raised that may not; the log says what"
            self._fail("internal", f"internal error: {type(exc).__name__}", detail)
        else:  # that, too, goes wrong
            self._facts.clear()
            self._shut(flush=False)

    def _taken(self) -> None:
        """Another worker owns the session now: nothing more is written from here."""
        if self.ended is None:
            self._fail("session_taken", "another worker owns this session now", "receive and send there")

    def _fail(self, cause: str, reason: str, detail: str) -> None:
        drop = Dropped(None, reason, origin="local")
        self.ended = SessionFailed(do.Failure(cause, drop, detail))
        # A connection is to blame if there is one; if there is none, the session is closed.
        number = self.lifecycle.connection
        for fact in (ev.OpenFailed(number, drop), ev.ConnectionDropped(number, drop), ev.CloseRequested()):
            self.tell(fact)

    def notice(self, what: str, detail: str, seconds: float | None = None) -> None:
        """Tell the observers of something that is no transition."""
        now = asyncio.get_running_loop().time()  # the same as the clock's, which may be what broke
        self.watch.tell(Notice(what, detail, now, self.lifecycle.connection, seconds))

    def _perform(self, order: do.Effect) -> None:
        match order:
            case do.Report(transition):
                self._report(transition)
            case do.Open():
                self.delivery.counts.openings += 1
                self._dialling.open(order)
            case do.Write(number):
                self._link(number).start_writing()
            case do.HangUp(number):
                link = self._link(number)
                link.stop_writing()
                self._tasks.spawn(self._hang_up(link), f"hang-up {number}")
            case do.Abandon():
                self._abandon()
            case do.Probe(number):
                link = self._link(number)
                self.delivery.output_at(link.connection.last_sign_of_life)  # before the pong is the newest
                link.probe()
            case do.Prepare():
                self._tasks.spawn(self._dialling.prepare(self.policy.open_timeout), "prepare")
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
                self._asking.ask(reason, self.delivery.transcript.so_far(self.lifecycle.journal.oldest))
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
                self.ended = self.ended or SessionFailed(failure)
            case do.Shut(flush):
                self._shut(flush=flush)
            case _:
                assert_never(order)

    def _report(self, step: do.Transition) -> None:
        if step.dest == "ACTIVE" and step.verdict is not None:
            self.delivery.counts.came_up(step.verdict)
        self.watch.tell(step)

    def _up(self, number: int, connection: Connection) -> None:
        self.session_id = connection.session_id
        self.setup_complete = connection.setup_complete
        self.delivery.held_since = None
        self.link = Link(number, connection, self.lifecycle.journal, self, self._tasks.spawn)
        self.tell(ev.ConnectionOpened(number))

    def _link(self, number: int) -> Link:
        link = self.link
        assert link is not None and link.number == number  # noqa: S101, PT018 - the core orders nothing of any other
        return link

    async def _hang_up(self, link: Link) -> None:
        try:
            await link.close(self.policy.close_grace)
        finally:
            self.link = None
            self.tell(ev.ConnectionClosed(link.number))

    def _abandon(self) -> None:
        self._dialling.abandon()
        if self.link is not None:
            self.link.release()
            self.link = None

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
        try:
            self._look()
        except Exception as exc:  # noqa: BLE001 - the clock, or the connection
            self.broke(exc, "looking at the time")

    def _look(self) -> None:
        now = self.clock.now()
        while self._shutting is None and (due := self.lifecycle.deadline) is not None and due[0] <= now:
            name, link = due[1], self.link
            instead = link.sign_instead(name, self.policy, self.delivery.output_at) if link is not None else None
            self.tell(instead or ev.DeadlineReached(name))
        self._set_timer()

    def _shut(self, *, flush: bool) -> None:
        self.ended = self.ended or SessionClosed()
        if isinstance(self.ended, SessionFailed):
            failure = self.ended.failure
            self.notice("failed", f"{failure.cause}: {failure.drop.in_short()}" if failure.drop else failure.cause)
        if self._leaving is not None:
            self._leaving.end()
        self.delivery.inbox.end(self.receive_error)
        self.outgoing.end()
        self._dialling.abandon()
        link, self.link = self.link, None
        self._shutting = start(release(
            link, self._keeper, self.watch, self._tasks, self.transport, flush=flush, grace=self.policy.close_grace,
            save=self.policy.save_timeout if self._leaving is not None else None,
        ), "close")  # fmt: skip
