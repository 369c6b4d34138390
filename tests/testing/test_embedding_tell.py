"""What is said of an application that failed: which claim, what it raised, and the call that plays it again."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.testing import agents

from relive.testing.server_model import Answer, EchoModel, Model, Say, TurnInput
from relive.testing.simulation import faults as f
from relive.testing.simulation.embedding import Agent, AgentHistory, Claim, hold_agent
from relive.testing.simulation.plan import Plan, Step

PLAN = Plan(seconds=90.0, calm=30.0, steps=(Step(fault=f.ResetPeer(), at=0.2),))


class Shouting:
    """Answers in capitals."""

    def answer(self, said: TurnInput) -> Answer:
        return Answer((Say(said.text.upper()),))


class Counting(Shouting):
    """Has a state."""

    def __init__(self) -> None:
        self.asked = 0


def nothing_is_wrong(history: AgentHistory) -> None:
    assert history.runs == 1


def never(history: AgentHistory) -> None:
    if history.runs:
        raise AssertionError


def failing(*args: Any, **options: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        hold_agent(*args, **options)
    return str(caught.value)


def again(said: str) -> str:
    return next(line.strip() for line in said.splitlines() if line.startswith("  hold_agent("))


def test_the_line_that_plays_it_again_does() -> None:
    said = failing(agents.steady, PLAN, nothing_is_wrong, never, model=Shouting(), twice=True)
    line = again(said)
    assert line.endswith(", nothing_is_wrong, never, model=Shouting(), twice=True)")
    assert "there is no importing" not in said
    names = {"hold_agent": hold_agent, "steady": agents.steady, "Plan": Plan, "Shouting": Shouting}
    with pytest.raises(AssertionError) as caught:
        eval(line, names | {"never": never, "nothing_is_wrong": nothing_is_wrong})  # noqa: S307 - our own
    assert str(caught.value).splitlines()[0] == said.splitlines()[0]


def test_a_model_is_written_as_it_was_made() -> None:
    assert "model=EchoModel(" in again(failing(agents.steady, PLAN, never, model=EchoModel(chunks=2)))
    assert "model" not in again(failing(agents.steady, PLAN, never))


async def local(client: Any) -> None:
    await agents.say(client, "hello")


local.__qualname__ = "elsewhere.<locals>.local"


@pytest.mark.parametrize(
    ("agent", "claim", "model", "named"),
    [
        (agents.steady, functools.partial(never), None, "partial(…)"),
        (local, never, None, "elsewhere.<locals>.local"),
        (agents.steady, never, Counting(), "Counting(…)"),
    ],
    ids=["claim", "agent", "model"],
)
def test_what_cannot_be_imported_is_told(agent: Agent, claim: Claim, model: Model | None, named: str) -> None:
    said = failing(agent, PLAN, claim, model=model)
    assert f"(there is no importing of {named}" in said
    assert named in again(said)


class Hinting(Exception):
    """Says more than its `repr` does."""

    def __str__(self) -> str:
        return "ask again later"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Hinting(), "Hinting: ask again later"),
        (LookupError(), "LookupError"),
        (ExceptionGroup("two", [Hinting(), KeyError("x")]), "two (2 sub-exceptions): Hinting: ask again later; Key"),
    ],
    ids=["hint", "mute", "group"],
)
def test_what_an_application_raises_is_told_in_its_words(error: Exception, told: str) -> None:
    async def broken(client: Any) -> None:
        await agents.say(client, "hello")
        raise error

    line = failing(broken, PLAN).splitlines()[0]
    assert line.startswith("the application raised ")
    assert told in line
    assert line.endswith(told) or isinstance(error, ExceptionGroup)


@pytest.mark.parametrize(
    ("fail", "told"),
    [(lambda: pytest.fail("forgotten"), "Failed: forgotten"), (lambda: sys.exit(3), "SystemExit: 3")],
    ids=["pytest.fail", "sys.exit"],
)
def test_whatever_is_raised_comes_with_the_plan(fail: Callable[[], Any], told: str) -> None:
    async def broken(client: Any) -> None:
        await agents.say(client, "hello")
        fail()

    async def broken_inside(client: Any) -> None:
        async def work() -> None:
            fail()

        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            await agents.say(client, "hello")

    def claim(_: AgentHistory) -> None:
        fail()

    said = [failing(broken, PLAN), failing(broken_inside, PLAN), failing(agents.steady, PLAN, claim)]
    for one, who in zip(said, ["the application", "the application", "the claim"], strict=True):
        assert one.startswith(who)
        assert told in one.splitlines()[0]
        assert again(one)


def test_what_is_for_the_runner_is_left_to_it() -> None:
    async def skips(client: Any) -> None:
        await agents.say(client, "hello")
        pytest.skip("no")

    def interrupted(_: AgentHistory) -> None:
        raise KeyboardInterrupt

    with pytest.raises(pytest.skip.Exception):
        hold_agent(skips, PLAN)
    with pytest.raises(pytest.skip.Exception):
        hold_agent(agents.steady, PLAN, lambda _: pytest.skip("no"))
    with pytest.raises(KeyboardInterrupt):
        hold_agent(agents.steady, PLAN, interrupted)


def test_a_claim_without_words_is_named() -> None:
    assert failing(agents.steady, PLAN, nothing_is_wrong, never).splitlines()[0] == "the claim never does not hold"
