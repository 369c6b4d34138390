"""What kind of frame the client sends: which lane it takes, and what it means for the turn. Server frames: `wire`.

Media are recognised without JSON: head and tail are looked at, the base64 payload between them is jumped over. The SDK
writes some keys in snake_case and some in camelCase, and `send_realtime_input(media=…)` and the deprecated ``send``
write media chunks whose kind only the mime type tells. Rare frames are parsed. What is not recognised counts as
reliable: the worst that comes of it is that a frame is kept for too long.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias, cast

import attrs

Lane: TypeAlias = Literal["reliable", "audio", "video"]
_Json: TypeAlias = dict[str, object]


@attrs.frozen
class ClientReading:
    """What one client frame is."""

    lane: Lane = "reliable"
    opens_turn: bool = False
    "It begins a user turn that a later frame ends: an activity start, content without turn_complete."
    demands_answer: bool = False
    "The model owes an answer from here on: content with turn_complete, real-time text, an activity end."
    answers: frozenset[str] = frozenset()
    "Ids of the tool calls that it answers, or the names of calls that have no id."

    @property
    def plain(self) -> bool:
        """Whether the lane is all that there is to say."""
        return not (self.opens_turn or self.demands_answer or self.answers)


_NONE: Final = frozenset[str]()
RELIABLE: Final = ClientReading()
AUDIO: Final = ClientReading("audio")
VIDEO: Final = ClientReading("video")

_AUDIO_HEAD: Final = '{"realtime_input": {"audio": {"data": "'  # as the SDK writes it, some fifty times a second
_AUDIO_START: Final = len(_AUDIO_HEAD)
_AUDIO_TAILS: Final = set[str]()  # what has followed such audio: remembered for speed only, and not more than a few
_FEW: Final = 8
_LONGEST_HEAD: Final = 200
_LONGEST_TAIL: Final = 200
_MIME = r'\s*"mime_?[tT]ype"\s*:\s*"(?P<mime>[\w/.+;=, -]*)"'
_HEAD: Final = re.compile(
    r'\{"realtime_?[iI]nput"\s*:\s*\{\s*"(?P<key>\w+)"\s*:\s*(?P<list>\[?)\s*\{'
    rf'(?:{_MIME}\s*,)?\s*"data"\s*:\s*"',
    re.ASCII,
)
_TAIL: Final = re.compile(rf'"(?:\s*,{_MIME})?\s*\}}\s*(?P<list>\]?)\s*\}}\s*\}}\s*', re.ASCII)


def _lane(mime: object) -> Lane:
    if isinstance(mime, str):
        kind = mime.strip().lower().partition("/")[0]
        if kind == "audio":
            return "audio"
        if kind in ("image", "video"):
            return "video"
    return "reliable"


_MEDIA: Final[dict[Lane, ClientReading]] = {"reliable": RELIABLE, "audio": AUDIO, "video": VIDEO}


def read_client(frame: str | bytes) -> ClientReading:
    """Read one client frame. Never raises; frames that say nothing but their lane share one reading per lane."""
    text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
    if text.startswith(_AUDIO_HEAD):
        end = text.find('"', _AUDIO_START)
        if text[end:] in _AUDIO_TAILS and text[end - 1] != "\\":
            return AUDIO
    head = _AUDIO_HEAD if text.startswith(_AUDIO_HEAD) else text[: _payload(text)]
    if head:
        end = text.find('"', len(head))
        # An escaped quote is not the end of the payload.
        if 0 < len(text) - end < _LONGEST_TAIL and text[end - 1] != "\\":
            media = _media(head, text[end:])
            if media is not None:
                if head is _AUDIO_HEAD and len(_AUDIO_TAILS) < _FEW:
                    _AUDIO_TAILS.add(text[end:])
                return media
    return _read(_parse(text))


def _payload(text: str) -> int:
    """Find where a payload may begin; 0 if nowhere."""
    at = text.find('"data"', 0, _LONGEST_HEAD) if text.startswith('{"realtime') else -1
    return text.find('"', at + len('"data"')) + 1 if at > 0 else 0


@lru_cache(maxsize=64)
def _media(head: str, tail: str) -> ClientReading | None:
    """Read what stands around a payload. An application has very few of these, so they are remembered."""
    before, after = _HEAD.fullmatch(head), _TAIL.fullmatch(tail)
    if before is None or after is None or len(before["list"]) != len(after["list"]):
        return None
    match before["key"], before["list"]:
        case "audio", "":
            return AUDIO
        case "video", "":
            return VIDEO
        case "mediaChunks" | "media_chunks", "[":
            return _MEDIA[_lane(before["mime"] or after["mime"])]
        case _:
            return None


def _parse(text: str) -> _Json:
    try:
        return _object(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> _Json:
    return cast("_Json", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[_Json]:
    return [_object(item) for item in cast("list[object]", value)] if isinstance(value, list) else []


def _field(part: _Json, snake: str, camel: str) -> object:
    value = part.get(snake)
    return part.get(camel) if value is None else value


def _read(message: _Json) -> ClientReading:
    opens_turn = demands_answer = False
    content = _field(message, "client_content", "clientContent")
    if isinstance(content, dict):
        demands_answer = _field(_object(cast("object", content)), "turn_complete", "turnComplete") is True
        opens_turn = not demands_answer
    realtime = _object(_field(message, "realtime_input", "realtimeInput"))
    if isinstance(_field(realtime, "activity_start", "activityStart"), dict):
        opens_turn = True
    if isinstance(_field(realtime, "activity_end", "activityEnd"), dict) or realtime.get("text"):
        demands_answer = True
    answers = frozenset(map(_answered, _responses(message))) - {""} or _NONE
    if opens_turn or demands_answer or answers:
        return ClientReading("reliable", opens_turn, demands_answer, answers)
    return _MEDIA[_realtime_lane(realtime)] if len(message) == 1 else RELIABLE


def _realtime_lane(realtime: _Json) -> Lane:
    """Tell the lane of media; several kinds in one frame are reliable, so that none of them is dropped."""
    lanes: set[Lane] = set()
    for key in realtime:
        match key:
            case "audio":
                lanes.add("audio")
            case "video":
                lanes.add("video")
            case "media_chunks" | "mediaChunks":
                lanes.update(_lane(_field(chunk, "mime_type", "mimeType")) for chunk in _objects(realtime[key]))
            case _:
                lanes.add("reliable")
    return lanes.pop() if len(lanes) == 1 else "reliable"


def _responses(message: _Json) -> list[_Json]:
    return _objects(
        _field(_object(_field(message, "tool_response", "toolResponse")), "function_responses", "functionResponses")
    )


def _answered(response: _Json) -> str:
    # Vertex may leave out the id; the name stands in for it, as it does in the call (`server_parts`).
    identity = response.get("id") or response.get("name")
    return identity if isinstance(identity, str) else ""


def without_answers(frame: str, unknown: frozenset[str]) -> str | None:
    """Take the answers to these calls out of a tool response; None if it has no others.

    A frame that answers none of them comes back as it is.
    """
    message = _parse(frame)
    responses = _responses(message)
    known = [response for response in responses if _answered(response) not in unknown]
    if len(known) == len(responses):
        return frame
    if not known:
        return None
    for part in message.values():
        for key in ("function_responses", "functionResponses"):
            if key in _object(part):
                _object(part)[key] = known
    return json.dumps(message)


def said(frame: str) -> str:
    """Read what the user says in a frame, as text; empty if that is nothing.

    Turns that stand for what the model said are not the user's, and thoughts are nobody's.
    """
    message = _parse(frame)
    content = _object(_field(message, "client_content", "clientContent"))
    turns = [turn for turn in _objects(content.get("turns")) if turn.get("role") != "model"]
    spoken = ["".join(map(_text, _objects(turn.get("parts")))) for turn in turns]
    spoken.append(_text(_object(_field(message, "realtime_input", "realtimeInput"))))
    return "\n".join(filter(None, spoken))


def _text(part: _Json) -> str:
    text = part.get("text")
    return text if isinstance(text, str) and not part.get("thought") else ""
