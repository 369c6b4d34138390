"""Who plays a campaign where no executor is given: this process, or processes of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_SEED: Final = "PYTHONHASHSEED"


class Here(Executor):
    """Plays in this process, at once."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call it, and return what came of it. What it raises is raised here."""
        future: Future[R] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def processes(jobs: int) -> Generator[Executor]:
    """So many processes, which leave interrupts to the one that waits for them."""
    # Not forked: a progress display has a thread, and what a fork copies of it may be in any state.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_no_interrupts)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def strangers(jobs: int, initializer: Callable[[], object] | None = None) -> Generator[Executor]:
    """So many processes that order their sets and dictionaries of text differently from this one: see `run`'s `again`.

    Args:
        jobs: how many.
        initializer: called in each of them first.
    """
    mine = os.environ.get(_SEED)
    os.environ[_SEED] = "2" if mine == "1" else "1"
    try:
        pool = ProcessPoolExecutor(
            jobs, multiprocessing.get_context("spawn"), initializer=initializer or _no_interrupts
        )
        # A process takes the environment that there is when it is started: so they are started now.
        for _ in range(jobs):
            pool.submit(_no_interrupts)
    finally:
        os.environ.pop(_SEED) if mine is None else os.environ.__setitem__(_SEED, mine)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def patiently() -> Generator[None]:
    """Let an interrupt wait until a session is over: a torn event loop complains. A second one does not wait."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt


def _no_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
