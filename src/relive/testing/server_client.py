"""The client's words, and a client without a transport: for whoever drives a `FakeLiveServer` by hand.

The frames are written exactly as google-genai 3.4 writes them, mixed spelling and URL-safe base64 included.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, assert_never

from relive.testing.server import Close, FakeLiveServer, Refused, Reset, Send
from relive.testing.server_wire import JsonObject, as_list, as_object

DEVELOPER_PATH: Final = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
TOKEN_PATH: Final = DEVELOPER_PATH.replace("v1beta", "v1alpha") + "Constrained"
VERTEX_PATH: Final = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


def setup(
    model: str = "models/echo",
    *,
    handle: str | None = None,
    resumption: bool = True,
    transparent: bool = False,
    **more: object,
) -> str:
    """Make a setup frame; `more` are further fields of it, camelCase."""
    body: JsonObject = {"model": model, "generationConfig": {"responseModalities": ["AUDIO"]}, **more}
    if resumption or handle is not None:
        body["sessionResumption"] = {
            **({} if handle is None else {"handle": handle}),
            **({"transparent": True} if transparent else {}),
        }
    return json.dumps({"setup": body})


def content(text: str, *, turn_complete: bool = True, role: str = "user") -> str:
    """Make a content frame with one turn."""
    turns = [{"parts": [{"text": text}], "role": role}]
    return json.dumps({"client_content": {"turns": turns, "turnComplete": turn_complete}})


def audio(sound: bytes, mime_type: str = "audio/pcm;rate=16000") -> str:
    """Make an audio frame."""
    return json.dumps({"realtime_input": {"audio": {"data": _base64(sound), "mime_type": mime_type}}})


def video(picture: bytes, mime_type: str = "image/jpeg") -> str:
    """Make a video frame."""
    return json.dumps({"realtime_input": {"video": {"data": _base64(picture), "mime_type": mime_type}}})


def text(words: str) -> str:
    """Make a realtime text frame."""
    return json.dumps({"realtime_input": {"text": words}})


def activity_start() -> str:
    """Make the mark of a beginning activity."""
    return json.dumps({"realtime_input": {"activityStart": {}}})


def activity_end() -> str:
    """Make the mark of an ending activity."""
    return json.dumps({"realtime_input": {"activityEnd": {}}})


def stream_end() -> str:
    """Make the mark of the audio stream's end."""
    return json.dumps({"realtime_input": {"audioStreamEnd": True}})


def tool_response(*ids: str) -> str:
    """Make a response to these calls."""
    responses = [{"id": call, "name": "tool", "response": {"result": "ok"}} for call in ids]
    return json.dumps({"tool_response": {"functionResponses": responses}})


def context_update(instruction: str) -> str:
    """Make a context update with another system instruction."""
    return json.dumps({"contextUpdate": {"systemInstruction": {"parts": [{"text": instruction}], "role": "user"}}})


class DirectClient:
    """Talks to a server without a transport, on a clock that it moves itself. Remembers all that came back."""

    def __init__(self, server: FakeLiveServer, now: float = 0.0) -> None:
        """Start at this time."""
        self.server: Final = server
        self.now = now
        self.frames: defaultdict[int, list[str | bytes]] = defaultdict(list)
        "What came on each connection."
        self.ends: dict[int, tuple[int | None, str]] = {}
        "How connections ended: code (None for a reset) and reason."

    def dial(self, path: str = DEVELOPER_PATH, headers: Mapping[str, str] | None = None) -> int | Refused:
        """Open a connection, and send nothing on it."""
        admitted = self.server.dial(path, headers or {}, self.now)
        self.look()
        return admitted

    def connect(
        self,
        frame: str | None = None,
        path: str = DEVELOPER_PATH,
        *,
        model: str = "models/echo",
        handle: str | None = None,
    ) -> int:
        """Open a connection and send a setup: this frame, or a plain one; raises `ConnectionRefusedError`."""
        conn = self.dial(path)
        if isinstance(conn, Refused):
            raise ConnectionRefusedError(conn.status, conn.body)
        self.send(conn, setup(model, handle=handle) if frame is None else frame)
        return conn

    def send(self, conn: int, *frames: str | bytes) -> None:
        """Send frames, all at this instant."""
        for frame in frames:
            self.server.receive(conn, frame, self.now)
        self.look()

    def hang_up(self, conn: int) -> None:
        """End a connection from the client's side."""
        self.server.lost(conn, self.now)
        self.look()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.server.advance(self.now)
        self.look()

    def look(self) -> None:
        """Take what the server has put out; to be called after acting on the server directly."""
        for output in self.server.take():
            match output:
                case Send():
                    self.frames[output.conn].append(output.frame)
                case Close():
                    self.ends[output.conn] = (output.code, output.reason)
                case Reset():
                    self.ends[output.conn] = (None, "")
                case _:
                    assert_never(output)

    def messages(self, conn: int, key: str | None = None) -> list[JsonObject]:
        """Return what came on a connection, parsed: whole messages, or the value of one key where it is present."""
        parsed = [as_object(json.loads(frame)) or {} for frame in self.frames[conn]]
        return parsed if key is None else [as_object(message[key]) or {} for message in parsed if key in message]

    def contents(self, conn: int) -> list[str]:
        """Return the names of the fields of each `serverContent`, joined by `+`: the rhythm of a conversation."""
        return ["+".join(content) for content in self.messages(conn, "serverContent")]

    def handles(self, conn: int) -> list[str]:
        """Return the handles that came on a connection, oldest first."""
        updates = self.messages(conn, "sessionResumptionUpdate")
        return [str(update["newHandle"]) for update in updates if update.get("newHandle")]

    def call_ids(self, conn: int) -> list[str]:
        """Return the ids of the tool calls that came on a connection."""
        found: list[str] = []
        for call in self.messages(conn, "toolCall"):
            found += [str(item.get("id")) for item in map(_object, as_list(call.get("functionCalls")))]
        return found


def _object(value: object) -> JsonObject:
    return as_object(value) or {}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
