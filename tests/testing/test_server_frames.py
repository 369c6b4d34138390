"""The short cuts of the server: what they make is what the long way makes, and they stay short."""

from __future__ import annotations

import base64
import copy
import gc
import json
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, strategies as st

from relive.testing import server_client as say, server_frames as frames
from relive.testing.server import FakeLiveServer, Send
from relive.testing.server_client import DirectClient
from relive.testing.server_model import Answer, EchoModel, Say, ScriptedModel, Speak
from relive.testing.server_script import Limits, ServerScript
from relive.testing.server_truth import Consumed
from relive.testing.server_wire import read_audio

SOUND = b"\x01\x02" * 8
CHUNKS = tuple(Speak(bytes([number]) * 16, delay=0.04) for number in range(8))


def model_turn(part: object, **more: object) -> str:
    """The long way to a frame with one part."""
    return json.dumps({"serverContent": {"modelTurn": {"parts": [part], "role": "model"}, **more}})


def update(**said: object) -> object:
    return {"sessionResumptionUpdate": said}


def sound_part(sound: bytes) -> object:
    return {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(sound).decode()}}


@given(st.binary(max_size=3000))
def test_a_chunk_of_audio_is_the_frame_that_json_makes(sound: bytes) -> None:
    assert frames.sound(sound).decode() == model_turn(sound_part(sound))
    assert frames.sound(sound) == frames.sound(bytes(bytearray(sound)))


@given(st.text(max_size=50))
def test_a_chunk_of_text_is_the_frame_that_json_makes(text: str) -> None:
    assert frames.words(text) == model_turn({"text": text})


def test_words_about_the_turn_and_handles_are_the_frames_that_json_makes() -> None:
    usage = {"promptTokenCount": 1, "responseTokenCount": 20, "totalTokenCount": 21}
    over = {"serverContent": {"turnComplete": True}}
    given = update(newHandle="handle-1e", resumable=True, lastConsumedClientMessageIndex="7")
    made = {
        frames.GENERATED: {"serverContent": {"generationComplete": True}},
        frames.INTERRUPTED: {"serverContent": {"interrupted": True}},
        frames.turn_complete({}): over,
        frames.turn_complete(usage): {**over, "usageMetadata": usage},
        frames.EMPTY_UPDATE: update(),
        frames.NOT_RESUMABLE: update(newHandle="", resumable=False),
        frames.update("handle-0f", None): update(newHandle="handle-0f", resumable=True),
        frames.update("handle-1e", 7): given,
    }
    for frame, message in made.items():
        assert frame == json.dumps(message)


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("status", [True, False])
@pytest.mark.parametrize("pretty", [True, False])
def test_a_turn_ends_in_the_manner_of_the_script(*, usage: bool, status: bool, pretty: bool) -> None:
    script = ServerScript(usage=usage, interaction_status=status, pretty=pretty, binary=False)
    c = DirectClient(FakeLiveServer(script))
    conn = c.connect()
    c.send(conn, say.content("hello"))
    c.wait(1.0)
    ends = [frame for frame in c.frames[conn] if isinstance(frame, str) and "turnComplete" in frame]
    assert len(ends) == 1
    message = json.loads(ends[0])
    assert message["serverContent"] == {"turnComplete": True, **({"interactionStatus": "IDLE"} if status else {})}
    assert ("usageMetadata" in message) == usage
    assert ends[0] == (json.dumps(message, indent=2) + "\n" if pretty else json.dumps(message))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("sound", [b"", b"1234", b"\xff" * 5000])
def test_the_server_sends_these_frames_in_its_manner(sound: bytes, *, binary: bool) -> None:
    model = ScriptedModel((Answer((Speak(sound), Say('"hé\u2028"'))),))
    c = DirectClient(FakeLiveServer(ServerScript(model=model, binary=binary)))
    conn = c.connect()
    c.send(conn, say.content("hello"))
    expected = [model_turn(sound_part(sound)), model_turn({"text": '"hé\u2028"'})]
    assert c.frames[conn][1:3] == [frame.encode() if binary else frame for frame in expected]


def test_other_manners_take_the_long_way() -> None:
    model = ScriptedModel((Answer((Speak(SOUND), Say("x"))),))
    for script in (ServerScript(model=model, pretty=True), ServerScript(model=model, interaction_status=True)):
        c = DirectClient(FakeLiveServer(script))
        conn = c.connect()
        c.send(conn, say.content("hello"))
        status = {"interactionStatus": "IN_PROGRESS"} if script.interaction_status else {}
        expected = [json.loads(model_turn(part, **status)) for part in (sound_part(SOUND), {"text": "x"})]
        assert c.messages(conn)[1:3] == expected


@given(st.binary(max_size=400))
def test_an_audio_frame_says_the_same_the_second_time(sound: bytes) -> None:
    frame = say.audio(sound)
    assert read_audio(frame) == read_audio(str(frame.encode(), "utf-8")) == sound
    assert read_audio(frame[:-1]) is read_audio(frame[:-1]) is None


def test_what_was_consumed_and_what_is_sent_are_values() -> None:
    item = Consumed("audio", b"1234", 1, 2, 3.0)
    assert item == Consumed("audio", b"1234", 1, 2, 3.0)
    assert len({item, copy.deepcopy(item)}) == 1
    assert repr(item) == "Consumed(kind='audio', payload=<4 bytes>, connection=1, index=2, at=3.0)"
    assert len({Send(1, "x"), Send(1, "x"), Send(2, "x")}) == 2
    assert repr(Send(1, "secret")) == "Send(conn=1, frame=<6 long>)"


def calls_in(action: Callable[[], object]) -> int:
    """How many Python functions an action calls: unlike time, the same everywhere."""
    count = 0

    def note(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    # A collection may call back, at any moment.
    gc.disable()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def test_an_audio_frame_costs_a_dozen_calls_whatever_the_session_holds() -> None:
    server = FakeLiveServer(ServerScript(limits=Limits(audio_session=None)))
    conns = [conn for conn in (server.dial(say.DEVELOPER_PATH, {}, 0.0) for _ in range(50)) if isinstance(conn, int)]
    for conn in conns:
        server.receive(conn, say.setup(), 0.0)
    frame = say.audio(SOUND)
    server.receive(conns[0], frame, 0.0)
    costs: set[int] = set()
    for _ in range(1000):
        server.take()
        costs.add(calls_in(lambda: (server.receive(conns[0], frame, 0.0), server.take(), server.deadline)))
    assert len(costs) == 1
    assert costs.pop() <= 13


def test_an_audio_chunk_costs_a_dozen_and_a_half() -> None:
    server = FakeLiveServer(ServerScript(model=ScriptedModel((Answer(CHUNKS),)), limits=Limits(audio_session=None)))
    c = DirectClient(server)
    conn = c.connect()
    c.send(conn, say.content("hello"))
    c.wait(0.041)
    cost = calls_in(lambda: (server.advance(0.081), server.take()))
    assert cost <= 19


def test_bookkeeping_is_linear() -> None:
    """Thirty thousand items and a thousand answers: nothing is copied per item, so this takes well under a second."""
    c = DirectClient(FakeLiveServer(ServerScript(model=EchoModel(chunks=1, interval=0.0), vad_frames=30)))
    conn = c.connect(say.setup(contextWindowCompression={"slidingWindow": {}}))
    for number in range(30_000):
        c.server.receive(conn, say.audio(number.to_bytes(16, "big")), number * 0.01)
        c.server.take()
    (session,) = c.server.sessions
    assert session.consumed_count == len(session.consumed) == len(session.payloads("audio")) == 30_000
    assert session.rolled_back == ()
    assert len(session.answers) == 1000
    assert [answer.ended for answer in session.answers[:-1]] == ["completed"] * 999


def test_a_long_answer_is_kept_in_pieces_and_read_as_a_whole() -> None:
    answer = Answer((*CHUNKS, Say("a"), Say("b")))
    c = DirectClient(FakeLiveServer(ServerScript(model=ScriptedModel((answer,)))))
    conn = c.connect()
    c.send(conn, say.content("hello"))
    c.wait(10.0)
    (emitted,) = c.server.sessions[0].emitted
    assert emitted.audio == b"".join(chunk.audio for chunk in CHUNKS)
    assert emitted.text == "ab"
    assert "<128 bytes>" in repr(emitted)
