"""A loop in virtual time that cannot go on stops, and says why: time stands still, or a thread was waited for."""

from __future__ import annotations

import asyncio
import threading

import pytest

from relive.testing import loop as loop_module
from relive.testing.loop import Deadlock, TimeLimit, run


async def polls(pause: float) -> None:
    while asyncio.get_running_loop().time() < 4.0:  # noqa: ASYNC110 - that is what is tested
        await asyncio.sleep(pause)


@pytest.mark.parametrize("pause", [0, 1e-18])
def test_a_program_that_polls_is_stopped_where_time_stands_still(pause: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_AT_ONCE", 10_000)

    async def main() -> None:
        await asyncio.sleep(3)
        await polls(pause)

    with pytest.raises(TimeLimit, match=r"at 3\.0 s time stands still: .*10,000 turns") as caught:
        run(main)
    assert caught.value.pending[0].endswith("in polls: await asyncio.sleep(pause)")


def test_a_program_that_waits_now_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_AT_ONCE", 100)

    async def main() -> str:
        for number in range(300):
            await asyncio.sleep(number % 40 == 0)
        return "done"

    assert run(main) == "done"


async def calls_in() -> None:
    """Have a thread of its own call in while the loop is running."""
    loop = asyncio.get_running_loop()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(lambda: None))
    thread.start()
    thread.join()


def test_who_waits_for_a_thread_is_told_that_time_does_not() -> None:
    async def main() -> None:
        await calls_in()
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="a thread called in, and virtual time does not wait for threads; pending"):
        run(main)


def test_a_late_timer_says_so_too_and_the_loops_own_calls_are_no_threads() -> None:
    async def main(*, threads: bool) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(lambda: None)
        if threads:
            await calls_in()
        await asyncio.sleep(10)

    for threads in (True, False):
        with pytest.raises(TimeLimit) as caught:
            run(main(threads=threads), max_time=1.0)
        assert ("a thread called in" in str(caught.value)) is threads
