"""Who plays a campaign where no executor is given: this process, or processes of its own."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

MOMENT: Final = 1.0
"Seconds in which what is under way may come to its end, once nobody waits for it any more."
_SEED: Final = "PYTHONHASHSEED"


class Here(Executor):
    """Plays in this process, at once."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call it, and return what came of it. What it raises is raised here."""
        future: Future[R] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Pool(ProcessPoolExecutor):
    """Processes that leave interrupts to the one that waits for them, and that end with it, whatever they do."""

    def __init__(self, jobs: int, initializer: Callable[[], object] | None = None) -> None:
        # Not forked: a progress display has a thread, and what a fork copies of it may be in any state.
        spawned = multiprocessing.get_context("spawn")
        super().__init__(jobs, spawned, initializer=_prepare, initargs=(initializer,))

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have it called; starts a process if there are too few."""
        with _no_interrupts():
            return super().submit(fn, *args, **kwargs)

    def end(self) -> None:
        """End all processes: those that have not come to an end of what they do after a moment are killed."""
        known: dict[int, BaseProcess] | None = cast("Any", self)._processes  # noqa: SLF001 - before 3.14 nobody tells
        workers = tuple((known or {}).values())

        def kill() -> None:
            for worker in workers:
                worker.kill()

        late = threading.Timer(MOMENT, kill)
        late.start()
        try:
            self.shutdown(cancel_futures=True)
        except KeyboardInterrupt:
            kill()
            self.shutdown()
            raise
        finally:
            late.cancel()


@contextmanager
def processes(jobs: int) -> Generator[Executor]:
    """So many processes. At the end what they have not done yet is left undone."""
    pool = _Pool(jobs)
    try:
        yield pool
    finally:
        pool.end()


def other_hash_seed() -> dict[str, str]:
    """What the environment of a process must say so that it orders its sets of text differently from this one."""
    return {_SEED: "2" if os.environ.get(_SEED) == "1" else "1"}


@contextmanager
def strangers(jobs: int, initializer: Callable[[], object] | None = None) -> Generator[Executor]:
    """So many processes that order their sets and dictionaries of text differently from this one: see `run`'s `again`.

    Args:
        jobs: how many.
        initializer: called in each of them first.
    """
    mine = os.environ.get(_SEED)
    os.environ.update(other_hash_seed())
    pool = _Pool(jobs, initializer)
    try:
        try:
            # A process takes the environment that there is when it is started: so they are started now.
            for _ in range(jobs):
                pool.submit(os.getpid)
        finally:
            os.environ.pop(_SEED) if mine is None else os.environ.__setitem__(_SEED, mine)
        yield pool
    finally:
        pool.end()


@contextmanager
def patiently() -> Generator[None]:
    """Let an interrupt wait until a session is over, but not for long: a torn event loop may complain.

    A second one does not wait.
    """
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
        again.start()

    again = threading.Timer(MOMENT, _interrupt_main)
    again.daemon = True
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        again.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupted:  # also if it has raised: who pressed Ctrl-C wants no more of it
            raise KeyboardInterrupt


def _interrupt_main() -> None:
    """Interrupt the main thread, even if it waits in the operating system, where that can be done."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextmanager
def _no_interrupts() -> Generator[None]:
    """Let interrupts wait, and have what is started meanwhile never hear of any: not even before it can ignore them."""
    if not hasattr(signal, "pthread_sigmask"):  # where a process cannot inherit that
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(initializer: Callable[[], object] | None) -> None:
    """Make this process one of a pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
