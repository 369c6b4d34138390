"""The parts of a server message, read as the SDK's pydantic models read them; `relive.core.wire` puts them together.

Keys are accepted in camelCase and in snake_case, though not both at once; booleans may be words; null is the same as
nothing. `Malformed` is raised where the SDK would raise, but what can be understood before that is still told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from relive.core import events as ev

Json: TypeAlias = dict[str, object]


class Malformed(Exception):
    """A part of a frame is not what the SDK would accept there."""


class Draft:
    """A reading in the making."""

    __slots__ = ("calls", "connection", "events", "hidden", "notes", "text")

    def __init__(self, connection: int) -> None:
        self.connection = connection
        self.events: list[ev.ConnectionFact] = []
        self.text: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.hidden: set[str] = set()
        "Keys of the parts that are not delivered."
        self.calls = False


def _field(part: Json, camel: str, snake: str) -> object:
    if camel in part and snake in part:
        raise Malformed
    return part.get(camel, part.get(snake))


def as_object(value: object) -> Json:
    """Take a value for an object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed
    return cast("Json", value)


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed
    return cast("list[object]", value)


def _items(value: object) -> list[Json]:
    items = _list(value)
    if None in items:
        raise Malformed
    return [as_object(item) for item in items]


def _string(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed
    return value


_WORDS: Final = {
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False),
}


def _boolean(value: object) -> bool:
    if value is None:
        return False
    if value in (0, 1):
        return value == 1
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    raise Malformed


_DURATION: Final = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*s?\s*", re.IGNORECASE)
_LONGEST: Final = 86_400.0


def _seconds(value: object) -> float | None:
    """Read a protobuf Duration leniently; None if it is not legible. Nothing is longer than a day."""
    if value is None:
        return 0.0
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        return min(float(match[1]), _LONGEST) if match else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(min(value, _LONGEST))
    return None


_SURROGATE: Final = re.compile("[\ud800-\udfff]")  # half a character: JSON can say it, UTF-8 cannot
_INT64: Final = 2**63 - 1
_DIGITS: Final = re.compile(r"\s*-?[0-9]{1,19}\s*")


def _index(value: object) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return int(value)
    raise Malformed


def _identity(call: Json) -> str:
    # Vertex may leave out the id of a call, and its answer then has none either: the name stands in for it.
    identity, name = _string(call.get("id")), _string(call.get("name"))
    return identity or name


def _read_content(part: Json, draft: Draft) -> None:
    pieces = _items(as_object(_field(part, "modelTurn", "model_turn")).get("parts"))
    words = [(_string(piece.get("text")), _boolean(piece.get("thought"))) for piece in pieces]
    spoken = "".join(text for text, thought in words if not thought)
    heard = _string(as_object(_field(part, "inputTranscription", "input_transcription")).get("text"))
    written = _string(as_object(_field(part, "outputTranscription", "output_transcription")).get("text"))
    generated = _boolean(_field(part, "generationComplete", "generation_complete"))
    interrupted = _boolean(part.get("interrupted"))
    over = _boolean(_field(part, "turnComplete", "turn_complete"))
    status = _field(part, "interactionStatus", "interaction_status")
    # Like the SDK's `_is_interaction_complete`: a status, even one it does not know, wins over turn_complete.
    if status is not None and _string(status).upper() != "INTERACTION_STATUS_UNSPECIFIED":
        over = _string(status).upper() == "IDLE"
    if pieces:
        draft.events.append(ev.OutputStarted(draft.connection))
    if generated:
        draft.events.append(ev.AnswerGenerated(draft.connection))
    if interrupted:
        draft.events.append(ev.Interrupted(draft.connection))
    if over:
        draft.events.append(ev.TurnEnded(draft.connection))
    said = (("user", heard), ("model", spoken), ("model", written))
    draft.text += [(who, _SURROGATE.sub("\ufffd", text)) for who, text in said if text]


def _read_tool_call(part: Json, draft: Draft) -> None:
    calls = _items(_field(part, "functionCalls", "function_calls"))
    if calls:
        draft.events.append(ev.ToolCalled(draft.connection, frozenset(map(_identity, calls)) - {""}))
        draft.calls = True


def _read_cancellation(part: Json, draft: Draft) -> None:
    ids = _list(part.get("ids"))
    if None in ids:
        raise Malformed
    if ids:
        draft.events.append(ev.ToolCallsCancelled(draft.connection, frozenset(map(_string, ids))))


def _read_update(part: Json, draft: Draft) -> None:
    malformed = False
    index: int | None = None
    try:
        value = _field(part, "lastConsumedClientMessageIndex", "last_consumed_client_message_index")
        index = None if value is None else _index(value)
    except Malformed:
        malformed = True
    if index is not None and not 0 <= index <= _INT64:
        draft.notes.append("message index out of range")
        index = None
    handle = ""
    try:
        resumable = _boolean(part.get("resumable"))
        told = _string(_field(part, "newHandle", "new_handle"))
        handle = told if resumable else ""
    except Malformed:
        malformed = True
    if _SURROGATE.search(handle):
        draft.notes.append("illegible handle")
        handle = ""
    known = ev.CheckpointReceived(draft.connection, handle, index) if handle else None
    draft.events.append(known or ev.CheckpointWithheld(draft.connection))
    if malformed:
        raise Malformed


def _read_go_away(part: Json, draft: Draft) -> None:
    value = part.get("timeLeft", part.get("time_left"))
    seconds = _seconds(value)
    draft.events.append(ev.GoAwayReceived(draft.connection, seconds or 0.0))
    if seconds is None:
        draft.notes.append("illegible time_left")
    _string(_field(part, "timeLeft", "time_left"))


READERS: Final[dict[str, Callable[[Json, Draft], None]]] = {
    "serverContent": _read_content,
    "toolCall": _read_tool_call,
    "toolCallCancellation": _read_cancellation,
    "sessionResumptionUpdate": _read_update,
    "goAway": _read_go_away,
}
# Parts that have always been objects. One that a newer SDK brings is none of our business.
OBJECTS: Final = frozenset(READERS) | {
    "setupComplete",
    "usageMetadata",
    "voiceActivity",
    "voiceActivityDetectionSignal",
}
ORDER: Final = (
    ev.OutputStarted,
    ev.ToolCalled,
    ev.ToolCallsCancelled,
    ev.AnswerGenerated,
    ev.Interrupted,
    ev.TurnEnded,
    ev.CheckpointReceived,
    ev.CheckpointWithheld,
    ev.GoAwayReceived,
)
