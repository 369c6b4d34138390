"""P23: each transition is told once, off the path, in a bounded queue; whoever looks cannot slow or break a session."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.runtime.puppets import Witness, moment, playing, simulated, staged, update

from relive.core.effects import Transition
from relive.core.policy import Policy
from relive.ports import Notice
from relive.runtime.tasks import Tasks
from relive.runtime.watch import BOUND, Watch

CALM = Policy(stable_after=0.5, probe=False)


def step(number: int = 0, dest: str = "ACTIVE") -> Transition:
    return Transition("CONNECTING", dest, "ConnectionOpened", float(number), number)


@simulated
async def test_changes_follow_from_the_call_on_and_not_from_the_first_look() -> None:
    watch = Watch()
    watch.tell(step(1))
    changes = watch.follow()
    watch.tell(step(2))
    watch.tell(step(3))
    watch.end()
    assert [one.connection async for one in changes] == [2, 3]
    assert [one async for one in watch.follow()] == []


@simulated
async def test_a_follower_that_is_cancelled_loses_nothing_and_two_may_share_one() -> None:
    watch = Watch()
    changes = watch.follow()
    first, second = (asyncio.create_task(anext(changes)) for _ in range(2))
    await moment()
    first.cancel()
    await moment()
    watch.tell(step(1))
    assert (await second).connection == 1
    third = asyncio.create_task(anext(changes))
    await moment()
    watch.end()
    with pytest.raises(StopAsyncIteration):
        await third


@simulated
async def test_a_follower_that_lags_misses_some_and_one_that_is_gone_is_forgotten() -> None:
    watch = Watch()
    slow, gone = watch.follow(), watch.follow()
    del gone
    for number in range(BOUND + 5):
        watch.tell(step(number))
    assert watch.overflows == 5
    watch.end()
    assert [one.connection async for one in slow] == list(range(BOUND))
    assert len(watch._followers) == 1


@simulated
async def test_observers_that_are_not_told_fast_enough_miss_some_counted() -> None:
    """The queue is bounded: nothing is told while the loop is busy."""
    witness = Witness()
    watch = Watch([witness])
    for number in range(BOUND):
        watch.tell(step(number))
    for _ in range(3):
        watch.tell(Notice("what", "detail", 0.0, 0))
    assert watch.overflows == 3
    watch.begin(Tasks(lambda *_: None))
    await moment()
    watch.end()
    await watch.rest(1.0)
    assert [one.connection for one in witness.steps] == list(range(BOUND))
    assert witness.notices == []


@simulated
async def test_observers_are_told_in_order_and_once_and_without_them_nothing_is_kept() -> None:
    one, other = Witness(), Witness()
    async with playing(policy=CALM, observers=[one, other]) as play:
        await moment()
        play.runtime.notice("something", "happened")
    assert one.states == other.states == play.witness.states == ["CONNECTING", "ACTIVE", "CLOSED"]
    assert one.troubles == other.troubles == ["something"]
    watch = Watch()
    watch.tell(step())
    assert watch._queue == []
    await watch.rest(1.0)


@simulated
async def test_whoever_waits_gets_the_first_step_he_wants_or_none_at_the_end() -> None:
    watch = Watch()
    wanted = watch.next(lambda one: one.dest == "CLOSED")
    given_up = watch.next(lambda one: True)
    given_up.cancel()
    never = watch.next(lambda one: one.dest == "FAILED")
    watch.tell(step(1))
    watch.tell(step(2, "CLOSED"))
    watch.tell(step(3, "CLOSED"))
    assert (await wanted) == step(2, "CLOSED")
    cancelled = watch.next(lambda one: True)
    cancelled.cancel()
    watch.end()
    assert await never is None
    assert await watch.next(lambda one: True) is None


@simulated
async def test_an_observer_that_blocks_cannot_be_helped_but_is_not_waited_for_at_the_end() -> None:
    class Slow(Witness):
        def transition(self, transition: Transition) -> None:
            self.steps.append(transition)
            loop = asyncio.get_running_loop()
            loop._time += 10.0  # type: ignore[attr-defined]

    slow = Slow()
    play = staged(policy=CALM, observers=[slow])
    await play.runtime.start()
    play.wire.says(update("one"))
    await play.runtime.close()
    assert slow.steps


@pytest.mark.parametrize("verdict", ["fresh", "resumed"])
@simulated
async def test_stats_count_connections_by_how_they_came_up(verdict: str) -> None:
    play = staged(policy=CALM)
    await play.runtime.start("one" if verdict == "resumed" else None)
    stats = play.runtime.stats()
    assert (stats.connections, stats.resumed, stats.not_restored) == (1, int(verdict == "resumed"), 0)
    await play.runtime.close()


class Slow(Witness):
    """Hears one thing, and then nothing until somebody has time for it."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = 0

    def counted(self, stats: object) -> None:
        self.counts += 1


@simulated
async def test_how_a_session_ended_is_told_also_to_those_who_missed_the_rest() -> None:
    slow = Slow()
    watch = Watch([slow], stats=staged().runtime.stats)
    for number in range(BOUND + 5):
        watch.tell(step(number))
    watch.tell(Notice("failed", "fatal", 1.0, 1))
    watch.tell(step(BOUND, "FAILED"))
    assert watch.overflows == 7
    watch.end()
    watch.finish()
    assert slow.states == ["FAILED"]
    assert [notice.what for notice in slow.notices] == ["failed"]
    assert slow.counts > 0
    assert watch.overflows == BOUND + 7
    watch.finish()
    assert slow.states == ["FAILED"]


@simulated
async def test_a_log_that_raises_breaks_no_session() -> None:
    """P23: what cannot be logged is not told twice."""

    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    class Rude(Witness):
        def transition(self, transition: Transition) -> None:
            raise ValueError("no")

    handler = Full()
    logging.getLogger("relive").addHandler(handler)
    try:
        async with playing(policy=CALM, observers=[Rude()]) as play:
            play.wire.ends()
            await asyncio.sleep(1.0)
            assert play.witness.states[-1] == "ACTIVE"
            play.runtime.broke(ValueError("something"), "somebody")
            await asyncio.sleep(1.0)
            assert play.witness.states[-1] == "FAILED"
    finally:
        logging.getLogger("relive").removeHandler(handler)
