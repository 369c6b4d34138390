"""The core level: the same transitions as the real runtime makes, the same trace everywhere, and every fault."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import attrs
import pytest

from relive.testing.simulation import core_level, faults as f, runtime_level
from relive.testing.simulation.draw import draw
from relive.testing.simulation.history import History
from relive.testing.simulation.plan import AudioSchedule, Client, Conversation, Plan, Service, Step, Turn

TURNS = (Turn(answer=6.0, tools=1), Turn(kind="spoken", answer=4.0), Turn(kind="marked", answer=4.0, video=1))
SHORT = Plan(
    seed=1, seconds=90.0, calm=20.0, talk=Conversation(turns=TURNS), service=Service(connection=60.0, lead=10.0)
)


def transitions(history: History) -> list[tuple[Any, ...]]:
    """What the machines did and when, to the millisecond, client by client; and the lives that they did it in."""
    steps = [
        (record.client, record.what, record.data[0], round(record.data[2], 3))
        if record.kind == "transition"
        else (record.client, record.kind, record.what, round(record.at, 3))
        for record in history.records
        if record.kind in ("transition", "start", "crash", "end")
    ]
    return sorted(steps, key=lambda step: step[0])


def same(plan: Plan) -> bool:
    return transitions(core_level.play(plan)) == transitions(runtime_level.play(plan))


def tied(plan: Plan) -> bool:
    """Whether the levels differ where they may: from an instant on at which a fault strikes, or the plan ends.

    What else happens at that very instant, and whether before or after, depends on the turns that the tasks of the
    runtime take; the core level takes as many where it matters, but not everywhere.
    """
    core = core_level.play(plan)
    ours, theirs = transitions(core), transitions(runtime_level.play(plan))
    place = next((n for n, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), len(ours))
    around = {step[-1] for steps in (ours, theirs) for step in steps[max(0, place - 1) : place + 1]}
    strikes = {round(record.at, 3) for record in core.of("fault")} | {plan.seconds}
    return bool(around & strikes)


def when(fault: f.Fault, *, at: float = 20.0, state: str = "", times: int = 1, **service: Any) -> Plan:
    """A short plan with one fault."""
    step = Step(fault=fault, at=at, state=state, times=times)
    return attrs.evolve(SHORT, steps=(step,), service=attrs.evolve(SHORT.service, **service))


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(("seed", "profile"), [(1, "default"), (2, "heavy")])
@pytest.mark.promise(24)
def test_the_same_plan_makes_the_same_transitions_as_at_the_runtime_level(seed: int, profile: str, part: int) -> None:
    plans = [draw(seed, number, profile=profile) for number in range(part * 30, part * 30 + 30)]
    differ = [plan for plan in plans if not same(plan)]
    assert [plan.to_json() for plan in differ if not tied(plan)] == []
    assert len(differ) <= 2


@pytest.mark.parametrize("backend", ["vertex", "developer"])
@pytest.mark.parametrize("name", sorted(f.FAULTS))
def test_every_fault_does_the_same_on_both_levels(name: str, backend: str) -> None:
    kind = f.FAULTS[name]
    plan = when(kind(), backend=backend)
    core = core_level.play(plan)
    assert core.faults[name] == 1
    assert transitions(core) == transitions(runtime_level.play(plan))


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        (f.ResetPeer(), "ConnectionDropped"),
        (f.Close("unavailable"), "ConnectionDropped"),
        (f.LimitData(50), "ConnectionDropped"),
        (f.Truncate(), "ConnectionDropped"),
        (f.RestartServer(), "ConnectionDropped"),
        (f.Flap(), "ConnectionDropped"),
        (f.Timeout(), "DeadlineReached(silence)"),
        (f.HalfOpen(None), "DeadlineReached(silence)"),
        (f.GoAway(5.0), "GoAwayReceived"),
    ],
)
def test_what_a_fault_on_the_link_leads_to(fault: f.Fault, event: str) -> None:
    first = core_level.play(when(fault)).of("transition")[2]  # after IDLE → CONNECTING → ACTIVE
    assert first.data[0] == event
    assert first.at >= 20.0


def test_a_hang_of_the_dial_ends_at_the_machine_s_own_deadline() -> None:
    history = core_level.play(when(f.HangDial(), at=0.0))
    refused = history.of("refused")[0]
    assert (refused.what, refused.at) == ("given up", 20.0)


def test_a_crash_ends_a_life_and_the_next_begins_with_what_the_store_holds() -> None:
    history = core_level.play(when(f.Crash(down=3.0)))
    first, second = history.clients[0].lives
    assert (first.crashed, first.ended, second.began, second.crashed) == (True, 20.0, 23.0, False)
    opened = [record.what for record in history.of("open")]
    assert opened[:2] == ["fresh", "resume"]
    assert not history.of("wrong")


def test_a_crash_that_loses_the_store_begins_afresh() -> None:
    history = core_level.play(when(f.Crash("lost")))
    assert [record.what for record in history.of("open")][:2] == ["fresh", "fresh"]


def test_a_hang_up_ends_the_simulation() -> None:
    history = core_level.play(when(f.Hangup()))
    assert history.ended == pytest.approx(20.0, abs=0.1)
    assert history.clients[0].lives[0].state == "CLOSED"


def test_what_a_slow_store_did_not_save_is_saved_later_on_both_levels() -> None:
    """The process crashes after that: the next one begins with it."""
    once = Conversation(turns=(Turn(answer=2.0, pause=60.0),))
    steps = (Step(fault=f.SlowStore(10.0, seconds=20.0), at=0.5), Step(fault=f.Crash(down=1.0), at=28.0))
    plan = attrs.evolve(SHORT, talk=once, steps=steps, client=Client(store=True))
    ours, theirs = (
        [record[:5] for record in level.play(plan).records if record.kind in ("save", "load")]
        for level in (core_level, runtime_level)
    )
    assert ours == theirs
    assert any(20.0 < at < 28.0 for at, *_, kind, _ in ours if kind == "save")
    assert same(plan)


@pytest.mark.parametrize("herd", [2, 7])
def test_a_herd_does_the_same_on_both_levels(herd: int) -> None:
    steps = (Step(fault=f.RestartServer(), at=20.0), Step(fault=f.Swizzle(), at=40.0), Step(fault=f.Crash(), at=60.0))
    plan = attrs.evolve(SHORT, herd=herd, steps=steps)
    core = core_level.play(plan)
    assert {record.client for record in core.of("end")} == set(range(herd))
    assert transitions(core) == transitions(runtime_level.play(plan))


def test_limits_on_what_is_kept_hold_up_the_same_people_on_both_levels() -> None:
    steps = (
        Step(fault=f.StopReading(20.0), at=10.0),
        Step(fault=f.Clog(15.0), at=40.0),
        Step(fault=f.Burst(100), at=41.0),
    )
    client = Client(policy={"output_limit": 500, "send_limit": 2000})
    plan = attrs.evolve(SHORT, steps=steps, client=client)
    core, runtime = core_level.play(plan), runtime_level.play(plan)
    assert "reader_stalled" in {record.what for record in core.of("notice")}
    assert core.clients[0].audio_failed == runtime.clients[0].audio_failed > 0
    assert transitions(core) == transitions(runtime)


def test_what_was_sent_and_consumed_is_the_same_on_both_levels() -> None:
    plan = draw(1, 5)
    core, runtime = core_level.play(plan), runtime_level.play(plan)
    assert core.clients[0].audio == runtime.clients[0].audio
    assert core.clients[0].sent == runtime.clients[0].sent
    assert core.server.ground_truth("audio") == runtime.server.ground_truth("audio")
    assert [life.stats for life in core.clients[0].lives] == [life.stats for life in runtime.clients[0].lives]


def test_without_audio_the_conversation_goes_on() -> None:
    plan = attrs.evolve(SHORT, talk=Conversation(audio=AudioSchedule(rate=0.0), turns=TURNS))
    assert core_level.play(plan).clients[0].user.ended > 3
    assert same(plan)


DIGESTS = """
from relive.testing.simulation import core_level
from relive.testing.simulation.draw import draw
print(*(core_level.play(draw(3, number, profile="heavy")).digest() for number in range(4)))
"""


@pytest.mark.promise(24)
def test_the_trace_is_the_same_for_every_hash_seed() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    ]
    assert runs[0].strip()
    assert runs[0] == runs[1] == runs[2]
