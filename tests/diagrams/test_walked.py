"""How often each step was taken, in every picture."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st
from tests.diagrams import parsing
from tests.diagrams.parsing import Drawn
from tests.diagrams.test_layout import faults

from relive.core.table import TABLE
from relive.diagrams import Diagram, Format, Options, draw, of_table
from relive.diagrams.arrows import arrows, counted
from relive.diagrams.lifecycle import lifecycle
from relive.diagrams.model import Edge, StepTaken
from relive.diagrams.timeline.reading import TraceError
from relive.diagrams.walked import walked

OURS = of_table(TABLE)
STEPS = sorted({edge.step for edge in OURS.edges})
MOVES = [step for step in STEPS if any(edge.step == step and edge.dest is not None for edge in OURS.edges)]
PICTURES: dict[Format, Callable[[str], Drawn]] = {
    "mermaid": parsing.mermaid,
    "dot": parsing.dot,
    "svg": parsing.svg,
}
SHARING = [{"CONNECTING", "RESUMING"}, {"ACTIVE", "DRAINING"}]
PLAIN = Options(guards=False)
EACH: Mapping[StepTaken, int] = {step: number for number, step in enumerate(STEPS)}
"No two of them were taken as often; the first never was."


def walks(times: st.SearchStrategy[int]) -> st.SearchStrategy[Diagram]:
    return st.fixed_dictionaries(dict.fromkeys(STEPS, times)).map(lambda said: attrs.evolve(OURS, walked=said))


def file(*lines: object) -> io.BytesIO:
    return io.BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode())


def record(kind: str, what: str, data: Any) -> dict[str, Any]:
    return {"t": 0.0, "client": 0, "conn": 1, "kind": kind, "what": what, "data": data}


HEAD = {"relive_trace": 1, "columns": ["t", "client", "conn", "kind", "what", "data"]}


@pytest.mark.parametrize("form", PICTURES)
def test_behind_each_event_stands_how_often_it_led_there(form: Format) -> None:
    drawn = PICTURES[form](draw(attrs.evolve(OURS, walked=EACH), form, PLAIN))
    told = 0
    for source, dest, clauses in drawn.arrows:
        sources = set(drawn.states) - {"CLOSED", "FAILED"} if source in drawn.anywhere else {drawn.names[source]}
        for event, times in re.findall(r"([A-Z]\w+|at\(\w+\)) (×\d+(?:,\d+)*|never)", " ".join(clauses)):
            dests = {drawn.names[dest]} if dest not in drawn.choices else set(drawn.states)
            steps = [step for step in MOVES if step[0] in sources and step[1] == event and step[2] in dests]
            # Two states that share a stroke are counted together.
            pair = next((both for both in SHARING if sources <= both), set[str]())
            both = [step for step in MOVES if step[0] in pair and step[1] == event and step[2] in dests]
            assert f" {times}" in {counted(sum(EACH[step] for step in some)) for some in (steps, both)}
            told += 1
        if source in drawn.choices:
            into = [
                (drawn.names[one], clause) for one, other, said in drawn.arrows if other == source for clause in said
            ]
            lost = {one for one, _ in into}
            events = set(re.findall(r"[A-Z]\w+|at\(\w+\)", into[0][1]))
            total = sum(EACH[s] for s in MOVES if s[0] in lost and s[1] in events and s[2] == drawn.names[dest])
            assert clauses[0].endswith(counted(total).strip())
            told += 1
    assert told > 40


def test_a_picture_tells_each_edge_to_the_last_digit() -> None:
    diagram = attrs.evolve(OURS, walked=dict.fromkeys(STEPS, 1_234_567))
    told = parsing.titles(draw(diagram, "svg"))
    assert told
    assert all(line.endswith(" (1,234,567 times)") for line in told)


def test_what_was_never_taken_looks_otherwise() -> None:
    step = "ACTIVE", "GoAwayReceived", "DRAINING"
    once = attrs.evolve(OURS, walked={step: 1}).view("ACTIVE")
    often = attrs.evolve(OURS, walked={step: 100_000}).view("ACTIVE")
    assert 'stroke-width="1.4"/>' in draw(once, "svg", PLAIN)
    assert 'stroke-width="3.9"/>' in draw(often, "svg", PLAIN)
    # All arrows but one; and the box of the state as it was before.
    assert draw(once, "svg", PLAIN).count("stroke-dasharray") == len(arrows(once, PLAIN))
    moves = [arrow for arrow in arrows(once, PLAIN) if not arrow.stays]
    assert draw(once, "dot", PLAIN).count(", style=dashed]") == len(moves) - 1


def test_the_matrix_counts_what_several_guards_lead_to_once() -> None:
    edges = [
        edge for edge in OURS.edges if (edge.source, edge.event, edge.dest) == ("ACTIVE", "ConnectionDropped", "FAILED")
    ]
    assert len(edges) > 1
    diagram = attrs.evolve(OURS, walked={edges[0].step: 17})
    (line,) = [line for line in draw(diagram, "matrix").splitlines() if line.startswith("| ConnectionDropped ")]
    assert line.count("×17") == 1
    assert line.count("FAILED") > 1


@given(walks(st.sampled_from([0, 7, 9_999, 99_900, 999_400, 99_940_000])))
def test_the_declared_picture_has_room_for_any_counts(diagram: Diagram) -> None:
    picture = lifecycle(diagram, arrows(diagram, PLAIN))
    assert picture is not None
    assert faults(picture) == []


@pytest.mark.parametrize(
    ("times", "said"),
    [(None, ""), (0, " never"), (1, " ×1"), (9_999, " ×9,999"), (10_000, " ×10.0k"), (99_949, " ×99.9k"),
     (99_960, " ×100k"), (999_499, " ×999k"), (999_500, " ×1.0M"), (123_456_789, " ×123M")],
)  # fmt: skip
def test_counts_are_short(times: int | None, said: str) -> None:
    assert counted(times) == said


@given(st.dictionaries(st.sampled_from(STEPS), st.integers(1, 40)))
def test_a_trace_is_counted_step_by_step(times: dict[StepTaken, int]) -> None:
    lines = [
        record("step", event.replace("at(", "DeadlineReached("), [source, dest, 0, 0, None])
        for (source, event, dest), n in times.items()
        for _ in range(n)
    ]
    walk = walked(file(HEAD, *lines, HEAD))
    assert (walk.steps, walk.runs, walk.flaws) == (Counter(times), 2, 0)
    diagram, strange = walk.on(OURS)
    assert not strange
    assert dict(diagram.walked or {}) == times
    if times:
        assert set(walk.never(OURS)) == {step for step in STEPS if step not in times and step[1] != "Heard"}


def test_a_trace_of_a_real_session_tells_moves_alone() -> None:
    walk = walked(file(HEAD, record("transition", "ACTIVE → DRAINING", ["GoAwayReceived", 1, 0.0, None])))
    assert walk.steps == {("ACTIVE", "GoAwayReceived", "DRAINING"): 1}
    assert set(walk.never(OURS)) == set(MOVES) - set(walk.steps)


def test_what_a_simulation_prints_is_counted_as_well() -> None:
    said = {
        "sessions": 3,
        "transitions": [{"state": "ACTIVE", "event": "DeadlineReached(probe)", "dest": "ACTIVE", "times": 5}],
    }
    walk = walked(io.BytesIO(json.dumps(said, indent=2).encode()))
    assert (walk.steps, walk.runs) == ({("ACTIVE", "at(probe)", "ACTIVE"): 5}, 3)
    assert len(walk.never(OURS)) == len(STEPS) - 1


def test_steps_of_another_table_are_told_apart() -> None:
    walk = walked(file(HEAD, record("step", "Held", ["ACTIVE", "PAUSED", 0, 0, None])))
    diagram, strange = walk.on(OURS)
    assert (dict(diagram.walked or {}), strange) == ({}, {("ACTIVE", "Held", "PAUSED"): 1})


@pytest.mark.parametrize(
    "text", [b"", b"no trace\n", b"{}", b"[]", b'{"sessions": 1, "transitions": [1]}', b"\xff\xfe"]
)
def test_what_is_neither_is_refused(text: bytes) -> None:
    with pytest.raises(TraceError, match="neither a trace nor"):
        walked(io.BytesIO(text))


def test_a_newer_trace_is_refused() -> None:
    with pytest.raises(TraceError, match="version"):
        walked(file({**HEAD, "relive_trace": 2}))


@pytest.mark.parametrize("data", [None, 3, [], ["ACTIVE"], [1, 2]])
def test_a_record_without_its_details_is_passed_over(data: object) -> None:
    lines = record("step", "Heard", data), record("transition", "ACTIVE", data), record("transition", "A → B", data)
    assert not [step for step in walked(file(HEAD, *lines)).steps if "A" not in step]


def test_an_edge_is_a_step_whatever_its_guard() -> None:
    assert Edge("A", "go", None, "x").step == Edge("A", "go", "A", "y").step == ("A", "go", "A")
