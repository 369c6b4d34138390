"""What a server frame says, and the few server frames that we make ourselves. Client frames: `client_frames`.

Most frames are sound. Those are recognised without JSON: a base64 payload holds no quotes, so a search for the next
quote jumps over it, and only head and tail are looked at. Everything else is parsed, and read as the SDK reads it
(google/genai/live.py, `_receive`): top-level keys in camelCase only, keys below in either case, booleans as pydantic
takes them. What would make the SDK raise is left out, since an exception there ends the application's ``receive()``
while the connection is fine: a whole frame if need be, else the malformed part of it.

A frame may say several things. Its facts come in this order, whatever the order in the frame:

1. what opens: output, tool calls. First, so that no fact in the middle of a frame looks like a safe point;
2. what closes: cancelled calls, the end of generation, an interruption, the end of the turn. Cancelling comes after
   calling: a call that is made and cancelled by one frame is not pending;
3. the checkpoint, since an update in the frame that ends a turn covers that turn;
4. GoAway, which judges the situation that the rest of the frame has made.

A transcription is no output: it comes in no certain order with what it is of, also when the turn is over.

Two admissions. The payload of a sound frame is not looked at: if it is not base64, it is the SDK that says so. And
only the fields that mean something here are checked, so the SDK can still refuse a frame that was delivered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final, cast

import attrs

from relive.core import events as ev
from relive.core.server_parts import OBJECTS, ORDER, READERS, Draft, Json, Malformed, as_object


@attrs.frozen
class Reading:
    """What one server frame says. Its repr holds neither handles nor what was spoken."""

    events: tuple[ev.ConnectionFact, ...] = ()
    "In the order that the module describes."
    deliver: bytes | None = attrs.field(default=None, repr=False)
    "What the application sees: the frame itself, the frame less some part of it, or nothing."
    problem: str = ""
    "What was wrong with the frame. It was withheld for that if `deliver` is None, or is delivered less the wrong part."
    text: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    "Who (``user`` or ``model``) said what, for a transcript. Thoughts and interim transcriptions are left out."
    calls: bool = False
    "Whether it calls tools: delivered even if it is part of an answer that is withheld."
    plain: bool = False
    "Whether this is `PLAIN`."


PLAIN: Final = Reading(plain=True)
"""A sound frame, and nothing else. It is shared, so it cannot say so itself, but it stands for
``Reading(events=(OutputStarted(connection),), deliver=frame)``."""

# What a space matches is never given back: a frame full of spaces costs no more than any other.
_SPACE = rb"[ \t\n\r]*+"


def _tokens(*tokens: bytes) -> bytes:
    return b"".join(_SPACE + token for token in tokens)


_MIME = _tokens(rb'"mimeType"', rb":", rb'"[\w/.+;=, -]*"')
_ROLE = _tokens(rb'"role"', rb":", rb'"model"')
_HEAD: Final = re.compile(
    _tokens(rb"\{", rb'"serverContent"', rb":", rb"\{", rb'"modelTurn"', rb":", rb"\{")
    + rb"(?:" + _ROLE + _SPACE + rb",)?"
    + _tokens(rb'"parts"', rb":", rb"\[", rb"\{", rb'"inlineData"', rb":", rb"\{")
    + rb"(?:" + _MIME + _SPACE + rb",)?"
    + _tokens(rb'"data"', rb":", rb'"')
)  # fmt: skip
_TAIL: Final = re.compile(
    rb'"(?:' + _tokens(rb",") + _MIME + rb")?"
    + _tokens(rb"\}", rb"\}", rb"\]")
    + rb"(?:" + _tokens(rb",") + _ROLE + rb")?"
    + _tokens(rb"\}", rb"\}", rb"\}", b"")
)  # fmt: skip
_BACKSLASH: Final = 0x5C


def _place(event: ev.ConnectionFact) -> int:
    return ORDER.index(type(event))


def _names(keys: Iterable[str]) -> str:
    """Name keys in a problem; what does not look like a key could be anything, also a secret."""
    return ", ".join(sorted(key if re.fullmatch(r"[A-Za-z_]{1,40}", key) else "?" for key in keys))


@attrs.define
class ServerWire:
    """Reads the frames of one session's connections.

    It remembers the shape of the last sound frame, for speed only: the same frame always says the same.
    """

    known: frozenset[str]
    "Top-level keys of server messages that the installed SDK knows, in camelCase."
    deliver_go_away: bool = False
    "Whether the application sees GoAway, as it would without us."
    _head: bytes = attrs.field(init=False, repr=False, eq=False, default=b"\0")
    _start: int = attrs.field(init=False, repr=False, eq=False, default=1)
    _tail: bytes = attrs.field(init=False, repr=False, eq=False, default=b"")

    def read(self, frame: bytes, connection: int) -> Reading:
        """Read one frame. Never raises: what cannot be read is withheld, with a `problem`."""
        if frame.startswith(self._head):
            end = frame.find(b'"', self._start)
            # An escaped quote is not the end of the payload.
            if frame[end:] == self._tail and frame[end - 1] != _BACKSLASH:
                return PLAIN
        head = _HEAD.match(frame)
        if head is not None:
            end = frame.find(b'"', head.end())
            if end >= 0 and frame[end - 1] != _BACKSLASH and _TAIL.fullmatch(frame, end) is not None:
                self._head, self._start, self._tail = head[0], head.end(), frame[end:]
                return PLAIN
        if not frame:
            return Reading(deliver=frame)  # as the SDK: an empty message
        try:
            message: object = json.loads(frame)
            return self._read(message, frame, connection)
        except ValueError:
            return Reading(problem="malformed JSON")
        except RecursionError:
            return Reading(problem="nested too deeply")

    def _read(self, said: object, frame: bytes, connection: int) -> Reading:
        if not isinstance(said, dict):
            return Reading(problem="not an object")
        message = cast("Json", said)
        draft = Draft(connection)
        for key, value in message.items():
            if value is None or key not in OBJECTS:
                continue
            if key == "setupComplete" or (key == "goAway" and not self.deliver_go_away):
                draft.hidden.add(key)
            try:
                part = as_object(value)
                if key in READERS:
                    READERS[key](part, draft)
            except Malformed:
                draft.hidden.add(key)
                draft.notes.append(f"malformed {key}")
        deliver = self._deliver(message, frame, draft)
        events = draft.events if len(draft.events) < 2 else sorted(draft.events, key=_place)  # nearly all say one thing
        return Reading(
            events=tuple(events),
            deliver=deliver,
            problem="; ".join(draft.notes),
            text=tuple(draft.text),
            calls=draft.calls,
        )

    def _deliver(self, message: Json, frame: bytes, draft: Draft) -> bytes | None:
        hidden = draft.hidden
        said = {key for key, value in message.items() if value is not None and key not in hidden}
        if not said.isdisjoint(self.known):
            if not hidden:
                return frame
            return json.dumps({key: value for key, value in message.items() if key not in hidden}).encode()
        if not message:
            return frame  # as the SDK: an empty message
        if said:
            draft.notes.append(f"unknown message: {_names(said)}")
        elif not hidden:
            draft.notes.append(f"empty message: {_names(message)}")
        return None


def reader(known: frozenset[str], *, deliver_go_away: bool = False) -> ServerWire:
    """Make a reader for the messages that the installed SDK knows."""
    return ServerWire(known, deliver_go_away)


def interrupted() -> bytes:
    """Make the frame that says: the answer was cut."""
    return b'{"serverContent": {"interrupted": true}}'


def turn_complete() -> bytes:
    """Make the frame that ends a turn, and with it the SDK's ``receive()``."""
    return b'{"serverContent": {"turnComplete": true}}'


def tool_call_cancellation(ids: Iterable[str]) -> bytes:
    """Make the frame that says: these calls are no longer wanted."""
    return json.dumps({"toolCallCancellation": {"ids": list(ids)}}).encode()
