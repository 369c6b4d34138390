"""A loop in virtual time that cannot go on stops, and says why: time that stands still."""

from __future__ import annotations

import asyncio

import pytest

from relive.testing import loop as loop_module
from relive.testing.loop import TimeLimit, run


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
