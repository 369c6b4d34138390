"""Connections end, break, hang and raise: the session goes on, or fails with an error; nobody hangs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.runtime.puppets import (
    AUDIO,
    RESET,
    failed,
    go_away,
    moment,
    now,
    playing,
    said,
    simulated,
    text,
    update,
)

from relive.core.policy import Policy
from relive.errors import SessionFailed
from relive.ports import ConnectionGone

CALM = Policy(stable_after=0.5, probe=False)
QUICK = Policy(stable_after=0.5)


@pytest.mark.parametrize("what", [ValueError("no frame"), None, "text", asyncio.CancelledError()])
@simulated
async def test_reading_that_goes_wrong_in_an_unknown_way_fails_the_session_or_opens_another(what: Any) -> None:
    """P22: nothing hangs."""
    async with playing(policy=QUICK) as play:
        first = play.wire
        if isinstance(what, BaseException):
            first.breaks(what)
        else:
            first.says(what)
        await asyncio.sleep(5)
        if isinstance(what, asyncio.CancelledError):
            assert play.state == "ACTIVE"
            assert play.wire is not first
        else:
            error = await failed(play)
            assert error.failure.cause == "internal"
            assert play.state == "FAILED"


@simulated
async def test_writing_that_goes_wrong_in_an_unknown_way_fails_the_session() -> None:
    for writable in (True, False):
        async with playing(policy=CALM) as play:
            play.wire.writable = writable
            play.wire.takes_no_more(ValueError("no frame"))
            if writable:
                with pytest.raises(SessionFailed):
                    await play.channel.send(AUDIO)
            else:
                await play.channel.send(AUDIO)
            assert (await failed(play)).failure.cause == "internal"


@simulated
async def test_a_connection_that_breaks_only_on_writing_is_replaced() -> None:
    """P13: `send` does not fail, and the frames go out on the next connection, in order."""
    for writable in (True, False):
        async with playing(policy=CALM) as play:
            first = play.wire
            first.says(update("one"))
            await asyncio.sleep(1)
            first.writable = writable
            first.takes_no_more()
            await play.channel.send(AUDIO)
            await play.channel.send(text("hello"))
            await play.channel.send(text("again"))
            await asyncio.sleep(1)
            assert play.state == "ACTIVE"
            assert play.wire is not first
            assert play.wire.taken == [AUDIO, text("hello"), text("again")]


@simulated
async def test_a_connection_that_breaks_on_writing_is_read_to_its_end() -> None:
    async with playing(policy=CALM) as play:
        first = play.wire
        first.says(update("one"))
        await asyncio.sleep(1)
        first.says(said("last words"))
        first.ends()
        await play.channel.send(text("hello"))
        await asyncio.sleep(1)
        assert [await play.channel.recv() for _ in range(2)] == [update("one"), said("last words")]
        assert "interrupted" in str(await play.channel.recv())
        assert play.wire.taken == [text("hello")]


@pytest.mark.parametrize("task", ["reader", "writer", "dial"])
@simulated
async def test_a_task_that_somebody_else_cancels_is_made_good(task: str) -> None:
    async with playing(policy=CALM) as play:
        first = play.wire
        first.says(update("one"))
        await asyncio.sleep(1)
        first.writable = False
        first.hung.add("send")
        await play.channel.send(text("hello"))
        if task == "dial":
            play.exchange.hung.add("open")
            first.ends()
        await moment()
        (victim,) = [one for one in asyncio.all_tasks() if one.get_name().startswith(f"relive {task}")]
        victim.cancel()
        play.exchange.hung.clear()
        await asyncio.sleep(3)
        assert play.state == "ACTIVE"
        assert play.wire is not first
        assert play.wire.taken == [text("hello")]


@simulated
async def test_a_hang_up_that_somebody_else_cancels_goes_on() -> None:
    async with playing(policy=CALM) as play:
        await asyncio.sleep(1)
        play.wire.hung.add("close")
        play.wire.says(update("one"), go_away(0))
        await moment()
        assert play.state == "RESUMING"
        (victim,) = [one for one in asyncio.all_tasks() if one.get_name().startswith("relive hang-up")]
        victim.cancel()
        await moment()
        assert play.state == "ACTIVE"


@pytest.mark.parametrize("port", ["close", "abort"])
@simulated
async def test_hanging_up_goes_on_although_the_connection_raises(port: str) -> None:
    async with playing(policy=CALM) as play:
        play.wire.raises[port] = ValueError(port)
        play.wire.says(update("one"), go_away(0))
        await asyncio.sleep(1)
        assert play.state == "ACTIVE"
        assert play.exchange.openings[-1].handle == "one"


@pytest.mark.parametrize("stubborn", [False, True])
@simulated
async def test_a_peer_that_never_answers_our_close_frame_is_cut_after_the_grace(*, stubborn: bool) -> None:
    """P9."""
    async with playing(policy=CALM) as play:
        first = play.wire
        await asyncio.sleep(1)
        (first.stubborn if stubborn else first.hung).add("close")
        first.says(update("one"), go_away(0))
        await moment()
        first.says(said("until then"))
        began = now()
        await play.runtime.watch.next(lambda step: step.dest == "ACTIVE")
        assert now() - began == pytest.approx(0.3)
        assert first.aborted
        assert [await play.channel.recv() for _ in range(2)] == [update("one"), said("until then")]
        first.let_go()


@simulated
async def test_a_dial_that_succeeds_after_it_was_given_up_is_cut() -> None:
    async with playing(policy=CALM) as play:
        play.wire.says(update("one"))
        await asyncio.sleep(1)
        play.exchange.stubborn.add("open")
        play.wire.ends()
        await asyncio.sleep(20.01)
        assert play.state == "WAITING"
        play.exchange.stubborn.clear()
        play.exchange.let_go()
        await moment()
        late = play.wire
        assert late.aborted
        await asyncio.sleep(2)
        assert play.state == "ACTIVE"
        assert play.wire is not late


@simulated
async def test_a_ping_that_never_returns_is_silence_and_one_that_fails_is_too() -> None:
    """P10."""
    for failure in (None, RESET):
        async with playing(policy=QUICK) as play:
            first = play.wire
            first.says(update("one"))
            await asyncio.sleep(1)
            if failure is None:
                first.hung.add("ping")
            else:
                first.raises["ping"] = ConnectionGone(RESET)
            await asyncio.sleep(9)
            assert play.state == "ACTIVE"
            assert play.wire is not first


@simulated
async def test_a_connection_whose_signs_of_life_are_nonsense_fails_the_session() -> None:
    async with playing(policy=QUICK) as play:
        await moment()
        play.wire.last_sign_of_life = "yesterday"
        await asyncio.sleep(10)
        assert (await failed(play)).failure.cause == "internal"
