"""The tasks of one session: every one that is started is known here, so that closing leaves none behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("relive")


class Tasks:
    """Starts tasks and knows those that run.

    Args:
        broke: told of an exception that a task ended with. None may raise; if one does, nobody must hang for it.
    """

    __slots__ = ("_broke", "_running")

    def __init__(self, broke: Callable[[Exception], None]) -> None:
        self._broke = broke
        self._running: list[asyncio.Task[None]] = []  # an empty set would weigh more, and there are never many

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.get_running_loop().create_task(work, name=f"relive {name}")
        self._running.append(task)
        task.add_done_callback(self._done)
        return task

    async def end(self, within: float) -> None:
        """Cancel what runs, and wait for it so many seconds."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=within)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.remove(task)
        if task.cancelled() or (exc := task.exception()) is None:
            return
        log.error("%s raised", task.get_name(), exc_info=exc)
        if isinstance(exc, Exception):
            self._broke(exc)
