"""Tasks begin in their turn, also where a task factory begins them at once."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from tests.runtime.puppets import left_behind, moment, playing, said, simulated, update

from relive.core.policy import Policy
from relive.runtime.tasks import Tasks, start
from relive.testing.loop import SimTask


def plain(loop: Any, coro: Any, **options: Any) -> Any:
    return SimTask(coro, loop=loop, **options)


# Since Python 3.12 there are tasks whose first step is taken at once.
FACTORIES: dict[str, Any] = {"plain": plain}
if sys.version_info >= (3, 12):
    FACTORIES["eager"] = asyncio.create_eager_task_factory(SimTask)


@pytest.mark.parametrize("factory", FACTORIES)
@simulated
async def test_a_session_works_in_a_loop_with_a_task_factory(factory: str) -> None:
    asyncio.get_running_loop().set_task_factory(FACTORIES[factory])
    async with playing(policy=Policy(stable_after=0.5)) as play:
        play.wire.says(update("one"), said("hello"))
        await asyncio.sleep(1)
        play.wire.ends()
        await asyncio.sleep(1)
        assert str(play.runtime.lifecycle.verdict) == "resumed"
        assert await play.channel.recv() == update("one")


@simulated
async def test_work_that_is_cancelled_before_it_began_is_not_complained_of() -> None:
    asyncio.get_running_loop().set_task_factory(plain)
    began: list[int] = []

    async def work() -> None:
        began.append(1)

    start(work(), "work").cancel()
    await moment()
    assert began == []
    assert left_behind() == []


@simulated
async def test_a_task_that_raises_is_told_of_by_name() -> None:
    told: list[tuple[str, str]] = []
    tasks = Tasks(lambda exc, name: told.append((repr(exc), name)))

    async def broken() -> None:
        raise ValueError("no")

    tasks.spawn(broken(), "broken")
    await moment()
    assert told == [("ValueError('no')", "relive broken")]
    await tasks.end(1.0)
