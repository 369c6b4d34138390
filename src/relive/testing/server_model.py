"""What the fake model says: plain data, and a pure function from what was said to an answer.

A model never sees a connection or a clock. What it answers depends on the turn's number in the session's *context*
and on what was said, so a turn that is rolled back and replayed is answered with the very same words.

What cannot be sent is refused where it is made, with `TypeError` or `ValueError`: in the model, and not in the server.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias

import attrs
from attrs.validators import deep_iterable, instance_of

from relive.testing.simulation.bounds import EVER, Number

_SECONDS: Final = Number(0.0, EVER)


def _plain_json(_owner: object, _field: object, value: Mapping[str, object]) -> None:
    json.dumps(dict(value))


@attrs.frozen
class TurnInput:
    """What the user said since the last turn: all that a model is given."""

    turn: int
    "Number of this turn in the session's context, from 1; a rolled back turn gives its number back."
    text: str = ""
    "What was written, pieces joined by a newline; empty if nothing was."
    audio_frames: int = 0
    "How many audio frames were heard."
    audio_bytes: int = 0
    "How many bytes of audio were heard, decoded."
    audio_crc: int = 0
    "CRC-32 over those bytes, in order: two inputs that sound alike have the same."


@attrs.frozen
class Say:
    """One chunk of text."""

    text: str = attrs.field(validator=instance_of(str))
    "The chunk."
    delay: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds after the item before it."


@attrs.frozen
class Speak:
    """One chunk of audio, 16 bit PCM at 24 kHz."""

    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio)} bytes>", validator=instance_of(bytes))
    "The samples; sent as base64."
    transcript: str = ""
    "What is heard in it; sent as `outputTranscription` if the setup asked for that and it is not empty."
    delay: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds after the item before it."


@attrs.frozen
class FunctionCall:
    """A function that the model wants called. The server gives it an id, a new one each time that it is announced."""

    name: str
    "Name of the function."
    args: Mapping[str, object] = attrs.field(factory=dict[str, object], validator=_plain_json)
    "Its arguments, plain JSON."


@attrs.frozen
class CallTools:
    """One `toolCall` message. The answer goes on when every call in it has been responded to."""

    calls: tuple[FunctionCall, ...] = attrs.field(validator=deep_iterable(instance_of(FunctionCall)))
    "At least one call."
    delay: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds after the item before it."


@attrs.frozen
class Raw:
    """Any frame at all, in the middle of an answer: malformed, unknown, several messages in one."""

    frame: str | bytes = attrs.field(repr=lambda frame: f"<{len(frame)} long>", validator=instance_of((str, bytes)))
    "Sent as it is."
    delay: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds after the item before it."


Output: TypeAlias = Say | Speak | CallTools | Raw
"One item of an answer."


@attrs.frozen
class Answer:
    """What the model makes of a turn: items, then `generationComplete`, then `turnComplete`."""

    items: tuple[Output, ...] = attrs.field(
        default=(), validator=deep_iterable(instance_of((Say, Speak, CallTools, Raw)))
    )
    "What is sent, in order."
    heard: str = ""
    "Transcription of the user's speech; sent as `inputTranscription` if the setup asked for that and it is not empty."
    playback: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds between `generationComplete` and `turnComplete`, as if somebody were listening in real time."
    silent: bool = False
    "The model chooses not to answer: nothing is sent, not even the end of the turn."


class Model(Protocol):
    """Anything that answers: a pure function, so that the same turn is always answered alike.

    One that raises, or returns something else, ends the connection, as an internal error of the service does. What it
    was is in `FakeLiveServer.model_failure`: whatever is tested with such a model is not tested.
    """

    def answer(self, said: TurnInput) -> Answer:
        """Say what the model does about this turn; must depend on nothing but `said`."""
        ...


class ModelFailed(Exception):
    """A fake model did not answer. What it raised, if it did, is the cause (`__cause__`)."""

    def __init__(self, model: Model, said: TurnInput, how: str) -> None:
        self.model = model
        "Which."
        self.said = said
        "What it was to answer."
        self.how = how
        "``raised …`` or ``returned …``."
        super().__init__(model, said, how)

    def __str__(self) -> str:
        return f"the fake model {type(self.model).__qualname__} {self.how}; it was to answer {self.said!r}"


def ask(model: Model, said: TurnInput) -> Answer:
    """Have a model answer.

    Raises:
        ModelFailed: it did not.
    """
    try:
        answer: Any = model.answer(said)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # what `pytest.fail` raises is no Exception
        raise ModelFailed(model, said, f"raised {type(error).__name__}: {error}") from error
    if not isinstance(answer, Answer):
        raise ModelFailed(model, said, f"returned {answer!r}, which is no Answer")
    return answer


TOOL_PREFIX = "tool:"
"A line that starts so asks `EchoModel` for tool calls: `tool:weather` for one, `tool:weather,time` for two at once."


@attrs.frozen
class EchoModel:
    """Answers text with text and audio with audio, and names the turn. Text that asks for tools gets them first."""

    chunks: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    "How many chunks an answer has (short texts have fewer)."
    interval: float = attrs.field(default=0.04, validator=_SECONDS)
    "Seconds between two chunks."
    thinking: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds before the first chunk."
    playback: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds between `generationComplete` and `turnComplete`."
    chunk_bytes: int = attrs.field(default=480, validator=attrs.validators.ge(2))
    "Size of one audio chunk, decoded."

    def answer(self, said: TurnInput) -> Answer:
        """Echo what was said."""
        items: list[Output] = [CallTools(calls, self.thinking) for calls in (_asked_tools(said),) if calls]
        delay = self.interval if items else self.thinking
        if said.text or not said.audio_frames:
            for chunk in _split(f"turn {said.turn}: {said.text}", self.chunks):
                items.append(Say(chunk, delay))
                delay = self.interval
            return Answer(tuple(items), playback=self.playback)
        for number in range(self.chunks):
            words = f"turn {said.turn} part {number + 1} "
            items.append(Speak(_sound(said, number, self.chunk_bytes), words, delay))
            delay = self.interval
        return Answer(tuple(items), f"{said.audio_frames} frames of speech", self.playback)


@attrs.frozen
class ScriptedModel:
    """Answers the first turn of a context with the first answer, the second with the second, and so on."""

    answers: tuple[Answer, ...]
    "By turn number."
    otherwise: Model = attrs.field(factory=EchoModel)
    "Who answers when the script has run out."

    def answer(self, said: TurnInput) -> Answer:
        """Look the turn up."""
        if said.turn <= len(self.answers):
            return self.answers[said.turn - 1]
        return self.otherwise.answer(said)


def _asked_tools(said: TurnInput) -> tuple[FunctionCall, ...]:
    names = [
        name.strip()
        for line in said.text.splitlines()
        if line.startswith(TOOL_PREFIX)
        for name in line.removeprefix(TOOL_PREFIX).split(",")
    ]
    return tuple(FunctionCall(name, {"turn": said.turn}) for name in names if name)


def _split(text: str, parts: int) -> list[str]:
    size = -(-len(text) // parts)
    return [text[start : start + size] for start in range(0, len(text), size)]


def _sound(said: TurnInput, number: int, size: int) -> bytes:
    key = f"{said.turn}:{said.audio_bytes}:{said.audio_crc}:{number}".encode()
    digest = hashlib.blake2b(key, digest_size=32).digest()
    return (digest * (size // 32 + 1))[:size]
