"""Shrinking: what is left of a plan is what matters, and it says how to see it again."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import attrs
import pytest
from tests.simulation import plays

from relive.testing.simulation.campaign import Campaign, attempt, run
from relive.testing.simulation.explain import example_line, explain, in_words, only_line, replay_line
from relive.testing.simulation.faults import Close, Crash, GoAway, Latency, ResetPeer
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import (
    AudioSchedule,
    Client,
    Conversation,
    Plan,
    PlanError,
    Service,
    Step,
    Turn,
)  # fmt: skip
from relive.testing.simulation.shrink import shrink, size, still

BUSY = Plan(
    seed=99,
    seconds=900.0,
    herd=3,
    talk=Conversation(
        audio=AudioSchedule(rate=2.0), turns=(Turn(answer=12.34), Turn(kind="text", tools=0), Turn(video=2))
    ),
    service=Service(backend="developer", latency=0.04, connection=None),
    client=Client(store=False, policy={"retry_attempts": 3, "rotate_after": 45.0}),
    steps=(
        Step(fault=Latency(delay=0.345), at=12.3),
        Step(fault=Close(cause="unavailable"), at=101.7),
        Step(fault=ResetPeer(), at=150.0, state="DRAINING", delay=1.5),
        Step(fault=Close(), at=222.2),
        Step(fault=Crash(down=4.0), at=333.3, times=9, every=7.5),
        Step(fault=GoAway(time_left=3.0), at=400.0),
        Step(fault=Close(), at=444.4),
    ),
)


def times(plan: Plan, kind: type) -> int:
    return sum(step.times for step in plan.steps if isinstance(step.fault, kind))


@pytest.mark.parametrize(
    ("fails", "left"),
    [
        (lambda plan: True, Plan(seconds=70.0)),
        (lambda plan: plan.herd > 1, Plan(seconds=70.0, herd=2)),
        (lambda plan: times(plan, Crash) > 4, Plan(seconds=110.0, steps=(Step(fault=Crash(), times=5),))),
        (lambda plan: times(plan, Close) > 2, Plan(seconds=90.0, steps=(Step(fault=Close(), times=3),))),
        (lambda plan: "rotate_after" in plan.client.policy and not plan.client.store, None),
        (lambda plan: any(turn.video for turn in plan.talk.turns) and times(plan, GoAway) > 0, None),
    ],
    ids=["anything", "a herd", "repeated", "several", "settings", "a turn and a fault"],
)
def test_what_is_left_is_what_matters(fails: Callable[[Plan], bool], left: Plan | None) -> None:
    shrunk = shrink(BUSY, fails)
    assert fails(shrunk.plan)
    assert shrunk.tries < 300
    assert len(shrunk.plan.steps) <= 1
    assert size(shrunk.plan) < size(BUSY)
    assert shrunk == shrink(BUSY, fails)
    if left is not None:
        assert shrunk.plan == left


def test_values_that_matter_get_rounder_and_the_rest_get_their_defaults() -> None:
    shrunk = shrink(BUSY, lambda plan: any(s.at > 90.0 and isinstance(s.fault, Crash) for s in plan.steps))
    assert shrunk.plan == Plan(seconds=170.0, steps=(Step(fault=Crash(), at=100.0),))


def test_it_stops_when_its_tries_are_used_up() -> None:
    asked: list[Plan] = []
    shrunk = shrink(BUSY, lambda plan: bool(asked.append(plan)), tries=7, progress=lambda plan, tries: None)
    assert (shrunk.plan, shrunk.tries, len(asked)) == (BUSY, 7, 7)


def test_an_interrupt_leaves_the_smallest_so_far() -> None:
    def interrupted(plan: Plan) -> bool:
        if not plan.steps and plan.seconds < 900.0:
            raise KeyboardInterrupt
        return True

    assert shrink(BUSY, interrupted).plan.steps == ()


def test_a_plan_that_cannot_be_played_is_no_smaller_failure() -> None:
    def picky(plan: Plan) -> bool:
        if not plan.client.policy:
            raise PlanError("$.client.policy", "there must be one")
        return True

    assert shrink(BUSY, picky).plan.client.policy


@pytest.mark.parametrize(
    ("promise", "what", "words", "same"),
    [
        ("P13", "number 9 is bad", 4, True),
        ("P14", "number 7 is bad", 4, False),
        ("P13", "item 7 is bad", 4, False),
        ("P13", "number 8 is not good", 4, False),
        ("P13", "number 8 is not good", 3, True),
        ("P13", "item 7 is bad", 0, True),
        ("error", "number 7 is bad", 4, False),
    ],
)
def test_the_same_violation_is_of_the_same_promise_and_told_alike(
    promise: str, what: str, words: int, same: bool
) -> None:
    assert still(Violation(promise, what, 0.0), words=words, play=plays.paper)(Plan(seed=7)) is same


def test_the_same_error_is_of_the_same_type() -> None:
    for raised, same in (("LookupError", True), ("KeyError", False)):
        assert still(Violation("error", f"{raised}: elsewhere", 0.0), play=plays.raising)(Plan()) is same


def test_a_planted_violation_is_found_shrunk_and_told() -> None:
    campaign = Campaign(seed=2, sessions=200, profile="heavy", play=plays.crash_and_close)
    (failure,) = run(campaign).tally.failures
    assert len(failure.plan.steps) > 2
    shrunk = shrink(failure.plan, still(failure.violations[0], play=plays.crash_and_close)).plan
    assert sorted(type(step.fault).__name__ for step in shrunk.steps) == ["Close", "Crash"]
    assert attrs.evolve(shrunk, seconds=600.0, steps=()) == Plan()

    said = explain(attempt(shrunk, play=plays.crash_and_close))
    assert said.startswith("P99 at 1.000 s: a planted promise\n")
    assert "the client's process dies" in said
    assert example_line(shrunk) in said
    assert replay_line(shrunk, "runtime") in said


def test_a_replay_line_contains_the_plan_and_an_only_line_what_is_not_usual() -> None:
    plan = Plan(client=Client(policy={"bind_to": "it's me"}))
    words = shlex.split(replay_line(plan, "core"))
    assert Plan.from_json(words[1]) == plan
    assert words[2:] == ["|", "relive", "simulate", "--level", "core", "--replay", "-"]
    assert only_line(Campaign(seed=4), 17) == "relive simulate --seed 4 --only 17 --level runtime"
    rough = Campaign(profile="heavy", rate=50.0)
    assert only_line(rough, 0) == "relive simulate --seed 0 --only 0 --level runtime --faults heavy --rate 50"
    example = example_line(plan)
    assert eval(example.removeprefix("@example(").removesuffix(")"), {"Plan": Plan}) == plan  # noqa: S307 - our own


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step(fault=Close(), at=30.0), "at 30 s: Close(cause='abnormal'): the server closes the connection"),
        (Step(fault=Crash(), state="DRAINING"), "once in DRAINING: Crash("),
        (Step(fault=Crash(), state="DRAINING", at=9.0, delay=0.5), "once in DRAINING for 0.5 s after 9 s: Crash("),
        (Step(fault=Crash(), at=1.0, times=3, every=7.0), "at 1 s, 3 times, 7 s apart or more: Crash("),
    ],
)
def test_a_step_in_words(step: Step, said: str) -> None:
    assert in_words(step).startswith(said)


def test_of_many_violations_a_few_are_told() -> None:
    outcome = plays.paper(Plan(seed=7), "core", trace=False)
    said = explain(attrs.evolve(outcome, violations=outcome.violations * 9), again="relive simulate --only 7")
    assert said.count("P13 at") == 5
    assert "… and 4 more" in said
    assert "  relive simulate --only 7\n" in said
