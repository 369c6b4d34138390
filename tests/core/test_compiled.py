"""The compiled machine is the machine: the same orders, the same situation, after any sequence of facts."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from relive.core import compiled, events as ev, situation
from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.machine import engine_for
from relive.core.policy import Policy
from relive.core.table import TABLE
from relive.errors import CommandError

NUMBERS = st.integers(0, 4)
IDS = st.frozensets(st.sampled_from("ab"), max_size=2)
DROPS = st.sampled_from([
    Dropped(1006, origin="network"),
    Dropped(1008, "BidiGenerateContent session not found", "opening"),
    Dropped(1007, "Request contains an invalid argument.", "opening"),
    Dropped(1011, "Internal error occurred."),
    Dropped(1011, "You exceeded your current quota"),
    Dropped(1007, "API key not valid."),
])  # fmt: skip
FACTS = st.one_of(
    st.builds(ev.ConnectRequested, st.sampled_from([None, "given"]), st.booleans()),
    st.builds(ev.CheckpointLoaded, st.sampled_from([None, Checkpoint("stored", wall=5.0)]), st.sampled_from(["", "x"])),
    st.builds(ev.CheckpointNotLoaded),
    st.builds(ev.CheckpointReceived, NUMBERS, st.sampled_from(["h1", "h2"]), st.sampled_from([None, 0, 1, 99])),
    st.builds(ev.GoAwayReceived, NUMBERS, st.sampled_from([0.0, 30.0])),
    st.one_of(*(st.builds(kind, NUMBERS) for kind in (
        ev.CheckpointWithheld, ev.OutputStarted, ev.AnswerGenerated, ev.TurnEnded, ev.Interrupted, ev.DialStarted,
        ev.ConnectionOpened, ev.ConnectionClosed, ev.JournalFlushed,
    ))),
    st.one_of(*(st.builds(kind, NUMBERS, IDS) for kind in (ev.ToolCalled, ev.ToolCallsCancelled))),
    st.one_of(*(st.builds(kind, NUMBERS, DROPS) for kind in (ev.OpenFailed, ev.ConnectionDropped))),
    st.builds(ev.Heard, NUMBERS, st.sampled_from([0.0, 4.0])),
    st.builds(ev.OutputHeard, NUMBERS, st.sampled_from([0.0, 4.0])),
    st.builds(ev.InputAccepted, st.just(1), st.booleans(), st.booleans(), IDS),
    st.builds(ev.SeedAnswered, st.sampled_from([(), ("seed",)])),
    st.builds(ev.SeedRefused),
    st.builds(ev.CloseRequested),
    st.builds(ev.DeadlineReached, st.sampled_from([*situation.SCOPES])),
)  # fmt: skip


@given(st.lists(st.tuples(FACTS, st.sampled_from([0.0, 0.5, 12.0])), max_size=40))
@settings(max_examples=300, deadline=None)
def test_both_machines_give_the_same_orders_and_end_in_the_same_situation(facts: list[tuple[ev.Event, float]]) -> None:
    policy = Policy(rotate_after=20.0, retry_attempts=3)
    twins = [
        Lifecycle(policy, engine=engine_for(TABLE)),
        Lifecycle(policy, engine=compiled.compile(TABLE)),
    ]
    now = 0.0
    for fact, delay in facts:
        now += delay
        outcomes: list[object] = []
        for life in twins:
            try:
                outcomes.append(life.handle(fact, now, now, 0.5))
            except CommandError as error:
                outcomes.append((error.command, error.state))
        assert outcomes[0] == outcomes[1]
        assert situation.save(twins[0].scene.situation) == situation.save(twins[1].scene.situation)


def test_a_fact_that_the_table_does_not_know_is_a_command_error() -> None:
    machine = compiled.compile(TABLE)
    life = Lifecycle(engine=machine)
    assert machine.answers("IDLE", "CloseRequested")
    assert not machine.answers("IDLE", "GoAwayReceived")
    with pytest.raises(CommandError, match="cannot Nonsense: the session is IDLE"):
        machine.step(life.scene, "Nonsense", object())
    assert repr(machine) == f"<Compiled: 9 states, {len(TABLE)} rows>"


def test_a_lifecycle_can_be_taken_back_to_what_it_remembers() -> None:
    life = Lifecycle()
    life.handle(ev.ConnectRequested(), 0.0, 0.0)
    life.handle(ev.ConnectionOpened(1), 0.0, 0.0)
    for frame, lane in (("1", "reliable"), ("2", "video"), ("3", "audio")):
        life.journal.accept(frame, lane, 0.0)  # pyright: ignore[reportArgumentType]
    life.journal.write(0.0)
    memory = life.remember()
    before = (situation.save(life.scene.situation), repr(life.journal), attrs.astuple(life.journal.counts))
    for _ in range(2):
        while life.journal.write(1.0):
            pass
        life.journal.accept("4", "video", 1.0)
        life.handle(ev.CloseRequested(), 1.0, 1.0)
        life.recall(memory)
        assert (situation.save(life.scene.situation), repr(life.journal), attrs.astuple(life.journal.counts)) == before
    life.journal.accept("4", "video", 1.0)
    assert life.journal.counts.dropped_video == 1
