"""Fifty audio frames a second, in and out, across a reset in mid-speech."""

from __future__ import annotations

import asyncio

from tests.scenarios.world import simulated, world

import relive
from relive.testing.server_model import EchoModel
from relive.testing.server_script import ServerScript, Updates

TALKATIVE = ServerScript(
    model=EchoModel(chunks=100, interval=0.02, chunk_bytes=960),
    vad_frames=200,
    updates=Updates(every_seconds=2.0),
    consume_lag=0.05,
)


@simulated
async def test_with_indices_the_server_has_every_frame_once_and_in_order() -> None:
    """P14: consumed = accepted − reported drops, each once and in order; and nothing was dropped."""
    async with world(TALKATIVE) as w:
        w.listen()
        speaking = asyncio.create_task(w.speak(60.0))
        for _ in range(4):
            await asyncio.sleep(11.7)
            w.reset()
        frames = await speaking
        await asyncio.sleep(1.0)
        stats = w.session.stats
    assert w.consumed() == frames
    assert stats.resumed == 4
    assert stats.frames_uncertain == stats.dropped_audio == stats.forgotten == 0
    assert stats.frames_replayed > 0
    assert stats.frames_replayed == stats.replayed_audio + stats.replayed_video + stats.replayed_reliable
    assert stats.replayed_audio > 0


@simulated
async def test_without_indices_what_may_be_doubled_is_counted() -> None:
    """P15: without indices nothing is lost, and there are no more doubles than are counted as uncertain."""
    async with world(TALKATIVE, transparent=False) as w:
        w.listen()
        speaking = asyncio.create_task(w.speak(60.0))
        for _ in range(4):
            await asyncio.sleep(11.7)
            w.reset()
        frames = await speaking
        await asyncio.sleep(1.0)
        stats = w.session.stats
        verdict = w.session.verdict
    consumed = w.consumed()
    assert set(consumed) == set(frames)
    doubles = len(consumed) - len(set(consumed))
    assert 0 < doubles <= stats.frames_uncertain
    assert verdict is not None
    assert verdict.uncertain > 0


@simulated
async def test_speech_during_an_outage_waits_and_arrives() -> None:
    """P13: `send` does not fail because a connection is being replaced; what is said meanwhile arrives, in order."""
    async with world(TALKATIVE, policy=relive.Policy(stable_after=1.0)) as w:
        w.listen()
        speaking = asyncio.create_task(w.speak(12.0))
        await asyncio.sleep(3.0)
        w.server.refuse_next(503, times=3)
        w.reset()
        frames = await speaking
        await asyncio.sleep(10.0)
    assert w.consumed() == frames
    assert "RESUMING → WAITING on OpenFailed" in w.steps()


@simulated
async def test_audio_that_waits_too_long_is_dropped_counted_and_told() -> None:
    """P13: a lane is a bound and a drop rule; the verdict of the very next connection says that there is a gap."""
    policy = relive.Policy(audio_age=1.0, retry_base=30.0, retry_cap=30.0)
    async with world(TALKATIVE, policy=policy) as w:
        w.listen()
        speaking = asyncio.create_task(w.speak(60.0))
        await asyncio.sleep(12.0)
        w.server.refuse_next(503, times=2)
        w.reset()
        await w.session.wait_for("WAITING")
        await w.session.wait_for("ACTIVE")
        stats, verdict = w.session.stats, w.session.verdict
        frames = await speaking
        await asyncio.sleep(2.0)
    assert stats.dropped_audio > 0
    assert verdict is not None
    assert (verdict.kind, verdict.dropped) == ("resumed_with_gap", stats.dropped_audio)
    assert len(w.consumed()) == len(frames) - stats.dropped_audio
    assert w.consumed() == [frame for frame in frames if frame in set(w.consumed())]


@simulated
async def test_a_long_speech_without_a_handle_is_replayed_from_its_beginning() -> None:
    """P14: what was written in time has not waited, however long ago that was."""
    async with world(ServerScript(vad_silence=None)) as w:
        await w.ask("hello")
        await w.turn()
        await asyncio.sleep(1.0)
        frames = await w.speak(40.0, rate=10)
        w.reset()
        await asyncio.sleep(5.0)
        stats = w.session.stats
    assert w.consumed() == frames
    assert stats.dropped_audio == 0
