"""P18: what was read is received once and in order; a reader that nobody receives from pauses, and is not silent."""

from __future__ import annotations

import asyncio

import pytest
from tests.runtime.puppets import DONE, RESET, Play, Wire, moment, now, playing, said, simulated, text, update

from relive.core.policy import Policy
from relive.errors import ReceiverBusy, SessionClosed
from relive.runtime.inbox import Inbox

SMALL = Policy(stable_after=0.5, output_limit=200)
VOICE = b'{"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}]}}}'


async def lost(play: Play) -> float:
    """How long it takes from now until the connection is given up for want of an answer."""
    began = now()
    step = await play.runtime.watch.next(lambda step: step.source == "ACTIVE")
    assert step is not None
    assert step.event == "DeadlineReached(answer)"
    return now() - began


async def beating(wire: Wire) -> None:
    """Handles, every two seconds."""
    while True:
        await asyncio.sleep(2)
        wire.says(update("newer"))


@simulated
async def test_what_came_before_the_end_of_a_connection_comes_before_what_we_say_of_it() -> None:
    async with playing(policy=SMALL) as play:
        await play.channel.send(text("hello"))
        await asyncio.sleep(1)
        play.wire.says(update("one"), said("half an"), said("answer"))
        play.wire.ends(RESET)
        received = [await play.channel.recv() for _ in range(4)]
        assert received[:3] == [update("one"), said("half an"), said("answer")]
        assert "interrupted" in str(received[3])


@simulated
async def test_a_stalled_reader_is_reported_and_its_connection_is_not_taken_for_dead() -> None:
    """P10: while reading pauses, no pong can be heard. When it goes on, that time does not count."""
    async with playing(policy=SMALL) as play:
        await asyncio.sleep(2)
        first = play.wire
        first.hung.add("ping")
        first.says(*[said("x" * 100)] * 3)
        await asyncio.sleep(30)
        assert play.witness.troubles == ["reader_stalled"]
        assert play.wire is first
        for _ in range(3):
            assert await play.channel.recv() == said("x" * 100)
        began = now()
        await asyncio.sleep(7.9)
        assert play.wire is first
        await play.runtime.watch.next(lambda step: step.source == "ACTIVE")
        assert now() - began == pytest.approx(8.0)
        assert play.runtime.stats().reader_stalls == 1


@simulated
async def test_a_handle_that_waited_while_reading_paused_covers_nothing_of_that_time() -> None:
    """P15: without message indices; reading pauses twice, and is not up to date before it has had to wait."""
    async with playing(policy=SMALL) as play:
        written = play.runtime.lifecycle.journal.written
        await asyncio.sleep(2)
        play.wire.says(*[said("x" * 100)] * 4, update("old"))
        await asyncio.sleep(5)
        await play.channel.send(text("meanwhile"))
        await asyncio.sleep(20)
        for _ in range(5):
            await play.channel.recv()
        assert play.runtime.stats().reader_stalls == 2
        assert len(written) == 1
        assert play.runtime.delivery.held_since is not None
        await asyncio.sleep(1)
        play.wire.says(update("new"))
        await asyncio.sleep(0)
        await play.channel.recv()
        assert len(written) == 0
        assert play.runtime.delivery.held_since is None


@simulated
async def test_no_answer_is_overdue_while_reading_pauses() -> None:
    """P10: the server is not to blame. It has all of the time from when it can be heard again."""
    async with playing(policy=SMALL) as play:
        play.wire.says(*[update("x" * 80)] * 3)
        await play.channel.send(text("hello"))
        await asyncio.sleep(100)
        assert play.witness.troubles == ["reader_stalled"]
        for _ in range(3):
            await play.channel.recv()
        assert await lost(play) == pytest.approx(30.0)


@simulated
async def test_output_is_overdue_when_none_came_for_so_long_whatever_else_comes() -> None:
    """P10: a connection that answers pings, and gives handles, may have stopped speaking in mid-sentence."""
    async with playing(policy=Policy(stable_after=0.5)) as play:
        for pause in (10.0, 29.0, 2.0):
            play.wire.says(VOICE)
            await asyncio.sleep(pause)
        play.wire.says(VOICE, VOICE)
        assert await lost(play) == pytest.approx(30.0, abs=0.1)
        assert play.wire.called.count("ping") >= 1


@simulated
async def test_handles_and_pongs_are_no_output() -> None:
    """P10."""
    async with playing(policy=Policy(stable_after=0.5)) as play:
        wire = play.wire
        wire.says(said("half an"))
        beat = asyncio.create_task(beating(wire))
        assert await lost(play) == pytest.approx(30.0)
        beat.cancel()


@simulated
async def test_a_question_is_overdue_in_its_time_whatever_output_came_before() -> None:
    """P10: the end of the last turn is where its time begins."""
    async with playing(policy=Policy(stable_after=0.5)) as play:
        wire = play.wire
        await play.channel.send(text("one"))
        wire.says(VOICE, VOICE)
        await asyncio.sleep(1)
        await play.channel.send(text("two"))
        wire.says(VOICE, DONE)
        beat = asyncio.create_task(beating(wire))
        assert await lost(play) == pytest.approx(30.0)
        beat.cancel()


@simulated
async def test_an_answer_that_is_being_played_is_not_overdue() -> None:
    """P10."""
    async with playing(policy=Policy(stable_after=0.5)) as play:
        play.wire.says(VOICE, b'{"serverContent": {"generationComplete": true}}')
        await asyncio.sleep(600)
        assert play.witness.states == ["CONNECTING", "ACTIVE"]


@simulated
async def test_a_connection_with_a_stalled_reader_can_be_closed_and_left() -> None:
    async with playing(policy=SMALL) as play:
        await asyncio.sleep(2)
        play.wire.says(update("one"), *[said("x" * 100)] * 3, b'{"goAway": {"timeLeft": "1s"}}')
        await asyncio.sleep(1)
        began = now()
        await play.runtime.close()
        assert now() - began < 2.0
        assert await play.channel.recv() == update("one")


@simulated
async def test_a_flood_of_frames_does_not_keep_others_from_their_turn() -> None:
    async with playing(policy=Policy(probe=False)) as play:
        play.wire.says(*[said("x")] * 1000)
        turns = 0
        while play.runtime.stats().frames_received < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 7


@simulated
async def test_one_task_receives_at_a_time() -> None:
    async with playing(policy=SMALL) as play:
        first = asyncio.create_task(play.channel.recv())
        await moment()
        with pytest.raises(ReceiverBusy, match="receive in one task"):
            await play.channel.recv()
        first.cancel()
        await moment()
        play.wire.says(DONE)
        assert await play.channel.recv(decode=True) == DONE.decode()


@simulated
async def test_a_receive_that_is_cancelled_as_a_frame_comes_loses_nothing() -> None:
    inbox = Inbox(100)
    receiver = asyncio.create_task(inbox.get())
    await moment()
    inbox.put(b"1")
    inbox.put(b"2")
    receiver.cancel()
    await moment()
    assert receiver.cancelled()
    assert [await inbox.get(), await inbox.get()] == [b"1", b"2"]
    assert (len(inbox), inbox.size) == (0, 0)


@simulated
async def test_an_inbox_lets_the_reader_go_on_when_there_is_room_or_the_end_has_come() -> None:
    inbox = Inbox(1)
    for relief in ("take", "end"):
        inbox.put(b"11")
        assert inbox.put(b"22")
        waiting = asyncio.create_task(inbox.room())
        await moment()
        if relief == "take":
            assert inbox.take() == b"11"
            await moment()
            assert not waiting.done()
            inbox.put(b"")
            assert inbox.take() == b"22"
            assert inbox.take() == b""
            assert inbox.take() is None
        else:
            inbox.end(SessionClosed)
            inbox.end(SessionClosed)
        await asyncio.wait_for(waiting, 1)
    await inbox.room()


@simulated
async def test_two_readers_that_wait_for_room_do_not_take_it_from_each_other() -> None:
    inbox = Inbox(1)
    inbox.put(b"11")
    old = asyncio.create_task(inbox.room())
    await moment()
    new = asyncio.create_task(inbox.room())
    await moment()
    old.cancel()
    await moment()
    inbox.take()
    await asyncio.wait_for(new, 1)


@simulated
async def test_a_receiver_gets_what_is_left_and_then_an_error_of_its_own() -> None:
    inbox = Inbox(100)
    waiting = asyncio.create_task(inbox.get())
    await moment()
    inbox.end(SessionClosed)
    with pytest.raises(SessionClosed) as first:
        await waiting
    with pytest.raises(SessionClosed) as second:
        await inbox.get()
    assert first.value is not second.value


@simulated
async def test_frames_of_a_connection_that_is_no_longer_used_are_not_delivered() -> None:
    async with playing(policy=SMALL) as play:
        assert not play.runtime.arrived(7, DONE)
        assert play.runtime.stats().frames_received == 0


@simulated
async def test_frames_that_cannot_be_read_are_withheld_and_reported_or_handed_on_if_one_likes() -> None:
    for policy, received in ((SMALL, [DONE]), (Policy(deliver_malformed=True), [b"{", DONE])):
        async with playing(policy=policy) as play:
            play.wire.says(b"{", DONE)
            assert [await play.channel.recv() for _ in received] == received
            await moment()
            assert play.witness.troubles == ["malformed_frame"]


@simulated
async def test_what_can_be_read_of_a_frame_is_delivered_and_what_cannot_is_reported() -> None:
    async with playing(policy=SMALL) as play:
        play.wire.says(b'{"goAway": 7, "serverContent": {"turnComplete": true}}')
        assert await play.channel.recv() == DONE
        await moment()
        assert play.witness.troubles == ["malformed_frame"]


@simulated
async def test_the_repeated_answer_of_a_completed_turn_is_withheld() -> None:
    """P17."""
    async with playing(policy=Policy(stable_after=0.5, probe=False)) as play:
        play.wire.says(update("one"))
        await asyncio.sleep(1)
        await play.channel.send(text("hello"))
        play.wire.says(VOICE, VOICE, said("spoken"), DONE)
        await asyncio.sleep(1)
        play.wire.ends()
        await asyncio.sleep(1)
        assert play.wire.taken == [text("hello")]
        play.wire.says(VOICE, VOICE, said("spoken"), DONE, update("two"))
        assert [await play.channel.recv() for _ in range(6)] == [
            update("one"), VOICE, VOICE, said("spoken"), DONE, update("two"),
        ]  # fmt: skip
        assert play.runtime.stats().frames_withheld_repeats == 4


@simulated
async def test_a_connection_is_not_pinged_again_while_it_owes_a_pong() -> None:
    async with playing(policy=Policy(stable_after=0.5)) as play:
        wire = play.wire
        await asyncio.sleep(1)
        wire.hung.add("ping")
        for _ in range(5):
            await asyncio.sleep(4)
            wire.says(said("alive"))
        await moment()
        assert play.wire is wire
        assert wire.called.count("ping") == 2


@simulated
async def test_calls_that_are_rolled_back_are_cancelled_for_the_application() -> None:
    """P17."""
    call = b'{"toolCall": {"functionCalls": [{"id": "call-1", "name": "look"}]}}'
    async with playing(policy=Policy(stable_after=0.5, probe=False)) as play:
        play.wire.says(update("one"))
        await asyncio.sleep(1)
        play.wire.says(call)
        await moment()
        play.wire.ends()
        await moment()
        assert [await play.channel.recv() for _ in range(2)] == [update("one"), call]
        assert "toolCallCancellation" in str(await play.channel.recv())
        assert play.runtime.stats().frames_synthetic >= 1


@simulated
async def test_an_index_that_cannot_be_true_is_reported() -> None:
    """P14."""
    lie = b'{"sessionResumptionUpdate": {"newHandle": "x", "resumable": true, "lastConsumedClientMessageIndex": "9"}}'
    async with playing(policy=SMALL) as play:
        play.wire.says(lie)
        await moment()
        assert play.witness.troubles == ["index_anomaly"]
