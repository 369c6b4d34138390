"""P12: a process-wide limiter keeps a thousand sessions from dialling at once."""

from __future__ import annotations

import asyncio

import pytest
from tests.runtime.puppets import moment, playing, simulated, staged

from relive.errors import SettingError
from relive.runtime import DialLimiter
from relive.runtime.limiter import shared_limiter


async def hold(limiter: DialLimiter, name: str, log: list[str]) -> None:
    async with limiter:
        log.append(name)
        await asyncio.sleep(1)


@simulated
async def test_dials_take_turns_first_come_first_served() -> None:
    limiter, log = DialLimiter(2), list[str]()
    tasks = [asyncio.create_task(hold(limiter, name, log)) for name in "abcde"]
    await moment()
    assert log == ["a", "b"]
    await asyncio.sleep(1)
    await moment()
    assert log == list("abcd")
    await asyncio.gather(*tasks)
    assert log == list("abcde")
    assert limiter._running == 0


@pytest.mark.parametrize("when", ["long before", "just before", "just after"])
@simulated
async def test_who_leaves_the_queue_takes_nobody_s_turn(when: str) -> None:
    limiter, log = DialLimiter(1), list[str]()
    first = asyncio.create_task(hold(limiter, "first", log))
    await moment()
    leaving = asyncio.create_task(hold(limiter, "leaving", log))
    last = asyncio.create_task(hold(limiter, "last", log))
    await moment()
    if when == "long before":
        leaving.cancel()
        await moment()
    elif when == "just before":
        leaving.cancel()  # and before it hears of that:
        await limiter.__aexit__(None, None, None)
        limiter._running += 1
    else:
        await limiter.__aexit__(None, None, None)
        leaving.cancel()
        limiter._running += 1
    await asyncio.wait([leaving])
    assert leaving.cancelled()
    await asyncio.gather(first, last)
    assert log == ["first", "last"]


@simulated
async def test_a_session_that_is_closed_while_it_waits_for_its_turn_leaves_the_queue() -> None:
    limiter = DialLimiter(1)
    async with limiter:
        play = staged(limiter=limiter)
        start = asyncio.create_task(play.runtime.start())
        await asyncio.sleep(60)
        assert play.exchange.openings == []
        await play.runtime.close()
        await asyncio.wait([start])
    async with playing(limiter=limiter):
        pass
    assert limiter._running == 0


@simulated
async def test_waiting_for_a_turn_does_not_count_as_opening() -> None:
    """P10."""
    limiter = DialLimiter(1)
    await limiter.__aenter__()
    asyncio.get_running_loop().call_later(100, limiter._pass_on)
    async with playing(limiter=limiter) as play:
        assert play.witness.states == ["CONNECTING"]
        assert play.runtime.stats().openings == 1


@simulated
async def test_without_a_limiter_of_its_own_a_session_uses_that_of_the_process() -> None:
    async with playing(limiter=None):
        assert shared_limiter() is shared_limiter()


def test_a_limiter_lets_at_least_one_through() -> None:
    with pytest.raises(SettingError, match="limit is 0, but must be at least 1"):
        DialLimiter(0)
