"""Holds relive to its promises in a test: plays a plan, and raises what a failing test should print."""

from __future__ import annotations

from relive.testing.simulation.outcome import Level, Outcome
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.simulate import simulate
from relive.testing.simulation.surroundings import insist_on_a_plan, insist_on_no_loop


def hold(plan: Plan, *, level: Level = "runtime") -> Outcome:
    """Play a plan, and insist that every promise was kept.

    Raises:
        AssertionError: one was not. Says which, what was done, the plan, and how to play it again.
        LoopIsRunning: it was called inside an event loop, which only level ``core`` does not mind.
        TypeError: the plan is none.
        PlanError: the plan asks for what does not exist.
    """
    insist_on_a_plan(plan)
    if level != "core":
        insist_on_no_loop("hold")
    outcome = simulate(plan, level)
    if outcome.violations:
        from relive.testing.simulation.explain import explain

        raise AssertionError(explain(outcome))
    return outcome
