"""How often each step of a machine was taken: from traces, or from what `relive simulate --json` prints.

A trace of a simulation tells each step of the machine; one of a real session only those that lead to another state.
Signs of life (`Heard`) are in no trace.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

import attrs

from relive.diagrams.model import Diagram, StepTaken
from relive.diagrams.reading import called
from relive.diagrams.timeline.reading import Entry, Flaw, Head, TraceError, read as told

_TRACE: Final = b"relive_trace"
_UNTOLD: Final = frozenset({"Heard"})


@attrs.frozen
class Walk:
    """What was walked."""

    steps: Counter[StepTaken]
    runs: int
    "Sessions, or herds of them."
    flaws: int = 0
    "Lines that could not be read."
    every: bool = True
    "Steps that change no state are counted as well, except on"
    untold: frozenset[str] = frozenset()
    "these events."

    def on(self, diagram: Diagram) -> tuple[Diagram, Counter[StepTaken]]:
        """The diagram with its steps counted; and the steps that it does not have."""
        has = {edge.step for edge in diagram.edges}
        strange = Counter({step: times for step, times in self.steps.items() if step not in has})
        return attrs.evolve(diagram, walked=self.steps - strange), strange

    def never(self, diagram: Diagram) -> list[StepTaken]:
        """The steps of a diagram that were not taken, in the order of its rules; of those that would have been told."""
        told = (
            edge.step
            for edge in diagram.edges
            if edge.event not in self.untold and (self.every or edge.dest is not None)
        )
        return [step for step in dict.fromkeys(told) if not self.steps[step]]


def walked(file: BinaryIO) -> Walk:
    """Count the steps in a trace, or in the JSON of a campaign.

    Args:
        file: it must be possible to go back in it.

    Raises:
        TraceError: it is neither, or a trace of a version that is not known.
    """
    if _TRACE in file.readline(4096):
        file.seek(0)
        return _of_trace(file)
    file.seek(0)
    return _of_campaign(file)


def _of_trace(file: BinaryIO) -> Walk:
    steps, moves = Counter[StepTaken](), Counter[StepTaken]()
    runs = flaws = 0
    for one in told(file):
        if isinstance(one, Head):
            runs += 1
        elif isinstance(one, Flaw):
            flaws += 1
        elif one.kind == "step":
            steps.update(_step(one))
        elif one.kind == "transition":
            moves.update(_move(one))
    return Walk(steps or moves, runs, flaws, every=bool(steps), untold=_UNTOLD)


def _step(entry: Entry) -> Iterator[StepTaken]:
    match entry.data:
        case [str(source), str(dest), *_]:
            yield source, called(entry.what), dest
        case _:
            pass


def _move(entry: Entry) -> Iterator[StepTaken]:
    source, arrow, dest = entry.what.partition(" → ")
    match entry.data:
        case [str(event), *_] if arrow:
            yield source, called(event), dest
        case _:
            pass


def _of_campaign(file: BinaryIO) -> Walk:
    try:
        said = cast("dict[str, Any]", json.load(file))
        steps = Counter[StepTaken]()
        for one in said["transitions"]:
            steps[str(one["state"]), called(str(one["event"])), str(one["dest"])] += int(one["times"])
        return Walk(steps, int(said["sessions"]))
    except (ValueError, TypeError, LookupError):
        raise TraceError(1, "neither a trace nor what `relive simulate --json` prints") from None
