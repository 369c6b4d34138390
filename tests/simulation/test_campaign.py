"""Campaigns: the same whoever plays them, over at the first violation, and honest about what did not happen."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest
from tests.cli.processes import end, start
from tests.simulation import plays

from relive.testing.simulation import campaign as campaigns, checks
from relive.testing.simulation.campaign import Always, Campaign, Play, run
from relive.testing.simulation.plan import Client, Plan, PlanError
from relive.testing.simulation.tally import KEPT, Tally
from relive.testing.simulation.twice import different_lines, explain
from relive.testing.simulation.workers import Here, strangers

SHORT = Campaign(seed=3, sessions=6, draw=plays.short, keep_going=True)
PAPER = Campaign(sessions=100, draw=plays.numbered, play=plays.paper, keep_going=True)
GOOD = attrs.evolve(PAPER, sessions=5)
DIGEST = """
from tests.simulation.test_campaign import SHORT, run
print(run(SHORT).tally.sha256)
"""


def failed(campaign: Campaign, **how: Any) -> list[int]:
    return [failure.index for failure in run(campaign, **how).tally.failures]


def test_one_process_two_processes_and_three_hash_seeds_make_the_same_of_it() -> None:
    paths = os.pathsep.join(filter(None, sys.path))
    others = [start("-c", DIGEST, env={"PYTHONHASHSEED": seed, "PYTHONPATH": paths}) for seed in ("0", "1", "77")]
    here = run(SHORT).tally
    assert run(SHORT, jobs=2).tally == here
    assert {end(other).out.strip() for other in others} == {here.sha256}
    assert here.sessions == 6
    assert min(here.seconds) > 0.0


def test_how_it_is_cut_into_chunks_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(PAPER).tally
    for length in (1, 7):
        monkeypatch.setattr(campaigns, "_LONGEST", length)
        with ThreadPoolExecutor(3) as executor:
            assert run(PAPER, executor=executor, jobs=3).tally == whole
    assert pickle.loads(pickle.dumps(whole)) == whole  # noqa: S301 - our own


def test_the_digest_of_a_campaign_is_that_of_its_sessions_digests_in_order() -> None:
    digests = b"".join(bytes.fromhex(f"{number:064x}") for number in range(100))
    assert run(PAPER).tally.sha256 == hashlib.sha256(digests).hexdigest()


def test_somebody_has_to_work() -> None:
    for executor in (None, ThreadPoolExecutor(1)):
        with pytest.raises(ValueError, match="jobs is 0, and at least one has to work"):
            run(PAPER, executor=executor, jobs=0)


@pytest.mark.parametrize("jobs", [1, 3])
def test_it_ends_at_the_first_violation_whoever_finds_one_first(jobs: int) -> None:
    stopping = attrs.evolve(PAPER, keep_going=False)
    with ThreadPoolExecutor(jobs) as executor:
        result = run(stopping, executor=executor, jobs=jobs)
    assert [failure.index for failure in result.tally.failures] == [7]
    assert (result.tally.sessions, result.good) == (8, False)
    assert failed(attrs.evolve(stopping, first=8)) == [11]
    assert failed(PAPER) == [7, 11]


def test_of_very_many_failures_the_first_are_kept_and_all_are_counted() -> None:
    tally, part = Tally(), Tally()
    outcome = plays.paper(Plan(seed=7), "core", trace=False)
    for index in range(KEPT - 1):
        tally.add(index, outcome)
        part.add(KEPT + index, outcome)
    tally.extend(part)
    assert tally.violated == 2 * KEPT - 2
    assert [failure.index for failure in tally.failures] == [*range(KEPT - 1), KEPT]


@pytest.mark.parametrize(
    ("play", "said"),
    [
        (plays.raising, "LookupError: there is nothing here (raising, line "),
        (plays.cancelled, "CancelledError: nobody waits for it (cancelled, line "),
        (plays.refused, "NotImplementedError: SimLoop has no add_reader() (refused, line "),
    ],
)
def test_what_a_simulation_raises_is_a_violation(play: Play, said: str) -> None:
    result = run(attrs.evolve(PAPER, play=play, keep_going=False))
    (violation,) = result.tally.failures[0].violations
    assert violation.promise == "error"
    assert violation.what.startswith(said)
    assert len(result.tally.digests) == 32


def test_an_interrupt_leaves_what_there_is() -> None:
    result = run(attrs.evolve(PAPER, play=plays.tired))
    assert result.interrupted
    assert result.good
    assert 1 <= result.tally.sessions <= 4


def test_an_interrupt_of_a_session_that_breaks_down_is_not_lost() -> None:
    result = run(attrs.evolve(PAPER, play=plays.pressed))
    assert result.interrupted
    assert result.tally.sessions <= 4


def test_it_says_how_far_it_is() -> None:
    said: list[tuple[int, float]] = []
    run(PAPER, progress=lambda tally, wall: said.append((tally.sessions, wall)))
    assert said == sorted(said)
    assert said[-1][0] == 100


def test_traces_come_in_the_order_of_the_sessions() -> None:
    lines: list[str] = []
    with ThreadPoolExecutor(2) as executor:
        run(PAPER, executor=executor, jobs=2, trace=lines.append)
    assert [json.loads(line).get("plan") for line in lines[::2]] == list(range(100))
    assert [json.loads(line).get("t") for line in lines[1::2]] == list(range(100))


def test_a_real_trace_has_a_header_with_the_plan_and_lines_of_fixed_columns() -> None:
    lines: list[str] = []
    plan = SHORT.plan(1)
    result = run(attrs.evolve(SHORT, sessions=1, draw=Always(plan)), trace=lines.append)
    header, *records = [json.loads(line) for line in lines]
    assert Plan.from_json(json.dumps(header["plan"])) == plan
    assert {tuple(record) for record in records} == {tuple(header["columns"])}
    digest = hashlib.sha256("\n".join(lines).encode()).digest()
    assert result.tally.digests == digest


def test_what_must_happen_must_happen_in_a_long_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MUST_HAPPEN", ("it rained", "it snowed"))
    monkeypatch.setattr(campaigns, "ENOUGH", 7)
    assert run(attrs.evolve(PAPER, sessions=6)).never_happened == ()
    long = run(attrs.evolve(PAPER, sessions=7))
    assert (long.never_happened, long.good) == (("it snowed",), False)
    assert run(attrs.evolve(PAPER, sessions=7, profile="none")).good  # nothing much happens there


def test_medians_are_of_sessions_and_edges_are_those_of_the_table() -> None:
    tally = run(GOOD).tally
    middle = tally.medians()
    assert middle == {"simulated_minutes": 10.01, "connections": 3.0, "frames_sent": 600.0, "frames_delivered": 500.0}
    assert tally.states == {"IDLE", "CONNECTING"}
    assert len(tally.edges_never_taken) > 100
    assert ("IDLE", "ConnectRequested", "CONNECTING") not in tally.edges_never_taken
    assert tally.faults == Counter({"Close": 4})
    assert set(Tally().medians().values()) == {0.0}


def test_an_unknown_profile_is_said_before_anything_is_played() -> None:
    with pytest.raises(PlanError, match="no profile 'stormy'; there are none, light"):
        run(Campaign(profile="stormy"), jobs=2)


def test_a_setting_without_an_end_is_written_and_read() -> None:
    plan = attrs.evolve(Plan(), client=Client(policy={"retry_time": math.inf, "rotate_after": None}))
    text = plan.to_json()
    assert json.loads(text)["client"]["policy"] == {"retry_time": "inf", "rotate_after": None}
    assert Plan.from_json(text) == plan


def test_a_setting_that_is_a_text_may_say_the_same() -> None:
    plan = Plan(client=Client(policy={"bind_to": "inf"}))
    assert Plan.from_json(plan.to_json()) == plan


def test_a_session_that_looks_at_the_clock_is_found() -> None:
    difference = run(attrs.evolve(GOOD, play=plays.by_the_clock), again=Here()).difference
    assert difference is not None
    assert (difference.index, difference.line) == (0, 2)
    assert difference.first != difference.second
    assert "session 0 went differently" in str(difference)
    assert difference.first in str(difference)


def test_a_session_that_goes_through_a_set_is_found_in_another_process() -> None:
    with strangers(1) as again:
        result = run(attrs.evolve(GOOD, play=plays.by_the_set), again=again)
        same = run(GOOD, again=again)
    assert result.difference is not None
    assert (result.difference.line, result.good) == (2, False)
    assert sorted(result.difference.first.split(",")) == sorted(result.difference.second.split(","))
    assert (same.difference, same.good, same.twice) == (None, True, True)


def test_a_session_that_is_judged_differently_is_found() -> None:
    result = run(attrs.evolve(PAPER, play=plays.unsteady), again=Here())
    assert result.difference is not None
    assert (result.difference.index, result.difference.line) == (0, 0)
    assert {result.difference.first, result.difference.second} == {"violated 0", "violated 1"}
    assert str(result.difference).startswith("session 0 went differently when it was played again: violated ")


def test_a_session_that_differs_once_and_never_again_is_found() -> None:
    first, second = (run(attrs.evolve(GOOD, sessions=1)).tally for _ in range(2))
    assert "once more" in str(explain(3, first, second))


def test_a_trace_that_ends_sooner_differs_there() -> None:
    shorter = different_lines(5, ("a", "b"), ("a",))
    assert shorter is not None
    assert (shorter.line, shorter.first, shorter.second) == (2, "b", "")
    assert str(shorter).endswith("  b\n  (the end)")
    assert different_lines(5, ("a",), ("a",)) is None
