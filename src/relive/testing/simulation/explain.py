"""Says what went wrong in a simulation, what was done to it, and how to see it again."""

from __future__ import annotations

import inspect
import shlex

from relive.testing.simulation.campaign import Campaign
from relive.testing.simulation.outcome import Level, Outcome
from relive.testing.simulation.plan import Plan, Step

_SHOWN = 5


def explain(outcome: Outcome, *, again: str | None = None) -> str:
    """Tell of an outcome with violations.

    Args:
        outcome: what came of a plan.
        again: the command that plays it again; by default one that contains the plan.
    """
    plan = outcome.plan
    said = [str(violation) for violation in outcome.violations[:_SHOWN]]
    if len(outcome.violations) > _SHOWN:
        said.append(f"… and {len(outcome.violations) - _SHOWN} more")
    return "\n".join([
        *said,
        "",
        f"level {outcome.level}, seed {plan.seed}, {plan.seconds:g} s, the last {plan.calm:g} of them without faults",
        *(f"  {number}. {in_words(step)}" for number, step in enumerate(plan.steps, 1)),
        "",
        "the plan (what it does not say has its default):",
        plan.to_json(indent=2),
        "",
        "play it again:",
        f"  {again or replay_line(plan, outcome.level)}",
        "or in a test:",
        f"  {example_line(plan)}",
    ])  # fmt: skip


def replay_line(plan: Plan, level: Level) -> str:
    """A command that plays a plan again. It needs no file: the plan is in it."""
    return f"echo {shlex.quote(plan.to_json())} | relive simulate --level {level} --replay -"


def only_line(campaign: Campaign, index: int) -> str:
    """A command that plays a session of a campaign of our own plans again."""
    words = ["relive", "simulate", "--seed", str(campaign.seed), "--only", str(index), "--level", campaign.level]
    if campaign.profile != Campaign().profile:
        words += ["--faults", campaign.profile]
    if campaign.rate != Campaign().rate:
        words += ["--rate", f"{campaign.rate:g}"]
    return shlex.join(words)


def example_line(plan: Plan) -> str:
    """The decorator that has Hypothesis try this plan first."""
    return f"@example(Plan.from_json({plan.to_json()!r}))"


def in_words(step: Step) -> str:
    """A sentence about a step."""
    when = f"at {step.at:g} s"
    if step.state:
        when = f"once in {step.state}" + (f" for {step.delay:g} s" if step.delay else "")
        when += f" after {step.at:g} s" if step.at else ""
    if step.times > 1:
        when += f", {step.times} times, {step.every:g} s apart or more"
    sentence = (inspect.getdoc(type(step.fault)) or "").split("\n", 1)[0]
    return f"{when}: {step.fault!r}: {sentence[:1].lower()}{sentence[1:]}"
