"""P13: `send` returns once a frame is journaled; only unwritten bytes make it wait, in order, and then raise."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from tests.runtime.puppets import AUDIO, Play, go_away, moment, now, playing, simulated, text, update

from relive.core import events as ev
from relive.core.policy import Policy
from relive.errors import SendBufferFull, SessionClosed

SIZE = 200
TIGHT = Policy(stable_after=0.5, probe=False, send_limit=2 * SIZE, send_timeout=10.0)


def frame(name: str, size: int = SIZE) -> str:
    """A frame of just so many characters."""
    return text(name + "." * (size - len(text(name))))


def written(play: Play) -> list[str]:
    """What has come out, by name."""
    return [str(one).split('"text": "')[1].split(".")[0] for one in play.wire.taken]


def sending(play: Play, *frames: str) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(play.channel.send(one), name=f"sender {n}") for n, one in enumerate(frames)]


async def blocked(play: Play) -> None:
    """The network takes one more frame, and the room is full."""
    play.wire.writable = False
    play.wire.hung.add("send")
    for name in ("in flight", "waiting 1", "waiting 2"):
        await play.channel.send(frame(name))
        await moment()


def unblock(play: Play) -> None:
    play.wire.hung.clear()
    play.wire.says()


@simulated
async def test_who_waits_longest_goes_first_and_is_overtaken_by_nobody() -> None:
    async with playing(policy=TIGHT) as play:
        await blocked(play)
        senders = sending(play, frame("large", 2 * SIZE), frame("b"), frame("c"))
        await moment()
        assert not any(sender.done() for sender in senders)
        unblock(play)
        await asyncio.wait(senders)
        await moment()
        assert written(play) == ["in flight", "waiting 1", "waiting 2", "large", "b", "c"]
        assert play.runtime.stats().frames_waiting == 0


@simulated
async def test_everybody_who_waits_gets_through_when_there_is_room_also_past_the_writer() -> None:
    """Once nothing waits, frames are written without a writer; whoever waited must hear of it all the same."""
    async with playing(policy=TIGHT) as play:
        await blocked(play)
        senders = sending(play, *(frame(name, 2 * SIZE) for name in "abcdef"))
        await moment()
        play.wire.writable = True
        unblock(play)
        await moment(100)
        assert all(sender.done() for sender in senders)
        assert now() == 0.0
        assert written(play)[3:] == list("abcdef")


@simulated
async def test_who_gives_up_waiting_lets_the_next_one_look() -> None:
    async with playing(policy=TIGHT) as play:
        await blocked(play)
        play.wire.taken.clear()
        large, small = sending(play, frame("large", 2 * SIZE), frame("small"))
        await moment()
        play.runtime.lifecycle.journal.waiting[0].dropped = True
        play.runtime.lifecycle.journal.waiting_bytes -= SIZE
        large.cancel()
        await moment()
        assert large.cancelled()
        assert small.done()
        unblock(play)
        await moment()
        assert written(play) == ["waiting 2", "small"]


@simulated
async def test_a_turn_that_comes_to_one_who_is_leaving_is_passed_on() -> None:
    async with playing(policy=TIGHT) as play:
        await blocked(play)
        first, second = sending(play, frame("first"), frame("second"))
        await moment()
        play.runtime.outgoing._held[0][1].set_result(None)
        first.cancel()
        unblock(play)
        await asyncio.wait([second])
        assert first.cancelled()
        await moment()
        assert written(play)[-1] == "second"


@simulated
async def test_waiting_ends_with_an_error_and_the_session_goes_on() -> None:
    async with playing(policy=TIGHT) as play:
        await blocked(play)
        began = now()
        with pytest.raises(SendBufferFull) as caught:
            await play.channel.send(frame("too many"))
        assert now() - began == 10.0
        assert (caught.value.waiting, caught.value.limit) == (2 * SIZE, 2 * SIZE)
        assert "try again later" in str(caught.value)
        unblock(play)
        await moment()
        await play.channel.send(frame("again"))
        await moment()
        assert written(play)[-1] == "again"


@simulated
async def test_waiting_ends_with_the_session() -> None:
    async with playing(policy=TIGHT) as play:
        await blocked(play)
        one, other = sending(play, frame("one"), frame("other"))
        await moment()
        play.runtime.outgoing._held[0][1].set_result(None)  # one may go on, but has not yet
        await play.runtime.close()
        for sender in (one, other):
            with pytest.raises(SessionClosed):
                await sender


@simulated
async def test_one_frame_is_taken_however_large_it_is() -> None:
    async with playing(policy=TIGHT) as play:
        play.wire.writable = False
        await play.channel.send(frame("huge", 10 * SIZE))
        await moment()
        assert written(play) == ["huge"]


@simulated
async def test_the_order_of_acceptance_is_the_order_on_the_wire_whatever_way_a_frame_takes() -> None:
    async with playing(policy=TIGHT) as play:
        play.wire.writable = False
        senders = sending(play, frame("a", 100), AUDIO, frame("b", 100))
        await asyncio.wait(senders)
        play.wire.writable = True
        await play.channel.send(AUDIO)
        await moment()
        await play.channel.send(AUDIO)
        await play.channel.send(frame("c", 100))
        expected = [frame("a", 100), AUDIO, frame("b", 100), AUDIO, AUDIO, frame("c", 100)]
        assert play.wire.taken == expected


@simulated
async def test_a_send_that_is_cancelled_while_the_network_takes_it_has_been_accepted() -> None:
    async with playing(policy=TIGHT) as play:
        play.wire.hung.add("send")
        (sender,) = sending(play, frame("a"))
        await moment()
        sender.cancel()
        await moment()
        assert sender.cancelled()
        assert written(play) == ["a"]
        assert play.runtime.stats().frames_accepted == 1


@simulated
async def test_a_send_that_the_network_holds_up_returns_when_the_session_ends() -> None:
    async with playing(policy=TIGHT) as play:
        play.wire.hung.add("send")
        (sender,) = sending(play, frame("a"))
        await moment()
        await play.runtime.close()
        await sender


@simulated
async def test_nothing_is_written_on_a_connection_once_it_is_being_left() -> None:
    async with playing(policy=TIGHT) as play:
        first = play.wire
        await asyncio.sleep(1)
        first.hung.add("close")
        first.says(update("one"), go_away(0))
        await moment()
        await play.channel.send(frame("late"))
        await moment()
        assert first.taken == []
        await asyncio.sleep(1)
        assert written(play) == ["late"]


@simulated
async def test_nothing_is_written_from_the_very_moment_in_which_a_connection_is_left() -> None:
    async with playing(policy=TIGHT) as play:
        first = play.wire
        first.says(update("one"))
        await asyncio.sleep(1)
        play.runtime.tell(ev.GoAwayReceived(1, 60.0))
        assert play.state == "RESUMING"
        await play.channel.send(AUDIO)
        await moment()
        assert (first.taken, play.wire.taken) == ([], [AUDIO])


@pytest.mark.parametrize("stubborn", [False, True])
@simulated
async def test_a_writer_does_not_write_on_after_the_connection_is_left(*, stubborn: bool) -> None:
    """Also if writing does not let itself be cancelled."""
    async with playing(policy=TIGHT) as play:
        first = play.wire
        await asyncio.sleep(1)
        await blocked(play)
        if stubborn:
            first.stubborn.add("send")
        first.hung.add("close")
        first.says(update("one"), go_away(0))
        await asyncio.sleep(1)
        assert play.wire is not first
        assert first.taken == [frame("in flight")]
        assert written(play) == ["in flight", "waiting 1", "waiting 2"]


@simulated
async def test_a_close_does_not_wait_for_a_connection_that_takes_nothing_any_more() -> None:
    async with playing(policy=TIGHT) as play:
        play.wire.takes_no_more()
        await play.channel.send(frame("a"))
        await play.channel.send(frame("b"))
        began = now()
        await play.runtime.close()
        assert now() == began
        assert "close" not in play.wire.called


@simulated
async def test_what_is_no_frame_is_refused() -> None:
    async with playing(policy=TIGHT) as play:
        with pytest.raises(TypeError, match="a frame is str or bytes, not dict"):
            await play.channel.send(cast("Any", {}))


@simulated
async def test_what_was_too_old_to_be_written_makes_room() -> None:
    policy = Policy(probe=False, send_limit=200, send_timeout=50.0, audio_age=5.0, retry_base=20.0, retry_cap=20.0)
    async with playing(policy=policy) as play:
        play.wire.ends()
        play.exchange.hung.add("open")
        await moment()
        for _ in range(2):
            await play.channel.send(AUDIO)
        (sender,) = sending(play, text("hello" * 10))
        await asyncio.sleep(10)
        assert not sender.done()
        play.exchange.hung.clear()
        await sender
        await moment()
        assert play.wire.taken == [text("hello" * 10)]
        assert play.runtime.stats().dropped_audio == 2


@simulated
async def test_video_is_told_of_once_because_it_brings_the_limit_nearer() -> None:
    video = '{"realtime_input": {"video": {"data": "AAAA", "mime_type": "image/jpeg"}}}'
    async with playing(policy=TIGHT) as play:
        await play.channel.send(video)
        await play.channel.send(video)
        await play.channel.send(text("b").encode())
        assert play.runtime.lifecycle.scene.video
        assert play.wire.taken == [video, video, text("b").encode()]
        assert "Channel" in repr(play.channel)
        assert "Lifecycle" in repr(play.runtime)
        assert repr(play.runtime.link) == "<Link: connection 1>"
