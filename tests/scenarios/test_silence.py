"""Connections that say nothing: black holes, mute servers, setups that are never answered."""

from __future__ import annotations

import asyncio

import pytest
from tests.scenarios.world import simulated, world

import relive
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import ServerScript, Updates

TALKATIVE = ServerScript(model=EchoModel(chunks=50, interval=0.02), vad_frames=100, updates=Updates(every_seconds=2.0))


@simulated
async def test_a_black_hole_in_mid_speech_is_noticed_within_the_policys_seconds() -> None:
    """P10: a probe after three seconds of silence, five for its answer; then everything is said again."""
    async with world(TALKATIVE) as w:
        w.listen()
        speaking = asyncio.create_task(w.speak(30.0))
        await asyncio.sleep(10.5)
        w.note("black hole")
        w.host.drop_everything(w.links[-1])
        frames = await speaking
        await asyncio.sleep(2.0)
    began = next(float(line.split()[0]) for line in w.transcript if "black hole" in line)
    noticed = next(float(line.split()[0]) for line in w.transcript if "DeadlineReached(silence)" in line)
    assert noticed - began <= relive.Policy().probe_after + relive.Policy().probe_timeout
    assert w.consumed() == frames


@simulated
async def test_a_server_that_never_answers_the_setup_is_left_and_tried_again() -> None:
    """P10: the setup has a timeout; the next attempt comes up, and the verdict says how."""
    server = FakeLiveServer(ServerScript())
    server.hang_next_setup(times=2)
    async with world(server=server) as w:
        assert w.session.verdict is not None
        assert str(w.session.verdict) == "fresh"
        await w.ask("hello")
        assert await w.turn() == "turn 1: hello"
    assert w.steps()[:6] == [
        "IDLE → CONNECTING on ConnectRequested",
        "CONNECTING → WAITING on DeadlineReached(opening)",
        "WAITING → CONNECTING on DeadlineReached(retry)",
        "CONNECTING → WAITING on DeadlineReached(opening)",
        "WAITING → CONNECTING on DeadlineReached(retry)",
        "CONNECTING → ACTIVE on ConnectionOpened: fresh",
    ]


@simulated
async def test_a_server_that_never_answers_any_setup_fails_the_session_with_a_reason() -> None:
    """P11, P22: the budget is bounded, and whoever opens the session gets an error and no hang."""
    server = FakeLiveServer(ServerScript())
    server.hang_next_setup(times=1000)
    with pytest.raises(relive.SessionFailed) as caught:
        async with world(server=server, policy=relive.Policy(retry_attempts=3)):
            pass
    assert caught.value.failure.cause == "gave_up"
    assert "3 attempts" in str(caught.value)


@simulated
async def test_a_connection_that_owes_an_answer_for_too_long_is_replaced() -> None:
    """P10: answer_timeout; the question is asked again on the next connection."""
    async with world(ServerScript(), policy=relive.Policy(answer_timeout=5.0, stable_after=1.0)) as w:
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(2.0)
        w.act(w.server.mute, w.conn)
        w.listen()
        await w.ask("second")
        await asyncio.sleep(20.0)
    assert "ACTIVE → RESUMING on DeadlineReached(answer)" in w.steps()
    assert any("heard 'turn 2: second'" in line for line in w.transcript)
