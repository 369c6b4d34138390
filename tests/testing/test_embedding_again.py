"""Applications that are run twice: what they do differently is found, and told by what they sent first."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from tests.cli.processes import run
from tests.testing import agents

from relive.testing.server_model import EchoModel
from relive.testing.simulation import embedding_again, faults as f
from relive.testing.simulation.embedding import hold_agent, play_agent
from relive.testing.simulation.embedding_again import same_again
from relive.testing.simulation.plan import Plan, Step

PLAN = Plan(seconds=90.0, calm=30.0, steps=(Step(fault=f.ResetPeer(), at=0.2),))

SCRIPT = """
from tests.testing.test_embedding_again import PLAN, agents, hold_agent

async def own(client):
    await agents.say(client, "hello")

for agent in (agents.steady, own):
    print(hold_agent(agent, PLAN, twice=True).again)
"""


def held(agent: Any) -> str:
    """What is said of an application that is not the same twice."""
    with pytest.raises(AssertionError, match="went differently when it was run again, first here:") as caught:
        hold_agent(agent, PLAN, twice=True)
    said = str(caught.value)
    assert f"hold_agent({agent.__qualname__}, Plan.from_json(" in said
    return said


def test_one_that_is_the_same_twice_is_run_in_another_process_too() -> None:
    history = hold_agent(agents.steady, PLAN, twice=True, model=EchoModel(chunks=2))
    assert history.again == "elsewhere"
    assert play_agent(agents.steady, PLAN).again == ""


def test_words_with_a_wall_clock_in_them_are_found_and_shown() -> None:
    said = held(agents.by_the_clock)
    one, other = [line for line in said.splitlines() if "is sent {" in line]
    assert "it is 1" in one
    assert "it is 1" in other
    assert one != other
    assert one[: one.index("it is 1")] == other[: other.index("it is 1")]
    assert "looks at a wall clock" in said


def test_handles_are_compared_and_not_told() -> None:
    handles = (f'a secret "{number}"' for number in itertools.count())

    async def agent(client: Any) -> None:
        await agents.say(client, "hello", session_resumption=types.SessionResumptionConfig(handle=next(handles)))

    said = held(agent)
    assert "secret" not in said
    history = play_agent(agent, PLAN)
    account = "\n".join(history.account())
    assert history.secrets
    assert not [handle for handle in history.secrets if handle in account or json.dumps(handle) in account]


def test_what_the_model_is_told_before_anything_is_said_counts_and_long_lines_are_shown_where_they_differ() -> None:
    one, other = [line for line in held(agents.by_the_clock_at_once).splitlines() if "is sent {" in line]
    assert "…" in one
    assert one != other
    assert "it is 1" in one
    assert len(one) < 500


def test_the_order_of_a_set_is_found_in_another_process() -> None:
    play = play_agent(agents.by_the_set, PLAN)
    same_again(play, play_agent(agents.by_the_set, PLAN))  # here it is the same as often as you like
    said = held(agents.by_the_set)
    assert "with another PYTHONHASHSEED it does not: it depends on the order of a set" in said
    assert "is sent {" in said


def test_what_an_earlier_run_has_left_behind_is_found_here() -> None:
    assert "what an earlier run has left behind" in held(agents.by_its_past)


def test_how_it_ended_counts() -> None:
    async def broken(client: Any) -> None:
        raise LookupError

    async def silent(client: Any) -> None:
        pass

    with pytest.raises(AssertionError, match=r"it ended well\n.*it ended with LookupError"):
        same_again(play_agent(silent, PLAN), play_agent(broken, PLAN))


def test_a_closure_is_run_again_here_alone() -> None:
    words = {"north", "east", "south", "west", "up", "down", "left", "right"}

    async def by_the_set(client: Any) -> None:
        await agents.say(client, *words)

    assert hold_agent(by_the_set, PLAN, twice=True).again == "here"


def test_what_cannot_be_imported_elsewhere_is_run_again_here_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def elusive(client: Any) -> None:
        await agents.say(client, "hello")

    monkeypatch.setattr(agents, "elusive", elusive, raising=False)
    elusive.__module__, elusive.__qualname__ = agents.__name__, "elusive"
    assert hold_agent(elusive, PLAN, twice=True).again == "here"


def test_a_process_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_again, "_CHILD", "import sys; sys.exit('no room')")
    with pytest.raises(RuntimeError, match=r"ended with 1:\nno room"):
        hold_agent(agents.steady, PLAN, twice=True)


def test_a_script_needs_no_guard_and_what_it_defines_itself_is_run_again_here_alone(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    ended = run(str(script), env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    assert ended.out.splitlines()[-2:] == ["elsewhere", "here"], ended.err
