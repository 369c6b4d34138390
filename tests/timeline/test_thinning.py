"""However long a trace is, what is shown of it fits, and what matters most is thinned last."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.timeline.traces import HEADER, Stream, collected, line, played, step

from relive.diagrams.timeline import Run, TraceError, collect
from relive.diagrams.timeline.collecting import RUNS
from relive.diagrams.timeline.reading import Entry
from relive.diagrams.timeline.thinning import MANY, Thinned, ends


def counts(run: Run) -> Counter[str]:
    """How many things the rows stand for, by kind."""
    found: Counter[str] = Counter()
    for row in run.rows:
        found[row[3]] += row[6] if len(row) > 6 else 1
    return found


def peak(count: int) -> tuple[int, Run]:
    """Bytes of memory that it takes to read so long a trace, at most."""
    tracemalloc.start()
    try:
        timeline = collect(io.BufferedReader(Stream(count)), "long", most=400)
        return tracemalloc.get_traced_memory()[1], timeline.runs[0]
    finally:
        tracemalloc.stop()


def test_what_fits_is_shown_as_it_is() -> None:
    (run,) = collected(*played()).runs
    stepping = {"step", "notice", "open", "up", "gone", "read", "sent", "heard", "save", "fault", "crash"}
    assert stepping <= set(counts(run))
    assert all(len(row) == 6 for row in run.rows)
    assert collected(*played()).notes == ()
    written = Counter(json.loads(one)["kind"] for one in played()[1:])
    # A transition that says no more than the step before it is left out.
    del written["flow"]
    assert {kind: count for kind, count in counts(run).items() if written[kind] != count}.keys() <= {"transition"}
    assert [row[0] for row in run.rows] == sorted(row[0] for row in run.rows)


def test_frames_are_counted_over_the_time_that_they_took() -> None:
    flows = [line(0.0, "flow", "", [1, 2, 3, 4, 5, 6]), line(4.0, "flow", "", [1, 1, 1, 1, 0, 0]),
             line(30.0, "flow", "", [0, 0, 0, 0, 1, 1]), line(31.0, "flow", "", [9, 9, 9, 9, 0, 0, 0.5]),
             line(40.0, "end", "CLOSED")]  # fmt: skip
    (run,) = collected(HEADER, *flows).runs
    assert run.flows == [
        [0.0, 4.0, 0, 1, 2, 3, 4, 5, 6],
        [4.0, 14.0, 0, 1, 1, 1, 1, 0, 0],
        [31.0, 31.5, 0, 9, 9, 9, 9, 0, 0],
    ]


def test_a_long_trace_is_thinned_with_a_notice_and_what_matters_most_is_kept() -> None:
    lines = list(played(violated=True))
    timeline = collected(*lines, most=300)
    (run,) = timeline.runs
    assert len(run.rows) <= 300
    assert "too many to be shown one by one" in timeline.notes[0]
    (whole,) = collected(*lines).runs
    kept, all_ = counts(run), counts(whole)
    for kind in ("violation", "fault", "crash", "start", "end"):
        assert kept[kind] == all_[kind], "none of these is merged as long as others can be"
    assert kept.total() == all_.total(), "a merged row says how many it stands for"
    flowed = [sum(flow[4] for flow in one.flows) for one in (run, whole)]
    assert flowed[0] == flowed[1], "no frame is lost when stretches are put together"


def test_merged_changes_of_state_lead_from_the_first_to_the_last() -> None:
    thinned = Thinned(100)
    states = ["ACTIVE", "DRAINING", "RESUMING"]
    for number in range(5000):
        source, dest = states[number % 3], states[(number + 1) % 3]
        thinned.add(Entry(number / 10, 0, 1, "step", "E", [source, dest, 0, 0, None]))
    thinned.fit(50)
    rows = thinned.rows
    assert len(rows) <= 50
    assert sum(row[6] if len(row) > 6 else 1 for row in rows) == 5000
    for before, after in pairwise(rows):
        one, other = ends(before), ends(after)
        assert one is not None
        assert other is not None
        assert one[1] == other[0]


def test_transitions_of_a_session_without_steps_are_changes_of_state_too() -> None:
    rows = [line(at / 10, "transition", "A → B" if at % 2 else "B → A", ["E", 1, 0.0, None]) for at in range(1000)]
    (run,) = collected(HEADER, *rows, most=100).runs
    assert len(run.rows) <= 100
    assert {row[3] for row in run.rows} <= {"states", "transition"}


def test_of_many_runs_those_with_a_violation_are_kept() -> None:
    good, bad = [HEADER, step(0.0, "IDLE", "ACTIVE")], line(1.0, "violation", "P1", ["no", None])
    lines = [one for number in range(350) for one in ([*good, bad] if number % 50 == 49 else good)]
    timeline = collected(*lines)
    assert [run.number for run in timeline.runs if run.violated] == [50, 100, 150, 200, 250, 300, 350]
    assert len(timeline.runs) == RUNS + 7
    assert "243 of 350 runs are left out" in timeline.notes[0]
    (run,) = collected(*lines, run=249).runs
    assert run.number == 249
    with pytest.raises(TraceError, match="there is no run 351; there are 350"):
        collected(*lines, run=351)


def test_a_short_run_beside_a_long_one_is_kept_whole() -> None:
    short = [HEADER, *(step(at, "A", "B") for at in range(20))]
    long = [HEADER, *(line(at, "heard", str(at)) for at in range(3000))]
    first, second, third = collected(*short, *long, *short, most=500).runs
    assert [len(first.rows), len(third.rows)] == [20, 20]
    assert len(second.rows) <= 500


def test_more_sessions_than_anybody_can_tell_apart_are_left_out_with_a_notice() -> None:
    timeline = collected(HEADER, *(line(0.0, "start", "life 1", client=number) for number in range(MANY + 50)))
    assert len(timeline.runs[0].clients) == MANY
    assert timeline.notes == ("50 things happened to sessions beyond the first 1,000 of a run: left out.",)


def test_a_clock_that_went_backwards_or_was_wrong_from_the_beginning_is_told() -> None:
    lines = [line(1.0, "fault", "Close", client=-1), step(2.0, "ACTIVE", "DRAINING"), step(1.5, "DRAINING", "RESUMING")]
    timeline = collected(HEADER, *lines, line(-3.0, "end", ""), line(-2.5, "violation", "P1", ["late", None]))
    assert timeline.notes == (
        "2 told after something that happened later: shown where the time says.",
        "2 happened before the beginning, by the clock: in the list alone.",
    )


def test_as_many_things_are_told_as_can_be_listed() -> None:
    for run in collected(*played(violated=True)).runs:
        assert run.told == len(run.rows)


def test_flaws_are_told_and_not_more_of_them_than_can_be_read() -> None:
    timeline = collected(HEADER, *["nonsense"] * 50, line(0.0, "start", ""))
    (note,) = timeline.notes
    assert note.startswith("50 lines cannot be read: line 2: it is not JSON; line 3: ")
    assert note.endswith("line 11: it is not JSON; ….")


def test_one_session_of_a_run_by_its_name_or_its_number() -> None:
    (run,) = collected(HEADER, line(0.0, "session", "ada", client=3), line(1.0, "end", "", client=4),
                       line(2.0, "fault", "x", client=-1)).runs  # fmt: skip
    for name in ("ada", "3"):
        only = run.only(name)
        assert only is not None
        assert (only.clients, [row[1] for row in only.rows]) == ({3: "ada"}, [3, -1])
    assert run.only("eve") is None


def test_a_long_trace_is_thinned_evenly_from_its_beginning_to_its_end() -> None:
    timeline = collect(io.BufferedReader(Stream(30_000)), "long", most=1000)
    (run,) = timeline.runs
    for kind in ("step", "states", "read", "notice"):
        rows = [row for row in run.rows if row[3] == kind]
        most = max((row[6] if len(row) > 6 else 1 for row in rows), default=0)
        assert most <= 0.1 * max(100, counts(run)[kind]), kind
    ends_at = [max((row[7] if len(row) > 6 else row[0]) - row[0] for row in run.rows)]
    assert max(ends_at) < 0.2 * run.end


def test_memory_does_not_depend_on_the_length_of_a_trace() -> None:
    few, _ = peak(10_000)
    many, run = peak(100_000)
    assert run.told >= 98_000  # of a hundred lines one is a count of frames
    assert len(run.rows) <= 400
    assert many < 1.3 * few


_ENTRY = st.builds(
    Entry,
    st.floats(-10, 1e6),
    st.integers(-1, 5),
    st.integers(0, 3),
    st.sampled_from(["step", "transition", "states", "notice", "flow", "fault", "read", "violation", "save", "x"]),
    st.sampled_from(["A → B", "saved", "goAway", "y"]),
    st.sampled_from(
        [None, ["A", "B"], ["A", "A"], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 0.0], ["E", 1, 0.0, ["fresh"]], "t"]
    ),
)  # fmt: skip


@given(st.lists(_ENTRY, min_size=50, max_size=400), st.integers(10, 60))
def test_anything_can_be_thinned_to_any_size(entries: list[Any], most: int) -> None:
    thinned = Thinned(100)
    for entry in entries:
        thinned.add(entry)
    thinned.fit(most)
    rows = thinned.rows
    assert len(rows) == thinned.size <= max(most, 6)
    assert all(len(row) in (6, 8) for row in rows)
    assert all(flow[0] <= flow[1] for flow in thinned.flows)
