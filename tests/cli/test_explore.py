"""`relive explore`: ours is sound; what is wrong with another table is said."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.extending.test_paused import WITH_HOLD, HoldEnded, HoldRequested
from typer.testing import CliRunner

from relive.cli.app import app
from relive.cli.explore import explore
from relive.core.schema import STAY, Row
from relive.core.table import TABLE
from relive.testing.walk import Move, Place

BROKEN = TABLE.extend(
    states=("LIMBO",),
    rows=(
        Row("IDLE", HoldRequested, "LIMBO"),
        Row("LIMBO", HoldEnded, "LIMBO", "may_open_now", ()),
        Row("LIMBO", HoldEnded, "CLOSED", "", ()),
    ),
    facts={"LIMBO": ("HoldEnded",)},
)
"A table that is sound on paper; but its LIMBO is left only by a guard that never says no there."


def on_hold(place: Place) -> Iterator[Move]:
    """The moves that PAUSED is about."""
    state = place.situation.state
    if state == "ACTIVE":
        yield Move("hold", HoldRequested(60.0))
        yield Move("no hold", HoldRequested(0.0))
    if state == "PAUSED":
        yield Move("back", HoldEnded())


def in_limbo(place: Place) -> Iterator[Move]:
    """The moves that LIMBO is about."""
    state = place.situation.state
    if state == "IDLE":
        yield Move("wait", HoldRequested(1.0))
    if state == "LIMBO":
        yield Move("back", HoldEnded())


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["explore", *words], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_our_table_is_sound_and_every_edge_of_it_has_a_path() -> None:
    code, out = run("--json")
    found = json.loads(out)
    assert code == 0
    assert found["sound"] is True
    assert found["unreachable_states"] == found["traps"] == found["unanswered"] == []
    assert found["edges"] == len(found["paths"])
    first = next(path for path in found["paths"] if path["edge"] == ["ACTIVE", "GoAwayReceived", "DRAINING"])
    assert first["moves"][-1] == "go away"


def test_people_can_read_it() -> None:
    code, out = run("--paths")
    assert code == 0
    assert "every situation has a way to an end" in out
    assert "DRAINING" in out


def test_an_embedders_table_is_walked_with_its_own_facts() -> None:
    here = "tests.cli.test_explore"
    assert WITH_HOLD.states[-1] == "PAUSED"
    code, out = run("--table", "tests.extending.test_paused:WITH_HOLD", "--facts", f"{here}:on_hold")
    assert code == 0, out
    assert "every situation has a way to an end" in out


def test_a_state_that_nothing_leads_to_is_found() -> None:
    code, out = run("--table", "tests.extending.test_paused:WITH_HOLD")
    assert code == 1
    assert "unreachable: PAUSED" in out


def test_a_trap_is_found() -> None:
    here = "tests.cli.test_explore"
    code, out = run("--table", f"{here}:BROKEN", "--facts", f"{here}:in_limbo")
    assert code == 1
    assert "trap: LIMBO" in out
    assert "unanswered: LIMBO has no row for CloseRequested" in out


def test_every_row_of_ours_is_taken() -> None:
    """A dead row is removed, not excused."""
    taken = set(explore(TABLE).paths)
    for row in TABLE:
        edges = {
            (source, fact, source if row.dest == STAY else row.dest) for source in row.sources for fact in row.triggers
        }
        assert edges & taken, row


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nonsense", "not of the form"),
        ("relive.core.table:NOTHING", "has no NOTHING"),
        ("no_such_package:TABLE", "cannot import no_such_package"),
        ("relive.core.table:ROWS", "not a relive.core.schema.Table"),
    ],
)
def test_a_wrong_name_is_said(name: str, said: str) -> None:
    code, out = run("--table", name)
    assert code == 2
    assert said in out
