"""Where simulations are played: in quiet, not in the middle of an event loop, and with a plan."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Final


class LoopIsRunning(RuntimeError):
    """A simulation has an event loop of its own, and cannot be played inside another one."""

    def __init__(self, who: str) -> None:
        self.who = who
        "What was called."
        super().__init__(who)

    def __str__(self) -> str:
        return (
            f"`{self.who}` runs an event loop of its own, and there is one running here already: call it from a "
            f"function that is not async, or in a thread: `await asyncio.to_thread({self.who}, …)`"
        )


def insist_on_no_loop(who: str) -> None:
    """Refuse to be called inside an event loop.

    Raises:
        LoopIsRunning: there is one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise LoopIsRunning(who)


def insist_on_a_plan(plan: object) -> None:
    """Refuse what is no plan, such as the JSON of one.

    Raises:
        TypeError: it is something else.
    """
    from relive.testing.simulation.plan import Plan

    if not isinstance(plan, Plan):
        kind = type(plan).__name__
        raise TypeError(f"a Plan is needed, and this is a {kind}: Plan.from_json(…) reads one that is written as JSON")


class _Quiet:
    """How many want quiet, which threads may at the same time, and whether it had to be made for the first of them."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.wanted = 0
        self.made = False


_QUIET: Final = _Quiet()


@contextmanager
def quiet() -> Generator[None]:
    """Leave out what relive logs: where things are made to go wrong by the thousand, it says so by the thousand.

    If the logger ``relive`` has been given a level, somebody wants to read it: then nothing is left out.
    """
    logger = logging.getLogger("relive")
    with _QUIET.lock:
        if not _QUIET.wanted:
            _QUIET.made = logger.level == logging.NOTSET
            if _QUIET.made:
                logger.setLevel(logging.CRITICAL + 1)
        _QUIET.wanted += 1
    try:
        yield
    finally:
        with _QUIET.lock:
            _QUIET.wanted -= 1
            if _QUIET.made and not _QUIET.wanted:
                logger.setLevel(logging.NOTSET)
