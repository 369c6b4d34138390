"""The table: what makes one sound, each check seen to fail once, and what an embedder makes of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from tests.core.stories import Story

from relive.core import effects as do, events as ev, situation
from relive.core.lifecycle import Lifecycle
from relive.core.schema import STAY, Row, Table, name_of
from relive.core.table import TABLE
from relive.errors import TableError

START, STOP = ev.ConnectRequested, ev.CloseRequested


def ask(_scene: Any, _event: Any) -> bool:
    return True


def act(_scene: Any, _event: Any) -> None:
    return None


SOUND: tuple[Row[Any, Any, Any], ...] = (
    Row("OFF", START, "ON"),
    Row("ON", START, STAY, "ask", ("act",)),
    Row("ON", START, STAY),
    Row("ON", STOP, "DONE"),
)


def table(
    *more: Row[Any, Any, Any], rows: tuple[Row[Any, Any, Any], ...] = SOUND, **changed: Any
) -> Table[str, str, str]:
    states: tuple[str, ...] = ("OFF", "ON", "DONE")
    guards: dict[str, Callable[[Any, Any], bool]] = {"ask": ask}
    actions: dict[str, Callable[[Any, Any], None]] = {"act": act}
    facts = {"OFF": ("ConnectRequested",), "ON": ("ConnectRequested", "CloseRequested"), "DONE": ()}
    given = {
        "states": states,
        "guards": guards,
        "actions": actions,
        "facts": facts,
        "initial": "OFF",
        "final": ("DONE",),
    }
    return Table(rows=(*rows, *more), **(given | changed))


def problems(*more: Row[Any, Any, Any], **changed: Any) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        table(*more, **changed)
    assert "; ".join(caught.value.problems) in str(caught.value)
    return caught.value.problems


def test_a_sound_table_is_a_table() -> None:
    sound = table()
    assert list(sound) == list(SOUND)
    assert len(sound) == 4


def test_a_state_that_no_way_leads_to_is_a_fault() -> None:
    rows = (*SOUND, Row[Any, Any, Any]("LOST", STOP, "DONE"))
    states = ("OFF", "ON", "DONE", "LOST")
    facts = {**table().facts, "LOST": ()}
    assert problems(rows=rows, states=states, facts=facts) == ("LOST cannot be reached",)


def test_a_state_that_no_way_leads_out_of_is_a_fault() -> None:
    states = ("OFF", "ON", "DONE", "PIT")
    facts = {**table().facts, "PIT": ()}
    into = Row[Any, Any, Any]("OFF", STOP, "PIT")
    found = problems(into, Row("PIT", START, STAY), states=states, facts=facts)
    assert found == ("PIT is a trap: no way leads on to a final state",)


@pytest.mark.parametrize("when", ["", "ask"])
def test_a_row_behind_one_without_a_guard_is_a_fault(when: str) -> None:
    assert problems(Row("ON", START, "DONE", when)) == ("a row of ON for ConnectRequested is never asked",)


def test_a_row_behind_one_with_the_same_guard_is_a_fault() -> None:
    rows = (SOUND[0], SOUND[1], *SOUND[1:])
    assert problems(rows=rows) == ("a row of ON for ConnectRequested is never asked",)


def test_a_way_out_of_an_end_is_a_fault() -> None:
    assert problems(Row("DONE", START, "ON")) == ("DONE is final, but ConnectRequested leaves it",)


def test_a_guard_without_a_fallback_is_a_fault() -> None:
    rows = (*SOUND[:2], SOUND[3])
    assert problems(rows=rows) == ("ON has no way out if no guard agrees on ConnectRequested",)


def test_a_fact_without_a_row_is_a_fault() -> None:
    facts = {**table().facts, "DONE": ("CloseRequested",)}
    assert problems(facts=facts) == ("DONE has no row for CloseRequested",)


def test_a_state_of_which_nobody_says_what_can_happen_is_a_fault() -> None:
    facts = {state: names for state, names in table().facts.items() if state != "ON"}
    assert problems(facts=facts) == ("nobody says what can happen in ON",)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"rows": (*SOUND, Row[Any, Any, Any]("ON", ev.Heard, "ONN"))}, "ONN is not a state"),
        ({"rows": (*SOUND, Row[Any, Any, Any]("OF", ev.Heard, "ON"))}, "OF is not a state"),
        ({"initial": "OOF"}, "OOF is not a state"),
        ({"final": ("DONE", "DOONE")}, "DOONE is not a state"),
        ({"facts": {**table().facts, "GONE": ()}}, "GONE is not a state"),
        ({"guards": {}}, "ask is not a guard"),
        ({"actions": {}}, "act is not an action"),
    ],
)
def test_a_name_that_stands_for_nothing_is_a_fault(changed: dict[str, Any], problem: str) -> None:
    assert problem in problems(**changed)


def test_rows_and_facts_have_names_that_people_read() -> None:
    row = Row[str, str, str](("ACTIVE", "DRAINING"), (ev.Heard, ev.DeadlineReached("drain")), STAY)
    assert row.sources == ("ACTIVE", "DRAINING")
    assert row.triggers == ("Heard", "DeadlineReached(drain)")
    assert name_of(ev.Heard(1, 0.0)) == "Heard"


def test_a_table_cannot_be_changed_after_its_checks() -> None:
    with pytest.raises(TypeError):
        TABLE.guards["fatal"] = ask  # pyright: ignore[reportIndexIssue]


def test_every_deadline_has_a_row_in_its_states_and_in_no_other() -> None:
    rows = {(step.source, step.trigger) for step in TABLE.steps() if step.trigger.startswith("DeadlineReached")}
    scopes = {(state, f"DeadlineReached({name})") for name, states in situation.SCOPES.items() for state in states}
    assert rows == scopes


# An embedder's own table.


@attrs.frozen
class Paused:
    """The application wants no more input to go out."""


def pause(scene: Any, _event: Any) -> None:
    scene.order(do.Warn("paused"))
    scene.arm("nap", 5.0)


ACTIVE_FACTS = tuple(name for name in TABLE.facts["ACTIVE"] if not name.startswith("DeadlineReached"))
STAYING = (
    ev.InputAccepted, ev.SeedAnswered, ev.SeedRefused, ev.CheckpointLoaded, ev.CheckpointNotLoaded,
    ev.CheckpointReceived, ev.CheckpointWithheld, ev.GoAwayReceived, ev.OutputStarted, ev.OutputHeard,
    ev.AnswerGenerated, ev.Interrupted, ev.TurnEnded, ev.ToolCalled, ev.ToolCallsCancelled, ev.Heard, ev.JournalFlushed,
)  # fmt: skip
PAUSING: dict[str, Any] = {
    "states": ("PAUSED",),
    "rows": (
        Row[Any, Any, Any]("ACTIVE", Paused, "PAUSED", "", ("pause",)),
        Row[Any, Any, Any]("PAUSED", ev.DeadlineReached("nap"), "ACTIVE"),
        Row[Any, Any, Any]("PAUSED", ev.ConnectionDropped, "RESUMING", "", ("abandon", "open")),
        Row[Any, Any, Any]("PAUSED", ev.CloseRequested, "CLOSED", "", ("shut",)),
        Row[Any, Any, Any]("PAUSED", STAYING, STAY),
    ),
    "actions": {"pause": pause},
    "facts": {"PAUSED": (*ACTIVE_FACTS, "DeadlineReached(nap)"), "ACTIVE": ("Paused",)},
}


HIDING = Row[Any, Any, Any]("ACTIVE", ev.GoAwayReceived, STAY)


def test_an_embedder_adds_a_state_of_its_own() -> None:
    story = Story(table=TABLE.extend(**PAUSING)).opens().comes_up()
    assert story.tell(Paused()).path == ["PAUSED"]  # pyright: ignore[reportArgumentType]
    assert story.did(do.Warn) == [do.Warn("paused")]
    assert story.deadlines == {"nap": 5.0}
    assert story.reaches("nap").path == ["ACTIVE"]
    assert story.deadlines == {}
    assert story.drops().path == ["WAITING"]


def test_our_table_stays_as_it_is_when_it_is_extended() -> None:
    before = list(TABLE.steps())
    TABLE.extend(**PAUSING)
    assert list(TABLE.steps()) == before
    assert "PAUSED" not in TABLE.states
    assert Lifecycle().table is TABLE


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"facts": {"ACTIVE": ("Paused",)}}, "nobody says what can happen in PAUSED"),
        ({"rows": PAUSING["rows"][:-1]}, "PAUSED has no row for InputAccepted"),
        ({"states": ("PAUSED", "ACTIVE")}, "ACTIVE is taken"),
        ({"guards": {"fatal": ask}}, "fatal is taken"),
        ({"actions": {"pause": pause, "open": act}}, "open is taken"),
        ({"rows": (*PAUSING["rows"], HIDING)}, "a row of ACTIVE for GoAwayReceived is never asked"),
    ],
)  # fmt: skip
def test_an_extension_cannot_break_the_machine_by_accident(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(TableError) as caught:
        TABLE.extend(**(PAUSING | changed))
    assert problem in caught.value.problems


def test_rows_of_an_embedder_are_asked_before_ours() -> None:
    rows = (Row[Any, Any, Any]("ACTIVE", ev.GoAwayReceived, STAY, "never_leave"),)
    stubborn = TABLE.extend(rows=rows, guards={"never_leave": ask})
    assert Story(table=stubborn).opens().comes_up().goes_away().path == []


def test_a_row_that_ignores_safe_points_does_not_spin() -> None:
    rows = (Row[Any, Any, Any]("DRAINING", ev.SafePointReached, STAY, "stay_on"),)
    story = Story(table=TABLE.extend(rows=rows, guards={"stay_on": ask})).opens().comes_up().handle("h1").goes_away()
    assert story.state == "DRAINING"
