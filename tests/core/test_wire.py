"""Server frames: what they say, and what the application sees of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relive.core import events as ev, wire
from relive.core.wire import PLAIN, Reading, ServerWire, reader

KNOWN = frozenset({
    "setupComplete",
    "serverContent",
    "toolCall",
    "toolCallCancellation",
    "usageMetadata",
    "goAway",
    "sessionResumptionUpdate",
    "voiceActivity",
    "voiceActivityDetectionSignal",
})  # fmt: skip
SECRET = "handle-0123456789"
OUTPUT, GENERATED, ENDED, STOPPED = ev.OutputStarted(7), ev.AnswerGenerated(7), ev.TurnEnded(7), ev.Interrupted(7)
WITHHELD = ev.CheckpointWithheld(7)
RECEIVED = ev.CheckpointReceived(7, SECRET)


def read(message: object, *, deliver_go_away: bool = False) -> Reading:
    frame = message if isinstance(message, bytes) else json.dumps(message).encode()
    return reader(KNOWN, deliver_go_away=deliver_go_away).read(frame, 7)


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


def update(**fields: Any) -> dict[str, Any]:
    return {"sessionResumptionUpdate": fields}


def away(**fields: Any) -> dict[str, Any]:
    return {"goAway": fields}


def calls(*items: Any) -> dict[str, Any]:
    return {"toolCall": {"functionCalls": list(items)}}


SPEECH = {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAECAw=="}}]}
WORDS = {"parts": [{"text": "hm", "thought": True}, {"text": "Hel"}, {"text": "lo"}]}


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (content(modelTurn=WORDS), (OUTPUT,)),
        (content(model_turn=WORDS), (OUTPUT,)),
        (content(modelTurn=SPEECH, generationComplete=True), (OUTPUT, GENERATED)),
        (content(modelTurn=SPEECH, outputTranscription={"text": "Hi"}), (OUTPUT,)),
        (content(outputTranscription={"text": "Hi"}), ()),
        (content(outputTranscription={"finished": True}), ()),
        (content(inputTranscription={"text": "Hi"}), ()),
        (content(modelTurn={}), ()),
        (content(modelTurn=None, turnComplete=None), ()),
        (content(interrupted=True), (STOPPED,)),
        (content(generationComplete=True), (GENERATED,)),
        (content(generation_complete="true"), (GENERATED,)),
        (content(generationComplete=False), ()),
        (content(waitingForInput=True), ()),
        (calls({"id": "a", "name": "f"}, {"id": "b", "name": "f"}), (ev.ToolCalled(7, frozenset("ab")),)),
        (calls({"name": "f", "args": {}}), (ev.ToolCalled(7, frozenset("f")),)),
        (calls({}), (ev.ToolCalled(7, frozenset()),)),
        ({"toolCall": {"function_calls": [{"id": "a"}]}}, (ev.ToolCalled(7, frozenset("a")),)),
        ({"toolCall": {}}, ()),
        ({"toolCallCancellation": {"ids": ["a", "b"]}}, (ev.ToolCallsCancelled(7, frozenset("ab")),)),
        ({"toolCallCancellation": {"ids": None}}, ()),
        ({"usageMetadata": {"totalTokenCount": 3}}, ()),
        ({"voiceActivity": {}}, ()),
        (update(), (WITHHELD,)),
        (update(resumable=False, newHandle=""), (WITHHELD,)),
        (update(resumable=False, newHandle=SECRET), (WITHHELD,)),
        (update(newHandle=SECRET), (WITHHELD,)),
        (update(resumable=True), (WITHHELD,)),
        (update(resumable=True, newHandle=""), (WITHHELD,)),
        (update(resumable=True, newHandle=SECRET), (RECEIVED,)),
        (update(resumable="true", new_handle=SECRET), (RECEIVED,)),
    ],
)
def test_a_frame_says(message: object, events: tuple[object, ...]) -> None:
    reading = read(message)
    assert reading.events == events
    assert reading.problem == ""
    assert reading.deliver == json.dumps(message).encode()


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({"turnComplete": True}, True),
        ({"turnComplete": False}, False),
        ({"turn_complete": True}, True),
        ({"turnComplete": "YES"}, True),
        ({"turnComplete": "off"}, False),
        ({"turnComplete": 1.0}, True),
        ({"turnComplete": 0}, False),
        ({"interactionStatus": "IDLE"}, True),
        ({"interaction_status": "idle"}, True),
        ({"interactionStatus": "IN_PROGRESS", "turnComplete": True}, False),
        ({"interactionStatus": "REQUIRES_ACTION", "turnComplete": True}, False),
        ({"interactionStatus": "SOMETHING_NEW", "turnComplete": True}, False),
        ({"interactionStatus": "", "turnComplete": True}, False),
        ({"interactionStatus": "interaction_status_unspecified", "turnComplete": True}, True),
        ({"interactionStatus": None, "turnComplete": True}, True),
    ],
)
def test_a_turn_ends_where_the_sdk_ends_its_receive(fields: dict[str, Any], over: bool) -> None:
    assert read(content(**fields)).events == ((ENDED,) if over else ())


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (content(turnComplete=True, interrupted=True, modelTurn=WORDS), (OUTPUT, STOPPED, ENDED)),
        (content(turnComplete=True, generationComplete=True, modelTurn=WORDS), (OUTPUT, GENERATED, ENDED)),
        (update(resumable=True, newHandle=SECRET) | content(turnComplete=True), (ENDED, RECEIVED)),
        (update() | content(turnComplete=True), (ENDED, WITHHELD)),
        (
            away(timeLeft="5s") | update(resumable=True, newHandle=SECRET) | content(turnComplete=True),
            (ENDED, RECEIVED, ev.GoAwayReceived(7, 5.0)),
        ),
        (
            {"toolCallCancellation": {"ids": ["a"]}} | calls({"id": "a"}) | update(resumable=True, newHandle=SECRET),
            (ev.ToolCalled(7, frozenset("a")), ev.ToolCallsCancelled(7, frozenset("a")), RECEIVED),
        ),
    ],
)
def test_the_order_of_facts_is_fixed(message: dict[str, Any], events: tuple[object, ...]) -> None:
    backwards = dict(reversed(message.items()))
    assert read(message).events == read(backwards).events == events


@pytest.mark.parametrize(
    ("time_left", "seconds"),
    [
        ("50s", 50.0), ("0.500s", 0.5), ("10", 10.0), (" 10 S ", 10.0), (".5s", 0.5), ("5.s", 5.0), ("0s", 0.0),
        ("9" * 400 + "s", 86_400.0), (None, 0.0),
    ],
)  # fmt: skip
def test_time_left_is_read_leniently(time_left: object, seconds: float) -> None:
    reading = read(away(timeLeft=time_left))
    assert reading == Reading(events=(ev.GoAwayReceived(7, seconds),))
    assert read(away(time_left=time_left)) == reading
    assert read(away(timeLeft=time_left), deliver_go_away=True).deliver is not None


@pytest.mark.parametrize(("time_left", "seconds"), [(10, 10.0), (0.5, 0.5), (10**400, 86_400.0)])
def test_a_number_for_a_time_left_is_understood_although_the_sdk_would_raise(time_left: float, seconds: float) -> None:
    reading = read(away(timeLeft=time_left), deliver_go_away=True)
    assert reading == Reading(events=(ev.GoAwayReceived(7, seconds),), problem="malformed goAway")


@pytest.mark.parametrize(
    "time_left",
    [
        "soon",
        "",
        "-5s",
        "NaNs",
        "infs",
        "1e5s",
        "٣s",
        "5s5s",
        -1,
        float("nan"),
        float("inf"),
        float("-inf"),
        True,
        [],
        {},
    ],
)
def test_an_illegible_time_left_means_now(time_left: object) -> None:
    reading = read(away(timeLeft=time_left))
    assert reading.events == (ev.GoAwayReceived(7, 0.0),)
    assert "illegible time_left" in reading.problem


def test_a_go_away_that_says_its_time_twice_is_still_one() -> None:
    reading = read(away(timeLeft="5s", time_left="6s"), deliver_go_away=True)
    assert reading == Reading(events=(ev.GoAwayReceived(7, 5.0),), problem="malformed goAway")


@pytest.mark.parametrize(
    ("value", "index"), [("13", 13), (" 0 ", 0), (12, 12), (12.0, 12), (None, None), (2**63 - 1, 2**63 - 1)]
)
def test_the_message_index_is_a_number_or_a_string(value: object, index: int | None) -> None:
    reading = read(update(resumable=True, newHandle=SECRET, lastConsumedClientMessageIndex=value))
    assert reading.events == (ev.CheckpointReceived(7, SECRET, index),)
    assert reading.problem == ""
    assert reading.deliver is not None


@pytest.mark.parametrize("value", [-1, "-2", 2**63, "9223372036854775809"])
def test_a_message_index_out_of_range_covers_nothing(value: object) -> None:
    reading = read(update(resumable=True, newHandle=SECRET, lastConsumedClientMessageIndex=value))
    assert reading.events == (RECEIVED,)
    assert reading.problem == "message index out of range"
    assert reading.deliver is not None


@pytest.mark.parametrize("value", ["", "abc", "1" * 5000, 1.5, float("nan"), [], {}])
def test_a_message_index_that_is_nonsense_is_withheld_but_its_handle_is_kept(value: object) -> None:
    reading = read(update(resumable=True, newHandle=SECRET, lastConsumedClientMessageIndex=value))
    assert reading == Reading(events=(RECEIVED,), problem="malformed sessionResumptionUpdate")


@pytest.mark.parametrize("fields", [
    {"resumable": True, "newHandle": 5},
    {"resumable": "perhaps", "newHandle": SECRET},
    {"resumable": True, "newHandle": SECRET, "new_handle": SECRET},
])  # fmt: skip
def test_an_update_that_cannot_be_read_is_not_a_checkpoint(fields: dict[str, Any]) -> None:
    assert read(update(**fields)) == Reading(events=(WITHHELD,), problem="malformed sessionResumptionUpdate")


def test_a_handle_that_cannot_be_written_as_utf8_is_not_a_checkpoint() -> None:
    reading = read(update(resumable=True, newHandle="\ud800"))
    assert reading.events == (WITHHELD,)
    assert reading.problem == "illegible handle"
    assert reading.deliver is not None


def test_setup_complete_and_go_away_are_for_us() -> None:
    assert read({"setupComplete": {"sessionId": "s"}}) == Reading()
    assert read(away(timeLeft="5s")).deliver is None
    assert read(away() | {"serverContent": None}) == Reading(events=(ev.GoAwayReceived(7, 0.0),))


def test_what_a_frame_says_besides_is_delivered_without_them() -> None:
    more = content(modelTurn=WORDS) | {"unheardOf": 1}
    reading = read(away(timeLeft="5s") | more | {"setupComplete": {}})
    assert reading.deliver is not None
    assert json.loads(reading.deliver) == more
    assert read(away() | {"unheardOf": 1}).problem == "unknown message: unheardOf"


def test_go_away_is_delivered_if_asked_for() -> None:
    frame = json.dumps(away(timeLeft="5s")).encode()
    assert reader(KNOWN, deliver_go_away=True).read(frame, 7).deliver is frame


@pytest.mark.parametrize("message", [content(turnComplete=True), {"goAway": None, "serverContent": {}}, {}, b""])
def test_anything_else_is_delivered_as_the_very_same_bytes(message: object) -> None:
    frame = message if isinstance(message, bytes) else json.dumps(message).encode()
    assert ServerWire(KNOWN).read(frame, 7).deliver is frame


def test_who_said_what_is_read_for_the_transcript() -> None:
    message = content(modelTurn=WORDS, inputTranscription={"text": "Hi"}, outputTranscription={"text": "\ud800!"})
    assert read(message).text == (("user", "Hi"), ("model", "Hello"), ("model", "\ufffd!"))
    assert read(content(interimInputTranscription={"text": "H"}, inputTranscription=None)).text == ()


def test_a_frame_that_calls_tools_says_so() -> None:
    assert read(calls({"id": "a"})).calls
    assert not read({"toolCall": {"functionCalls": []}}).calls
    assert not read(content(turnComplete=True)).calls


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (b"{", "malformed JSON"), (b"hello", "malformed JSON"), (b"\xff\xff", "malformed JSON"),
        (b'{"serverContent": {"inputTranscription": {"text": "\xff"}}}', "malformed JSON"),
        (b'{"x": ' + b"1" * 5000 + b"}", "malformed JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[]", "not an object"), (b"null", "not an object"), (b'"goAway"', "not an object"), (b"NaN", "not an object"),
        (b'{"error": {"code": 5}}', "unknown message: error"),
        (b'{"go_away": {}}', "unknown message: go_away"),
        (b'{"b": 1, "a": null, "c": 2}', "unknown message: b, c"),
        (b'{"b c": 1}', "unknown message: ?"),
        (b'{"goAway": null}', "empty message: goAway"),
    ],
)  # fmt: skip
def test_what_the_sdk_would_choke_on_is_withheld(frame: bytes, problem: str) -> None:
    assert read(frame) == Reading(problem=problem)


@pytest.mark.parametrize("key", sorted(KNOWN))
@pytest.mark.parametrize("value", [5, "x", [], True, False, ""])
def test_a_known_message_that_is_not_an_object_is_left_out(key: str, value: object) -> None:
    assert read({key: value}) == Reading(problem=f"malformed {key}")
    if key != "serverContent":
        reading = read({key: value} | content(turnComplete=True))
        assert reading == Reading((ENDED,), b'{"serverContent": {"turnComplete": true}}', f"malformed {key}")


@pytest.mark.parametrize("message", [
    content(modelTurn=5), content(modelTurn={"parts": 5}), content(modelTurn={"parts": [5]}),
    content(modelTurn={"parts": [None]}), content(modelTurn={"parts": [{"text": 5}]}), content(turnComplete=2),
    content(turnComplete=[]), content(turnComplete=" true"), content(interrupted="maybe"),
    content(generationComplete=3),
    content(turnComplete=True, turn_complete=True), content(interactionStatus=3), content(inputTranscription=5),
    content(outputTranscription={"text": 5}), {"toolCall": {"functionCalls": {}}}, calls(None), calls({"id": 5}),
    {"toolCallCancellation": {"ids": "a"}}, {"toolCallCancellation": {"ids": [5]}},
    {"toolCallCancellation": {"ids": [None]}},
])  # fmt: skip
def test_a_message_that_the_sdk_cannot_take_is_left_out(message: dict[str, Any]) -> None:
    key = next(iter(message))
    assert read(message) == Reading(problem=f"malformed {key}")


def test_a_message_of_a_newer_sdk_is_passed_on_whatever_it_is() -> None:
    frame = b'{"newThing": 5}'
    assert ServerWire(KNOWN | {"newThing"}).read(frame, 7) == Reading(deliver=frame)


def test_the_last_of_two_equal_keys_counts_as_in_the_sdk() -> None:
    assert read(b'{"goAway": {}, "goAway": null, "serverContent": {}}').events == ()


def test_no_repr_and_no_problem_tells_a_handle_or_a_word() -> None:
    reading = read(update(resumable=True, newHandle=SECRET) | content(modelTurn={"parts": [{"text": "in private"}]}))
    assert SECRET in str(reading.deliver)
    assert SECRET not in repr(reading)
    assert "private" not in repr(reading)
    assert SECRET not in read({SECRET: SECRET}).problem


def test_our_own_frames_say_what_they_are_meant_to() -> None:
    assert read(wire.interrupted()).events == (STOPPED,)
    assert read(wire.turn_complete()).events == (ENDED,)
    ids = ("b", "a", 'quo"te')
    frame = wire.tool_call_cancellation(ids)
    assert read(frame).events == (ev.ToolCallsCancelled(7, frozenset(ids)),)
    assert json.loads(frame)["toolCallCancellation"]["ids"] == list(ids)


def test_plain_is_not_like_any_other_reading() -> None:
    assert read({"setupComplete": {}}) != PLAIN
    assert PLAIN.plain
    assert not read(content(turnComplete=True)).plain
