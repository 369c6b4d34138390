"""One answer on its way out: which item comes when, what interrupts it, and what the frames look like."""

from __future__ import annotations

import base64
from typing import Literal, assert_never

from relive.testing import server_frames as frames
from relive.testing.server_desk import Desk
from relive.testing.server_model import Answer, CallTools, Output, Raw, Say, Speak
from relive.testing.server_truth import Emitted
from relive.testing.server_wire import Setup


class Turn:
    """A turn in progress on one connection. `step` sends what is due and says in how many seconds the next step is."""

    def __init__(self, desk: Desk, conn: int, setup: Setup, answer: Answer, emitted: Emitted) -> None:
        """Begin it; nothing is sent before the first step."""
        self.emitted = emitted
        self.pending: dict[str, None] = {}
        self.phase: Literal["generating", "tool", "playback", "over"] = "generating"
        self._desk = desk
        self._conn = conn
        self._setup = setup
        self._answer = answer
        self._position = 0

    def next_delay(self) -> float:
        """Seconds to wait before the next step."""
        if self._position < len(self._answer.items):
            return self._answer.items[self._position].delay
        return 0.0

    def hear(self) -> None:
        """Tell what the user was understood to have said, if the setup asked for it."""
        if self._answer.heard and self._setup.hears:
            self._content({"inputTranscription": {"text": self._answer.heard}})

    def step(self, prompt_size: int, *, vertex: bool) -> float | None:
        """Send the next item; return the seconds until the next step, None if there is nothing to wait for.

        `prompt_size` is the size of the context in bytes, for the usage figures.
        """
        if self.phase == "playback":
            self._complete(prompt_size, vertex=vertex)
            return None
        items, position = self._answer.items, self._position
        if position < len(items):
            self._position = position = position + 1
            self._send(items[position - 1])
            if self.phase == "tool":
                return None
            if position < len(items):
                return items[position].delay
        self._desk.utter(self._conn, frames.GENERATED)
        self.phase = "playback"
        return self._answer.playback

    def respond(self, ids: tuple[str, ...]) -> bool:
        """Take in tool responses; True if that was the last one that the turn waits for."""
        for call in ids:
            self.pending.pop(call, None)
        if self.phase != "tool" or self.pending:
            return False
        self.phase = "generating"
        return True

    def interrupt(self) -> None:
        """Tell that the user went on: no `generationComplete`. To be followed by `end`."""
        if self.pending:
            self._desk.say(self._conn, {"toolCallCancellation": {"ids": list(self.pending)}})
        self._desk.utter(self._conn, frames.INTERRUPTED)
        self._say_complete({})

    def end(self, how: Literal["completed", "interrupted", "lost", "swallowed"]) -> None:
        """Note how it ended."""
        self.phase = "over"
        self.pending.clear()
        self.emitted.ended = how

    def _send(self, item: Output) -> None:
        match item:
            case Speak():
                self.emitted.spoken.append(item.audio)
                self._say_sound(item.audio)
                if item.transcript and self._setup.speaks:
                    self._content({"outputTranscription": {"text": item.transcript}})
            case Say():
                self.emitted.written.append(item.text)
                self._say_words(item.text)
            case CallTools():
                self._call(item)
            case Raw():
                self._desk.send(self._conn, item.frame)
            case _:
                assert_never(item)

    def _say_sound(self, audio: bytes) -> None:
        """Send a chunk of audio. In the plainest manner, which is the usual one, frames come from templates."""
        script = self._desk.script
        if script.pretty or script.interaction_status:
            blob = {"mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(audio).decode()}
            self._content({"modelTurn": _parts({"inlineData": blob}), **self._status("IN_PROGRESS")})
        else:
            frame = frames.sound(audio)
            self._desk.send(self._conn, frame if script.binary else frame.decode())

    def _say_words(self, text: str) -> None:
        script = self._desk.script
        if script.pretty or script.interaction_status:
            self._content({"modelTurn": _parts({"text": text}), **self._status("IN_PROGRESS")})
        else:
            frame = frames.words(text)
            self._desk.send(self._conn, frame.encode() if script.binary else frame)

    def _call(self, item: CallTools) -> None:
        calls: list[dict[str, object]] = []
        for call in item.calls:
            number = self._desk.new_call(self._conn)
            self.pending[number] = None
            calls.append({"id": number, "name": call.name, "args": dict(call.args)})
        self.emitted.calls += tuple(self.pending)
        self.phase = "tool"
        self._desk.say(self._conn, {"toolCall": {"functionCalls": calls}})

    def _complete(self, prompt_size: int, *, vertex: bool) -> None:
        usage: dict[str, int] = {}
        if self._desk.script.usage:
            said = prompt_size // 4
            answered = (len(self.emitted.text) + len(self.emitted.audio)) // 4
            response = "candidatesTokenCount" if vertex else "responseTokenCount"
            usage = {"promptTokenCount": said, response: answered, "totalTokenCount": said + answered}
        self._say_complete(usage)
        self.end("completed")

    def _say_complete(self, usage: dict[str, int]) -> None:
        if self._desk.script.interaction_status:
            content = {"turnComplete": True, **self._status("IDLE")}
            self._desk.say(self._conn, {"serverContent": content, **({"usageMetadata": usage} if usage else {})})
        else:
            self._desk.utter(self._conn, frames.turn_complete(usage))

    def _status(self, status: str) -> dict[str, object]:
        return {"interactionStatus": status} if self._desk.script.interaction_status else {}

    def _content(self, content: dict[str, object]) -> None:
        self._desk.say(self._conn, {"serverContent": content})


def _parts(part: dict[str, object]) -> dict[str, object]:
    return {"parts": [part], "role": "model"}
