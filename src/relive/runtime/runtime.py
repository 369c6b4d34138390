"""Performs the core's orders, and tells it what came of them. It decides nothing: `relive.core.table` does.

One runtime is one session. Every task it starts is in `_tasks`, so that closing leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias, assert_never

from relive.clock import LoopClock
from relive.core import effects as do
from relive.core import events as ev
from relive.core import wire
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.policy import DEFAULT, Policy
from relive.core.schema import Table
from relive.core.table import TABLE
from relive.core.wire import PLAIN
from relive.errors import SessionClosed, SessionFailed
from relive.ports import Clock, ConnectionGone, HandleStore, Notice, Observer, Said, SeedHook, Transport
from relive.runtime.inbox import Inbox
from relive.runtime.keeper import Keeper
from relive.runtime.limiter import DialLimiter, shared_limiter
from relive.runtime.link import Link
from relive.runtime.stats import Counts, Stats
from relive.runtime.watch import Watch

log = logging.getLogger("relive")

End: TypeAlias = SessionClosed | SessionFailed
_CLOCK = LoopClock()  # it has nothing of a session's
_TRANSCRIPT = 200  # utterances kept for the application's hook
_FLUSH = 1.0  # seconds that closing waits for what is unwritten (P13)
_REST = 0.5  # seconds that closing waits for the store, and for cancelled tasks


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

    # Slots, lists where an empty deque would weigh 0.7 KiB, tasks only for who is there: an idle session is to be light.
    __slots__ = ("_asking", "_culprit", "_dialling", "_facts", "_flushed", "_keeper", "_keeping", "_limiter",
                 "_observing", "_receive_error", "_rooms", "_seed", "_send_error", "_shutting", "_situation", "_tasks",
                 "_telling", "_timer", "_timer_at", "_transcript", "_wire", "clock", "counts", "ended", "inbox",
                 "lifecycle", "link", "policy", "session_id", "setup_complete", "transport", "watch")  # fmt: skip

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
        self._situation = self.lifecycle.scene.situation
        self.counts = Counts()
        self.inbox = Inbox(self.policy.output_limit)
        self.watch = Watch(observers)
        self.link: Link | None = None
        self.session_id: str | None = None
        self.setup_complete: object | None = None
        self.ended: End | None = None
        self._wire = wire.reader(transport.known_keys, deliver_go_away=self.policy.deliver_go_away)
        self._keeper: Keeper | None = None
        if store is not None and key is not None:
            self._keeper = Keeper(store, key, self.policy, wall=self.clock.wall, trouble=self.notice)
        self._seed = seed
        self._transcript: list[Said] = []
        self._limiter = limiter
        self._receive_error = receive_error
        self._send_error = send_error
        self._tasks: list[asyncio.Task[None]] = []
        self._dialling: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._observing: asyncio.Task[None] | None = None
        self._shutting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._facts: list[ev.Event] = []
        self._telling = False
        self._flushed: asyncio.Future[None] | None = None
        self._rooms: list[asyncio.Future[None]] = []
        self._culprit: Exception | None = None

    def __repr__(self) -> str:
        return f"<Runtime: {self.lifecycle!r}>"

    async def start(self, handle: str | None = None) -> None:
        """Open the session; returns at the first ACTIVE.

        Raises:
            SessionFailed: it could not be opened (in the shape of `receive_error`).
            CommandError: it was started before.
        """
        if self._keeper is not None:
            self._keeping = self._spawn(self._keeper.run(), "keeper")
        if self.watch.observed:
            self._observing = self._spawn(self.watch.dispatch(), "observers")
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
        return self.counts.stats(self.lifecycle.journal, self.watch.overflows, store_errors)

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

    def said(self, role: str, text: str) -> None:
        """Keep an utterance for the application's hook."""
        if text and self._seed is not None:
            self._transcript.append(Said(role, text))
            del self._transcript[:-_TRANSCRIPT]

    def arrived(self, number: int, frame: bytes) -> bool:
        """A frame from the server: deliver it, and tell what it says. Returns whether reading must pause."""
        link = self.link
        if link is None or link.number != number:
            return False
        self.counts.received += 1
        reading, situation = self._wire.read(frame, number), self._situation
        if reading is not PLAIN:
            self._heard(frame, reading)
        elif situation.flowing:
            return self.inbox.put(frame)  # by far the most frequent case
        else:
            if situation.withhold:
                self._withhold_repeat()
            else:
                self.inbox.put(frame)
            self.tell(ev.OutputStarted(number))
        return self.inbox.full

    def _heard(self, frame: bytes, reading: wire.Reading) -> None:
        for role, text in reading.text:
            self.said(role, text)
        self._deliver(frame, reading, withholding=self._situation.withhold > 0)
        for event in reading.events:
            if isinstance(event, ev.GoAwayReceived):
                self.counts.go_aways += 1
            self.tell(event)

    def _deliver(self, frame: bytes, reading: wire.Reading, *, withholding: bool) -> None:
        counts = self.counts
        if reading.problem:
            self.notice("malformed_frame", reading.problem)
        frame_out = reading.deliver
        if frame_out is None and reading.problem:
            counts.withheld_malformed += 1
            if self.policy.deliver_malformed and not reading.events:
                frame_out = frame
        if frame_out is None:
            counts.kept_back += 1
        elif withholding and not reading.calls and b'"serverContent"' in frame_out:
            self._withhold_repeat()
        else:
            self.inbox.put(frame_out)

    def _withhold_repeat(self) -> None:
        self.counts.kept_back += 1
        self.counts.withheld_repeats += 1

    def written(self) -> None:
        """A waiting frame has gone out: there is room for others."""
        journal = self.lifecycle.journal
        if not journal.waiting and self._flushed is not None and not self._flushed.done():
            self._flushed.set_result(None)
        while self._rooms and journal.waiting_bytes < self.policy.send_limit:
            room = self._rooms.pop(0)
            if not room.done():
                room.set_result(None)
                break

    async def sendable(self) -> None:
        """Wait for room among the unwritten frames.

        Raises:
            TimeoutError: there was none in the policy's time.
        """
        room = asyncio.get_running_loop().create_future()
        self._rooms.append(room)
        try:
            async with asyncio.timeout(self.policy.send_timeout):
                await room
        finally:
            if room in self._rooms:
                self._rooms.remove(room)

    async def room(self) -> None:
        """Wait until a receiver has made room; say so, because the connection is not read meanwhile."""
        self.counts.reader_stalls += 1
        self.notice("reader_stalled", f"{self.inbox.size} bytes wait to be received; reading pauses")
        await self.inbox.room()

    def _synthetic(self, frame: bytes) -> None:
        self.counts.synthetic += 1
        self.inbox.put(frame)

    def _perform(self, order: do.Effect) -> None:
        match order:
            case do.Report(transition):
                self._report(transition)
            case do.Open():
                self.counts.openings += 1
                self._dialling = self._spawn(self._dial(order), f"dial {order.number}")
            case do.Write(number):
                if self.link is not None and self.link.number == number:
                    self.link.start_writing()
            case do.HangUp(number):
                if self.link is not None and self.link.number == number:
                    self._spawn(self._hang_up(self.link), f"hang-up {number}")
            case do.Abandon(number):
                self._abandon(number)
            case do.Probe(number):
                if self.link is not None and self.link.number == number:
                    self.link.probe(self.policy.probe_after)
            case do.Prepare():
                self._spawn(self._prepare(), "prepare")
            case do.Load():
                self._spawn(self._load(), "load")
            case do.Save(checkpoint):
                if self._keeper is not None:
                    self._keeper.save(checkpoint)
            case do.Quarantine(handle, reason):
                self.notice("handle_quarantined", reason)
                if self._keeper is not None:
                    self._keeper.condemn(handle)
            case do.AskSeed(reason):
                self._ask(reason)
            case do.CancelSeed():
                if self._asking is not None:
                    self._asking.cancel()
                self.notice("seed_timeout", "the hook did not answer in time; going on without it")
            case do.CancelCalls(ids):
                self._synthetic(wire.tool_call_cancellation(ids))
            case do.Interrupt():
                self._synthetic(wire.interrupted())
            case do.CompleteTurn():
                self._synthetic(wire.turn_complete())
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
            self.counts.came_up(step.verdict)
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
        self.link = Link(order.number, connection, self.lifecycle.journal, self, self._spawn)
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

    def _ask(self, reason: str) -> None:
        if self._seed is None:
            self.tell(ev.SeedAnswered())
        else:
            self._asking = self._spawn(self._answer(self._seed, reason), "seed hook")

    async def _answer(self, hook: SeedHook, reason: str) -> None:
        try:
            frames = await hook(reason, tuple(self._transcript))
        except Exception as exc:
            log.exception("the seed hook raised; going on without a seed")
            self.notice("seed_error", type(exc).__name__)
            frames = ()
        self.tell(ev.SeedRefused() if frames is None else ev.SeedAnswered(tuple(frames)))

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
        self.inbox.end(self.receive_error)
        for room in self._rooms:
            if not room.done():
                room.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        self._shutting = asyncio.get_running_loop().create_task(self._release(flush=flush), name="relive close")

    async def _release(self, *, flush: bool) -> None:
        """Leave nothing behind, in bounded time, whatever hangs."""
        link = self.link
        if link is not None:
            if flush:
                await self._flush(link)
            await link.close(self.policy.close_grace)
            self.link = None
        if self._keeper is not None and self._keeping is not None:
            self._keeper.end()
            await asyncio.wait([self._keeping], timeout=_REST)
        self.watch.end()
        if self._observing is not None:
            await asyncio.wait([self._observing], timeout=_REST)  # what happened last is told, too
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_REST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REST):
                await self.transport.aclose()

    async def _flush(self, link: Link) -> None:
        self._flushed = asyncio.get_running_loop().create_future()
        link.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH):
                while self.lifecycle.journal.waiting and link.writing:
                    await self._flushed
                    self._flushed = asyncio.get_running_loop().create_future()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"relive {name}")
        self._tasks.append(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.remove(task)
        if task.cancelled() or (exc := task.exception()) is None:
            return
        # Nothing of ours may raise. If it does, whoever waits is told, rather than left to hang.
        log.error("%s raised", task.get_name(), exc_info=exc)
        if not self.lifecycle.final and isinstance(exc, Exception):
            self._culprit = exc
            drop = Dropped(None, f"internal error: {type(exc).__name__}", origin="local")
            self.tell(ev.OpenFailed(self.lifecycle.connection, drop))
            self.tell(ev.ConnectionDropped(self.lifecycle.connection, drop))
