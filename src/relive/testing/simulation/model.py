"""The model of a simulation: answers as long as it is asked to, a chunk at a time."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import attrs

from relive.testing.server_model import Answer, CallTools, FunctionCall, Output, Speak, TurnInput
from relive.testing.simulation.plan import Turn

_ASKED: Final = re.compile(r"^#\d+ a([\d.e+-]+)", re.MULTILINE)
_TOOLS: Final = re.compile(r"^tool:(\S+)", re.MULTILINE)


@attrs.frozen
class SimulatedModel:
    """Speaks in chunks that name their turn and their place in it."""

    turns: tuple[Turn, ...]
    "How long answers to speech are, by the number of the turn in its context; a text says it itself."
    interval: float
    "Seconds between two chunks."
    thinking: float
    "Seconds before the first."

    def answer(self, said: TurnInput) -> Answer:
        """Depends on nothing but what was said, so that a turn that is repeated is answered alike."""
        found = _ASKED.findall(said.text)
        seconds = float(found[-1]) if found else self.turns[(said.turn - 1) % len(self.turns)].answer
        tools = _TOOLS.search(said.text)
        chunks = max(1, round(seconds / self.interval))
        return _answer(said.turn, chunks, tools[1] if tools else "", self.interval, self.thinking)


@lru_cache(4096)
def _answer(turn: int, chunks: int, tools: str, interval: float, thinking: float) -> Answer:
    items: list[Output] = []
    delay = thinking
    if tools:
        items.append(CallTools(tuple(FunctionCall(name, {"turn": turn}) for name in tools.split(",")), thinking))
        delay = interval
    for number in range(chunks):
        items.append(Speak(b"%05d.%06d" % (turn, number), delay=delay))
        delay = interval
    return Answer(tuple(items))
