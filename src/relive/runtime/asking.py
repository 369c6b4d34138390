"""Asking the application how to go on after a loss of context: once per loss, without waiting for it here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from relive.core import events as ev
from relive.ports import Said, SeedHook
from relive.runtime.tasks import Tasks, complain


class Asking:
    """Runs the application's hook, and tells its answer, if it is still wanted.

    Args:
        hook: the application's; None if it has none.
        tasks: where the hook runs.
        tell: where the answer goes.
        notice: where trouble goes.
    """

    __slots__ = ("_asked", "_hook", "_notice", "_tasks", "_tell")

    def __init__(
        self,
        hook: SeedHook | None,
        tasks: Tasks,
        *,
        tell: Callable[[ev.Event], None],
        notice: Callable[[str, str], None],
    ) -> None:
        self._hook = hook
        self._tasks = tasks
        self._tell = tell
        self._notice = notice
        self._asked: asyncio.Task[None] | None = None

    def ask(self, reason: str, transcript: tuple[Said, ...]) -> None:
        """Ask; `SeedAnswered` or `SeedRefused` follows, unless the hook takes longer than the machine waits."""
        if self._hook is None:
            self._tell(ev.SeedAnswered())
        else:
            self._asked = self._tasks.spawn(self._answer(self._hook, reason, transcript), "seed hook")

    def stop(self) -> None:
        """The answer is no longer wanted."""
        asked, self._asked = self._asked, None
        assert asked is not None  # noqa: S101 - ordered only while an answer is awaited
        asked.cancel()
        self._notice("seed_unused", "the hook's answer is no longer awaited; going on without it")

    async def _answer(self, hook: SeedHook, reason: str, transcript: tuple[Said, ...]) -> None:
        frames: tuple[str, ...] | None
        try:
            frames = _checked(await hook(reason, transcript))
        except Exception as exc:  # noqa: BLE001 - the hook is somebody else's code
            complain("the seed hook failed; going on without a seed", exc=exc)
            self._notice("seed_error", type(exc).__name__)
            frames = ()
        if self._asked is asyncio.current_task():  # a hook may swallow that it was cancelled
            self._asked = None
            self._tell(ev.SeedRefused() if frames is None else ev.SeedAnswered(frames))


def _checked(said: Any) -> tuple[str, ...] | None:
    """What a hook returned, if that can be used: a string would be taken for a frame per letter."""
    frames = () if said is None or isinstance(said, str) else tuple(said)
    if isinstance(said, str) or not all(isinstance(frame, str) for frame in frames):
        raise TypeError("a seed hook returns client frames in a tuple, or None")
    return None if said is None else frames
