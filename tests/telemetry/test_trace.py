"""The trace of real sessions: what is in it, that a disk cannot harm a session, and that it can be drawn."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.test_states import QUICK, eventful
from tests.scenarios.world import simulated, world

import relive
from relive.diagrams.timeline import collect
from relive.ports import Notice
from relive.telemetry import trace as tracing
from relive.telemetry.trace import SessionTrace, TraceFile, header


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def notice(at: float, what: str = "lost") -> Notice:
    return Notice(what, "1011: no", at, 2)


def traced(**how: Any) -> list[dict[str, Any]]:
    """What an eventful life is told as."""
    found: list[dict[str, Any]] = []

    @simulated
    async def life() -> None:
        async with world(policy=QUICK, observers=[SessionTrace(found.append, **how)]) as w:
            await eventful(w)
            await asyncio.sleep(5.0)

    life()
    return found


def test_a_session_is_told_from_its_first_step_to_its_last() -> None:
    found = traced(client=3, conversation="ada")
    assert {tuple(record) for record in found} == {tracing.COLUMNS}
    first, *rest = found
    assert (first["t"], first["kind"], first["what"]) == (0.0, "session", "ada")
    assert {record["client"] for record in found} == {3}
    steps = [record["what"] for record in rest if record["kind"] == "transition"]
    assert steps[0].startswith("IDLE → ")
    assert steps[-1].endswith(" → CLOSED")
    assert [one.split(" → ")[0] for one in steps[1:]] == [one.split(" → ")[1] for one in steps[:-1]]
    verdicts = [record["data"][3] for record in rest if record["kind"] == "transition" and record["data"][3]]
    assert [verdict[0] for verdict in verdicts].count("fresh") >= 1
    assert {record["what"] for record in rest if record["kind"] == "notice"} >= {"dialled", "lost"}


@simulated
async def test_frames_are_counted_while_nothing_else_happens() -> None:
    found: list[dict[str, Any]] = []
    async with world(observers=[SessionTrace(found.append)]) as w:
        for _ in range(40):
            await w.session.send_realtime_input(text="hello")
            await asyncio.sleep(0.25)
        accepted = w.session.stats.frames_accepted
    flows = [record for record in found if record["kind"] == "flow"]
    assert len(flows) >= 10
    assert sum(record["data"][0] for record in flows) >= accepted
    assert max(record["data"][6] for record in flows) <= 1.5
    assert [record["t"] for record in flows] == sorted(record["t"] for record in flows)


def test_several_sessions_share_a_file_and_its_clock(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with TraceFile(path) as traces:
        one, other = traces.observer(conversation="ada"), traces.observer()
        one.notice(notice(100.0))
        other.notice(notice(107.5))
    head, *records = lines(path)
    assert (head["relive_trace"], head["columns"]) == (1, list(tracing.COLUMNS))
    assert [(record["t"], record["client"], record["what"]) for record in records] == [
        (0.0, 0, "ada"), (0.0, 0, "lost"), (7.5, 1, ""), (7.5, 1, "lost"),
    ]  # fmt: skip
    with path.open("rb") as file:
        (run,) = collect(file, "a").runs
    assert run.clients == {0: "ada", 1: ""}
    assert run.head.began == head["began"]


def test_a_file_that_is_there_is_continued_also_if_a_crash_has_torn_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for _ in range(2):
        with TraceFile(path) as traces:
            traces.observer().notice(notice(1.0))
        with path.open("ab") as file:
            file.write(b'{"t":1,"cl')
    with path.open("rb") as file:
        timeline = collect(file, "a")
    assert [len(run.rows) for run in timeline.runs] == [2, 2]
    (note,) = timeline.notes
    assert note == "2 lines cannot be read: line 4: it is not JSON; line 8: the file ends in the middle of it."


def test_a_file_that_cannot_be_written_is_said_once_and_harms_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with TraceFile(tmp_path / "no" / "a.jsonl") as traces:
        for at in range(100):
            traces.observer().notice(notice(float(at)))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot be written" in caplog.text


def test_a_disk_that_is_too_slow_loses_lines_and_not_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "BEHIND", 5)
    ready = threading.Event()
    ends_well = tracing._ends_well

    def slow(path: Path) -> bool:
        assert ready.wait(10.0)
        return ends_well(path)

    monkeypatch.setattr(tracing, "_ends_well", slow)
    path = tmp_path / "a.jsonl"
    path.write_text("\n", "utf-8")
    with TraceFile(path) as traces:
        observer = traces.observer()
        for at in range(20):
            observer.notice(notice(float(at)))
        ready.set()
        while traces._box._queue.qsize():
            threading.Event().wait(0.001)
        observer.notice(notice(99.0, "late"))
    told = [record["what"] for record in lines(path)[1:] if "kind" in record]
    assert told[-2:] == ["trace_overflow", "late"]
    missed = next(record for record in lines(path)[1:] if record.get("what") == "trace_overflow")
    assert missed["data"] == f"{21 - (len(told) - 2)} lines are missing"


def test_a_trace_that_nobody_needs_any_more_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    traces = TraceFile(path)
    thread = traces._box._thread
    traces.observer().notice(notice(1.0))
    del traces
    assert thread is not None
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(lines(path)) == 3


def test_what_is_told_after_the_end_is_left_out_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.jsonl"
    with TraceFile(path) as traces:
        observer = traces.observer()
        observer.notice(notice(1.0))
    for at in range(100):
        observer.notice(notice(2.0 + at))
    assert len(lines(path)) == 3
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is closed: what is told now is not in it" in caplog.text
    assert traces._box._queue.empty()


def test_a_trace_begins_with_the_version_and_the_time() -> None:
    assert header()["relive_trace"] == tracing.VERSION
    assert header()["began"].endswith("+00:00")


def test_both_kinds_of_observers_are_what_they_should_be() -> None:
    observer = SessionTrace(lambda record: None)
    assert isinstance(observer, relive.Observer)
    assert observer.every == 1.0
