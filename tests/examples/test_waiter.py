"""The example of the docs: its agent holds, and one that forgets what it owes after a reconnect is found and shrunk."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from relive.testing.simulation.embedding import hold_agent
from relive.testing.simulation.plan import Plan, Service
from relive.testing.strategies import LINK, SERVER, patient, plans

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
waiter = pytest.importorskip("docs.examples.waiter", reason="the docs are not here", exc_type=ImportError)
example: Any = __import__("docs.examples.test_waiter", fromlist=["evening"])


class ForgetfulWaiter(waiter.Waiter):
    """Sees that the table is being booked already, and forgets that the new call wants an answer, too."""

    async def answer(self, call: Any) -> None:
        if self.booking is None:
            await super().answer(call)


forgetful_evening = functools.partial(example.evening, waiter=ForgetfulWaiter)
quickly = settings(patient, max_examples=60, database=None, derandomize=True)


def property_of(agent: Any, tried: list[Plan]) -> Any:
    @quickly
    @given(plans(LINK + SERVER, seconds=130.0))
    def holds(plan: Plan) -> None:
        tried.append(plan)
        hold_agent(agent, plan, example.everybody_has_a_table, model=example.Model())

    return holds


def test_the_agent_forgets_no_guest() -> None:
    property_of(example.evening, [])()


def test_nothing_goes_wrong_with_a_forgetful_one_while_nothing_happens() -> None:
    hold_agent(forgetful_evening, Plan(seconds=130.0), example.everybody_has_a_table, model=example.Model())


def test_a_forgetful_one_is_found_out_by_a_plan_of_two_steps_at_most() -> None:
    tried: list[Plan] = []
    with pytest.raises(AssertionError, match="has not come to its end") as caught:
        property_of(forgetful_evening, tried)()
    smallest = tried[-1]
    assert 1 <= len(smallest.steps) <= 2
    assert smallest.service == Service()
    assert smallest.to_json() in str(caught.value)
    assert "@example(Plan.from_json(" in str(caught.value)


def test_its_property_test_is_short() -> None:
    source = inspect.getsource(example)
    body = source[source.index("class Model") :]
    assert len([line for line in body.splitlines() if line.strip()]) < 30
