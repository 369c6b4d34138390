"""What never lets time pass is stopped: by steps on an event loop, by turns without one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relive.core.events import DeadlineReached, Event
from relive.core.lifecycle import Lifecycle
from relive.testing.loop import TimeLimit, run
from relive.testing.simulation import core_level, core_session
from relive.testing.simulation.core_mouth import Mouth
from relive.testing.simulation.faults import Burst
from relive.testing.simulation.live import most_steps
from relive.testing.simulation.plan import Plan, Step
from relive.testing.simulation.simulate import simulate


def test_a_bound_of_steps_need_not_be_a_whole_number() -> None:
    turns: list[int] = []

    async def main() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    assert not most_steps(Plan(seconds=123.456)).is_integer()
    with pytest.raises(TimeLimit, match="max_steps=100"):
        run(main, max_steps=100.5)
    assert len(turns) == 101


def test_without_an_event_loop_a_deadline_that_is_always_now_is_said_to_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_session, "STILL", 1000)
    handle = Lifecycle.handle

    def deaf(self: Lifecycle, event: Event, *rest: Any) -> Any:
        return () if isinstance(event, DeadlineReached) else handle(self, event, *rest)

    monkeypatch.setattr(Lifecycle, "handle", deaf)
    (hung,) = simulate(Plan(), "core").violations
    assert hung.promise == "P22"
    assert f"at {hung.at} s the deadline probe is set for now, 1,000 times; " in hung.what


def test_without_an_event_loop_somebody_who_is_always_due_is_said_to_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_level, "STILL", 1000)

    def eager(mouth: Mouth) -> None:
        mouth.talk_at = mouth._time.now

    monkeypatch.setattr(Mouth, "talk", eager)
    (hung,) = simulate(Plan(), "core").violations
    assert hung.promise == "P22"
    assert f"at {hung.at} s time stands still, for 1,000 turns; pending tasks: 1\n  client 0: " in hung.what


def test_without_an_event_loop_what_always_has_more_to_do_is_said_to_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_level, "STILL", 1000)

    def restless(mouth: Mouth, _: int) -> None:
        mouth._time.soon(lambda: restless(mouth, _))

    monkeypatch.setattr(Mouth, "burst", restless)
    (hung,) = simulate(Plan(steps=(Step(fault=Burst(), at=20.0),)), "core").violations
    assert (hung.promise, hung.at) == ("P22", 20.0)
    assert "time stands still, for 1,000 turns" in hung.what
