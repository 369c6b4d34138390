"""One thread that does what must not be done on an event loop, one thing after another."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
_Job: TypeAlias = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Worker:
    """Begins with the first thing there is to do, and ends when it is told to, or when nobody refers to it any more.

    Any number of event loops, in any threads, may give it something to do. A loop in virtual time does it itself: its
    time would not wait for a thread, and every call would run into its timeout.

    Args:
        name: of the thread.
        leave: is called in the thread before it ends.
    """

    def __init__(self, name: str, leave: Callable[[], object]) -> None:
        self._name = name
        self._leave = leave
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._begun = threading.Lock()

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have this done. To cancel it means not to begin; what has begun is finished, and nobody is told."""
        loop = asyncio.get_running_loop()
        if _runs_inline(loop):
            return loop.run_in_executor(None, work)
        if self._begun.acquire(blocking=False):
            # The thread knows the queue and not this object, so that it outlives nobody who forgot to stop it.
            thread = threading.Thread(target=_serve, args=(self._jobs, self._leave), name=self._name, daemon=True)
            weakref.finalize(self, self._jobs.put, None)
            thread.start()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((work, loop, future))
        return future

    async def stop(self) -> None:
        """Do what was asked for before, then end. Nothing may be asked for after this."""
        if self._begun.locked() or _runs_inline(asyncio.get_running_loop()):
            last = self.do(self._leave)
            self._jobs.put(None)
            await last


def _runs_inline(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether it is one like `relive.testing.SimLoop`, which says so."""
    return getattr(loop, "runs_executors_inline", False)


def _serve(jobs: queue.SimpleQueue[_Job | None], leave: Callable[[], object]) -> None:
    while (job := jobs.get()) is not None:
        _perform(*job)
        job = None  # while it waits for the next one it must not keep what this one referred to
    leave()


def _perform(work: Callable[[], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
    if future.cancelled():
        return
    result, error = None, None
    try:
        result = work()
    except BaseException as exc:  # noqa: BLE001 - it is for whoever asked to deal with
        error = exc
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
