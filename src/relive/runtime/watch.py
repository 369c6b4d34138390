"""Telling what happens, off the path: observers, iterators of changes, whoever waits for a state."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

from relive.core.effects import Transition
from relive.ports import Notice, Observer

log = logging.getLogger("relive")

BOUND = 1000
"Transitions and notices kept for one slow listener; more are dropped and counted."


class Watch:
    """Passes transitions and notices on to whoever looks. Nobody who looks can slow or break the session."""

    __slots__ = ("_ended", "_followers", "_observers", "_queue", "_waiters", "_wake", "overflows")

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.overflows = 0
        self._observers = tuple(observers)
        self._queue: list[Transition | Notice] = []
        self._wake: asyncio.Future[None] | None = None
        self._followers: list[_Follower] = []
        self._waiters: list[tuple[Callable[[Transition], bool], asyncio.Future[Transition | None]]] = []
        self._ended = False

    @property
    def observed(self) -> bool:
        """Whether there are observers, for whom `dispatch` is to run."""
        return bool(self._observers)

    def tell(self, news: Transition | Notice) -> None:
        """Pass something on, without waiting for anybody."""
        if isinstance(news, Transition):
            for follower in self._followers:
                self.overflows += follower.put(news)
            for wanted, waiter in self._waiters:
                if not waiter.done() and wanted(news):
                    waiter.set_result(news)
            self._waiters = [entry for entry in self._waiters if not entry[1].done()]
        if not self._observers:
            return
        if len(self._queue) >= BOUND:
            self.overflows += 1
            return
        self._queue.append(news)
        self._rouse()

    def end(self) -> None:
        """Nothing more will happen."""
        self._ended = True
        self._rouse()
        for follower in self._followers:
            follower.end()
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def next(self, wanted: Callable[[Transition], bool]) -> asyncio.Future[Transition | None]:
        """The next transition that is wanted; None if the session ends without it. Whoever cancels it is forgotten."""
        waiter: asyncio.Future[Transition | None] = asyncio.get_running_loop().create_future()
        if self._ended:
            waiter.set_result(None)
            return waiter
        self._waiters = [entry for entry in self._waiters if not entry[1].done()]
        self._waiters.append((wanted, waiter))
        return waiter

    async def follow(self) -> AsyncIterator[Transition]:
        """Every transition from now on, to the end of the session. A follower that lags misses some, counted."""
        if self._ended:
            return
        follower = _Follower()
        self._followers.append(follower)
        try:
            while (news := await follower.get()) is not None:
                yield news
        finally:
            self._followers.remove(follower)

    async def dispatch(self) -> None:
        """Runs as a task: hands the queue to the observers."""
        while True:
            while self._queue:
                self._hand_out(self._queue.pop(0))
                await asyncio.sleep(0)
            if self._ended:
                return
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    def _hand_out(self, news: Transition | Notice) -> None:
        for observer in self._observers:
            try:
                if isinstance(news, Transition):
                    observer.transition(news)
                else:
                    observer.notice(news)
            except Exception:
                log.exception("an observer raised; the session goes on")


class _Follower:
    """One reader of changes, and what it has not read yet."""

    def __init__(self) -> None:
        self._news: deque[Transition] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._ended = False

    def put(self, news: Transition) -> int:
        """Returns how many were lost to it: 0 or 1."""
        if len(self._news) >= BOUND:
            return 1
        self._news.append(news)
        self._rouse()
        return 0

    def end(self) -> None:
        self._ended = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def get(self) -> Transition | None:
        while not self._news:
            if self._ended:
                return None
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._news.popleft()
