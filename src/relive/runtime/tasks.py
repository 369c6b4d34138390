"""The tasks of one session: every one that is started is known here, so that closing leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeAlias

log = logging.getLogger("relive")

Work: TypeAlias = Coroutine[Any, Any, None]


def start(work: Work, name: str) -> asyncio.Task[None]:
    """Start a task; it begins once whoever starts it has gone on, also in a loop whose tasks are eager."""
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is None:
        return loop.create_task(work, name=f"relive {name}")
    task = loop.create_task(_in_its_turn(work), name=f"relive {name}")
    task.add_done_callback(lambda _: work.close())  # it may have been cancelled before it began
    return task


async def _in_its_turn(work: Work) -> None:
    await asyncio.sleep(0)
    await work


@contextlib.contextmanager
def survived(trouble: Callable[[BaseException], object]) -> Generator[None]:
    """Go on after whatever somebody else's code raises, once `trouble` has been told of it.

    That code may also raise a `CancelledError` all by itself; one that is meant for the task that runs is raised.
    """
    try:
        yield
    except (Exception, asyncio.CancelledError) as exc:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        trouble(exc)


def complain(text: str, *args: object, exc: BaseException) -> None:
    """Log an exception of code that is not ours. A log that raises in its turn must not do what the other could not."""
    with contextlib.suppress(Exception):
        log.error(text, *args, exc_info=exc)


class Tasks:
    """Starts tasks and knows those that run.

    Args:
        broke: told of an exception that a task ended with, and of its name. None may raise; if one does, nobody must
            hang for it.
    """

    __slots__ = ("_broke", "_running")

    def __init__(self, broke: Callable[[BaseException, str], None]) -> None:
        self._broke = broke
        self._running: list[asyncio.Task[None]] = []  # an empty set would weigh more, and there are never many

    def spawn(self, work: Work, name: str) -> asyncio.Task[None]:
        """Start a task."""
        task = start(work, name)
        self._running.append(task)
        task.add_done_callback(self._done)
        return task

    def cancel(self) -> None:
        """Cancel what runs."""
        for task in self._running:
            task.cancel()

    async def end(self, within: float) -> None:
        """Cancel what runs, and wait for it so many seconds. What refuses to be cancelled is named in the log."""
        self.cancel()
        if self._running:
            _, stubborn = await asyncio.wait(self._running, timeout=within)
            with contextlib.suppress(Exception):
                for task in stubborn:
                    log.warning("%s does not let itself be cancelled, and is left behind", task.get_name())

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.remove(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._broke(exc, task.get_name())
