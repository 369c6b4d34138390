"""A GoAway in the middle of a spoken answer: ten minutes of conversation, in milliseconds."""

from __future__ import annotations

import asyncio

from tests.scenarios.world import simulated, world

import relive
from relive.testing.server_model import EchoModel
from relive.testing.server_script import Limits, ServerScript, Updates

STORY = "tell me the story of the lighthouse keeper and the ship".ljust(92, ".")  # an answer of 50 chunks
FIVE_SECONDS = EchoModel(chunks=50, interval=0.1, chunk_bytes=4800)


@simulated
async def test_a_go_away_in_mid_answer_does_not_cut_it() -> None:
    """P6, P7: the answer flows to its end; the connection is left at the safe point after it."""
    script = ServerScript(model=FIVE_SECONDS, limits=Limits(connection=595.0, lead=60.0))
    async with world(script) as w:
        for number in range(60):
            # One question every ten seconds, so that the notice after 535 s falls into an answer.
            await w.ask(f"{STORY}, part {number}")
            answer = await w.turn()
            assert answer == f"turn {number + 1}: {STORY}, part {number}"
            await asyncio.sleep(10.0 - (asyncio.get_running_loop().time() % 10.0))
        end = asyncio.get_running_loop().time()
    assert end >= 600.0
    assert w.steps()[:5] == [
        "IDLE → CONNECTING on ConnectRequested",
        "CONNECTING → ACTIVE on ConnectionOpened: fresh",
        "ACTIVE → DRAINING on GoAwayReceived",
        "DRAINING → RESUMING on SafePointReached",
        "RESUMING → ACTIVE on ConnectionOpened: resumed",
    ]
    assert not any("interrupted" in line for line in w.transcript)


@simulated
async def test_two_seconds_are_not_enough_for_five_so_the_answer_is_cut_rolled_back_and_given_again() -> None:
    """P7, P17: at the deadline the turn is closed for the application, and a replay of the question brings it back."""
    async with world(ServerScript(model=FIVE_SECONDS)) as w:
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(12.0)
        w.listen()
        await w.ask(STORY)
        await asyncio.sleep(1.0)
        w.go_away(2.0)
        await asyncio.sleep(20.0)
    assert w.transcript[4:-1] == [
        f"13.20 ask {STORY}",
        "14.20 ACTIVE → DRAINING on GoAwayReceived",
        "15.20 DRAINING → RESUMING on DeadlineReached(drain)",
        "15.20 interrupted after 21",
        "15.20 RESUMING → ACTIVE on ConnectionOpened: resumed",
        f"20.10 heard 'turn 2: {STORY}'",
    ]


@simulated
async def test_an_answer_that_nobody_asks_for_again_is_closed_for_the_application() -> None:
    """P17: the question was covered by a handle, so its answer does not come back; turn_complete follows at once."""
    script = ServerScript(model=FIVE_SECONDS, updates=Updates(while_busy="handle", every_seconds=0.5))
    async with world(script, policy=relive.Policy(stable_after=0.5)) as w:
        w.listen()
        await w.ask(STORY)
        await asyncio.sleep(2.0)
        w.reset()
        await asyncio.sleep(1.0)
    told = [line.split(" ", 1)[1] for line in w.transcript if "→" not in line]
    assert told == [f"ask {STORY}", "interrupted after 20", "heard ''"]
    assert w.steps()[2:4] == [
        "ACTIVE → RESUMING on ConnectionDropped",
        "RESUMING → ACTIVE on ConnectionOpened: resumed",
    ]
