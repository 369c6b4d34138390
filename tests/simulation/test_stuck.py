"""What never lets time pass is stopped: by steps on an event loop, by turns without one."""

from __future__ import annotations

import asyncio

import pytest

from relive.testing.loop import TimeLimit, run
from relive.testing.simulation.live import most_steps
from relive.testing.simulation.plan import Plan


def test_a_bound_of_steps_need_not_be_a_whole_number() -> None:
    turns: list[int] = []

    async def main() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    assert not most_steps(Plan(seconds=123.456)).is_integer()
    with pytest.raises(TimeLimit, match="max_steps=100"):
        run(main, max_steps=100.5)
    assert len(turns) == 101
