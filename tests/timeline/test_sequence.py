"""A trace as a Mermaid sequence diagram: short, complete in what matters, and harmless whatever is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.diagrams.others import drawn_by_mermaid, needs_mermaid
from tests.timeline.traces import HEADER, collected, hostile, line, played, step

from relive.diagrams.timeline import sequence

PLAIN = re.compile(
    r"    (participant [RSA] as \w+|rect rgba\([\d, .]+\)|end|(    )?Note over (R|S|R,S): [^;#<]*"
    r"((#\d+;|<br/>)[^;#<]*)*|[RSA](->>|-->>|--x)[RSA]: [^;#<]*((#\d+;|<br/>)[^;#<]*)*)"
)


def drawn(*lines: str, client: int = 0, most: int = 1000) -> list[str]:
    (run,) = collected(*lines).runs
    return sequence(run, client, most=most).splitlines()


def test_the_life_of_a_session_reads_from_top_to_bottom() -> None:
    assert drawn(
        HEADER,
        step(0.0, "IDLE", "CONNECTING", "ConnectRequested"),
        line(0.0, "open", "fresh", [1, None, False]),
        step(0.3, "CONNECTING", "ACTIVE", "ConnectionOpened"),
        line(0.3, "transition", "CONNECTING → ACTIVE", ["ConnectionOpened", 1, 0.3, ["fresh", "", 0, 0, 0]]),
        line(0.3, "flow", "", [3, 3, 1, 1, 0, 0]),
        line(5.0, "read", "sessionResumptionUpdate", ["h1", True, None]),
        line(6.0, "read", "sessionResumptionUpdate", ["h2", True, None]),
        line(60.0, "notice", "go_away", ["", 10.0]),
        step(60.0, "ACTIVE", "DRAINING", "GoAwayReceived"),
        line(60.5, "fault", "ResetPeer", {"seconds": None, "way": "up"}, client=-1),
        line(61.0, "notice", "lost", "1011: no"),
        line(61.1, "notice", "store_error", "save failed: OSError"),
        line(61.1, "notice", "store_error", "save failed: OSError"),
        line(61.5, "violation", "P13", ["a frame is missing", None]),
        step(62.0, "DRAINING", "RESUMING", "ConnectionDropped"),
        line(62.0, "made", "interrupted"),
    ) == [
        "sequenceDiagram",
        "    participant A as application",
        "    participant R as relive",
        "    participant S as server",
        "    Note over R: 0:00.000 IDLE → CONNECTING:<br/>ConnectRequested",
        "    R->>S: 0:00.000 opens connection 1: fresh",
        "    Note over R: 0:00.300 CONNECTING → ACTIVE:<br/>ConnectionOpened",
        "    S-->>R: 0:00.300 connection 1 is up: fresh",
        "    R->>S: 0:00.300 3 frames",
        "    S->>R: 0:00.300 1 frame",
        "    S->>R: 0:06.000 2 handles, the last h2",
        "    S->>R: 1:00.000 GoAway, 10 s left",
        "    Note over R: 1:00.000 ACTIVE → DRAINING:<br/>GoAwayReceived",
        "    Note over S: 1:00.500 fault: ResetPeer way up",
        "    S--xR: 1:01.000 connection lost: 1011: no",
        "    Note over R: 1:01.100 2 × store error save<br/>failed: OSError",
        "    rect rgba(220, 40, 60, 0.25)",
        "        Note over R,S: 1:01.500 P13 was not kept: a frame is missing",
        "    end",
        "    Note over R: 1:02.000 DRAINING → RESUMING:<br/>ConnectionDropped",
        "    R->>A: 1:02.000 interrupted",
    ]


def test_what_matters_least_is_left_out_first_and_that_is_said() -> None:
    lines = drawn(*played(violated=True), client=1, most=30)
    arrows = [one for one in lines if ": " in one and "participant" not in one]
    assert len(arrows) <= 31
    assert any("lines are left out" in one for one in lines)
    assert any("P13 was not kept" in one for one in lines)
    assert not any("frames<br/>" in one or one.endswith(" frames") for one in lines)


def test_a_word_that_is_too_long_is_cut() -> None:
    said = "\n".join(drawn(HEADER, step(0.0, "IDLE", "ACTIVE"), line(1.0, "violation", "P7", ["x" * 5000, None])))
    assert "P7 was not kept: [#34;xxxxxxxx" in said
    assert 200 < said.count("x") < 240


def test_no_text_of_a_trace_is_part_of_the_grammar() -> None:
    for one in drawn(*hostile())[1:]:
        assert PLAIN.fullmatch(one), one


@pytest.mark.slow
@needs_mermaid
@pytest.mark.parametrize("name", ["played", "hostile"])
def test_mermaid_draws_it(name: str, tmp_path: Path) -> None:
    lines = played(violated=True) if name == "played" else hostile()
    said = drawn(*lines, client=1 if name == "played" else 0, most=100)
    svg = drawn_by_mermaid("\n".join(said) + "\n", tmp_path)
    assert "onerror" not in re.sub(r">[^<]*<", "><", svg)
