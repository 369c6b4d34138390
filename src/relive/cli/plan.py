"""What a demo will do, decided before it starts: the turns, and what goes wrong in which of them. All from one seed.

Nothing here is a time: a fault strikes at the n-th frame or chunk of its turn, so that the same seed gives the same
life of a session, whatever the machine is doing besides.
"""

from __future__ import annotations

import random
import re
from typing import Final, Literal, TypeAlias

import attrs

from relive.testing.server_model import Answer, Output, Say, Speak, TurnInput

FaultKind: TypeAlias = Literal["go_away", "go_away_now", "reset", "close", "expire"]
Place: TypeAlias = Literal["speech", "answer", "after"]

CHUNKS: Final = 30
"Chunks of an answer."
THINKING: Final = 0.1
"Seconds between the end of a turn and the first of them."
CHUNK_BYTES: Final = 960
"Size of a spoken one: 20 ms of 16 bit PCM at 24 kHz."
FRAME_BYTES: Final = 640
"Size of a frame of the microphone: 20 ms of 16 bit PCM at 16 kHz."
FRAME_SECONDS: Final = 0.02
"Fifty frames a second, in both directions."
GO_AWAY_SECONDS: Final = 10.0
"Time left, where a GoAway says so: far more than what is left of any turn."

_WORDS: Final = ("every", "connection", "ends", "and", "the", "conversation", "goes", "on")
_QUESTIONS: Final = (
    "what is a connection",
    "what is a session",
    "what does a handle stand for",
    "what is in the journal",
    "when is it safe to leave",
    "what was I saying",
    "who closed the door",
    "are you still there",
)
_CHUNK: Final = re.compile(r"\[(\d+\.\d+)\]")
_FILLING: Final = bytes(range(1, 33)) * (CHUNK_BYTES // 32)


@attrs.frozen
class Fault:
    """One thing that goes wrong."""

    kind: FaultKind
    place: Place
    "While the user speaks, in the middle of the answer, or between its end and the handle that covers it."
    at: int
    "After how many frames consumed, or chunks sent, of the turn; 0 where the place says it all."
    refused: bool = False
    "The next dial is refused, too, with HTTP 503."

    def __str__(self) -> str:
        what = {
            "go_away": f"GoAway, {GO_AWAY_SECONDS:.0f} s left",
            "go_away_now": "GoAway, no time left",
            "reset": "TCP reset",
            "close": "close 1011",
            "expire": "the handle expires, and the connection ends",
        }[self.kind]
        where = {
            "speech": f"while the user speaks (frame {self.at})",
            "answer": f"in the middle of the answer (chunk {self.at})",
            "after": "after the answer, before its handle",
        }[self.place]
        return f"{what}, {where}" + ("; then 503 at the dial" if self.refused else "")


@attrs.frozen
class Turn:
    """What the user does in one turn."""

    number: int
    text: str
    "What is typed; empty if the turn is spoken."
    frames: int
    "How long the user speaks before the answer is asked for; 0 if the turn is typed."
    fault: Fault | None = None

    @property
    def spoken(self) -> bool:
        """The user speaks; else the user types. The microphone is open all the same."""
        return not self.text


@attrs.frozen
class Plan:
    """A demo, as decided."""

    seed: int
    turns: tuple[Turn, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong, in order."""
        return tuple(turn.fault for turn in self.turns if turn.fault is not None)


def make_plan(seed: int, *, faults: bool = True) -> Plan:
    """Decide on everything. The first turn goes well, so that there is a handle; so does the last."""
    rng = random.Random(seed)
    drops: tuple[FaultKind, ...] = ("go_away_now", "reset", "close")
    unlucky = rng.choice(drops)
    found = [
        _fault(rng, "go_away", "answer"),
        _fault(rng, "go_away", "speech"),
        *(_fault(rng, kind, _place(rng, kind), refused=kind == unlucky) for kind in drops),
        _fault(rng, "expire", rng.choice(("speech", "answer"))),
    ]
    rng.shuffle(found)
    typed = {rng.choice((0, len(found) + 1)), 1 + rng.choice([n for n, fault in enumerate(found) if _may_type(fault)])}
    turns: list[Turn] = []
    for number, fault in enumerate([None, *found, None]):
        spoken = number not in typed and not (fault and _may_type(fault) and rng.random() < 0.3)
        frames = rng.randint(30, 40)
        text = "" if spoken else f"{_QUESTIONS[number % len(_QUESTIONS)]}? ({number + 1})"
        turns.append(Turn(number + 1, text, frames if spoken else 0, fault if faults else None))
    return Plan(seed, tuple(turns))


def _place(rng: random.Random, kind: FaultKind) -> Place:
    return "answer" if kind == "go_away_now" else rng.choice(("speech", "answer", "after"))


def _fault(rng: random.Random, kind: FaultKind, place: Place, *, refused: bool = False) -> Fault:
    at = {"speech": rng.randint(8, 24), "answer": rng.randint(4, CHUNKS - 8), "after": 0}[place]
    return Fault(kind, place, at, refused)


def _may_type(fault: Fault) -> bool:
    """Whether the turn need not be spoken: a GoAway is shown in speech."""
    return fault.place != "speech" and fault.kind != "go_away"


class Storyteller:
    """The model of the demo: answers text with text and speech with sound, in numbered chunks."""

    def answer(self, said: TurnInput) -> Answer:
        """Depends on the number of the turn and on how it was said, so a turn that is repeated is answered alike."""
        items: list[Output] = []
        for number in range(CHUNKS):
            label = f"[{said.turn}.{number + 1}]"
            delay = FRAME_SECONDS if number else THINKING
            if said.text:
                items.append(Say(f"{label} {_WORDS[number % len(_WORDS)]} ", delay))
            else:
                items.append(Speak(label.encode() + _FILLING[len(label) :], delay=delay))
        return Answer(tuple(items))


def chunks_in(text: str, audio: bytes) -> list[str]:
    """Read the numbers of the chunks that some output consists of: ``turn.chunk``."""
    sounds = [audio[start : start + CHUNK_BYTES] for start in range(0, len(audio), CHUNK_BYTES)]
    spoken = [match[1] for sound in sounds if (match := _CHUNK.match(sound.decode("latin-1")))]
    return _CHUNK.findall(text) + spoken


def frame(number: int) -> bytes:
    """Make a frame of the microphone that carries its own number."""
    return number.to_bytes(4, "big") + _FILLING[: FRAME_BYTES - 4]


def number_of(payload: bytes) -> int | None:
    """Read the number of such a frame; None if it is not one, to the last byte."""
    number = int.from_bytes(payload[:4], "big")
    return number if payload == frame(number) else None
