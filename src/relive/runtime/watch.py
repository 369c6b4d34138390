"""Telling what happens, off the path: observers, iterators of changes, whoever waits for a state."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from relive.core.effects import Transition
from relive.ports import Meter, Notice, Observer, Stats, Ticking
from relive.runtime.tasks import Tasks, complain
from relive.telemetry.logging import LogObserver

BOUND = 1000
"Transitions and notices kept for one slow listener; more are dropped and counted."
_Waiter: TypeAlias = "tuple[Callable[[Transition], bool], asyncio.Future[Transition | None]]"
_LOG = LogObserver()
"""Writes the log of every session that has no `LogObserver` of its own. It is told at once, because a task for each
session would weigh more than a line that nobody asked for."""


class Watch:
    """Passes transitions and notices on to whoever looks. Nobody who looks can slow or break the session.

    With one exception that cannot be helped: observers are called on the event loop, and one that blocks it blocks
    everything that runs there.

    Args:
        observers: who looks.
        stats: makes the counts for those observers that are a `Meter`.
        final: states that a session ends in: what leads there is told also to those who are too slow for all the rest.
    """

    __slots__ = ("_ended", "_every", "_final", "_followers", "_log", "_meters", "_observers", "_queue", "_stats",
                 "_task", "_ticking", "_waiters", "_wake", "overflows")  # fmt: skip

    def __init__(
        self,
        observers: Iterable[Observer] = (),
        stats: Callable[[], Stats] | None = None,
        final: Collection[str] = ("CLOSED", "FAILED"),
    ) -> None:
        self.overflows = 0
        self._observers = tuple(observers)
        self._meters = tuple(observer for observer in self._observers if isinstance(observer, Meter))
        self._ticking = tuple(meter for meter in self._meters if isinstance(meter, Ticking) and meter.every > 0)
        self._every = min((meter.every for meter in self._ticking), default=None)
        self._stats = stats if self._meters else None
        self._final = final
        self._log = None if any(isinstance(observer, LogObserver) for observer in self._observers) else _LOG
        self._queue: list[Transition | Notice] = []
        self._wake: asyncio.Future[None] | None = None
        # Tuples, because empty ones weigh nothing, and nearly always they are.
        self._followers: tuple[weakref.ref[Follower], ...] = ()
        self._waiters: tuple[_Waiter, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def begin(self, tasks: Tasks) -> None:
        """From now on observers are told, if there are any."""
        if self._observers:
            self._task = tasks.spawn(self._dispatch(), "observers")

    def tell(self, news: Transition | Notice) -> None:
        """Pass something on, without waiting for anybody."""
        if self._log is not None:
            _hand_out(news, self._log)
        if isinstance(news, Transition):
            for follower in self._following():
                self.overflows += follower.put(news)
            for wanted, waiter in self._waiters:
                if not waiter.done() and wanted(news):
                    waiter.set_result(news)
            self._waiters = self._awaiting()
        if not self._observers:
            return
        if len(self._queue) >= BOUND:
            self.overflows += 1
            if not self._last_word(news):
                return
        self._queue.append(news)
        self._rouse()

    def end(self) -> None:
        """Nothing more will happen."""
        self._ended = True
        self._rouse()
        for follower in self._following():
            follower.end()
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def rest(self, within: float) -> None:
        """Wait so many seconds for observers to be told what happened last."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=within)

    def finish(self) -> None:
        """Tell those who were too slow how it ended; the rest they have missed."""
        unheard, self._queue = self._queue, []
        for news in unheard:
            if self._last_word(news):
                self._tell_all(news)
            else:
                self.overflows += 1
        if unheard:
            self._count()

    def _last_word(self, news: Transition | Notice) -> bool:
        return news.dest in self._final if isinstance(news, Transition) else news.what == "failed"

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def next(self, wanted: Callable[[Transition], bool]) -> asyncio.Future[Transition | None]:
        """The next transition that is wanted; None if the session ends without it. Whoever cancels it is forgotten."""
        waiter: asyncio.Future[Transition | None] = asyncio.get_running_loop().create_future()
        if self._ended:
            waiter.set_result(None)
            return waiter
        self._waiters = (*self._awaiting(), (wanted, waiter))
        return waiter

    def follow(self) -> Follower:
        """Every transition from this call on, to the end of the session. One that lags misses some, counted."""
        follower = Follower()
        if self._ended:
            follower.end()
        else:
            self._followers = (*map(weakref.ref, self._following()), weakref.ref(follower))
        return follower

    def _following(self) -> list[Follower]:
        """Those who still look; who is not referred to by anybody else any more is forgotten."""
        alive = [follower for reference in self._followers if (follower := reference()) is not None]
        self._followers = tuple(map(weakref.ref, alive))
        return alive

    def _awaiting(self) -> tuple[_Waiter, ...]:
        return tuple(entry for entry in self._waiters if not entry[1].done())

    async def _dispatch(self) -> None:
        while True:
            while self._queue:
                self._tell_all(self._queue.pop(0))
                await asyncio.sleep(0)
            if self._ended:
                self._count()
                return
            self._wake = asyncio.get_running_loop().create_future()
            if self._every is None:
                await self._wake
                continue
            await asyncio.wait([self._wake], timeout=self._every)
            if not self._wake.done():
                self._count(self._ticking)

    def _tell_all(self, news: Transition | Notice) -> None:
        for observer in self._observers:
            _hand_out(news, observer)
        if isinstance(news, Transition) or news.what in ("saved", "store_error"):
            self._count()

    def _count(self, meters: tuple[Meter, ...] | None = None) -> None:
        if self._stats is not None:
            for meter in self._meters if meters is None else meters:
                try:
                    meter.counted(self._stats())
                except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - as below
                    complain("an observer raised; the session goes on", exc=exc)


def _hand_out(news: Transition | Notice, observer: Observer) -> None:
    try:
        if isinstance(news, Transition):
            observer.transition(news)
        else:
            observer.notice(news)
    # It is somebody else's code; the result of a cancelled future raises the latter.
    except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001
        complain("an observer raised; the session goes on", exc=exc)


class Follower:
    """One iterator of changes, and what it has not read yet. Cancelling it loses nothing."""

    def __init__(self) -> None:
        self._news: deque[Transition] = deque()
        self._woken = asyncio.Event()
        self._ended = False

    def __aiter__(self) -> Follower:
        return self

    async def __anext__(self) -> Transition:
        while not self._news:
            if self._ended:
                raise StopAsyncIteration
            self._woken.clear()
            await self._woken.wait()
        return self._news.popleft()

    def put(self, news: Transition) -> bool:
        """Returns whether it was lost."""
        lost = len(self._news) >= BOUND
        if not lost:
            self._news.append(news)
            self._woken.set()
        return lost

    def end(self) -> None:
        """Nothing more will happen."""
        self._ended = True
        self._woken.set()
