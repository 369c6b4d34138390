"""A thread that does one thing after another, and leaves when nobody needs it."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from relive.stores.worker import Worker
from relive.testing import loop as sim


def thread_of(name: str) -> threading.Thread | None:
    return next((one for one in threading.enumerate() if one.name == name), None)


async def test_it_returns_and_raises_what_the_work_does() -> None:
    worker = Worker("answers", lambda: None)
    assert await worker.do(lambda: threading.current_thread().name) == "answers"
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 // 0)
    await worker.stop()


async def test_what_is_cancelled_before_it_begins_is_not_done() -> None:
    worker, gate, done = Worker("gate", lambda: None), threading.Event(), list[str]()
    first = worker.do(gate.wait)
    second = worker.do(lambda: done.append("second"))
    third = worker.do(lambda: done.append("third"))
    second.cancel()
    gate.set()
    await asyncio.gather(first, third)
    assert done == ["third"]
    await worker.stop()


async def test_what_is_cancelled_after_it_began_is_finished() -> None:
    worker, begun, gate = Worker("gate", lambda: None), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait()

    future = worker.do(work)
    await asyncio.to_thread(begun.wait)
    future.cancel()
    gate.set()
    assert await worker.do(lambda: "next") == "next"
    await worker.stop()


async def test_stopping_finishes_what_was_asked_for_and_leaves_once() -> None:
    left: list[str] = []
    worker = Worker("stops", lambda: left.append("left"))
    asked = worker.do(lambda: left.append("asked"))
    thread = thread_of("stops")
    assert thread is not None
    await worker.stop()
    assert asked.done()
    await asyncio.to_thread(thread.join)
    assert left[:2] == ["asked", "left"]


async def test_one_that_never_began_stops_at_once() -> None:
    await Worker("idle", lambda: None).stop()


def test_a_loop_that_is_closed_is_not_waited_for() -> None:
    worker, gate = Worker("closed", lambda: None), threading.Event()

    async def ask() -> None:
        worker.do(gate.wait)

    asyncio.run(ask())
    gate.set()
    assert asyncio.run(asyncio.wait_for(_answer(worker), 10)) == "still there"


async def _answer(worker: Worker) -> str:
    said = await worker.do(lambda: "still there")
    await worker.stop()
    return said


async def test_a_worker_that_nobody_refers_to_leaves() -> None:
    left = threading.Event()
    worker = Worker("forgotten", left.set)
    await worker.do(lambda: None)
    del worker
    gc.collect()
    assert await asyncio.to_thread(left.wait, 10)


def test_a_loop_in_virtual_time_does_the_work_itself() -> None:
    done: list[str] = []
    worker = Worker("virtual", lambda: done.append("left"))

    async def work() -> None:
        asked = worker.do(lambda: done.append("asked"))
        worker.do(lambda: done.append("cancelled")).cancel()
        assert done == []
        async with asyncio.timeout(1):
            await asked
        with pytest.raises(ZeroDivisionError):
            await worker.do(lambda: 1 // 0)
        assert thread_of("virtual") is None
        await worker.stop()

    sim.run(work)
    assert done == ["asked", "left"]


def test_one_that_was_used_in_real_time_can_be_stopped_in_virtual_time() -> None:
    left: list[str] = []
    worker = Worker("both", lambda: left.append("left"))

    async def work() -> threading.Thread | None:
        await worker.do(lambda: None)
        return thread_of("both")

    thread = asyncio.run(work())
    assert thread is not None
    sim.run(worker.stop)
    thread.join(10)
    assert not thread.is_alive()
    assert left[:1] == ["left"]
