"""Strategies: within Hypothesis' budget, and shrinking towards the plainest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import find, given, settings, strategies as st
from hypothesis.internal.conjecture.engine import BUFFER_SIZE

from relive.testing import strategies
from relive.testing.server_script import ServerScript
from relive.testing.simulation import faults as f, hold as holding
from relive.testing.simulation.draw import DRAWN
from relive.testing.simulation.outcome import Level, Outcome, Violation
from relive.testing.simulation.plan import AudioSchedule, Conversation, Plan, PlanError, Service, Step

EASY = settings(max_examples=200, database=None, deadline=None, derandomize=True)
ALL = {
    "plans": strategies.plans(),
    "fault_plans": strategies.fault_plans(),
    "faults": strategies.faults(),
    "server_scripts": strategies.server_scripts(),
    "audio_schedules": strategies.audio_schedules(),
    "conversations": strategies.conversations(),
    "services": strategies.services(),
    "clients": strategies.clients(),
}
PLAINEST: dict[str, Any] = {
    "plans": Plan(),
    "fault_plans": (),
    "faults": f.Close(),
    "server_scripts": ServerScript(),
    "audio_schedules": AudioSchedule(),
    "conversations": Conversation(),
    "services": Service(),
    "clients": Plan().client,
}


@pytest.mark.parametrize("name", ALL)
def test_what_is_drawn_fits_a_twentieth_of_the_budget(name: str) -> None:
    sizes: list[int] = []

    @EASY
    @given(st.data())
    def draw(data: Any) -> None:
        before = data.conjecture_data.length
        data.draw(ALL[name])
        sizes.append(data.conjecture_data.length - before)

    draw()  # health checks for what is too large, or filtered too much, are on
    assert max(sizes) < BUFFER_SIZE / 20


@pytest.mark.parametrize("name", ALL)
def test_it_shrinks_to_the_plainest(name: str) -> None:
    assert find(ALL[name], lambda _: True) == PLAINEST[name]


def test_a_plan_that_fails_for_one_fault_shrinks_to_that_fault_alone_early_and_at_a_round_time() -> None:
    steps = find(strategies.fault_plans(), lambda steps: any(type(step.fault) is f.HalfOpen for step in steps))
    assert steps == (Step(fault=f.HalfOpen()),)
    late = find(strategies.fault_plans(), lambda steps: any(step.at > 99.5 for step in steps))
    assert late == (Step(fault=f.Close(), at=100.0),)


def test_what_has_to_happen_often_can_shrink_to_one_step_that_is_repeated() -> None:
    """Not from everywhere: Hypothesis does not trade a step for more of another one."""

    def often(steps: tuple[Step, ...]) -> bool:
        return sum(step.times for step in steps) >= 5

    found = [find(strategies.fault_plans(), often, random=Random(seed)) for seed in range(6)]
    assert min(len(steps) for steps in found) == 1
    assert max(len(steps) for steps in found) < 5


@EASY
@given(strategies.plans())
def test_every_plan_survives_json(plan: Plan) -> None:
    assert Plan.from_json(plan.to_json()) == plan
    assert [step.at for step in plan.steps] == sorted(step.at for step in plan.steps)
    plan.client.make_policy()


def test_all_faults_that_campaigns_draw_can_be_had_and_narrowed_down() -> None:
    assert set(strategies.ALL) == set(DRAWN)

    @EASY
    @given(strategies.fault_plans(strategies.LINK, most=2, until=10.0))
    def narrow(steps: tuple[Step, ...]) -> None:
        assert {type(step.fault).__name__ for step in steps} <= set(strategies.LINK)
        assert all(step.at <= 10.0 for step in steps)
        assert len(steps) <= 2

    narrow()


def test_faults_that_no_campaign_draws_have_their_defaults() -> None:
    @EASY
    @given(strategies.faults(("Hangup", "Swizzle")), strategies.plans(("Swizzle",)))
    def undrawn(fault: f.Fault, plan: Plan) -> None:
        assert fault in (f.Hangup(), f.Swizzle())
        assert all(step.fault == f.Swizzle() for step in plan.steps)

    undrawn()


@pytest.mark.parametrize("strategy", [strategies.faults, strategies.fault_plans, strategies.plans])
def test_a_fault_that_does_not_exist_is_said_at_once(strategy: Callable[..., object]) -> None:
    with pytest.raises(PlanError, match=r"there is no fault 'Flood'; there are Latency, .* \(at of\)$"):
        strategy(("Close", "Flood"))


@settings(strategies.patient, max_examples=10, database=None, derandomize=True)
@given(strategies.plans(strategies.LINK + strategies.SERVER, seconds=90.0))
def test_promises_hold_for_what_is_drawn(plan: Plan) -> None:
    assert strategies.hold(plan).violations == ()


def test_a_plan_that_breaks_a_promise_is_told_so_that_it_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(plan: Plan, level: Level) -> Outcome:
        wrong = (Violation("P13", "a frame is missing", 1.0),)
        return Outcome(plan, level, 1.0, wrong, Counter(), Counter(), Counter(), 1, 1, 1, "")

    monkeypatch.setattr(holding, "simulate", broken)
    plan = Plan(seed=3, steps=(Step(fault=f.Silence(), at=5.0),))
    with pytest.raises(AssertionError) as caught:
        strategies.hold(plan, level="core")
    said = str(caught.value)
    for part in (
        "P13 at 1.000 s: a frame is missing",
        "level core, seed 3",
        "--replay -",
        f"@example(Plan.from_json({plan.to_json()!r}))",
    ):
        assert part in said
