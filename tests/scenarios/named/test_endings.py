"""How connections end in the field, and what must come of it: the session goes on, or says why not.

Each scenario is played twice (see `stage`), and both must give these very transitions.
"""

from __future__ import annotations

import asyncio

from tests.scenarios.named.stage import (
    CLOSED,
    DROPPED,
    OPENED,
    REFUSED,
    RESUMED,
    SEEDED,
    Stage,
    on_both_stages,
    restored,
)

import relive
from relive.testing.server_script import CLOSES


@on_both_stages(scale=400.0)
async def test_a_normal_close_after_ten_minutes_is_no_end_of_the_conversation(stage: Stage) -> None:
    """Report: after ten minutes a close 1000 "The operation was cancelled." was taken for a wish to end.

    P11: a connection's deadline is not the session's. P14: what the handle covers is not said again.
    """
    async with stage.open() as play:
        await play.converse("first")
        await play.wait(600.0)
        play.ends("operation_cancelled")
        await play.reached("ACTIVE", 2)
        await play.converse("second")
        stats = play.session.stats
    assert stage.steps() == [*OPENED, DROPPED, RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'"]
    assert stats.frames_replayed == 0


@on_both_stages(scale=1500.0)
async def test_a_close_at_58_minutes_without_go_away_and_a_refused_handle_lead_to_a_fresh_session(stage: Stage) -> None:
    """Report: closed after 58 minutes without GoAway, and then refused with 1007.

    P3: a handle that had worked is condemned by that, and never sent again. P19: the verdict tells of the loss.
    """
    server = stage.serve()
    async with stage.open() as play:
        await play.converse("first")
        await play.wait(58 * 60.0)
        server.close_next_setup(*CLOSES["invalid_argument"])
        play.reset()
        await play.reached("ACTIVE", 2)
        await play.converse("second")
    assert stage.steps() == [
        *OPENED,
        DROPPED,
        REFUSED,
        SEEDED,
        restored("quarantined"),
        CLOSED,
    ]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 1: second'"]
    assert stage.warned("handle_quarantined") == 1


@on_both_stages(scale=20.0)
async def test_three_refused_dials_in_a_row_are_waited_out_and_nothing_that_is_said_meanwhile_is_lost(
    stage: Stage,
) -> None:
    """Report: the first 503 on the upgrade ended the session.

    P11: three in a row are within the budget. P13: what is said meanwhile waits.

    With speech in place of a question: `test_microphone.test_speech_during_an_outage_waits_and_arrives`.
    """
    server = stage.serve()
    async with stage.open() as play:
        await play.converse("first")
        await play.wait(12.0)
        server.refuse_next(503, times=3)
        play.reset()
        await play.reached("WAITING")
        await play.converse("second")
    refused = ["RESUMING → WAITING on OpenFailed", "WAITING → RESUMING on DeadlineReached(retry)"]
    assert stage.steps() == [
        *OPENED,
        DROPPED,
        *refused,
        *refused,
        *refused,
        RESUMED,
        CLOSED,
    ]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'"]


@on_both_stages(scale=10.0)
async def test_flapping_three_times_within_a_second_is_slowed_down_and_survived(stage: Stage) -> None:
    """Report: a flapping network was dialled at full speed, until the service refused.

    P11: after the first drop, which ended a stable connection, every attempt waits. P3: a network that flaps says
    nothing against the handle, so the conversation is kept.
    """
    async with stage.open(policy=relive.Policy(retry_base=0.25)) as play:
        await play.converse("first")
        await play.wait(12.0)
        for times in (2, 3, 4):
            play.reset()
            await play.reached("ACTIVE", times)
        await play.converse("second")
    flap = [
        "ACTIVE → WAITING on ConnectionDropped",
        "WAITING → RESUMING on DeadlineReached(retry)",
        RESUMED,
    ]
    assert stage.steps() == [*OPENED, DROPPED, RESUMED, *flap, *flap, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'"]
    assert stage.warned("handle_quarantined") == 0


@on_both_stages(scale=20.0)
async def test_a_connection_whose_first_frame_is_not_setup_complete_is_never_used(stage: Stage) -> None:
    """Report: the SDK swallows such a frame, goes on as if the session were set up, and waits for ever.

    P22: the session is entered at the first connection that is up; that is the second one. In memory relive reads the
    frame itself; over TLS the SDK does, and leaves ``setup_complete`` None. Both are a dial that failed.
    """
    server = stage.serve()
    server.hang_next_setup()

    async def spoil() -> None:
        while not server.live:  # noqa: ASYNC110 - the server has no events to wait for
            await asyncio.sleep(0.001)
        await asyncio.sleep(stage.seconds(0.5))  # the setup has gone out; its answer never comes
        stage.act(server.inject, server.live[0], b'{"serverContent": {"turnComplete": true}}')

    spoiling = asyncio.create_task(spoil())
    async with stage.open() as play:
        await spoiling
        await play.converse()
    assert stage.steps() == [
        "IDLE → CONNECTING on ConnectRequested",
        "CONNECTING → WAITING on OpenFailed",
        "WAITING → CONNECTING on DeadlineReached(retry)",
        "CONNECTING → ACTIVE on ConnectionOpened: fresh",
        CLOSED,
    ]
    assert stage.told() == ["heard 'turn 1: hello'"]


@on_both_stages(scale=20.0)
async def test_a_server_that_accepts_and_dies_for_ever_ends_the_session_with_a_reason(stage: Stage) -> None:
    """Report: a loop that never ends: accept, die, accept, die.

    P3: the second such resume condemns the handle. P11: an opening is paid for unless its predecessor was stable, so
    the budget ends the loop. P22: whoever receives is told.
    """
    server = stage.serve()
    async with stage.open(policy=relive.Policy(retry_attempts=5, retry_base=0.25)) as play:
        await play.converse("first")
        await play.wait(12.0)
        server.close_after_next_setup(*CLOSES["internal_error"], times=1000)
        play.listen()
        play.reset()
        await play.reached("FAILED")
        assert play.listening is not None
        await play.listening
    died = "ACTIVE → WAITING on ConnectionDropped"
    assert stage.steps() == [
        *OPENED,
        DROPPED,
        RESUMED,
        died,
        "WAITING → RESUMING on DeadlineReached(retry)",
        RESUMED,
        "ACTIVE → HANDLE_EXPIRED on ConnectionDropped",
        SEEDED,
        restored("quarantined"),
        died,
        "WAITING → CONNECTING on DeadlineReached(retry)",
        "CONNECTING → ACTIVE on ConnectionOpened: fresh",
        died,
        "WAITING → CONNECTING on DeadlineReached(retry)",
        "CONNECTING → ACTIVE on ConnectionOpened: fresh",
        "ACTIVE → FAILED on ConnectionDropped",
    ]
    assert stage.told() == ["heard 'turn 1: first'"]
