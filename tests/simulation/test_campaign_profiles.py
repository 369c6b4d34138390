"""What the profiles deal that the default one does not: models that are slow, and plans unlike any that is expected."""

from __future__ import annotations

import pytest

from relive.testing.simulation.campaign import attempt
from relive.testing.simulation.draw import draw


@pytest.mark.parametrize("profile", ["slow", "wild"])
def test_a_rare_world_breaks_no_promise(profile: str) -> None:
    broken = {}
    for index in range(60):
        violations = attempt(draw(11, index, profile=profile), "core").violations
        if violations:
            broken[index] = violations[0]
    assert not broken


def test_no_plan_of_a_wild_world_asks_for_more_than_can_be_played() -> None:
    """These would have, if nobody had to wait for a model that thinks, nor could cut its answer short."""
    for seed, index in ((7, 26), (11, 85), (11, 211), (12, 57), (13, 189)):
        draw(seed, index, profile="wild")


def test_a_slow_model_is_slower_than_we_wait() -> None:
    plans = [draw(11, index, profile="slow") for index in range(60)]
    waits = [(plan.service.thinking, plan.client.make_policy().answer_timeout) for plan in plans]
    assert sum(timeout is not None and thinking > timeout for thinking, timeout in waits) > len(plans) / 2


def test_a_wild_plan_has_values_that_no_usual_one_has() -> None:
    wild = [draw(11, index, profile="wild") for index in range(60)]
    assert {plan.service.latency for plan in wild} >= {1.0}
    assert {plan.service.thinking for plan in wild} >= {12.0, 35.0}
    assert {plan.service.connection for plan in wild} >= {20.0}
    assert any("handle_ttl" in plan.client.policy for plan in wild)
