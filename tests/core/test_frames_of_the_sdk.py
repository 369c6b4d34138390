"""Frames as the installed SDK reads and writes them: its own code is the judge, for both of its backends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.genai import live, types
from hypothesis import example, given, strategies as st

from relive.core import events as ev, wire
from relive.core.client_frames import AUDIO, RELIABLE, VIDEO, ClientReading, read_client, said, without_answers
from relive.core.wire import reader

KNOWN = frozenset(field.alias for field in types.LiveServerMessage.model_fields.values() if field.alias)
BACKENDS = {"developer": SimpleNamespace(vertexai=False), "vertex": SimpleNamespace(vertexai=True)}
OPENS = ClientReading(opens_turn=True)
DEMANDS = ClientReading(demands_answer=True)

pytestmark = pytest.mark.filterwarnings("ignore:.*is not a valid", "ignore:.*deprecated:DeprecationWarning")


class Socket:
    """What the SDK takes for a websocket."""

    def __init__(self, *frames: bytes) -> None:
        self.inbound = list(frames)
        self.sent: list[str] = []

    async def send(self, frame: str) -> None:
        self.sent.append(frame)

    async def recv(self, decode: bool | None = None) -> bytes:
        return self.inbound.pop(0)


def session(backend: str, socket: Socket) -> live.AsyncSession:
    return live.AsyncSession(cast("Any", BACKENDS[backend]), cast("Any", socket))


def receive(backend: str, frame: bytes) -> types.LiveServerMessage:
    return asyncio.run(session(backend, Socket(frame))._receive())


def sends(backend: str, act: Callable[[live.AsyncSession], Awaitable[None]]) -> str:
    socket = Socket()
    asyncio.run(cast("Any", act(session(backend, socket))))
    (frame,) = socket.sent
    return frame


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_sdk_takes_the_frames_that_we_make(backend: str) -> None:
    cut = receive(backend, wire.interrupted()).server_content
    assert cut is not None
    assert cut.interrupted
    over = receive(backend, wire.turn_complete()).server_content
    assert over is not None
    assert over.turn_complete
    cancelled = receive(backend, wire.tool_call_cancellation(["b", "a"])).tool_call_cancellation
    assert cancelled is not None
    assert cancelled.ids == ["b", "a"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_our_turn_complete_ends_a_receive(backend: str) -> None:
    async def turn() -> list[types.LiveServerMessage]:
        return [
            message async for message in session(backend, Socket(wire.interrupted(), wire.turn_complete())).receive()
        ]

    assert len(asyncio.run(turn())) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_left_of_a_frame_is_what_the_sdk_makes_of_it(backend: str) -> None:
    message = {"goAway": {"timeLeft": "5s"}, "serverContent": {"turnComplete": True}, "usageMetadata": 5}
    reading = reader(KNOWN).read(json.dumps(message).encode(), 1)
    assert reading.deliver is not None
    assert receive(backend, reading.deliver).model_dump(exclude_none=True) == {
        "server_content": {"turn_complete": True}
    }


FLAGS = st.sampled_from([True, False, None, 0, 1, 2, 1.0, "true", "No", "y", " t", "", [], {}])
STATUSES = st.sampled_from([None, "IDLE", "idle", "In_Progress", "REQUIRES_ACTION", "", "NEW", " IDLE", 3, {},
                            "INTERACTION_STATUS_UNSPECIFIED", "interaction_status_unspecified"])  # fmt: skip
TEXTS = st.sampled_from([None, "Hi", "", "\ud800", 5, {}, []])
LISTS = st.sampled_from([None, [], {}, 5, "a", [None], [5]])
WORDS = st.fixed_dictionaries({}, optional={"text": TEXTS, "thought": FLAGS})
BAD = st.sampled_from([5, "x", [], False])


def part(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=cast("dict[str, st.SearchStrategy[Any]]", fields)) | st.none() | BAD


MESSAGES = st.fixed_dictionaries({}, optional={
    "setupComplete": part(sessionId=st.just("s")),
    "serverContent": part(
        turnComplete=FLAGS, turn_complete=FLAGS, interrupted=FLAGS, interactionStatus=STATUSES,
        interaction_status=STATUSES, modelTurn=part(parts=LISTS | st.lists(WORDS, max_size=2)),
        inputTranscription=part(text=TEXTS), output_transcription=part(text=TEXTS),
    ),
    "toolCall": part(functionCalls=LISTS | st.lists(part(id=TEXTS, name=TEXTS), max_size=2)),
    "toolCallCancellation": part(ids=LISTS | st.lists(TEXTS, max_size=2)),
    "goAway": part(timeLeft=TEXTS | st.just("5s"), time_left=TEXTS),
    "sessionResumptionUpdate": part(
        newHandle=TEXTS, new_handle=TEXTS, resumable=FLAGS,
        lastConsumedClientMessageIndex=st.sampled_from(["5", 5, -5, 5.0, 5.5, "x", "", None, True, []]),
    ),
    "usageMetadata": st.none() | BAD,
    "unheardOf": st.integers() | st.none(),
    "server_content": st.just({"turnComplete": True}),
})  # fmt: skip


def takes(backend: str, frame: bytes) -> types.LiveServerMessage | None:
    try:
        return receive(backend, frame)
    except (TypeError, ValueError, AttributeError):
        return None


@pytest.mark.parametrize("backend", BACKENDS)
@given(message=MESSAGES, deliver_go_away=st.booleans())
@example(message={"goAway": {"timeLeft": 5}}, deliver_go_away=True)
@example(message={"serverContent": {"turnComplete": True}, "usageMetadata": []}, deliver_go_away=False)
@example(message={"serverContent": {"modelTurn": {"parts": [{"text": 5, "thought": True}]}}}, deliver_go_away=False)
def test_the_sdk_takes_all_that_is_delivered_and_agrees_on_the_end_of_a_turn(
    backend: str, message: dict[str, Any], deliver_go_away: bool
) -> None:
    frame = json.dumps(message).encode()
    reading = reader(KNOWN, deliver_go_away=deliver_go_away).read(frame, 1)
    whole = takes(backend, frame)
    if reading.deliver is None:
        # A converter for Vertex takes a usage that is a string or a list for an empty one.
        accepted = set(whole.model_dump(exclude_none=True)) if whole else set[str]()
        assert accepted <= {"go_away", "setup_complete"} | ({"usage_metadata"} if backend == "vertex" else set[str]())
        assert ev.TurnEnded(1) not in reading.events
        return
    taken = takes(backend, reading.deliver)
    assert taken is not None
    assert live._is_interaction_complete(taken.server_content) == (ev.TurnEnded(1) in reading.events)
    assert bool(taken.tool_call and taken.tool_call.function_calls) == reading.calls
    assert (taken.go_away is not None) <= deliver_go_away
    assert taken.setup_complete is None
    update = taken.session_resumption_update
    if update is not None:
        usable = bool(update.resumable and update.new_handle and update.new_handle.isascii())
        assert any(isinstance(event, ev.CheckpointReceived) for event in reading.events) == usable


SOUND = types.Blob(data=bytes(range(256)), mime_type="audio/pcm;rate=16000")
PICTURE = types.Blob(data=b"\xff\xd8", mime_type="image/jpeg")
HELLO = types.Content(role="user", parts=[types.Part(text="Hello")])
ANSWER = types.FunctionResponse(id="a", name="f", response={"x": 1})
ANSWERS = ClientReading(answers=frozenset("a"))

SENDS: dict[str, tuple[ClientReading, Callable[[live.AsyncSession], Awaitable[None]]]] = {
    "audio": (AUDIO, lambda s: s.send_realtime_input(audio=SOUND)),
    "audio, a dict": (AUDIO, lambda s: s.send_realtime_input(audio={"data": b"a", "mime_type": "audio/pcm"})),
    "video": (VIDEO, lambda s: s.send_realtime_input(video=PICTURE)),
    "media, audio": (AUDIO, lambda s: s.send_realtime_input(media=SOUND)),
    "media, image": (VIDEO, lambda s: s.send_realtime_input(media=PICTURE)),
    "text": (DEMANDS, lambda s: s.send_realtime_input(text="Hello")),
    "activity start": (OPENS, lambda s: s.send_realtime_input(activity_start={})),
    "activity end": (DEMANDS, lambda s: s.send_realtime_input(activity_end={})),
    "stream end": (RELIABLE, lambda s: s.send_realtime_input(audio_stream_end=True)),
    "content": (DEMANDS, lambda s: s.send_client_content(turns=HELLO)),
    "content, open": (OPENS, lambda s: s.send_client_content(turns=[HELLO], turn_complete=False)),
    "content, empty": (DEMANDS, lambda s: s.send_client_content()),
    "tool response": (ANSWERS, lambda s: s.send_tool_response(function_responses=[ANSWER])),
    "context update": (RELIABLE, lambda s: s.send_context_update(system_instruction="Be kind.", tools=[])),
    "send text": (DEMANDS, lambda s: s.send(input="Hello", end_of_turn=True)),
    "send text, open": (OPENS, lambda s: s.send(input="Hello")),
    "send nothing": (DEMANDS, lambda s: s.send()),
    "send blob": (AUDIO, lambda s: s.send(input=SOUND)),
    "send a dict": (VIDEO, lambda s: s.send(input={"data": b"a", "mime_type": "image/png"})),
    "send chunks": (AUDIO, lambda s: s.send(input=types.LiveClientRealtimeInput(media_chunks=[SOUND]))),
    "send mixed": (RELIABLE, lambda s: s.send(input=types.LiveClientRealtimeInput(media_chunks=[SOUND, PICTURE]))),
    "send content": (DEMANDS, lambda s: s.send(input=types.LiveClientContent(turns=[HELLO], turn_complete=True))),
    "send content, open": (OPENS, lambda s: s.send(input=types.LiveClientContent(turns=[HELLO]))),
    "send answer": (ANSWERS, lambda s: s.send(input=ANSWER)),
    "send answers": (ANSWERS, lambda s: s.send(input=types.LiveClientToolResponse(function_responses=[ANSWER]))),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", SENDS)
def test_every_frame_that_the_sdk_sends_is_recognised(backend: str, what: str) -> None:
    reading, act = SENDS[what]
    frame = sends(backend, act)
    assert read_client(frame) == reading
    assert said(frame) == ("Hello" if "Hello" in frame else "")
    assert without_answers(frame, frozenset("z")) is frame
    assert without_answers(frame, frozenset("a")) == (None if reading.answers else frame)


def test_an_answer_without_an_id_is_known_by_its_name() -> None:
    nameless = types.FunctionResponse(name="f", response={})
    frame = sends("vertex", lambda s: s.send_tool_response(function_responses=nameless))
    assert read_client(frame).answers == {"f"}
