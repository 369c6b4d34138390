"""`SimLoop`: virtual time, one order in every process, and asyncio as usual on top of both."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import itertools
import math
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from relive.testing.loop import WALL_EPOCH, Deadlock, SimLoop, SimTask, TimeLimit, run


def now() -> float:
    return asyncio.get_running_loop().time()


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def on_a_loop_of_its_own(**fixtures: Any) -> None:
        run(test(**fixtures))

    return on_a_loop_of_its_own


@simulated
async def test_timers_fire_at_exactly_their_time_and_in_the_order_in_which_they_were_set() -> None:
    loop, fired = asyncio.get_running_loop(), list[tuple[float, int, float]]()
    whens = [0.1 * n for n in range(50)] + [1e-9, 1 / 3, 86_400.0, 1e9 + 0.1]
    for number, when in enumerate(whens * 3):
        loop.call_at(when, lambda when=when, number=number: fired.append((when, number, loop.time())))
    await asyncio.sleep(2e9)
    assert fired == [(when, number, when) for when, number in sorted(zip(whens * 3, itertools.count()))]
    loop.call_at(3, lambda: fired.append((3, 0, loop.time())))  # a timer of the past fires now
    await asyncio.sleep(0.5)
    assert fired[-1] == (3, 0, 2e9)


@simulated
async def test_time_stands_still_while_anything_is_ready() -> None:
    asyncio.get_running_loop().call_later(0.001, int)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert now() == 0.0


@simulated
async def test_time_never_jumps_to_a_cancelled_timer() -> None:
    loop = asyncio.get_running_loop()
    for handle in [loop.call_later(n, pytest.fail) for n in range(1, 500)]:
        handle.cancel()
    await asyncio.sleep(1000)
    loop.call_later(1, pytest.fail).cancel()
    assert now() == 1000.0


def test_cancelled_timers_do_not_pile_up() -> None:
    loop = SimLoop()
    for _ in range(10_000):
        loop.call_later(60, int).cancel()
    assert len(loop._timers) <= 64
    loop.close()


def test_a_timer_for_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        SimLoop().call_later(math.nan, int)


def test_the_wall_clock_follows_time_and_can_be_stepped() -> None:
    assert SimLoop().wall() == WALL_EPOCH
    loop = SimLoop(epoch=7.0, wall_epoch=1000.0)
    loop.run_until_complete(asyncio.sleep(2))
    assert loop.wall() == 1002.0
    loop.step_wall(-3600)
    loop.run_until_complete(asyncio.sleep(1))
    assert (loop.wall(), loop.time()) == (-2597.0, 10.0)


def test_a_program_that_waits_for_itself_is_told_where() -> None:
    async def worker(queue: asyncio.Queue[None]) -> None:
        await queue.get()

    async def main() -> None:
        await asyncio.sleep(2)
        async with asyncio.TaskGroup() as group:
            group.create_task(worker(asyncio.Queue()), name="reader")

    with pytest.raises(Deadlock) as caught:
        run(main)
    assert caught.value.time == 2.0
    first, second = caught.value.pending
    assert first.startswith("Task-1: ")
    assert first.endswith("in main: async with asyncio.TaskGroup() as group:")
    assert second.startswith("reader: ")
    assert second.endswith("in worker: await queue.get()")
    assert __file__ in str(caught.value)
    assert "pending tasks: 2" in str(caught.value)


def test_a_generator_on_the_way_is_looked_through() -> None:
    async def ticks() -> AsyncIterator[int]:
        yield 1
        await asyncio.get_running_loop().create_future()

    async def inner() -> None:
        async for _ in ticks():
            pass

    with pytest.raises(Deadlock, match=r"Task-1: .*inner is at .* in inner: async for _ in ticks\(\):"):
        run(inner)


def test_an_infinite_sleep_is_no_timer() -> None:
    with pytest.raises(Deadlock, match="sleep"):
        run(asyncio.sleep(math.inf))


def test_a_timer_at_the_limit_fires_and_one_beyond_does_not() -> None:
    assert run(asyncio.sleep(5, "fired"), epoch=1.0, max_time=5.0) == "fired"
    with pytest.raises(TimeLimit, match="max_time=5") as caught:
        run(asyncio.sleep(5.001), max_time=5.0)
    assert (caught.value.time, len(caught.value.pending)) == (0.0, 1)


def test_a_program_that_never_lets_time_pass_is_stopped_by_its_steps_and_can_clean_up() -> None:
    done: list[str] = []

    async def main() -> None:
        try:
            while True:
                done.append("turn")
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(1)
            done.append("cleaned up")

    with pytest.raises(TimeLimit, match="max_steps=100"):
        run(main, max_steps=100)
    assert done == ["turn"] * 100 + ["cleaned up"]


TRACE = """
import asyncio
from relive.testing.loop import run

junk = [object() for _ in range(hash("seed") % 5000)]

async def child(n):
    try:
        await asyncio.sleep(n % 3)
        print(n, "slept")
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        print(n, "cancelled", asyncio.current_task().get_name())

async def main():
    loop = asyncio.get_running_loop()
    tasks = {asyncio.create_task(child(n)) for n in range(50)}
    done, pending = await asyncio.wait(tasks, timeout=1)
    print([task.get_name() for task in pending])
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)
    futures = {loop.create_future(): n for n in range(50)}
    for future in set(futures):
        print(futures[future], end=" ")
    try:
        async with asyncio.timeout(7), asyncio.TaskGroup() as group:
            for n in range(50):
                group.create_task(child(n))
    except TimeoutError:
        print("timed out at", loop.time())
    left = [asyncio.create_task(child(n)) for n in range(30)]
    await asyncio.sleep(0)

run(main)
"""


def test_a_run_is_the_same_in_every_process() -> None:
    def trace(seed: str) -> str:
        env = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", TRACE], env=env, capture_output=True, text=True, check=True).stdout

    first, *others = [trace(seed) for seed in ("0", "1", "2", "4711")]
    assert "cancelled" in first
    assert [first == other for other in others] == [True, True, True]


def test_numbers_and_names_start_anew_on_every_loop() -> None:
    async def main() -> list[tuple[str, int]]:
        tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(3)]
        await asyncio.wait(tasks)
        return [(task.get_name(), hash(task)) for task in tasks]

    assert run(main) == run(main) == [("Task-2", 2), ("Task-3", 3), ("Task-4", 4)]


@simulated
async def test_timeouts_come_when_they_are_due() -> None:
    for patience in (0, 0.5, 3):
        before = now()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), patience)
        assert now() == before + patience
    async with asyncio.timeout(1) as scope:
        scope.reschedule(now() + 20)
        await asyncio.sleep(15)
    assert await asyncio.wait_for(asyncio.sleep(1, "in time"), 2) == "in time"


@simulated
async def test_each_task_and_callback_has_the_context_it_was_made_in() -> None:
    word = contextvars.ContextVar("word", default="default")

    heard: list[str] = []
    context = contextvars.copy_context()
    context.run(word.set, "given")
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: heard.append(word.get()), context=context)
    loop.call_later(1, lambda: heard.append(word.get()))
    word.set("own")
    await asyncio.create_task(asyncio.sleep(2))
    heard.append(await loop.create_task(asyncio.to_thread(word.get), context=context))
    heard.append(await asyncio.to_thread(word.get))
    assert heard == ["given", "default", "given", "own"]


def test_open_async_generators_are_closed_at_the_end_oldest_first() -> None:
    closed: list[int] = []

    async def ticks(n: int) -> AsyncIterator[int]:
        try:
            yield n
        finally:
            await asyncio.sleep(1)
            closed.append(n)

    kept = [ticks(n) for n in range(20)]

    async def main() -> None:
        for generator in kept:
            await anext(generator)
        async for _ in ticks(99):
            break  # dropped: closed by its finalizer
        gc.collect()
        await asyncio.sleep(2)
        assert closed == [99]

    run(main)
    assert closed == [99, *range(20)]


@pytest.mark.parametrize("in_executor", [None, "threads"])
@simulated
async def test_an_executor_runs_inline_at_its_turn(in_executor: str | None) -> None:
    loop, order = asyncio.get_running_loop(), list[str]()

    def work(word: str) -> int:
        order.append(word)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return threading.get_ident()

    loop.call_soon(order.append, "before")
    with ThreadPoolExecutor() as pool:
        future = loop.run_in_executor(pool if in_executor else None, work, "work")
        loop.call_soon(order.append, "after")
        assert order == []
        assert await future == threading.get_ident()
    assert order == ["before", "work", "after"]
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 / 0)
    loop.run_in_executor(None, pytest.fail).cancel()
    await loop.shutdown_default_executor()
    with pytest.raises(RuntimeError, match="shutdown"):
        loop.run_in_executor(None, int)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("kind", [asyncio.Task, SimTask, None])
@simulated
async def test_eager_tasks_begin_at_once(kind: type[asyncio.Task[Any]] | None) -> None:
    eager: Any = asyncio
    factory = eager.create_eager_task_factory(kind) if kind else eager.eager_task_factory
    asyncio.get_running_loop().set_task_factory(factory)
    began = list[int]()

    async def child() -> int:
        began.append(1)
        return 1

    task = asyncio.create_task(child(), name="child")
    assert (began, task.done(), task.get_name(), type(task)) == ([1], True, "child", kind or SimTask)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(3))
    assert now() == 3.0


@pytest.mark.parametrize("name", ["getaddrinfo", "start_tls", "add_reader", "add_signal_handler", "sock_recv"])
def test_what_virtual_time_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"SimLoop has no {name}\(\): virtual time has no sockets"):
        getattr(SimLoop(), name)("host", 443)


@simulated
async def test_an_error_in_a_callback_goes_to_the_handler_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    for handler, debug in ((None, False), (None, True), (lambda _, context: told.append(context), False), (int, False)):
        loop.set_exception_handler(handler)  # pyright: ignore[reportArgumentType]
        assert loop.get_exception_handler() is handler
        loop.set_debug(debug)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)
    assert isinstance(told[0]["exception"], ZeroDivisionError)
    plain, debugged, unhandled = (record.message for record in caplog.records)
    assert plain.startswith("Exception in callback")
    assert "source_traceback" not in plain
    assert "loop.call_soon(lambda: 1 / 0)" in debugged
    assert unhandled.startswith("Unhandled error in exception handler")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_the_run(error: type[BaseException]) -> None:
    async def main() -> None:
        raise error

    loop = SimLoop()
    with pytest.raises(error):
        loop.run_until_complete(main())
    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(1, "still works")) == "still works"
    loop.close()


def test_debug_mode_watches_for_misuse() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert (loop.get_debug(), sys.get_coroutine_origin_tracking_depth()) == (True, 10)
        coro = asyncio.sleep(0)
        with pytest.raises(TypeError, match="coroutine"):
            loop.call_soon(coro)  # type: ignore[arg-type]
        await coro
        with ThreadPoolExecutor() as pool:
            intruder = pool.submit(loop.call_soon, print)
        with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
            intruder.result()

    with asyncio.Runner(debug=True, loop_factory=SimLoop) as runner:
        runner.run(main())
    assert sys.get_coroutine_origin_tracking_depth() == 0


@simulated
async def test_a_loop_runs_once_at_a_time() -> None:
    coro = asyncio.sleep(0)
    for loop, fault in ((asyncio.get_running_loop(), "already running"), (SimLoop(), "another loop")):
        with pytest.raises(RuntimeError, match=fault):
            loop.run_until_complete(coro)
    with pytest.raises(RuntimeError, match="running"):
        asyncio.get_running_loop().close()
    await coro


def test_stop_ends_the_run_after_what_was_ready() -> None:
    loop, ran = SimLoop(), list[str]()
    loop.call_soon(loop.stop)
    loop.call_soon(ran.append, "with it")
    loop.call_soon(loop.call_soon, ran.append, "next run")
    loop.run_forever()
    assert ran == ["with it"]
    loop.stop()
    loop.run_forever()
    assert ran == ["with it", "next run"]
    future = loop.create_future()
    loop.call_later(1, loop.stop)
    with pytest.raises(RuntimeError, match="stopped before"):
        loop.run_until_complete(future)


def test_a_closed_loop_accepts_nothing() -> None:
    loop = SimLoop()
    loop.close()
    assert loop.is_closed()
    assert repr(loop).startswith("<SimLoop time=0.0 running=False closed=True")
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, int)
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_forever()
