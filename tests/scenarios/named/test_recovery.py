"""What is said, asked and answered around a loss: nothing is dropped in silence, and nobody is left waiting.

Each scenario is played twice (see `stage`), and both must give these very transitions.
"""

from __future__ import annotations

from tests.scenarios.named.stage import CLOSED, DROPPED, OPENED, RESUMED, Stage, on_both_stages

import relive
from relive.testing.server_model import EchoModel
from relive.testing.server_script import ServerScript, Updates

WAITED = ["RESUMING → WAITING on OpenFailed", "WAITING → RESUMING on DeadlineReached(retry)"]


@on_both_stages(scale=20.0)
async def test_speech_and_a_tools_result_that_come_while_resuming_are_kept(stage: Stage) -> None:
    """Report: input that was sent during a reconnect was dropped, and a tool's result with it.

    P13: speech waits, and goes out in order. P16: the result of a call that was rolled back is not sent to a session
    that never asked, and counted; the replay makes the call again, and its result is sent.

    In memory, without speech: `test_tools`.
    """
    server = stage.serve(ServerScript(vad_silence=None))
    async with stage.open() as play:
        await play.converse("hello")
        await play.wait(12.0)
        await play.ask("tool:weather")
        old = await play.called()
        server.refuse_next(503, times=2)
        play.reset()
        await play.reached("WAITING")
        await play.answer(old)
        frames = await play.speak(0.2)
        new = await play.called()
        await play.until(lambda: play.consumed() == frames)
        await play.answer(new)
        await play.turn()
        await play.covered()
        session, stats = server.sessions[-1], play.session.stats
    assert stage.steps() == [*OPENED, DROPPED, *WAITED, *WAITED, RESUMED, CLOSED]
    assert stage.told()[-1].startswith("heard 'turn 2: ")
    assert session.audio() == tuple(frames)
    assert session.stray_tool_responses == []
    assert session.payloads("tool_response") == ((new[0].id,),)
    assert stats.dropped_answers == 1
    assert (stats.dropped_audio, stats.forgotten) == (0, 0)


@on_both_stages(scale=20.0)
async def test_an_answer_that_does_not_come_back_after_a_resume_is_closed_for_whoever_receives(stage: Stage) -> None:
    """Report: after a resume in mid-answer `receive()` waited for ever, because a generation does not go on.

    P17: the turn is cut at once, and completed, since a handle covers its question, so that it is not asked again.

    With times: `test_spoken_answer.test_an_answer_that_nobody_asks_for_again_is_closed_for_the_application`.
    """
    updates = Updates(while_busy="handle", every_frames=1)
    stage.serve(ServerScript(model=EchoModel(chunks=5, interval=4.0), updates=updates))
    async with stage.open(policy=relive.Policy(stable_after=1.0)) as play:
        play.listen()
        await play.ask("tell me")
        await play.until(lambda: play.heard and not play.session.stats.frames_uncovered)
        await play.wait(1.0)
        play.reset()
        await play.until(lambda: len(stage.told()) == 2)
        await play.ask("and now?")
        await play.until(lambda: len(stage.told()) == 3)
    assert stage.steps() == [*OPENED, DROPPED, RESUMED, CLOSED]
    assert stage.told() == ["interrupted", "heard ''", "heard 'turn 2: and now?'"]


@on_both_stages(scale=30.0)
async def test_a_resumed_session_that_stays_mute_is_left_and_the_question_asked_again(stage: Stage) -> None:
    """Report: a session was resumed, and never said a word again.

    P10: an answer may be owed for so long and no longer. P3: that counts against the handle, once. P15: the question is
    asked again.
    """
    server = stage.serve()
    policy = relive.Policy(answer_timeout=30.0, stable_after=100.0)
    async with stage.open(policy=policy, about=("answer_timeout",)) as play:
        await play.converse("first")
        server.mute_after_next_setup()
        play.reset()
        await play.reached("ACTIVE", 2)
        await play.converse("second")
    assert stage.steps() == [
        *OPENED,
        "ACTIVE → WAITING on ConnectionDropped",
        "WAITING → RESUMING on DeadlineReached(retry)",
        RESUMED,
        "ACTIVE → WAITING on DeadlineReached(answer)",
        "WAITING → RESUMING on DeadlineReached(retry)",
        RESUMED,
        CLOSED,
    ]
    assert stage.told() == ["heard 'turn 1: first'", "interrupted", "heard 'turn 2: second'"]


@on_both_stages(scale=10.0)
async def test_a_black_hole_in_mid_speech_is_left_and_all_of_the_speech_arrives(stage: Stage) -> None:
    """Report: a half-open connection swallowed 95 s of speech before anybody noticed.

    P10: a connection that gives no sign of life is treated as dropped. P14: all that was accepted is consumed, each
    frame once and in order.

    How soon, on virtual time: `test_silence`.
    """
    script = ServerScript(vad_silence=None, updates=Updates(every_frames=10))
    stage.serve(script)
    async with stage.open(about=("probe_timeout",)) as play:
        before = await play.speak(12.0, rate=5)
        await play.until(lambda: play.consumed() == before)
        play.black_hole()
        hole = await play.speak(3.0, rate=5, tag="h")
        await play.reached("RESUMING")
        after = await play.speak(1.0, rate=5, tag="a")
        await play.ask("did you hear me?")
        await play.turn()
        stats = play.session.stats
        assert play.consumed() == [*before, *hole, *after]
    assert stage.steps() == [*OPENED, "ACTIVE → RESUMING on DeadlineReached(silence)", RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: did you hear me?'"]
    assert (stats.frames_uncertain, stats.dropped_audio, stats.forgotten) == (0, 0, 0)
