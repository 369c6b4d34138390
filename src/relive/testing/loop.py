"""`SimLoop`: an asyncio event loop in virtual time, on which the same program makes the same run every time.

Time stands still while a callback is ready and then jumps to the next timer, which fires at exactly the time it was set
for. Ties go to whoever came first, among callbacks and among timers with equal deadlines. Tasks and futures hash by
number, not by address, so a set of them (`asyncio.wait`, `TaskGroup`, a shutdown) iterates alike in every process.

The loop is the whole world. It has a network in memory (`relive.testing.network`); sockets, pipes, processes and
signals are refused, executors run inline, and no thread can wake it. A loop with nothing to do is therefore not idle
but stuck, and says so: see `Deadlock`. Virtual time does not wait for a thread that a program has made itself; if one
called in, what stops the run says so.

Not ours to order: sets of other objects (`asyncio.as_completed` puts coroutines in one: give it tasks), futures that a
program makes without asking the loop (`asyncio.gather` returns one), and the moments at which the collector runs.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import sys
import threading
import warnings
from asyncio import Handle, TimerHandle
from asyncio.events import _get_running_loop, _set_running_loop  # pyright: ignore[reportPrivateUsage]
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextvars import Context
from functools import cached_property, partial, partialmethod
from math import inf, isnan
from typing import Any, Final, TypeVar, TypeVarTuple, cast
from weakref import WeakKeyDictionary

from relive.testing.links import Network
from relive.testing.loop_errors import ErrorTelling
from relive.testing.loop_halts import Deadlock, Halt, TimeLimit, describe_all
from relive.testing.loop_tasks import Coro, SimFuture, SimTask
from relive.testing.network import SimNetwork
from relive.testing.network_server import NetworkServer
from relive.testing.network_transport import NetworkTransport

__all__ = ["WALL_EPOCH", "Deadlock", "SimFuture", "SimLoop", "SimTask", "TimeLimit", "run"]

T = TypeVar("T")
H = TypeVar("H", bound=Halt)
P = TypeVar("P", bound=asyncio.BaseProtocol)
Ts = TypeVarTuple("Ts")
Call = Callable[[*Ts], object]

WALL_EPOCH = 1_767_225_600.0
"What the wall clock of a new loop shows, in Unix seconds: 2026-01-01T00:00:00Z."
_ORIGINS = 10  # frames that debug mode keeps of where a coroutine was made, as in the stdlib
_EAGER: dict[Any, Callable[..., Any]] = {}  # asyncio's own factory makes tasks that hash by address
if sys.version_info >= (3, 12):
    _EAGER[asyncio.eager_task_factory] = asyncio.create_eager_task_factory(SimTask)
_FEW = 64  # up to so many timers, cancelled ones may stay in the heap
_AT_ONCE = 1_000_000  # turns at one instant that nobody needs who does not poll


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise RuntimeError(message)


class SimLoop(ErrorTelling):
    """An event loop in virtual time, for `asyncio.Runner(loop_factory=SimLoop)` or for `run`.

    `epoch` and `wall_epoch` are what `time()` and `wall()` say at the start, in seconds. `max_time` (virtual seconds)
    and `max_steps` (callbacks) bound each `run_until_complete` and `run_forever` on its own, so that a program stopped
    by a `TimeLimit` can still clean up; one that polls, and so never lets time pass, is stopped in any case. `links` is
    what lies between clients and servers: nothing, if none is given. `task_numbers` is where `SimTask` takes its
    numbers from.
    """

    runs_executors_inline: Final = True
    "Says to who keeps a thread of his own that its work is to be given to `run_in_executor` here."

    def __init__(
        self,
        *,
        epoch: float = 0.0,
        wall_epoch: float = WALL_EPOCH,
        max_time: float = inf,
        max_steps: float = inf,
        links: Network | None = None,
    ) -> None:
        self._links = links
        self.task_numbers, self._future_numbers, self._timer_numbers = (itertools.count(1) for _ in range(3))
        self._time, self._wall_lead = float(epoch), wall_epoch - epoch
        self._max_time, self._max_steps, self._horizon, self._steps_left = max_time, max_steps, inf, max_steps
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, TimerHandle]] = []  # a heap
        self._prune_at = _FEW
        self._thread: int | None = None
        self._closed = self._stopping = self._asyncgens_shut = self._executor_shut = self._called_in = False
        self._asyncgens: WeakKeyDictionary[AsyncGenerator[Any, Any], None] = WeakKeyDictionary()
        self._task_factory: Callable[..., Any] | None = None
        self._debug = sys.flags.dev_mode or bool(os.environ.get("PYTHONASYNCIODEBUG"))

    def __repr__(self) -> str:
        return f"<SimLoop time={self._time} running={self.is_running()} closed={self._closed} debug={self._debug}>"

    def time(self) -> float:
        """Virtual seconds: `epoch` at the start, never backwards."""
        return self._time

    def wall(self) -> float:
        """Simulated Unix seconds: `wall_epoch` at the start, moved by `time()` and by `step_wall`."""
        return self._wall_lead + self._time

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward by `seconds`, or back if they are negative. Timers do not notice."""
        self._wall_lead += seconds

    def call_soon(self, callback: Call[*Ts], *args: *Ts, context: Context | None = None) -> Handle:
        """Call `callback(*args)` after everything that is ready now."""
        if self._debug or self._closed:
            here = self._thread is None or self._thread == threading.get_ident()
            _require(here, "another thread must use call_soon_threadsafe")
            self._check_open(callback)
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Call[*Ts], *args: *Ts, context: Context | None = None) -> Handle:
        """Do `call_soon` from any thread; this does not save a loop that has nothing else to do from `Deadlock`."""
        self._check_open(callback)
        self._called_in = self._called_in or self._thread not in {None, threading.get_ident()}
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Call[*Ts], *args: *Ts, context: Context | None = None) -> TimerHandle:
        """Call `callback(*args)` in `delay` virtual seconds."""
        return self.call_at(self._time + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Call[*Ts], *args: *Ts, context: Context | None = None) -> TimerHandle:
        """Call `callback(*args)` when `time()` is `when`: now if that is past, never if it is infinite."""
        if self._debug or self._closed:
            self._check_open(callback)
        if isnan(when):
            raise ValueError("a timer cannot be set for NaN")
        if len(self._timers) >= self._prune_at:
            self._timers[:] = sorted(entry for entry in self._timers if not entry[2].cancelled())
            self._prune_at = max(_FEW, 2 * len(self._timers))
        timer = TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (float(when), next(self._timer_numbers), timer))
        return timer

    def _timer_handle_cancelled(self, _handle: TimerHandle) -> None:
        """Nothing to count: a cancelled timer goes when it comes up, or when `call_at` prunes."""

    def create_future(self) -> SimFuture[Any]:
        """Make a future of this loop."""
        future: SimFuture[Any] = SimFuture(loop=self)
        future.number = next(self._future_numbers)
        return future

    def create_task(self, coro: Coro[T], *, name: str | None = None, **options: Any) -> asyncio.Task[T]:
        """Make a task of this loop; `context` and other options go to the task or to the task factory."""
        self._check_open()
        options = {key: value for key, value in options.items() if value is not None}
        if self._task_factory is None:
            return SimTask(coro, loop=self, name=name, **options)
        factory = _EAGER.get(self._task_factory, self._task_factory)
        task: Any = factory(self, coro, **options)
        if name is not None:
            task.set_name(name)
        return task

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        """Have `factory(loop, coro, **options)` make the tasks; `None` and asyncio's eager one make `SimTask`."""
        self._task_factory = factory

    def get_task_factory(self) -> Callable[..., Any] | None:
        """Return what `set_task_factory` was given."""
        return self._task_factory

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> SimFuture[T]:
        """Call `func(*args)` in its turn, in no virtual time, whatever `executor` is; as in a thread, no loop runs."""
        self._check_open(func)
        _require(executor is not None or not self._executor_shut, "Executor shutdown has been called")
        future = self.create_future()
        self.call_soon(self._work, future, partial(func, *args))
        return future

    def _work(self, future: SimFuture[T], func: Callable[[], T]) -> None:
        if not future.cancelled():
            _set_running_loop(None)
            try:
                future.set_result(func())
            except BaseException as error:  # noqa: BLE001 - as an executor does
                future.set_exception(error)
            finally:
                _set_running_loop(self)

    @cached_property
    def network(self) -> SimNetwork:
        """What `create_server` listens on and `create_connection` dials: nothing else can be reached."""
        return SimNetwork(self, self._links)

    async def create_connection(
        self, protocol_factory: Callable[[], P], host: str | None = None, port: int | None = None, **options: Any
    ) -> tuple[NetworkTransport, P]:
        """Dial a server of this loop; see `SimNetwork.connect` for the options."""
        return await self.network.connect(protocol_factory, host, port, **options)

    async def create_server(  # pyright: ignore[reportIncompatibleMethodOverride] - a server of asyncio's has sockets
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        **options: Any,
    ) -> NetworkServer:
        """Listen on this loop's network; see `SimNetwork.listen` for the options."""
        return self.network.listen(protocol_factory, host, port, **options)

    def set_default_executor(self, executor: Executor) -> None:
        """Do nothing: see `run_in_executor`."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Refuse further calls of `run_in_executor(None, …)`. There are no threads to wait for."""
        self._executor_shut = True

    def run_forever(self) -> None:
        """Run until `stop()`, or until `Deadlock` or `TimeLimit`."""
        self._check_runnable()
        hooks, depth = sys.get_asyncgen_hooks(), sys.get_coroutine_origin_tracking_depth()
        self._horizon, self._steps_left = self._time + self._max_time, self._max_steps
        self._thread = threading.get_ident()
        sys.set_asyncgen_hooks(firstiter=self._asyncgen_started, finalizer=self._asyncgen_dropped)
        if self._debug:
            sys.set_coroutine_origin_tracking_depth(_ORIGINS)
        _set_running_loop(self)
        try:
            self._turn()
            while not self._stopping:
                self._turns()
        finally:
            self._stopping, self._thread = False, None
            _set_running_loop(None)
            sys.set_coroutine_origin_tracking_depth(depth)
            sys.set_asyncgen_hooks(*hooks)

    def run_until_complete(self, future: Coro[T] | Awaitable[T]) -> T:
        """Run until `future` is done and return its result; a coroutine is made a task first."""
        self._check_runnable()
        task = asyncio.ensure_future(cast("Awaitable[T]", future), loop=self)
        own: Any = task if task is not future else None
        if own is not None:
            own._log_destroy_pending = False  # noqa: SLF001 - if it stays pending, an error says so
        task.add_done_callback(self._stop_after)
        try:
            self.run_forever()
        except BaseException:
            if own is not None and own.done() and not own.cancelled():
                own.exception()  # seen: nobody else can see it, and it must not be logged as never retrieved
            raise
        finally:
            task.remove_done_callback(self._stop_after)
        _require(task.done(), "Event loop stopped before Future completed.")
        return task.result()

    def _stop_after(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled() or not isinstance(future.exception(), SystemExit | KeyboardInterrupt):
            self.stop()  # else it has ended the run already

    def stop(self) -> None:
        """End the run after this turn."""
        self._stopping = True

    def is_running(self) -> bool:
        """Return whether `run_forever` is under way."""
        return self._thread is not None

    def is_closed(self) -> bool:
        """Return whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Drop everything that is scheduled and accept no more."""
        _require(self._thread is None, "Cannot close a running event loop")
        self._closed = self._executor_shut = True
        self._ready.clear()
        self._timers.clear()
        network: SimNetwork | None = vars(self).pop("network", None)
        if network is not None:
            network.close()

    def _check_open(self, callback: object = None) -> None:
        _require(not self._closed, "Event loop is closed")
        if self._debug and callback is not None and (asyncio.iscoroutine(callback) or not callable(callback)):
            raise TypeError(f"a callable is needed, and no coroutine: {callback!r}")

    def _check_runnable(self) -> None:
        self._check_open()
        _require(self._thread is None, "This event loop is already running")
        _require(_get_running_loop() is None, "Cannot run the event loop while another loop is running")

    def _turns(self) -> None:
        """Take turns until told to stop; many, but not all of them at one instant."""
        began = self._time
        for _ in range(_AT_ONCE):
            self._turn()
            if self._stopping:
                return
        if self._time == began:
            why = f"time stands still: for {_AT_ONCE:,} turns of the loop something was ready, and no timer came up"
            raise self._halt(TimeLimit, why)

    def _turn(self) -> None:
        """Run what is ready, at the time of the next timer if nothing is. What becomes ready meanwhile has to wait."""
        ready, timers = self._ready, self._timers
        if not ready and not self._stopping:
            self._jump()
        while timers and timers[0][0] <= self._time:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            if self._steps_left <= 0:  # it need not be a whole number
                raise self._halt(TimeLimit, f"the run reached max_steps={self._max_steps}")
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001 - one call less for each
                self._steps_left -= 1
                handle._run()  # noqa: SLF001 - what event loops are to call

    def _jump(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        when = self._timers[0][0] if self._timers else inf
        if when == inf:
            raise self._halt(Deadlock, "nothing is ready and no timer is set")
        if when > self._horizon:
            raise self._halt(TimeLimit, f"the next timer is beyond max_time={self._max_time}")
        self._time = max(self._time, when)

    def _halt(self, kind: type[H], why: str) -> H:
        """Make a halt that says the time, where each task is, and what is on its way."""
        if self._called_in:
            why += "; a thread called in, and virtual time does not wait for threads"
        network: SimNetwork | None = vars(self).get("network")
        return kind(why, self._time, describe_all(asyncio.all_tasks(self)), network.describe() if network else ())

    def _asyncgen_started(self, agen: AsyncGenerator[Any, Any]) -> None:
        if self._asyncgens_shut:
            warnings.warn(f"{agen!r} began after shutdown_asyncgens()", ResourceWarning, source=self, stacklevel=2)
        self._asyncgens[agen] = None

    def _asyncgen_dropped(self, agen: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.pop(agen, None)
        if not self._closed:
            self.call_soon_threadsafe(self.create_task, agen.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close the asynchronous generators that are under way, oldest first."""
        self._asyncgens_shut, agens = True, list(self._asyncgens)
        self._asyncgens.clear()
        errors = await asyncio.gather(*(agen.aclose() for agen in agens), return_exceptions=True)
        for agen, error in zip(agens, errors, strict=True):
            if isinstance(error, Exception):
                message = f"an error occurred during closing of asynchronous generator {agen!r}"
                self.call_exception_handler({"message": message, "exception": error, "asyncgen": agen})

    def get_debug(self) -> bool:
        """Return whether the loop is in asyncio's debug mode; slow callbacks are not reported in it."""
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        """Turn asyncio's debug mode on or off."""
        self._debug = enabled
        if self.is_running():
            self.call_soon_threadsafe(sys.set_coroutine_origin_tracking_depth, _ORIGINS if enabled else 0)


def _refuse(_loop: SimLoop, name: str, /, *_args: object, **_options: object) -> object:
    raise NotImplementedError(f"SimLoop has no {name}(): virtual time has no sockets, pipes, processes or signals")


for _name, _method in vars(asyncio.AbstractEventLoop).items():
    if not _name.startswith("_") and getattr(SimLoop, _name) is _method:
        setattr(SimLoop, _name, partialmethod(_refuse, _name))


def run(main: Callable[[], Coroutine[Any, Any, T]] | Coroutine[Any, Any, T], **options: Any) -> T:
    """Run `main` on a `SimLoop(**options)` of its own, clean up as `asyncio.run` does, and return its result."""
    with asyncio.Runner(loop_factory=partial(SimLoop, **options)) as runner:
        return runner.run(main() if callable(main) else main)
