"""Client frames: which lane they take, and what they mean for the turn."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from relive.core.client_frames import AUDIO, RELIABLE, VIDEO, ClientReading, read_client, said, without_answers

OPENS = ClientReading(opens_turn=True)
DEMANDS = ClientReading(demands_answer=True)
SOUND = {"data": "AAEC__4=", "mime_type": "audio/pcm;rate=16000"}
PICTURE = {"mimeType": "image/jpeg", "data": "AAEC/+4="}
FILM = {"data": "AA==", "mimeType": "video/mp4"}


def realtime(**fields: Any) -> dict[str, Any]:
    return {"realtime_input": fields}


def content(**fields: Any) -> dict[str, Any]:
    return {"client_content": fields}


def answer(*items: Any) -> dict[str, Any]:
    return {"tool_response": {"functionResponses": list(items)}}


def camel(message: dict[str, Any]) -> dict[str, Any]:
    """Write the keys of a message in the other case."""
    text = json.dumps(message)
    for snake, other in {
        "realtime_input": "realtimeInput", "client_content": "clientContent", "tool_response": "toolResponse",
        "mime_type": "mimeType", "media_chunks": "mediaChunks", "turn_complete": "turnComplete",
        "functionResponses": "function_responses", "activity_start": "activityStart", "activity_end": "activityEnd",
    }.items():  # fmt: skip
        text = text.replace(f'"{snake}"', f'"{other}"')
    return json.loads(text)


@pytest.mark.parametrize(
    ("message", "reading"),
    [
        (realtime(audio=SOUND), AUDIO),
        (realtime(audio={"data": "AA=="}), AUDIO),
        (realtime(audio={"display_name": "x", "data": "AA=="}), AUDIO),
        (realtime(audio=SOUND | {"display_name": "x"}), AUDIO),
        (realtime(video=PICTURE), VIDEO),
        (realtime(media_chunks=[SOUND]), AUDIO),
        (realtime(media_chunks=[PICTURE]), VIDEO),
        (realtime(media_chunks=[FILM]), VIDEO),
        (realtime(media_chunks=[{"data": "AA==", "mime_type": " Image/PNG"}]), VIDEO),
        (realtime(media_chunks=[PICTURE, FILM]), VIDEO),
        (realtime(media_chunks=[SOUND, SOUND]), AUDIO),
        (realtime(media_chunks=[SOUND, PICTURE]), RELIABLE),
        (realtime(media_chunks=[{"data": "AA==", "mime_type": "text/plain"}]), RELIABLE),
        (realtime(media_chunks=[{"data": "AA=="}]), RELIABLE),
        (realtime(media_chunks=[]), RELIABLE),
        (realtime(media_chunks=SOUND), RELIABLE),
        (realtime(media_chunks=[{"data": "AA==", "mime_type": 5}]), RELIABLE),
        (realtime(sound=SOUND), RELIABLE),
        (realtime(audio=[SOUND]), AUDIO),
        (realtime(audio=SOUND, video=PICTURE), RELIABLE),
        (realtime(audio=SOUND, audioStreamEnd=True), RELIABLE),
        (realtime(audio=SOUND) | {"setup": {}}, RELIABLE),
        (realtime(audio=SOUND, activity_end={}), DEMANDS),
        (realtime(audioStreamEnd=True), RELIABLE),
        (realtime(activity_start={}), OPENS),
        (realtime(activity_end={}), DEMANDS),
        (realtime(text="Hello"), DEMANDS),
        (realtime(text=""), RELIABLE),
        (realtime(), RELIABLE),
        (content(turns=[], turn_complete=True), DEMANDS),
        (content(turns=[], turn_complete=False), OPENS),
        (content(turns=[], turn_complete=None), OPENS),
        (content(turns=[]), OPENS),
        ({"contextUpdate": {"tools": {}}}, RELIABLE),
        ({"setup": {"model": "models/x"}}, RELIABLE),
        ({}, RELIABLE),
        (answer({"id": "a"}, {"id": "b", "name": "f"}), ClientReading(answers=frozenset("ab"))),
        (answer({"name": "f"}, {"id": None, "name": "g"}, {"id": ""}), ClientReading(answers=frozenset("fg"))),
        (answer({"id": 5}), RELIABLE),
        (answer(), RELIABLE),
        (answer({"id": "a"}) | content(turn_complete=True), ClientReading("reliable", False, True, frozenset("a"))),
    ],
)
def test_a_frame_is(message: dict[str, Any], reading: ClientReading) -> None:
    for variant in (message, camel(message)):
        for frame in (
            json.dumps(variant),
            json.dumps(variant, separators=(",", ":")),
            json.dumps(variant, indent=2),
            json.dumps(variant).encode(),
        ):
            assert read_client(frame) == reading


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", "null", "5", '"realtime_input"', "[" * 200_000, b"\xff", '{"realtime_input": 5}',
     '{"realtime_input": {"audio": {"data": "', '{"realtime_input": {"audio": {"data": "AA==', '{"realtime',
     '{"realtime_input": {"audio": {"data": "A\\"}}}', '{"client_content": 5}', '{"tool_response": [1]}',
     '{"realtime_input": {"audio": {"data": "AA=="}]}}', '{"realtime_input": {"data"'],
)  # fmt: skip
def test_what_is_not_recognised_is_reliable(frame: str | bytes) -> None:
    assert read_client(frame) == RELIABLE


@pytest.mark.parametrize(
    ("message", "shared"),
    [(realtime(audio=SOUND), AUDIO), (realtime(video=PICTURE), VIDEO), (realtime(mediaChunks=[PICTURE]), VIDEO)],
)
def test_media_share_one_reading(message: dict[str, Any], shared: ClientReading) -> None:
    assert read_client(json.dumps(message)) is shared
    assert shared.plain


def test_only_what_says_nothing_but_its_lane_is_plain() -> None:
    assert RELIABLE.plain
    for reading in (OPENS, DEMANDS, ClientReading(answers=frozenset("a"))):
        assert not reading.plain


def test_an_escaped_quote_does_not_end_a_payload() -> None:
    frame = '{"realtime_input": {"audio": {"data": "AA\\"}}}", "mime_type": "audio/pcm"}, "text": "Hi"}}'
    assert read_client(frame) == DEMANDS
    sneaky = '{"realtime_input": {"audio": {"data": "\\"}}}"}, "text": "Hi"}}'
    assert read_client(sneaky) == DEMANDS


def test_a_long_tail_is_read_to_its_end() -> None:
    assert read_client(json.dumps(realtime(audio=SOUND, text="Hi" * 200))) == DEMANDS


KEYS = st.sampled_from(["audio", "video", "mediaChunks", "media_chunks", "text", "activityStart", "activity_end", "x"])
BLOBS = st.fixed_dictionaries(
    {"data": st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode())},
    optional={
        "mime_type": st.sampled_from(["audio/pcm", "image/png", "text/plain", 'a"b']),
        "mimeType": st.sampled_from(["audio/pcm;rate=16000", "video/mp4"]),
        "data2": st.text(max_size=5),
    },
)
MESSAGES = st.dictionaries(
    st.sampled_from(["realtime_input", "realtimeInput", "other"]),
    st.dictionaries(KEYS, BLOBS | st.lists(BLOBS, max_size=2) | st.text(max_size=5), max_size=2),
    min_size=1,
    max_size=2,
)


@given(MESSAGES, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
def test_the_short_way_agrees_with_a_full_parse(message: dict[str, Any], separators: tuple[str, str]) -> None:
    frame = json.dumps(message, separators=separators)
    # A leading space keeps a frame from the short way, and changes nothing of what it says.
    assert read_client(frame) == read_client(f" {frame}")


@given(st.text() | st.binary(), st.sampled_from(["", '{"realtime_input": {"audio": {"data": "']))
def test_reading_never_raises(frame: str | bytes, before: str) -> None:
    assert read_client(frame).lane in ("reliable", "audio", "video")
    text = before + (frame if isinstance(frame, str) else frame.decode("latin-1"))
    read_client(text)
    said(text)
    without_answers(text, frozenset("a"))


@pytest.mark.parametrize("shape", [answer, lambda *items: camel(answer(*items))])
def test_answers_to_unknown_calls_are_taken_out(shape: Any) -> None:
    first, second, third = {"id": "a", "response": {"x": 1.5}}, {"id": "b"}, {"name": "f"}
    frame = json.dumps(shape(first, second, third))
    rest = without_answers(frame, frozenset(["b", "f", "z"]))
    assert rest is not None
    assert json.loads(rest) == shape(first)
    assert without_answers(frame, frozenset("abf")) is None


@pytest.mark.parametrize("message", [answer({"id": "a"}), answer(), content(turn_complete=True)])
def test_a_frame_that_answers_no_unknown_call_stays_as_it_is(message: dict[str, Any]) -> None:
    frame = json.dumps(message)
    assert without_answers(frame, frozenset("z")) is frame


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (content(turns=[{"role": "user", "parts": [{"text": "Hel"}, {"text": "lo"}]}, {"parts": [{"text": "you"}]}]),
         "Hello\nyou"),
        (content(turns=[{"role": "model", "parts": [{"text": "Hi"}]}, {"role": "user", "parts": [{"text": "Ho"}]}]),
         "Ho"),
        (content(turns=[{"parts": [{"text": "hm", "thought": True}, {"text": 5}, {"inlineData": SOUND}]}]), ""),
        (content(turns=None), ""),
        (realtime(text="Hello"), "Hello"),
        (realtime(audio=SOUND), ""),
        (answer({"id": "a"}), ""),
    ],
)  # fmt: skip
def test_what_the_user_says_is_read_for_the_transcript(message: dict[str, Any], text: str) -> None:
    assert said(json.dumps(message)) == said(json.dumps(camel(message))) == text
