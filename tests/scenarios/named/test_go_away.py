"""GoAway as it comes in the field: before a handle, after "not resumable", followed by silence or by an early close.

Each scenario is played twice (see `stage`), and both must give these very transitions.
"""

from __future__ import annotations

import attrs
from google.genai import types
from tests.scenarios.named.stage import CLOSED, DRAINED, OPENED, RESUMED, Stage, on_both_stages

import relive
from relive.testing.server_model import EchoModel
from relive.testing.server_script import ServerScript, Updates

SAFE = "DRAINING → RESUMING on SafePointReached"

SLOW = EchoModel(chunks=5, interval=2.0)


@on_both_stages(scale=30.0)
async def test_go_away_50_s_is_answered_before_the_deadline_expires(stage: Stage) -> None:
    """Report: GoAway came with 50 s to go, nobody left, and 1011 "Deadline expired" ended the conversation.

    P7: the connection is left at its deadline at the latest; here the user holds the floor, so that no point is safe.
    P14: the speech goes on, each frame once.
    """
    server = stage.serve()
    async with stage.open(policy=relive.Policy(drain_margin=5.0)) as play:
        await play.converse("first")
        await play.wait(12.0)
        await play.session.send_realtime_input(activity_start=types.ActivityStart())
        play.go_away(50.0)
        await play.reached("DRAINING")
        await play.wait(35.0)
        during = await play.speak(1.0, rate=10, tag="d")
        await play.reached("ACTIVE", 2)
        after = await play.speak(1.0, rate=10, tag="a")
        await play.session.send_realtime_input(activity_end=types.ActivityEnd())
        await play.turn()
        stats = play.session.stats
    assert stage.steps() == [*OPENED, DRAINED, "DRAINING → RESUMING on DeadlineReached(drain)", RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "heard 3 chunks"]
    assert server.sessions[-1].audio() == (*during, *after)
    assert stats.go_aways == 1


@on_both_stages(scale=20.0)
async def test_a_deadline_that_expires_before_its_time_cuts_the_answer_and_it_comes_again(stage: Stage) -> None:
    """The same with a service that closes early: GoAway said 50 s, and 1011 comes within the answer.

    P11: that is no server fault. P17: the answer is cut, and given again.
    """
    stage.serve(ServerScript(model=SLOW))
    async with stage.open() as play:
        await play.converse("first")
        play.listen()
        await play.wait(12.0)
        heard = len(play.heard)
        await play.ask("second")
        await play.until(lambda: len(play.heard) > heard)
        play.go_away(50.0)
        await play.reached("DRAINING")
        play.ends("deadline_expired")
        await play.until(lambda: len(stage.told()) == 3)
    assert stage.steps() == [*OPENED, DRAINED, "DRAINING → RESUMING on ConnectionDropped", RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "interrupted", "heard 'turn 2: second'"]


@on_both_stages(scale=10.0)
async def test_a_handle_that_comes_after_the_end_of_the_turn_is_waited_for(stage: Stage) -> None:
    """Report: the handle came after ``turn_complete``; a reader that stopped there resumed from an older one.

    P7: the safe point waits for it. P1: it is the checkpoint, so nothing is said twice.
    """
    stage.serve(ServerScript(updates=Updates(late=0.5)))
    async with stage.open(policy=relive.Policy(late_handle=5.0, stable_after=5.0)) as play:
        await play.converse("first")
        await play.wait(12.0)
        await play.ask("second")
        await play.turn()
        play.go_away(50.0)
        await play.reached("ACTIVE", 2)
        await play.converse("third")
        stats = play.session.stats
    assert stage.steps() == [*OPENED, DRAINED, SAFE, RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'", "heard 'turn 3: third'"]
    assert stats.frames_replayed == 0


@on_both_stages(scale=20.0)
async def test_go_away_while_the_session_is_not_resumable_waits_for_the_answer_and_its_handle(stage: Stage) -> None:
    """Report: ``resumable=false`` came with an answer, then GoAway; who left at once resumed to before the question.

    P7: the end of the answer, and its handle, are waited for.
    """
    stage.serve(ServerScript(model=SLOW, updates=Updates(while_busy="not_resumable")))
    async with stage.open() as play:
        await play.converse("first")
        play.listen()
        heard = len(play.heard)
        await play.ask("second")
        await play.until(lambda: len(play.heard) > heard)
        play.go_away(50.0)
        await play.reached("ACTIVE", 2)
        stats = play.session.stats
    assert stage.steps() == [*OPENED, DRAINED, SAFE, RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'"]
    assert stats.frames_replayed == 0


@on_both_stages(scale=20.0)
async def test_go_away_after_the_last_word_was_not_resumable_resumes_from_the_handle_before(stage: Stage) -> None:
    """The same, but the service does not become resumable again.

    P1: "not resumable" erases no handle; the older one is resumed from. P15: what was said since is said again. P17:
    the repeated answer is kept from the application, which has had it.
    """
    server = stage.serve()
    async with stage.open() as play:
        await play.converse("first")
        await play.wait(12.0)
        server.script = attrs.evolve(server.script, updates=Updates(after_turn=False))
        await play.ask("second")
        await play.turn()
        play.act(server.inject, play.conn, b'{"sessionResumptionUpdate": {"resumable": false, "newHandle": ""}}')
        play.go_away(50.0)
        await play.reached("ACTIVE", 2)
        await play.ask("third")
        await play.turn()
        stats = play.session.stats
    assert stage.steps() == [*OPENED, DRAINED, SAFE, RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'", "heard 'turn 3: third'"]
    assert (stats.frames_replayed, stats.frames_withheld_repeats > 0) == (1, True)
