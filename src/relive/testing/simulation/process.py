"""One process of a client on an event loop: a session of relive's, somebody who talks, and somebody who listens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from math import inf
from typing import Any, Literal

from relive.core.journal import Journal
from relive.errors import CommandError, ReliveError, SendBufferFull, SessionClosed, SessionFailed
from relive.runtime.runtime import Runtime
from relive.testing.simulation.history import CLOSING, Ledger, Refused, Sent
from relive.testing.simulation.recording import Scribe
from relive.testing.simulation.stray import stray
from relive.testing.simulation.user import Heard, Item, frame_of
from relive.testing.simulation.voices import Voice


class Process:
    """Runs one life of a client.

    Args:
        ledger: the client.
        scribe: writes this life down.
        runtime: its session.
        voice: how its application talks to that.
        began: the clock at the beginning of the simulation.
    """

    def __init__(self, ledger: Ledger, scribe: Scribe, runtime: Runtime, voice: Voice, began: float) -> None:
        self.ledger = ledger
        self.scribe = scribe
        self.runtime = runtime
        self.user = ledger.user
        self.over = False
        "The session has ended, or the process has crashed."
        scribe.life.audio_from = len(ledger.audio)
        self._began = began
        self._loop = asyncio.get_running_loop()
        self._voice = voice
        self._nap: asyncio.Future[None] | None = None
        self._until = inf
        self._paused: asyncio.Future[None] | None = None
        self._work: list[asyncio.Task[None]] = []
        self._bursts: list[Item] = []

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self._loop.time() - self._began

    @property
    def at_rest(self) -> bool:
        """Whether the session has recovered: it is over, or up with everything written."""
        lifecycle = self.runtime.lifecycle
        return self.over or (lifecycle.state == "ACTIVE" and not lifecycle.journal.waiting)

    async def open(self, handle: str | None, *, eager: bool) -> bool:
        """Open the session. Returns whether it came up. `eager`: the user does not wait for that."""
        if eager:
            self._begin(self._talk(), "the user")
        try:
            await self.runtime.start(handle)
        except ReliveError as error:
            self._ended("start", error)
            return False
        if self.over:
            return False
        if not eager:
            self._begin(self._talk(), "the user")
        self._begin(self._listen(), "the listener")
        return True

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        task.add_done_callback(self._done)
        self._work.append(task)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Somebody has nothing more to do. What may come of a session they have caught: all else is wrong."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.scribe.note("wrong", "P22", f"{task.get_name()} got {error!r}")

    async def close(self) -> None:
        """Close the session, and see how it leaves."""
        life, before = self.scribe.life, self.now
        self.over = True
        await self.runtime.close()
        life.closing = self.now - before
        await self._stop()
        life.ended = self.now
        life.stats = self.runtime.stats()
        self.scribe.cut(self.now, *_sizes(self.runtime.lifecycle.journal))
        self.scribe.all_delivered()
        life.passed_over, life.passed_over_control = self.scribe.kept_back, self.scribe.kept_back_control
        life.made = self.scribe.made
        if isinstance(self.runtime.ended, SessionFailed):
            life.failure = self.runtime.ended.failure
        self.scribe.note("end", life.state, life.failure.cause if life.failure is not None else "")

    async def die(self) -> None:
        """Stop as a killed process does: nothing it still does is seen."""
        life, journal = self.scribe.life, self.runtime.lifecycle.journal
        life.stats, life.crashed, life.ended = self.runtime.stats(), True, self.now
        waiting, written = _sizes(journal)
        self.scribe.cut(self.now, waiting, written)
        self.scribe.note("crash", life.state, waiting + written)
        self.scribe.mute = self.over = True
        link = self.runtime.link
        if link is not None:
            link.connection.abort()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self.runtime.close()

    def rouse(self) -> None:
        """Look at the user's deadline again."""
        if self._nap is not None and not self._nap.done() and self.user.deadline < self._until:
            self._nap.set_result(None)

    def burst(self, frames: int) -> None:
        """Have the user send so many frames at once."""
        self._bursts += self.user.burst(frames)
        if self._nap is not None and not self._nap.done():
            self._nap.set_result(None)

    def stop_reading(self, seconds: float) -> None:
        """Do not receive for a while."""
        if self._paused is None:
            self._paused = pause = self._loop.create_future()
            self._loop.call_later(seconds, lambda: pause.done() or pause.set_result(None))

    def clog(self, seconds: float) -> None:
        """Have the socket take nothing for a while."""
        scribe = self.scribe
        if scribe.clog is None:
            scribe.clog = clog = self._loop.create_future()
            self._loop.call_later(seconds, self._unclog, clog)

    def _unclog(self, clog: asyncio.Future[None]) -> None:
        self.scribe.clog = None
        clog.set_result(None)

    def stray(self, fact: str) -> None:
        """Tell the machine what comes too late, or again: not what it waits for, and no command it could obey."""
        event = stray(fact, self.runtime.lifecycle)
        if event is not None:
            with contextlib.suppress(CommandError):  # a final state has ears for few
                self.runtime.tell(event)

    async def _talk(self) -> None:
        user, scribe = self.user, self.scribe
        while not self.over:
            now = self.now
            if now >= scribe.until:
                scribe.cut(now, *_sizes(self.runtime.lifecycle.journal))
            if self._bursts:
                items, self._bursts = self._bursts, []
                if not await self._send(items):
                    return
            if user.deadline > now:
                await self._sleep(user.deadline)
                continue
            number = user.audio_due(now)  # nearly all that is said
            if not await self._send((Item("audio", number),) if number else user.due(now)):
                return

    async def _sleep(self, until: float) -> None:
        self._nap = nap = self._loop.create_future()
        self._until = until
        timer = self._loop.call_at(self._began + until, _wake, nap) if until < inf else None
        await nap
        if timer is not None and self.now < until:
            timer.cancel()

    async def _send(self, items: Iterable[Item]) -> bool:
        """Send items. Returns whether the session still lives."""
        ledger, voice = self.ledger, self._voice
        for item in items:
            fate, began = "ok", self.now
            try:
                await voice.send(item)
            except (SessionFailed, SessionClosed) as error:
                self._ended("send", error)
                fate = self._refused(item, began, error)
            except SendBufferFull as error:
                fate = self._refused(item, began, error)
            flow = self.scribe.flow
            flow[0] += 1
            if item.kind != "audio":
                ledger.sent.append(Sent(item, self.now, self.scribe.life.number, fate, len(ledger.audio)))
                self.scribe.note("sent", item.kind, [item.number, fate])
            elif fate == "ok":
                ledger.audio.append(item.number)
            else:
                ledger.audio_failed += 1
            if self.over:
                return False
        return True

    def _refused(self, item: Item, began: float, error: ReliveError) -> Literal["fail"]:
        waiting, size = self.runtime.lifecycle.journal.waiting_bytes, len(frame_of(item))
        self.scribe.life.refused.append(Refused(began, self.now, type(error).__name__, size, waiting))
        return "fail"

    async def _listen(self) -> None:
        voice, user = self._voice, self.user
        try:
            while True:
                if self._paused is not None:
                    await self._paused
                    self._paused = None
                what = await voice.hear()
                user.hear(what, self.now)
                self.rouse()  # to interrupt the model, maybe
                if not what.output:
                    self._heard(what)
        except (SessionFailed, SessionClosed) as error:
            self._ended("receive", error)

    def _heard(self, what: Heard) -> None:
        for name, said in what._asdict().items():
            if said:
                self.scribe.note("heard", name, None if said is True else list(said))

    def _ended(self, where: str, error: ReliveError) -> None:
        self.scribe.life.errors[where] = type(error).__name__
        if isinstance(error, SessionFailed):
            self.scribe.life.failure = error.failure
        self.over = True
        if self._nap is not None and not self._nap.done():
            self._nap.set_result(None)

    async def _stop(self) -> None:
        """Wait for the user and the listener: the session's end must have told both."""
        self.rouse()
        if self._nap is not None and not self._nap.done():
            self._nap.set_result(None)
        if self._paused is not None and not self._paused.done():
            self._paused.set_result(None)
        if self._work:
            _, hanging = await asyncio.wait(self._work, timeout=CLOSING)
            for task in hanging:
                self.scribe.life.left_over += (task.get_name(),)
                task.cancel()
            await asyncio.gather(*self._work, return_exceptions=True)


def _wake(nap: asyncio.Future[None]) -> None:
    if not nap.done():
        nap.set_result(None)


def _sizes(journal: Journal) -> tuple[int, int]:
    return len(journal.waiting), len(journal.written)
