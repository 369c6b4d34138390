"""The application's hook at the core level: `relive.runtime.asking` without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from relive.core import events as ev
from relive.ports import Said
from relive.testing.simulation.core_time import Run, Timeline

Hook: TypeAlias = Callable[[str, tuple[Said, ...]], Coroutine[Any, Any, tuple[str, ...] | None]]


class Asking:
    """Asks the application how to go on after a loss of context, and tells its answer, if it is still wanted.

    Args:
        hook: the application's, which waits only by `nap`; None if it has none.
        time: its time.
        tell: where the answer goes.
        notice: where trouble goes.
    """

    def __init__(
        self,
        hook: Hook | None,
        time: Timeline,
        *,
        tell: Callable[[ev.Event], None],
        notice: Callable[[str, str], None],
    ) -> None:
        self._hook = hook
        self._time = time
        self._tell = tell
        self._notice = notice
        self._asked: Run | None = None

    def ask(self, reason: str, transcript: tuple[Said, ...]) -> None:
        """Ask."""
        if self._hook is None:
            self._tell(ev.SeedAnswered())
            return
        self._asked = Run(self._time, self._hook(reason, transcript), self._answered)
        self._time.soon(self._asked.step)

    def stop(self) -> None:
        """The answer is no longer wanted."""
        self.cancel()
        self._notice("seed_unused", "the hook's answer is no longer awaited; going on without it")

    def cancel(self) -> None:
        """Break off what is under way."""
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None

    def _answered(self, frames: tuple[str, ...] | None, error: Exception | None) -> None:
        self._asked = None
        if error is not None:
            self._notice("seed_error", type(error).__name__)
            frames = ()
        self._tell(ev.SeedRefused() if frames is None else ev.SeedAnswered(frames))
