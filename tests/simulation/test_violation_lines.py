"""The trace of a run that did not keep its promises ends with what was not kept; its digest does not know of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.simulation import plays

from relive.testing.loop import Deadlock
from relive.testing.simulation import simulate as kernel
from relive.testing.simulation.campaign import attempt
from relive.testing.simulation.faults import Close, ExpireHandles, GoAway
from relive.testing.simulation.history import History, digest_of
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import Plan, Step

PLAN = Plan(
    seconds=80.0,
    calm=20.0,
    steps=(
        Step(fault=Close(), at=20.0),
        Step(fault=GoAway(time_left=3.0), at=30.0),
        Step(fault=Close(), at=40.0, times=2, every=5.0),
        Step(fault=ExpireHandles(), state="RESUMING", at=44.0),
    ),
)


def broken(at: float, client: int = 0) -> Violation:
    return Violation("P13", f'a frame is "missing" at {at}', at, client)


def told(*violations: Violation, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(kernel, "check", lambda history: violations)
    outcome = kernel.simulate(PLAN, trace=True)
    records = [json.loads(line) for line in outcome.trace[1:]]
    count = len(violations)
    assert digest_of(list(outcome.trace[: len(outcome.trace) - count])) == outcome.sha256
    return [record for record in records[len(records) - count :] if record["kind"] == "violation"]


def test_a_violation_is_a_record_with_its_promise_its_sentence_and_the_step_that_struck_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = told(*map(broken, (10.0, 25.0, 30.0, 40.5, 46.0, 79.0)), monkeypatch=monkeypatch)
    assert found[0] == {
        "t": 10.0, "client": 0, "conn": 0, "kind": "violation", "what": "P13",
        "data": ['a frame is "missing" at 10.0', None],
    }  # fmt: skip
    assert [record["data"][1] for record in found] == [None, 0, 1, 2, 3, 3]


def test_what_struck_another_session_is_not_the_last_step_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = told(broken(46.0, client=1), monkeypatch=monkeypatch)
    assert found["data"][1] == 2


def test_a_good_run_has_the_trace_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch=monkeypatch) == []


def test_a_run_that_hangs_or_raises_has_a_trace_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = attempt(PLAN, "core", play=plays.raising, trace=True)

    def hang(plan: Plan, level: str = "runtime") -> History:
        raise Deadlock("nobody moves", 17.0, ())

    monkeypatch.setattr(kernel, "play", hang)
    for outcome in (raised, kernel.simulate(PLAN, trace=True)):
        header, last = map(json.loads, outcome.trace)
        assert header["relive_trace"] == 1
        assert (last["kind"], last["what"]) == ("violation", outcome.violations[0].promise)
        assert (outcome.sha256, attempt(PLAN, "core", play=plays.raising).trace) == ("", ())
