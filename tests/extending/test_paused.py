"""An embedder's own state, from outside: a caller on hold during a phone transfer.

While the call is on hold the connection is given back, so that nobody pays for it; what the application sends meanwhile
is journaled. When the caller is back the conversation is resumed. A caller who stays away too long is hung up on.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import attrs
import pytest
from tests.scenarios.world import simulated, world

import relive
from relive.core import events as ev
from relive.core.lifecycle import Lifecycle
from relive.core.scene import Scene
from relive.core.schema import STAY, Row
from relive.core.table import ACTIVE, CLOSED, FAILED, RESUMING, TABLE
from relive.errors import CommandError, TableError

PAUSED: Final = "PAUSED"


@attrs.frozen
class HoldRequested(ev.Extra):
    """The caller is being transferred."""

    longest: float
    "Seconds after which the session is closed."


@attrs.frozen
class HoldEnded(ev.Extra):
    """The caller is back."""


def hold_is_over(_scene: Scene, event: HoldRequested) -> bool:
    return event.longest <= 0.0


def limit_hold(scene: Scene, event: HoldRequested) -> None:
    scene.arm("hold", event.longest)


at = ev.DeadlineReached
OURS: Final = ("HoldEnded", "DeadlineReached(hold)")
ROWS: Final = (
    Row("ACTIVE", HoldRequested, STAY, "hold_is_over", ()),
    Row("ACTIVE", HoldRequested, PAUSED, "", ("hang_up", "limit_hold")),
    Row(PAUSED, ev.ConnectionClosed, STAY, "", ("roll_back",)),
    Row(PAUSED, HoldEnded, STAY, "still_closing", ()),
    Row(PAUSED, HoldEnded, RESUMING, "has_handle", ("open",)),
    Row(PAUSED, HoldEnded, "HANDLE_EXPIRED", "", ("lose", "ask_seed")),
    Row(PAUSED, at("hold"), CLOSED, "", ("save_last", "shut")),
    Row(PAUSED, ev.CloseRequested, CLOSED, "", ("save_last", "shut")),
    Row(PAUSED, ev.InputAccepted, STAY, "", ("note_input",)),
    Row(PAUSED, ev.CheckpointReceived, STAY, "", ("keep_checkpoint",)),
    Row(
        PAUSED,
        (ev.CheckpointWithheld, ev.GoAwayReceived, ev.OutputStarted, ev.OutputHeard, ev.AnswerGenerated,
         ev.Interrupted, ev.TurnEnded, ev.ToolCalled, ev.ToolCallsCancelled, ev.Heard, ev.JournalFlushed,
         ev.CheckpointLoaded, ev.CheckpointNotLoaded, ev.SeedAnswered, ev.SeedRefused),
        STAY,
    ),
)  # fmt: skip
FACTS: Final = {
    "ACTIVE": ("HoldRequested",),
    PAUSED: tuple(name for name in (*TABLE.facts["HANDLE_EXPIRED"], *OURS) if name != "DeadlineReached(seed)"),
}
OPTIONS: Final[dict[str, Any]] = {
    "states": (PAUSED,),
    "rows": ROWS,
    "guards": {"hold_is_over": hold_is_over},
    "actions": {"limit_hold": limit_hold},
    "facts": FACTS,
}
WITH_HOLD: Final = TABLE.extend(**OPTIONS)


def test_ours_stays_as_it_is() -> None:
    assert PAUSED not in TABLE.states
    assert "limit_hold" not in TABLE.actions
    assert WITH_HOLD.states == (*TABLE.states, PAUSED)
    with pytest.raises(CommandError):
        Lifecycle().handle(HoldRequested(5.0), 0.0, 0.0)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"rows": ROWS[:2]}, "PAUSED is a trap"),
        ({"rows": ROWS[2:]}, "PAUSED cannot be reached"),
        ({"rows": (*ROWS, Row(FAILED, HoldEnded, ACTIVE))}, "FAILED is final"),
        ({"rows": (Row("ACTIVE", HoldRequested, "PAUSE"), *ROWS)}, "PAUSE is not a state"),
        ({"actions": {}}, "limit_hold is not an action"),
        ({"guards": {}}, "hold_is_over is not a guard"),
        ({"actions": {"open": limit_hold}}, "open is taken"),
        ({"facts": {**FACTS, PAUSED: (*FACTS[PAUSED], "HoldRequested")}}, "PAUSED has no row for HoldRequested"),
    ],
)
def test_a_table_that_cannot_work_is_refused_with_each_fault_named(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(TableError, match=problem):
        TABLE.extend(**{**OPTIONS, **wrong})


@simulated
async def test_a_call_on_hold_gives_its_connection_back_and_goes_on_where_it_was() -> None:
    async with world(policy=relive.Policy(stable_after=0.5), table=WITH_HOLD) as w:
        await w.ask("hello")
        await w.turn()
        await asyncio.sleep(1.0)
        w.session.tell(HoldRequested(600.0))
        await asyncio.sleep(300.0)
        assert w.server.live == ()
        await w.ask("are you there?")
        w.session.tell(HoldEnded())
        assert await w.turn() == "turn 2: are you there?"
        assert str(w.session.verdict) == "resumed"
    assert w.steps()[2:] == [
        "ACTIVE → PAUSED on HoldRequested",
        "PAUSED → RESUMING on HoldEnded",
        "RESUMING → ACTIVE on ConnectionOpened: resumed",
        "ACTIVE → CLOSED on CloseRequested",
    ]


@simulated
async def test_a_caller_who_stays_away_too_long_is_hung_up_on() -> None:
    async with world(table=WITH_HOLD) as w:
        await w.ask("hello")
        await w.turn()
        w.session.tell(HoldRequested(0.0))
        assert w.session.state == "ACTIVE"
        w.session.tell(HoldRequested(60.0))
        await asyncio.sleep(61.0)
        with pytest.raises(relive.SessionClosed):
            await w.ask("anybody?")
    assert w.steps()[-1] == "PAUSED → CLOSED on DeadlineReached(hold)"
