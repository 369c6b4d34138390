"""What a checker would let pass if it looked away a little: a fault of relive's, planted or forged, for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from tests.simulation.forging import TOOLS, TYPED, edit, gone, insert_before, is_, later, plan
from tests.simulation.planted import _act

from relive.core import events as ev
from relive.core.actions import flowing, turns
from relive.core.scene import Scene
from relive.errors import CommandError, SessionClosed
from relive.runtime.channel import Channel
from relive.runtime.room import Room
from relive.testing.simulation import checks_output, core_level, runtime_level
from relive.testing.simulation.checks import check
from relive.testing.simulation.checks_facts import Facts
from relive.testing.simulation.checks_handles import saves_in_order
from relive.testing.simulation.faults import Burst, Clog, Close, Crash, HangDial, Silence, StopReading
from relive.testing.simulation.history import History, Record, Refused
from relive.testing.simulation.plan import Client, Plan, Service, Turn
from relive.testing.simulation.process import Process
from relive.testing.simulation.runtime_level import play
from relive.testing.simulation.user import User

FULL = plan((20.0, Clog(30.0)), (20.1, Burst(100)), client=Client(policy={"send_limit": 2000, "probe": False}))
"A plan in which there is no room for what is sent, for longer than a sender waits."


def broken(history: History) -> list[tuple[str, str]]:
    return [(violation.promise, violation.what) for violation in check(history)]


def test_what_is_raised_in_the_loop_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def slip(process: Process, seconds: float) -> None:
        process._loop.call_soon(lambda: 1 // 0)

    monkeypatch.setattr(Process, "stop_reading", slip)
    found = check(play(attrs.evolve(plan((20.0, StopReading(1.0))), herd=2)))
    assert [(violation.promise, violation.at, violation.client) for violation in found] == [("P22", 20.0, -1)] * 2
    assert "ZeroDivisionError" in found[0].what


def test_an_error_of_the_listener_s_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def slip(*_: object) -> None:
        raise LookupError("what was that?")

    monkeypatch.setattr(User, "hear", slip)
    assert ("P22", "the listener got LookupError('what was that?')") in broken(play(plan()))


@pytest.mark.parametrize(
    ("error", "promise"), [(CommandError("send", "RESUMING"), "P22"), (SessionClosed(), "P13"), (OSError(), "P22")]
)
def test_a_send_may_not_fail_as_a_connection_is_replaced(
    monkeypatch: pytest.MonkeyPatch, error: Exception, promise: str
) -> None:
    send = Channel.send

    async def slip(channel: Channel, frame: str) -> None:
        if channel._runtime.lifecycle.state == "RESUMING":
            raise error
        await send(channel, frame)

    monkeypatch.setattr(Channel, "send", slip)
    assert promise in dict(broken(play(plan((20.1, HangDial()), (20.1, Close())))))


@pytest.mark.parametrize("level", [runtime_level, core_level])
def test_who_finds_no_room_for_long_enough_is_refused(level: Any) -> None:
    history = level.play(FULL)
    assert "SendBufferFull" in {refused.error for refused in history.clients[0].lives[0].refused}
    assert not check(history)


def test_a_sender_is_refused_only_if_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Room, "lacks", lambda room, _size: room._journal.waiting_bytes > 0)
    monkeypatch.setattr(Room, "written", lambda _room: None)
    history = play(attrs.evolve(FULL, client=Client(policy={"probe": False})))
    assert ("P13", "bytes waited") in [(promise, what[-12:]) for promise, what in broken(history)]


def test_a_sender_waits_for_all_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(room: Room, *args: Any, limit: int, timeout: float) -> None:
        whole(room, *args, limit=limit, timeout=timeout / 2)

    whole = Room.__init__
    monkeypatch.setattr(Room, "__init__", impatient)
    assert any("which waited 5.000 s, and not 10" in what for _, what in broken(play(FULL)))


def test_a_sender_has_room_once_nothing_waits() -> None:
    history = play(plan())
    history.clients[0].lives[0].refused.append(Refused(12.0, 22.0, "SendBufferFull", 100, 2**30))
    assert any("nothing waited meanwhile" in what for _, what in broken(history))


def test_a_probe_may_not_be_as_late_as_the_answer_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def note_life(scene: Scene, event: ev.Heard) -> None:
        flowing.note_life(scene, event)
        scene.arm("probe", scene.policy.probe_timeout)

    _act(monkeypatch, note_life=note_life)
    assert any("nobody asked for a sign of life" in what for _, what in broken(play(plan())))


def test_an_answer_has_all_of_its_time_from_the_question_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def note_input(scene: Scene, event: ev.InputAccepted) -> None:
        awaited = scene.situation.at("answer") is not None
        turns.note_input(scene, event)
        if not awaited and scene.situation.at("answer") is not None:
            scene.arm("answer", 25.0)

    _act(monkeypatch, note_input=note_input)
    silent = attrs.evolve(plan((20.0, Silence()), turns=(attrs.evolve(TYPED[0], pause=10.0),)), seconds=100.0)
    assert ("P10", "answer had 25.000 s of 30") in broken(play(silent))


def test_calls_that_a_first_loss_rolled_back_are_told_also_after_a_second() -> None:
    twice = plan((10.5, Close()), (10.6, Close()), turns=TOOLS)
    assert not check(play(twice))
    history = play(twice)
    edit(history, is_("heard", "cancelled"), gone)
    found = list(checks_output.losses_are_told(Facts(history)))
    assert [violation.at for violation in found] == [10.5]


def test_a_turn_that_does_not_come_back_is_ended_at_once_but_for_the_time_that_a_machine_takes() -> None:
    covered = Service(connection=None, every=2.0, while_busy="handle", late=0.0)
    history = play(plan((14.1, Close()), turns=(Turn(answer=10.0),), service=covered))
    assert not list(checks_output.losses_are_told_in_order(Facts(history)))
    edit(history, is_("made", "turn_complete"), later(0.001))
    assert [violation.promise for violation in checks_output.losses_are_told_in_order(Facts(history))] == ["P17"]
    history.scale = 200.0
    assert not list(checks_output.losses_are_told_in_order(Facts(history)))
    edit(history, is_("made", "turn_complete"), gone)
    assert [violation.promise for violation in checks_output.losses_are_told_in_order(Facts(history))] == ["P17"]


def test_a_call_is_delivered_when_it_is_read() -> None:
    history = play(plan(turns=TOOLS))
    edit(history, is_("heard", "calls"), later(0.5))
    assert [violation.promise for violation in checks_output.calls_are_delivered(Facts(history))] == ["P18"]


def _condemn(plan_: Plan, *before_start: Callable[[Record], Record]) -> list[str]:
    """Have the first process condemn what the second one saves. Returns the promises that this breaks."""
    history = play(plan_)
    assert not check(history)
    saved = [record.what for record in history.records if record.kind == "save" and record.at > 21.0]
    digest = Facts(history).digests[saved[0]]
    insert_before(history, is_("crash"), lambda crash: crash._replace(kind="condemn", what=digest))
    for new in before_start:
        insert_before(history, is_("start", "life 2"), new)
    return [violation.promise for violation in saves_in_order(Facts(history))]


@pytest.mark.parametrize(("store", "promises"), [("kept", ["P4"]), ("lost", []), ("stale", [])])
def test_what_a_process_condemned_is_not_saved_by_the_next_if_it_can_know(store: Any, promises: list[str]) -> None:
    assert _condemn(plan((20.1, Crash(store)))) == promises


def test_a_tombstone_falls() -> None:
    def step(start: Record) -> Record:
        return Record(start.at, -1, 0, "fault", "StepWall", {"step": 8000.0})

    assert _condemn(plan((20.1, Crash("kept"))), step) == []
