"""The user of a simulation: when what is said, and what is made of what is heard. No I/O, no clock.

Every item has a number of its own, over all clients of a simulation, so that it can be found again in what the server
consumed. `frame_of` makes the frame of an item, as the SDK would write it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from math import inf
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

import attrs

from relive.testing import server_client as words
from relive.testing.simulation.plan import Conversation, Turn

ItemKind: TypeAlias = Literal[
    "audio", "video", "content", "text", "activity_start", "activity_end", "stream_end", "tool_response"
]

BLOCK: Final = 10**9
"Numbers of one client: it has this many."
_SPEECH: Final = 2.0
"Seconds of speech between activity marks, at least."


class Item(NamedTuple):
    """Something that the application sends."""

    kind: ItemKind
    number: int
    text: str = ""
    "Of content and text."
    ids: tuple[str, ...] = ()
    "Of a tool response: the calls that it answers."
    asks: bool = False
    "The model owes an answer to it."


class Heard(NamedTuple):
    """What a frame means to the application."""

    output: bool = False
    interrupted: bool = False
    over: bool = False
    "The turn is over."
    calls: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    garbage: bool = False


OUTPUT: Final = Heard(output=True)
NOTHING: Final = Heard()
CHUNK: Final = b'{"serverContent": {"modelTurn"'
"How a chunk of an answer begins, as the fake server writes it: what most frames are."


def payload_of(number: int) -> bytes:
    """What is heard or seen in the frame of audio or video with this number."""
    return b"%012d" % number


def number_of(payload: object) -> int | None:
    """Return the number of a consumed item: of audio and video, of content and text; None if it cannot be told."""
    if isinstance(payload, bytes):
        return int(payload) if payload.isdigit() else None
    if isinstance(payload, str) and payload.startswith("#"):
        number = payload[1:].partition(" ")[0]
        return int(number) if number.isdigit() else None
    return None


@lru_cache(1 << 15)
def audio_frame(number: int) -> str:
    """Make the frame of audio with this number. The same numbers come in every simulation, so frames are kept."""
    return words.audio(payload_of(number))


def frame_of(item: Item) -> str:
    """Make the frame that the SDK would write."""
    match item.kind:
        case "audio":
            return audio_frame(item.number)
        case "video":
            return words.video(payload_of(item.number))
        case "content":
            return words.content(item.text)
        case "text":
            return words.text(item.text)
        case "activity_start":
            return words.activity_start()
        case "activity_end":
            return words.activity_end()
        case "stream_end":
            return words.stream_end()
        case "tool_response":
            return words.tool_response(*item.ids)


def hear(frame: bytes) -> Heard:
    """Read a frame as an application without the SDK would: of its own, so that it can disagree with ours."""
    return OUTPUT if frame.startswith(CHUNK) else _hear(frame)


@lru_cache(256)
def _hear(frame: bytes) -> Heard:
    message = message_of(frame)
    return Heard(garbage=True) if message is None else heard(message)


@lru_cache(256)
def message_of(frame: bytes) -> dict[str, Any] | None:
    """Parse a frame; None if it is no message. Nobody changes it.

    Who reads along needs it right before who listens, and many frames come again and again.
    """
    try:
        message = json.loads(frame.decode())  # of bytes `json` would find out the encoding first
    except ValueError:
        return None
    return cast("dict[str, Any]", message) if isinstance(message, dict) else None


def heard(message: dict[str, Any]) -> Heard:
    """Read a message."""
    content = message.get("serverContent") or _EMPTY
    calls = (message.get("toolCall") or _EMPTY).get("functionCalls") or ()
    cancelled = (message.get("toolCallCancellation") or _EMPTY).get("ids") or ()
    return Heard(
        output="modelTurn" in content,
        interrupted=bool(content.get("interrupted")),
        over=bool(content.get("turnComplete")),
        calls=tuple(call["id"] for call in calls),
        cancelled=tuple(cancelled),
    )


_EMPTY: Final[dict[str, Any]] = {}


@attrs.define(eq=False)
class Exchange:
    """One turn of the conversation, as the application sees it."""

    number: int
    "Of the item that asked; 0 before it was sent."
    asked: float
    chunks: int = 0
    "Chunks of the answer heard, those thrown away on an interruption not counted."
    cut: int = 0
    "Times that it was interrupted."
    ended: float | None = None


class User:
    """Talks by a schedule and by ear. `due` yields what to send at `deadline`, `hear` takes in what comes.

    Args:
        talk: what is to be said.
        client: number of the client in its herd, from 0: its items count from there.
    """

    def __init__(self, talk: Conversation, *, client: int = 0) -> None:
        self.asked: list[Exchange] = []
        "The exchanges begun, oldest first. One ends with each turn heard to its end."
        self.ended = 0
        "Turns whose end was heard."
        self.forgotten: list[Exchange] = []
        "Those that had not ended when their process died."
        self.stray_ends = 0
        "Ends of turns that nobody had begun."
        self.pending: dict[str, float] = {}
        "Calls of tools that run, and when each is done."
        self._talk = talk
        self._number = client * BLOCK
        self._turn = 0
        self._phase: Literal["pause", "speech", "answer", "tired"] = "pause"
        self._phase_at = talk.begin
        self._frames = 0
        audio = talk.audio
        self._period = 1.0 / audio.rate if audio.rate else inf
        self._pausing = audio.shut > 0.0
        self._audio_at = talk.begin if audio.rate else inf
        self._tools_at = inf
        self._retired = False
        self.deadline = min(self._audio_at, self._phase_at)
        "When `due` is to be asked, in seconds since the beginning."

    @property
    def turn(self) -> Turn:
        """The turn that is on, or comes next."""
        turns = self._talk.turns
        return turns[self._turn % len(turns)] if turns else _NO_TURN

    @property
    def waiting(self) -> bool:
        """Whether an answer is awaited, or a tool runs."""
        return self.ended < len(self.asked) or bool(self.pending)

    def retire(self) -> None:
        """Say nothing more, but the results of tools that still run, and the end of a turn that was begun."""
        self._retired = True
        self._audio_at = inf
        if self._phase == "speech":
            self._phase_at = 0.0
        else:
            self._phase_at = inf
        self._look()

    def restart(self, now: float) -> None:
        """Begin anew after a crash: what was awaited is forgotten, the conversation goes on with the next turn."""
        self.pending.clear()
        self._tools_at = inf
        self.forgotten += self.asked[self.ended :]
        del self.asked[self.ended :]
        self._frames = 0
        if not self._retired:
            self._phase, self._phase_at = "pause", now + self.turn.pause
            self._audio_at = now if self._talk.audio.rate else inf
        self._look()

    def audio_due(self, now: float) -> int:
        """If a frame of audio is all that is due, take it and return its number; else 0, and `due` says what is.

        It is what is due nearly always, up to fifty times a second.
        """
        if not self._audio_at <= now < self._phase_at or self._tools_at <= now:
            return 0
        self._frames += 1
        self._number = number = self._number + 1
        if self._pausing:
            self._next_audio()
        else:
            self._audio_at += self._period
        self.deadline = min(self._audio_at, self._phase_at, self._tools_at)
        return number

    def _next_audio(self) -> None:
        audio = self._talk.audio
        self._audio_at += self._period
        if self._pausing and self._audio_at % (audio.open + audio.shut) >= audio.open:
            self._audio_at += audio.open + audio.shut - self._audio_at % (audio.open + audio.shut)

    def due(self, now: float) -> Iterator[Item]:
        """What is to be sent now."""
        if self._audio_at <= now:
            self._frames += 1
            yield self._item("audio")
            self._next_audio()
        if self._phase_at <= now:
            yield from self._go_on(now)
        if self._tools_at <= now:
            done = tuple(call for call, at in self.pending.items() if at <= now)
            for call in done:
                del self.pending[call]
            if done:
                yield self._item("tool_response", ids=done)
        self._look()

    def burst(self, frames: int) -> Iterator[Item]:
        """So many frames of audio at once."""
        for _ in range(frames):
            self._frames += 1
            yield self._item("audio")

    def hear(self, what: Heard, now: float) -> None:
        """Take in what was received."""
        if what.output:
            if self.ended < len(self.asked):
                exchange = self.asked[self.ended]
                exchange.chunks += 1
                if exchange.chunks == 1 and self._phase == "answer" and self.turn.barge_in is not None:
                    self._phase_at = min(self._phase_at, now + self.turn.barge_in)
                    self.deadline = min(self.deadline, self._phase_at)
            return
        for call in what.cancelled:
            self.pending.pop(call, None)
        for call in what.calls:
            self.pending[call] = now + self.turn.tool_time
        if what.interrupted and self.ended < len(self.asked):
            self.asked[self.ended].chunks = 0
            self.asked[self.ended].cut += 1
        if what.over:
            self._heard_end(now)
        if what.calls or what.cancelled or what.over:
            self._look()

    def _heard_end(self, now: float) -> None:
        if self.ended >= len(self.asked):
            self.stray_ends += 1
            return
        self.asked[self.ended].ended = now
        self.ended += 1
        if self.ended == len(self.asked) and self._phase == "answer" and not self._retired:
            self._phase, self._phase_at = "pause", now + self.turn.pause
            self._turn += 1

    def _go_on(self, now: float) -> Iterator[Item]:
        """The pause is over, or the speech, or the patience."""
        if self._phase == "answer":  # barged in, or tired of waiting
            self._turn += 1
            self._phase = "pause"
        if self._retired and self._phase == "pause":
            self._phase_at = inf
            return
        turn = self.turn
        if not turn.answer and not self._talk.turns:
            self._phase_at = inf
            return
        if self._phase == "pause":
            for _ in range(turn.video):
                yield self._item("video")
            if turn.kind == "marked":
                yield self._item("activity_start")
            if turn.kind in ("marked", "spoken") and self._period < inf:
                self._phase, self._phase_at = "speech", now + max(_SPEECH, self._period)
                return
        yield self._ask(turn, now)

    def _ask(self, turn: Turn, now: float) -> Item:
        heard_speech = self._frames > 0
        self._frames = 0
        self._phase, self._phase_at = "answer", now + self._talk.patience
        if self._retired:
            self._phase_at = inf
        if turn.kind == "marked":
            item = self._item("activity_end", asks=True)
        elif turn.kind == "spoken" and heard_speech:
            item = self._item("stream_end", asks=True)
        else:
            text = f"#{self._number + 1} a{turn.answer:g}"
            if turn.tools:
                text += "\ntool:" + ",".join(f"tool{n}" for n in range(turn.tools))
            item = self._item("text" if turn.kind == "text" else "content", text, asks=True)
        self.asked.append(Exchange(item.number, now))
        return item

    def _item(self, kind: ItemKind, text: str = "", ids: tuple[str, ...] = (), *, asks: bool = False) -> Item:
        self._number += 1
        return Item(kind, self._number, text, ids, asks)

    def _look(self) -> None:
        self._tools_at = min(self.pending.values(), default=inf)
        self.deadline = min(self._audio_at, self._phase_at, self._tools_at)


_NO_TURN: Final = Turn(answer=0.0)
