"""Sound frames: recognised without JSON, and only where a full parse would find the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from relive.core import events as ev
from relive.core.wire import PLAIN, Reading, reader

KNOWN = frozenset({"serverContent", "goAway", "toolCall", "setupComplete", "usageMetadata", "sessionResumptionUpdate"})
PAYLOAD = "AAEC/+__"


def sound(payload: str = PAYLOAD, **turn: Any) -> dict[str, Any]:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": payload}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]} | turn}}


def read(frame: bytes) -> Reading:
    return reader(KNOWN).read(frame, 7)


def parsed(frame: bytes) -> Reading:
    """Read a frame the long way: the mark that may stand before JSON hides it from the short one."""
    reading = read(b"\xef\xbb\xbf" + frame)
    assert reading is not PLAIN
    return reading


@pytest.mark.parametrize("indent", [None, 0, 2, "\t"])
@pytest.mark.parametrize("size", [0, 4, 32_768])
def test_a_sound_frame_is_plain_at_any_size_and_in_any_layout(indent: int | str | None, size: int) -> None:
    frame = json.dumps(sound("A" * size), indent=indent).encode()
    wire = reader(KNOWN)
    assert wire.read(frame, 7) is PLAIN
    assert wire.read(frame, 7) is PLAIN
    compact = json.dumps(sound("A" * size), separators=(",", ":")).encode()
    assert wire.read(b" " + compact + b"\n", 7) is PLAIN


def test_the_order_of_the_keys_and_the_role_of_the_model_do_not_matter() -> None:
    blob = b'{"data": "AAEC", "mimeType": "audio/pcm"}'
    for turn in (
        b'{"role": "model", "parts": [{"inlineData": ' + blob + b"}]}",
        b'{"parts": [{"inlineData": ' + blob + b'}], "role": "model"}',
        b'{"parts": [{"inlineData": {"data": "AAEC"}}]}',
    ):
        assert read(b'{"serverContent": {"modelTurn": ' + turn + b"}}") is PLAIN


@pytest.mark.parametrize(
    "message",
    [
        sound() | {"usageMetadata": {}},
        sound() | {"goAway": {}},
        sound(role="user"),
        {"serverContent": sound()["serverContent"] | {"turnComplete": True}},
        sound('"}}]}}}'),
        sound("\\"),
        {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "AA", "mimeType": 'a"b'}}]}}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "Hi"}, {"inlineData": {"data": "AA"}}]}}},
    ],
)
def test_a_frame_that_says_more_is_parsed(message: dict[str, Any]) -> None:
    frame = json.dumps(message).encode()
    assert read(frame) == parsed(frame) if b"goAway" in frame else read(frame).deliver is frame
    assert read(frame) is not PLAIN


def test_the_shape_of_the_last_frame_is_no_excuse() -> None:
    wire = reader(KNOWN)
    frame = json.dumps(sound()).encode()
    assert wire.read(frame, 7) is PLAIN
    longer = json.dumps(sound() | {"goAway": {}}).encode()
    assert wire.read(longer, 7).events == (ev.OutputStarted(7), ev.GoAwayReceived(7, 0.0))
    assert wire.read(json.dumps(sound('A"')).encode(), 7) is not PLAIN
    assert wire.read(json.dumps(sound("A\\")).encode(), 7) is not PLAIN
    assert wire.read(frame[:-1], 7).problem == "malformed JSON"


def test_a_frame_full_of_spaces_costs_no_more_than_another() -> None:
    spaces = b" " * 200_000
    frame = json.dumps(sound()).encode()
    assert read(spaces + frame + spaces) is PLAIN
    assert read(frame[:-1] + spaces + b"x").problem == "malformed JSON"
    assert read(frame.replace(b'"data"', spaces + b'"date"')).events == (ev.OutputStarted(7),)


SHAPES = [json.dumps(sound(), indent=indent).encode() for indent in (None, 1)]
SNIPPETS = [
    b'"',
    b"\\",
    b'\\"',
    b"}",
    b"]",
    b",",
    b"{",
    b" ",
    b'"turnComplete": true',
    b'"role": "model"',
    b"null",
    b"",
]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A sound frame with a few pieces replaced, anywhere."""
    frame = draw(st.sampled_from(SHAPES))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(frame)))
        end = start + draw(st.integers(0, 3))
        piece = draw(st.sampled_from(SNIPPETS) | st.binary(max_size=2) | st.just(frame[start : end + 8]))
        frame = frame[:start] + piece + frame[end:]
    return frame


@given(mutants(), st.sampled_from(SHAPES))
@example(SHAPES[0].replace(PAYLOAD.encode(), b'A\\"'), SHAPES[0])
@example(SHAPES[0][:-1], SHAPES[0])
def test_the_short_way_agrees_with_a_full_parse(frame: bytes, before: bytes) -> None:
    wire = reader(KNOWN)
    wire.read(before, 7)
    for reading in (wire.read(frame, 7), read(frame)):
        if reading is not PLAIN:
            continue
        payload = frame.split(b'"data"')[1].split(b'"')[1]
        # The payload of a sound frame is not looked at: these may be no JSON.
        if payload.isascii() and payload.decode().isprintable() and b"\\" not in payload:
            assert parsed(frame).events == (ev.OutputStarted(7),)
            assert parsed(frame).deliver is not None
            assert not parsed(frame).problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([
    "modelTurn", "turnComplete", "turn_complete", "interrupted", "interactionStatus", "parts", "text", "thought",
    "functionCalls", "ids", "id", "timeLeft", "newHandle", "resumable", "lastConsumedClientMessageIndex",
])  # fmt: skip
LIKELY = st.dictionaries(st.sampled_from(sorted(KNOWN)), st.dictionaries(FIELDS, JSON, max_size=4) | JSON, max_size=3)


@example(b"\0", False)
@given(st.binary() | JSON.map(json.dumps).map(str.encode) | LIKELY.map(json.dumps).map(str.encode), st.booleans())
def test_reading_never_raises(frame: bytes, deliver_go_away: bool) -> None:
    reading = reader(KNOWN, deliver_go_away=deliver_go_away).read(frame, 7)
    assert reading.deliver is not None or reading.events or reading.problem or reading == Reading()


@given(st.text(min_size=8), LIKELY)
def test_no_problem_and_no_repr_contains_a_handle(handle: str, more: dict[str, Any]) -> None:
    secret = f"secret/{handle}"
    for resumable in (True, "perhaps"):
        update = {"newHandle": secret, "resumable": resumable, "lastConsumedClientMessageIndex": secret}
        reading = read(json.dumps(more | {"sessionResumptionUpdate": update}).encode())
        assert "secret/" not in reading.problem
        assert "secret/" not in repr(reading)
