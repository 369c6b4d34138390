"""What makes the fake model answer, how an answer looks, and what stops it."""

from __future__ import annotations

import base64
import json

import attrs
import pytest

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import VERTEX_PATH, DirectClient
from relive.testing.server_model import (
    Answer,
    CallTools,
    EchoModel,
    FunctionCall,
    Raw,
    Say,
    ScriptedModel,
    Speak,
    TurnInput,
)
from relive.testing.server_script import ServerScript

ANSWER = ["modelTurn", "modelTurn", "modelTurn", "generationComplete", "turnComplete"]
CUT = ["interrupted", "turnComplete"]
SOUND = b"\xff\xfe" * 160


def talk(script: ServerScript | None = None, frame: str | None = None) -> tuple[DirectClient, int]:
    c = DirectClient(FakeLiveServer(script))
    return c, c.connect(frame)


def test_content_is_answered_when_the_turn_is_complete() -> None:
    c, conn = talk()
    c.send(conn, say.content("one", turn_complete=False))
    c.wait(10.0)
    assert c.contents(conn) == []
    c.send(conn, say.content("two"))
    c.wait(10.0)
    assert c.contents(conn) == ANSWER
    assert c.server.sessions[0].emitted[0].text == "turn 1: one\ntwo"


def test_realtime_text_is_answered_at_once() -> None:
    c, conn = talk()
    c.send(conn, say.text("hé"))
    c.wait(1.0)
    assert c.contents(conn) == ANSWER


def test_chunks_come_at_their_interval() -> None:
    c, conn = talk(ServerScript(model=EchoModel(chunks=2, interval=0.25, thinking=0.5, playback=2.0)))
    c.send(conn, say.content("hello"))
    seen: list[list[str]] = []
    for seconds in (0.25, 0.25, 0.25, 1.0, 1.0):
        c.wait(seconds)
        seen.append(c.contents(conn))
    first, generated = ["modelTurn"], ["modelTurn", "modelTurn", "generationComplete"]
    assert seen == [[], first, generated, generated, [*generated, "turnComplete"]]


def test_the_end_of_a_turn_carries_usage_in_the_words_of_its_service() -> None:
    for path, name in ((say.DEVELOPER_PATH, "responseTokenCount"), (VERTEX_PATH, "candidatesTokenCount")):
        c = DirectClient(FakeLiveServer())
        conn = c.connect(path=path)
        c.send(conn, say.content("hello"))
        c.wait(1.0)
        last = c.messages(conn)[-2]
        assert last["serverContent"] == {"turnComplete": True}
        assert name in json.dumps(last["usageMetadata"])


def test_usage_can_be_left_out() -> None:
    c, conn = talk(ServerScript(usage=False))
    c.send(conn, say.content("hello"))
    c.wait(1.0)
    assert c.messages(conn, "usageMetadata") == []


def test_interaction_status_goes_with_content_and_the_end_of_the_turn() -> None:
    c, conn = talk(ServerScript(interaction_status=True, model=EchoModel(chunks=1)))
    c.send(conn, say.content("hello"))
    c.wait(1.0)
    contents = c.messages(conn, "serverContent")
    assert [content.get("interactionStatus") for content in contents] == ["IN_PROGRESS", None, "IDLE"]


def test_audio_is_answered_with_audio() -> None:
    c, conn = talk(ServerScript(model=EchoModel(chunks=1, chunk_bytes=100)))
    c.send(conn, say.audio(SOUND), say.stream_end())
    c.wait(1.0)
    blob = c.messages(conn, "serverContent")[0]["modelTurn"]["parts"][0]["inlineData"]  # type: ignore[index]
    assert blob["mimeType"] == "audio/pcm;rate=24000"
    assert len(base64.b64decode(blob["data"])) == 100


@pytest.mark.parametrize(
    "frame", [say.activity_end(), say.stream_end(), say.tool_response("x"), say.context_update("be nice")]
)
def test_marks_out_of_place_are_not_answered(frame: str) -> None:
    c, conn = talk()
    c.send(conn, frame)
    c.wait(10.0)
    assert c.contents(conn) == []
    assert conn in c.server.live


def test_speech_ends_after_silence() -> None:
    c, conn = talk(ServerScript(vad_silence=0.5))
    for _ in range(10):
        c.send(conn, say.audio(SOUND))
        c.wait(0.4)
    assert c.server.sessions[0].emitted == ()
    c.wait(0.1)
    (answer,) = c.server.sessions[0].emitted
    assert answer.said.audio_frames == 10


def test_speech_ends_after_a_number_of_frames() -> None:
    c, conn = talk(ServerScript(vad_silence=None, vad_frames=3))
    c.send(conn, *[say.audio(SOUND)] * 7)
    c.wait(10.0)
    assert [answer.said.audio_frames for answer in c.server.sessions[0].emitted] == [3, 3]


def test_speech_between_activity_marks_is_not_ended_by_silence() -> None:
    c, conn = talk()
    c.send(conn, say.activity_start(), say.audio(SOUND))
    c.wait(10.0)
    assert c.contents(conn) == []
    c.send(conn, say.activity_end())
    c.wait(1.0)
    assert "turnComplete" in c.contents(conn)


def test_silence_ends_nothing_when_automatic_detection_is_off() -> None:
    off = say.setup(realtimeInputConfig={"automaticActivityDetection": {"disabled": True}})
    c, conn = talk(frame=off)
    c.send(conn, say.audio(SOUND))
    c.wait(10.0)
    assert c.contents(conn) == []


def test_speech_that_ends_during_a_turn_is_answered_after_it() -> None:
    c, conn = talk(ServerScript(vad_frames=2))
    c.send(conn, say.content("hello"), say.audio(SOUND), say.audio(SOUND))
    c.wait(10.0)
    assert c.contents(conn) == ANSWER * 2
    assert [answer.ended for answer in c.server.sessions[0].emitted] == ["completed", "completed"]


def test_transcriptions_come_if_the_setup_asked_for_them() -> None:
    asked = say.setup(inputAudioTranscription={}, outputAudioTranscription={})
    for frame, expected in ((asked, True), (say.setup(), False)):
        c, conn = talk(frame=frame)
        c.send(conn, say.audio(SOUND), say.stream_end())
        c.wait(1.0)
        names = c.contents(conn)
        assert ("inputTranscription" in names) is expected
        assert ("outputTranscription" in names) is expected


@pytest.mark.parametrize("frame", [say.activity_start(), say.content("wait", turn_complete=False)])
def test_new_activity_interrupts_without_generation_complete(frame: str) -> None:
    c, conn = talk()
    c.send(conn, say.content("hello"))
    c.wait(0.05)
    c.send(conn, frame)
    c.wait(10.0)
    assert c.contents(conn) == ["modelTurn", "modelTurn", *CUT]
    assert c.server.sessions[0].emitted[0].ended == "interrupted"


@pytest.mark.parametrize("frame", [say.content("no, this"), say.text("no, this")])
def test_a_new_question_interrupts_and_is_answered(frame: str) -> None:
    c, conn = talk()
    c.send(conn, say.content("hello"), frame)
    c.wait(10.0)
    assert c.contents(conn) == ["modelTurn", *CUT, *ANSWER]
    assert [answer.turn for answer in c.server.sessions[0].emitted] == [1, 2]


def test_audio_interrupts_only_by_switch() -> None:
    for switch in (False, True):
        c, conn = talk(ServerScript(audio_interrupts=switch, vad_silence=None))
        c.send(conn, say.content("hello"), say.audio(SOUND))
        c.wait(10.0)
        assert ("interrupted" in c.contents(conn)) is switch


def test_an_interruption_reaches_into_playback() -> None:
    c, conn = talk(ServerScript(model=EchoModel(chunks=1, playback=5.0)))
    c.send(conn, say.content("hello"))
    c.wait(1.0)
    c.send(conn, say.activity_start())
    assert c.contents(conn) == ["modelTurn", "generationComplete", *CUT]


def test_tool_calls_are_announced_together_and_the_answer_waits_for_all() -> None:
    c, conn = talk()
    c.send(conn, say.content("tool:weather, time"))
    c.wait(100.0)
    assert c.contents(conn) == []
    weather, time = c.call_ids(conn)
    c.send(conn, say.tool_response(time))
    c.wait(100.0)
    assert c.contents(conn) == []
    c.send(conn, say.tool_response(weather))
    c.wait(1.0)
    assert c.contents(conn) == ANSWER
    assert c.server.sessions[0].emitted[0].calls == (weather, time)


def test_an_interruption_cancels_pending_tool_calls_first() -> None:
    c, conn = talk()
    c.send(conn, say.content("tool:weather"), say.activity_start())
    assert c.messages(conn, "toolCallCancellation") == [{"ids": c.call_ids(conn)}]
    assert [next(iter(message)) for message in c.messages(conn)[1:]] == [
        "toolCall",
        "toolCallCancellation",
        "serverContent",
        "serverContent",
        "sessionResumptionUpdate",
    ]


def test_a_stray_tool_response_is_ignored_and_recorded() -> None:
    c, conn = talk()
    c.send(conn, say.content("tool:weather"), say.tool_response("stray"))
    c.send(conn, say.tool_response(*c.call_ids(conn)))
    c.wait(1.0)
    assert c.contents(conn) == ANSWER
    assert c.server.sessions[0].stray_tool_responses == ["stray"]


def test_a_stray_tool_response_can_end_the_turn_and_swallow_the_next() -> None:
    c, conn = talk(ServerScript(stray_tool_response="swallow"))
    c.send(conn, say.content("hello"), say.tool_response("stray"))
    c.wait(1.0)
    assert c.contents(conn) == ["modelTurn"]
    c.send(conn, say.content("are you there?"))
    c.wait(1.0)
    assert c.contents(conn) == ["modelTurn"]
    c.send(conn, say.content("and now?"))
    c.wait(1.0)
    assert c.contents(conn) == ["modelTurn", *ANSWER]
    assert c.server.sessions[0].emitted[0].ended == "swallowed"


def test_a_stray_tool_response_swallows_what_waits_too() -> None:
    c, conn = talk(ServerScript(stray_tool_response="swallow", vad_frames=1))
    c.send(conn, say.content("hello"), say.audio(SOUND), say.tool_response("stray"))
    c.wait(10.0)
    assert c.contents(conn) == ["modelTurn"]
    assert [answer.ended for answer in c.server.sessions[0].emitted] == ["swallowed", "swallowed"]


def test_an_interruption_drops_what_waits_too() -> None:
    c, conn = talk(ServerScript(vad_frames=1))
    c.send(conn, say.content("hello"), say.audio(SOUND), say.activity_start())
    c.wait(10.0)
    assert [answer.ended for answer in c.server.sessions[0].emitted] == ["interrupted", "interrupted"]


def test_initial_history_is_not_answered() -> None:
    c, conn = talk(frame=say.setup(historyConfig={"initialHistoryInClientContent": True}))
    c.send(conn, say.content("hello"), say.content("hello, you", role="model"))
    c.wait(1.0)
    assert [answer.said.text for answer in c.server.sessions[0].emitted] == ["hello, you"]


def test_a_scripted_model_says_what_it_is_told_turn_by_turn() -> None:
    first = Answer((Say("a"), Say("b", delay=1.0), Raw("not json")))
    second = Answer((CallTools((FunctionCall("f", {"x": 1}),)), Speak(b"1234")), playback=1.0)
    c, conn = talk(ServerScript(model=ScriptedModel((first, second, Answer(silent=True)))))
    c.send(conn, say.content("one"))
    c.wait(1.0)
    assert c.frames[conn].pop(3) == "not json"
    assert c.contents(conn) == ["modelTurn", "modelTurn", "generationComplete", "turnComplete"]
    c.send(conn, say.content("two"))
    assert c.messages(conn, "toolCall")[0]["functionCalls"] == [
        {"id": c.call_ids(conn)[0], "name": "f", "args": {"x": 1}}
    ]
    c.send(conn, say.tool_response(*c.call_ids(conn)))
    c.wait(1.0)
    before = c.contents(conn)
    c.send(conn, say.content("three"))
    c.wait(100.0)
    assert c.contents(conn) == before
    c.send(conn, say.content("four"))
    c.wait(1.0)
    ended = [answer.ended for answer in c.server.sessions[0].emitted]
    assert ended == ["completed", "completed", "silent", "completed"]


def test_an_answer_without_items_is_an_empty_turn() -> None:
    c, conn = talk(ServerScript(model=ScriptedModel((Answer(),))))
    c.send(conn, say.content("hm"))
    assert c.contents(conn) == ["generationComplete", "turnComplete"]


def test_the_same_words_in_the_same_turn_get_the_same_answer() -> None:
    said = TurnInput(3, audio_frames=2, audio_bytes=640, audio_crc=7)
    assert EchoModel().answer(said) == EchoModel().answer(said)
    assert EchoModel().answer(said) != EchoModel().answer(attrs.evolve(said, turn=4))
    assert EchoModel().answer(said) != EchoModel().answer(attrs.evolve(said, audio_crc=8))


@pytest.mark.parametrize(("words", "chunks"), [("", 1), ("x", 3), ("a long text with many words", 7)])
def test_the_chunks_of_an_echo_make_up_the_text(words: str, chunks: int) -> None:
    items = EchoModel(chunks=chunks).answer(TurnInput(1, words)).items
    assert len(items) <= chunks
    assert "".join(item.text for item in items if isinstance(item, Say)) == f"turn 1: {words}"
