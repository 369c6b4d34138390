"""What client frames say, in every spelling that clients use."""

from __future__ import annotations

import base64
import json

import pytest

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import DirectClient
from relive.testing.server_script import CLOSES, ServerScript
from relive.testing.server_truth import Consumed
from relive.testing.server_wire import read_audio

SOUND = b"\xff\xfe\xfb\xff\xff\x00"
STANDARD = base64.b64encode(SOUND).decode()
URL_SAFE = base64.urlsafe_b64encode(SOUND[:5]).decode()


def consumed(*frames: str | bytes) -> tuple[Consumed, ...]:
    c = DirectClient(FakeLiveServer(ServerScript(vad_silence=None)))
    conn = c.connect()
    c.send(conn, *frames)
    assert conn not in c.ends, c.ends
    return c.server.sessions[0].consumed


def refused(frame: str | bytes) -> tuple[int | None, str]:
    c = DirectClient(FakeLiveServer())
    conn = c.connect()
    c.send(conn, frame)
    return c.ends[conn]


@pytest.mark.parametrize(
    "frame",
    [
        say.audio(SOUND),
        pytest.param(say.audio(SOUND).encode(), id="binary"),
        f'{{"realtimeInput":{{"audio":{{"data":"{STANDARD}","mimeType":"audio/pcm;rate=16000"}}}}}}',
        f'{{"realtimeInput": {{"audio": {{"mimeType": "audio/pcm", "data": "{STANDARD}"}}}}}}',
        f'{{"realtime_input": {{"media_chunks": [{{"data": "{STANDARD}", "mime_type": "audio/pcm"}}]}}}}',
        f'{{"realtime_input": {{"mediaChunks": [{{"data": "{STANDARD}", "mimeType": "audio/pcm"}}]}}}}',
        json.dumps(json.loads(say.audio(SOUND)), indent=2),
    ],
)
def test_audio_is_understood_in_every_spelling(frame: str | bytes) -> None:
    ((kind, payload),) = [(item.kind, item.payload) for item in consumed(frame)]
    assert (kind, payload) == ("audio", SOUND)


def test_the_sdks_audio_frame_is_read_without_parsing_it() -> None:
    assert read_audio(say.audio(SOUND)) == SOUND
    assert read_audio(f'{{"realtimeInput":{{"audio":{{"data":"{STANDARD}","mimeType":"audio/pcm"}}}}}}') == SOUND
    assert read_audio(say.audio(b"")) == b""


@pytest.mark.parametrize(
    "frame",
    [
        say.video(SOUND),
        say.audio(SOUND, mime_type="image/jpeg"),
        say.audio(SOUND)[:-1],
        say.audio(SOUND) + "x",
        '{"realtime_input": {"audio": {"data": "',
        say.audio(SOUND)[:-3] + ', "activityEnd": {}}}',
    ],
)
def test_what_is_not_quite_an_audio_frame_is_parsed(frame: str) -> None:
    assert read_audio(frame) is None


def test_base64_may_be_url_safe_and_unpadded() -> None:
    for data in (URL_SAFE, URL_SAFE.rstrip("=")):
        frame = f'{{"realtime_input": {{"video": {{"data": "{data}", "mime_type": "image/jpeg"}}}}}}'
        assert consumed(frame)[0].payload == SOUND[:5]


def test_an_image_among_media_chunks_is_video() -> None:
    chunk = {"data": STANDARD, "mime_type": "image/jpeg"}
    (item,) = consumed(json.dumps({"realtime_input": {"mediaChunks": [chunk]}}))
    assert (item.kind, item.payload) == ("video", SOUND)


def test_every_kind_of_message_is_recorded_with_its_payload_and_index() -> None:
    items = consumed(
        say.content("a", turn_complete=False),
        say.video(b"v"),
        say.activity_start(),
        say.audio(b"s"),
        say.activity_end(),
        say.stream_end(),
        say.text("t"),
        say.tool_response("x", "y"),
        say.context_update("be nice"),
    )
    assert [(item.index, item.kind, item.payload) for item in items] == [
        (1, "content", "a"),
        (2, "video", b"v"),
        (3, "activity_start", ""),
        (4, "audio", b"s"),
        (5, "activity_end", ""),
        (6, "stream_end", ""),
        (7, "text", "t"),
        (8, "tool_response", ("x", "y")),
        (9, "context_update", ""),
    ]
    assert {item.connection for item in items} == {1}


def test_content_may_have_many_turns_and_parts_in_either_spelling() -> None:
    turns = [
        {"parts": [{"text": "a"}, {"inlineData": {"data": "", "mimeType": "image/png"}}]},
        {"parts": [{"text": "b"}]},
    ]
    for names in (("client_content", "turn_complete"), ("clientContent", "turnComplete")):
        (item,) = consumed(json.dumps({names[0]: {"turns": turns, names[1]: True}}))
        assert item.payload == "a\nb"


def test_several_fields_of_one_realtime_message_share_its_index() -> None:
    blob = {"data": STANDARD, "mimeType": "audio/pcm"}
    items = consumed(json.dumps({"realtimeInput": {"activityEnd": {}, "audio": blob, "activityStart": {}}}))
    assert [(item.index, item.kind) for item in items] == [(1, "activity_start"), (1, "audio"), (1, "activity_end")]


@pytest.mark.parametrize(
    ("frame", "close"),
    [
        ("hello", CLOSES["not_json"]),
        ("", CLOSES["not_json"]),
        ("5", CLOSES["invalid_argument"]),
        ("{}", CLOSES["invalid_argument"]),
        ('{"client_content": 5}', CLOSES["invalid_argument"]),
        ('{"client_content": {"turns": ["a"]}}', CLOSES["invalid_argument"]),
        ('{"client_content": {}, "realtime_input": {}}', CLOSES["invalid_argument"]),
        ('{"realtime_input": {}}', CLOSES["invalid_argument"]),
        ('{"realtime_input": {"audio": {"data": "A"}}}', CLOSES["invalid_argument"]),
        ('{"realtime_input": {"audio": {"data": "A", "mime_type": "audio/pcm"}}}', CLOSES["invalid_argument"]),
        ('{"tool_response": {}}', CLOSES["invalid_argument"]),
        (say.setup(), CLOSES["invalid_argument"]),
        ('{"x": {}}', CLOSES["unknown_name"]),
        (
            '{"realtime_input": {"x": 1}}',
            (1007, "Invalid JSON payload received. Unknown name \"x\" at 'realtime_input': Cannot find field."),
        ),
        (
            '{"client_content": {"x": 1}}',
            (1007, "Invalid JSON payload received. Unknown name \"x\" at 'client_content': Cannot find field."),
        ),
    ],
)
def test_what_the_service_does_not_understand_closes_the_connection(frame: str, close: tuple[int, str]) -> None:
    assert refused(frame) == close


@pytest.mark.parametrize(("script", "kind"), [(ServerScript(), bytes), (ServerScript(binary=False), str)])
def test_frames_out_are_binary_or_text(script: ServerScript, kind: type) -> None:
    c = DirectClient(FakeLiveServer(script))
    assert {type(frame) for frame in c.frames[c.connect()]} == {kind}


def test_frames_out_can_be_indented() -> None:
    c = DirectClient(FakeLiveServer(ServerScript(pretty=True, binary=False)))
    (frame,) = c.frames[c.connect()]
    assert isinstance(frame, str)
    assert frame.startswith('{\n  "setupComplete": {\n')
    assert frame.endswith("}\n")
