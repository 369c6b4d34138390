"""What a client frame says: the bytes that the SDK (or anyone) sends, read as the real service reads them.

Keys may be snake_case or camelCase, base64 standard or URL-safe, padded or not. An audio frame is recognised without
parsing JSON.
"""

from __future__ import annotations

import binascii
import json
import re
from functools import cache, lru_cache
from typing import Final, TypeAlias, cast

import attrs

from relive.testing.server_script import CLOSES, CloseCause
from relive.testing.server_truth import Kind, Payload

JsonObject: TypeAlias = dict[str, object]


@attrs.frozen
class Malformed:
    """A frame that the service does not understand: it closes the connection."""

    close: CloseCause
    "What it says then."


@attrs.frozen
class Setup:
    """The first frame of a connection."""

    model: str
    "Name of the model without any prefix."
    resumption: bool
    "Updates are wanted."
    handle: str = attrs.field(repr=False)
    "Handle to resume from, or empty."
    transparent: bool
    "Updates shall carry the index."
    compression: bool
    "Context window compression is configured."
    history: bool
    "`historyConfig` is there."
    initial_history: bool
    "The first content, up to `turnComplete`, is history and is not answered."
    hears: bool
    "Input transcriptions are wanted."
    speaks: bool
    "Output transcriptions are wanted."
    automatic: bool
    "Automatic activity detection is on."


@attrs.frozen
class Content:
    """A `clientContent` message."""

    text: str
    "The text of all parts of all turns, joined by newlines."
    turn_complete: bool
    "An answer is wanted."
    from_model: bool
    "It contains turns of the model: somebody seeds a conversation."


@attrs.frozen
class Realtime:
    """A `realtimeInput` message: what it carries, in the order in which it takes effect."""

    items: tuple[tuple[Kind, Payload], ...]
    "Kind and payload of each."


@attrs.frozen
class ToolResponse:
    """A `toolResponse` message."""

    ids: tuple[str, ...]
    "Ids of the calls that it responds to."


@attrs.frozen
class ContextUpdate:
    """A `contextUpdate` message."""


ClientFrame: TypeAlias = Setup | Content | Realtime | ToolResponse | ContextUpdate | Malformed

_AUDIO_HEAD: Final = re.compile(r'\{"realtime_?[iI]nput": ?\{"audio": ?\{"data": ?"')
_AUDIO_TAIL: Final = re.compile(r'", ?"mime_?[tT]ype": ?"audio/[^"\\]*"\}\}\}')
_SHORT: Final = 256
"Characters up to which an audio frame is kept: what is said in one simulated session is said in the next."
_INVALID: Final = Malformed(CLOSES["invalid_argument"])
_REALTIME: Final = {"mediaChunks", "audio", "video", "text", "activityStart", "activityEnd", "audioStreamEnd"}


def read_audio(frame: str) -> bytes | None:
    """Return the sound of an audio frame as the SDK writes it; None for anything else, which `read` understands."""
    return _kept_audio(frame) if len(frame) <= _SHORT else _find_audio(frame)


def _find_audio(frame: str) -> bytes | None:
    head = _AUDIO_HEAD.match(frame)
    if head is None:
        return None
    start = head.end()
    end = frame.find('"', start)
    if end < 0 or _AUDIO_TAIL.fullmatch(frame, end) is None:
        return None
    return decode_base64(frame[start:end])


_kept_audio = lru_cache(maxsize=32768)(_find_audio)


def decode_base64(data: str) -> bytes | None:
    """Decode standard or URL-safe base64, padded or not; None if it is neither."""
    try:
        plain = data.replace("-", "+").replace("_", "/")
        return binascii.a2b_base64(plain + "=" * (-len(plain) % 4))
    except ValueError:
        return None


def read(frame: str) -> ClientFrame:
    """Say what a client frame is."""
    try:
        parsed: object = json.loads(frame)
    except ValueError:
        return Malformed(CLOSES["not_json"])
    message = as_object(parsed)
    if not message:
        return _INVALID
    for name in message:
        if _camel(name) not in _READERS:
            return _unknown(name)
    if len(message) != 1:
        return _INVALID
    ((name, body),) = message.items()
    inner = as_object(body)
    return _INVALID if inner is None else _READERS[_camel(name)](inner)


def as_object(value: object) -> JsonObject | None:
    """Return a JSON object as such, None for every other value."""
    return cast("JsonObject", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object]:
    """Return a JSON array as such, an empty one for every other value."""
    return cast("list[object]", value) if isinstance(value, list) else []


def bare_model(name: str) -> str:
    """Return a model's name without `models/` or `publishers/google/models/` and the like."""
    return name.rpartition("/")[2]


@lru_cache(maxsize=256)
def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _get(message: JsonObject, name: str) -> object:
    """Look a camelCase name up, in either spelling."""
    if name in message:
        return message[name]
    return message.get(_snake(name))


@cache
def _snake(name: str) -> str:
    """Return the other spelling of one of our own names: there are few of them."""
    return re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name)


def _unknown(name: str, where: str = "") -> Malformed:
    at = f" at '{where}'" if where else ""
    return Malformed((1007, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'))


def _read_setup(body: JsonObject) -> ClientFrame:
    model = _get(body, "model")
    resumption = as_object(_get(body, "sessionResumption"))
    handle = _get(resumption or {}, "handle") or ""
    if not isinstance(model, str) or not model or not isinstance(handle, str):
        return _INVALID
    history = as_object(_get(body, "historyConfig"))
    realtime = as_object(_get(body, "realtimeInputConfig")) or {}
    detection = as_object(_get(realtime, "automaticActivityDetection")) or {}
    return Setup(
        model=bare_model(model),
        resumption=resumption is not None,
        handle=handle,
        transparent=bool(_get(resumption or {}, "transparent")),
        compression=as_object(_get(body, "contextWindowCompression")) is not None,
        history=history is not None,
        initial_history=bool(_get(history or {}, "initialHistoryInClientContent")),
        hears=as_object(_get(body, "inputAudioTranscription")) is not None,
        speaks=as_object(_get(body, "outputAudioTranscription")) is not None,
        automatic=not _get(detection, "disabled"),
    )


def _read_content(body: JsonObject) -> ClientFrame:
    for name in body:
        if _camel(name) not in {"turns", "turnComplete"}:
            return _unknown(name, "client_content")
    texts: list[str] = []
    from_model = False
    for turn in map(as_object, as_list(_get(body, "turns"))):
        if turn is None:
            return _INVALID
        from_model = from_model or _get(turn, "role") == "model"
        for part in map(as_object, as_list(_get(turn, "parts"))):
            text = _get(part or {}, "text")
            if isinstance(text, str):
                texts.append(text)
    return Content("\n".join(texts), bool(_get(body, "turnComplete")), from_model)


def _read_realtime(body: JsonObject) -> ClientFrame:
    for name in body:
        if _camel(name) not in _REALTIME:
            return _unknown(name, "realtime_input")
    items: list[tuple[Kind, Payload]] = []
    if _get(body, "activityStart") is not None:
        items.append(("activity_start", ""))
    blobs = [*as_list(_get(body, "mediaChunks")), _get(body, "audio"), _get(body, "video")]
    for blob in (as_object(blob) or {} for blob in blobs if blob is not None):
        data, mime_type = _get(blob, "data"), _get(blob, "mimeType")
        payload = decode_base64(data) if isinstance(data, str) else None
        if payload is None or not isinstance(mime_type, str):
            return _INVALID
        items.append(("audio" if mime_type.startswith("audio/") else "video", payload))
    text = _get(body, "text")
    if isinstance(text, str):
        items.append(("text", text))
    if _get(body, "audioStreamEnd"):
        items.append(("stream_end", ""))
    if _get(body, "activityEnd") is not None:
        items.append(("activity_end", ""))
    return Realtime(tuple(items)) if items else _INVALID


def _read_tool_response(body: JsonObject) -> ClientFrame:
    responses = [as_object(item) or {} for item in as_list(_get(body, "functionResponses"))]
    ids = tuple(str(_get(response, "id") or "") for response in responses)
    return ToolResponse(ids) if ids else _INVALID


def _read_context_update(_: JsonObject) -> ClientFrame:
    return ContextUpdate()


_READERS: Final = {
    "setup": _read_setup,
    "clientContent": _read_content,
    "realtimeInput": _read_realtime,
    "toolResponse": _read_tool_response,
    "contextUpdate": _read_context_update,
}
