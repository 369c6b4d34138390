"""Traces are read to the end, whatever they hold; what cannot be read is told with the number of its line."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.timeline.traces import HEADER, collected, line, played, records

from relive.diagrams.timeline import TraceError, read
from relive.diagrams.timeline.reading import LONGEST, Entry, Flaw, Head

GOOD = line(1.0, "notice", "lost", "1011: no")


def told(text: str | bytes) -> list[Any]:
    return list(read(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def flaws(text: str | bytes) -> list[str]:
    return [str(one) for one in told(text) if isinstance(one, Flaw)]


def test_every_line_of_a_simulation_is_read_as_it_was_written() -> None:
    head, *entries = told("\n".join(played()) + "\n")
    assert isinstance(head, Head)
    assert head.plan == json.loads(played()[0])["plan"]
    assert [tuple(entry) for entry in entries] == [tuple(record) for record in records(played())]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: this is no trace: it is empty"),
        ("\n\n", "line 1: this is no trace: it is empty"),
        ("hello\n", "line 1: this is no trace: it should begin with a header, and it is not JSON"),
        (b"\x89PNG\r\n\x1a\n\x00", "line 1: this is no trace: it should begin with a header, and it is not JSON"),
        (f"{GOOD}\n", "line 1: this is no trace: it should begin with a header, and this is a record"),
        ("[1]\n", "line 1: this is no trace: it should begin with a header, and it is not an object"),
        ('{"relive_trace":2}\n', "line 1: this is a trace of version 2; this relive reads version 1"),
        (f'{HEADER}\n\n{{"relive_trace":7}}', "line 3: this is a trace of version 7; this relive reads version 1"),
        ('{"relive_trace":true}\n', "line 1: true is no version of a trace"),
        ('{"relive_trace":"1"}\n', 'line 1: "1" is no version of a trace'),
        ('{"relive_trace":0}\n', "line 1: 0 is no version of a trace"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_told_in_a_sentence(text: str | bytes, said: str) -> None:
    with pytest.raises(TraceError) as error:
        told(text)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "it is not JSON"),
        ("\x00\x00", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("17", "it is not an object"),
        ('{"t":"1"}', "`t` is not a number of seconds"),
        ('{"t":true,"client":0,"conn":0,"kind":"a","what":"b"}', "`t` is not a number of seconds"),
        ('{"t":NaN,"client":0,"conn":0,"kind":"a","what":"b"}', "`t` is not a number of seconds"),
        ('{"t":1e999,"client":0,"conn":0,"kind":"a","what":"b"}', "`t` is not a number of seconds"),
        ('{"t":1,"client":0.5,"conn":0,"kind":"a","what":"b"}', "`client` is not a number"),
        ('{"t":1,"client":0,"conn":null,"kind":"a","what":"b"}', "`conn` is not a number"),
        (f'{{"t":1,"client":{10**30},"conn":0,"kind":"a","what":"b"}}', "`client` is not a number"),
        ('{"t":1,"client":0,"conn":0,"kind":1,"what":"b"}', "`kind` is not a text"),
        ('{"t":1,"client":0,"conn":0,"kind":"a","what":[]}', "`what` is not a text"),
        ('"' + "x" * (LONGEST + 10) + '"', f"it is longer than {LONGEST:,} bytes: left out"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_rest_is_read(bad: str, said: str) -> None:
    found = told(f"{HEADER}\n{GOOD}\n\n{bad}\n{GOOD}\n")
    assert [str(one) for one in found if isinstance(one, Flaw)] == [f"line 4: {said}"]
    assert sum(isinstance(one, Entry) for one in found) == 2


def test_a_file_that_ends_in_the_middle_of_a_line_is_read_up_to_there() -> None:
    assert flaws(f"{HEADER}\n{GOOD}\n{GOOD[:30]}") == ["line 3: the file ends in the middle of it"]
    assert flaws(f"{HEADER}\n{GOOD}") == [], "only the line's end is missing"
    assert flaws(f"{HEADER}\n{GOOD}\n" + "x" * (LONGEST + 1)) == [
        f"line 3: it is longer than {LONGEST:,} bytes: left out"
    ]


def test_line_ends_and_a_mark_of_the_byte_order_make_no_difference() -> None:
    assert told(f"\ufeff{HEADER}\r\n{GOOD}\r\n")[1:] == told(f"{HEADER}\n{GOOD}\n")[1:]


def test_details_that_nobody_would_read_to_the_end_are_cut() -> None:
    for data in ("x" * 10_000, ["x" * 10_000], {"a": list(range(10_000))}, [1e999], [[[[float("nan")]]]]):
        (entry,) = told(f"{HEADER}\n{line(1.0, 'k' * 1000, 'w' * 1000, data)}\n")[1:]
        assert len(entry.kind) == len(entry.what) == 200
        assert len(json.dumps(entry.data, allow_nan=False)) < 2100


def test_a_plan_that_is_no_plan_is_left_out() -> None:
    for plan in (17, "x", ["x"], {"a": "x" * 300_000}, {"a": float("inf")}):
        assert told(json.dumps({"relive_trace": 1, "plan": plan}) + "\n") == [Head(1)]


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([HEADER.encode(), GOOD.encode()])), max_size=12))
def test_any_bytes_are_read_to_the_end_or_refused_in_a_sentence(parts: list[bytes]) -> None:
    with suppress(TraceError):
        assert isinstance(told(b"\n".join(parts))[0], Head)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["t", "client", "conn", "kind", "what", "data", "x"]), _JSON), max_size=8)
)
def test_any_objects_make_a_timeline(objects: list[dict[str, Any]]) -> None:
    timeline = collected(HEADER, *map(json.dumps, objects))
    json.dumps([run.rows for run in timeline.runs], allow_nan=False)
