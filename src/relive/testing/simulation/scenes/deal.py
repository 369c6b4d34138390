"""Scenes: small stories that lead to the corners of the machine. A plan of the default profile has one.

Each takes an ordinary plan and changes it: a few steps, and what else its story needs. Its variants are dealt in turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from relive.testing.simulation import faults as f
from relive.testing.simulation.plan import Plan, Step, Turn

T = TypeVar("T")


class Deal:
    """Chooses a variant of a scene: each choice in its turn, so that a few deals of a scene show all of it.

    Args:
        nth: how often the scene was dealt before.
        chance: for times, which need no order.
    """

    def __init__(self, nth: int, chance: random.Random) -> None:
        self._left = nth
        self._chance = chance

    def of(self, *options: T) -> T:
        """One of these."""
        self._left, place = divmod(self._left, len(options))
        return options[place]

    def maybe(self) -> bool:
        """Yes or no."""
        return self.of(True, False)

    def at(self, earliest: float, latest: float) -> float:
        """Any time between these, in seconds."""
        return round(self._chance.uniform(earliest, latest), 2)

    def some(self, options: tuple[T, ...], many: int) -> tuple[T, ...]:
        """So many of these."""
        start = self.of(*range(len(options)))
        return tuple(options[(start + n) % len(options)] for n in range(many))


Scene: TypeAlias = Callable[[Plan, Deal], Plan]

SCENES: Final[dict[str, Scene]] = {}
"By name."
DECK: Final[list[str]] = []
"Their cards: a scene with many variants has several."
EVER: Final = 1e6
FATAL: Final = "bad_key"
STRAYS: Final = ("CheckpointLoaded", "CheckpointNotLoaded", "SeedAnswered", "SeedRefused")
OLD: Final = ("OldConnectionDropped", "OldConnectionClosed")
TYPED: Final = (Turn(answer=6.0, pause=1.0),)
PLAIN: Final[dict[str, Any]] = {
    "talk__turns": TYPED, "talk__begin": 0.5, "service__latency": 0.0, "service__setup": 0.05, "service__lead": None,
}  # fmt: skip
LENGTHY: Final[dict[str, Any]] = {**PLAIN, "talk__turns": (Turn(answer=20.0, pause=0.5),)}
CALM: Final[dict[str, Any]] = {"service__connection": EVER, "service__late": 0.0}
"Connections end only by what the story does, and there is a handle when it does."
SILENT: Final[dict[str, Any]] = {
    "talk__begin": 100.0, "service__latency": 0.0, "service__lead": None, "service__every": None,
}  # fmt: skip
_LATE_WORDS: Final = (
    "output", "generation_complete", "interrupted", "turn_complete", "tool_call", "tool_call_cancellation",
    "empty_update", "go_away",
)  # fmt: skip


def scene(cards: int = 1) -> Callable[[Scene], Scene]:
    """Enter a scene with so many cards."""

    def enter(story: Scene) -> Scene:
        SCENES[story.__name__] = story
        DECK.extend([story.__name__] * cards)
        return story

    return enter


def with_(plan: Plan, *steps: Step, policy: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """The plan with more steps; `changes` are fields of its parts: ``talk__begin=5.0``."""
    for name, value in changes.items():
        part, _, field = name.partition("__")
        plan = attrs.evolve(plan, **{part: attrs.evolve(getattr(plan, part), **{field: value})})
    if policy is not None:
        plan = attrs.evolve(plan, client=attrs.evolve(plan.client, policy={**plan.client.policy, **policy}))
    return attrs.evolve(plan, steps=(*plan.steps, *steps))


def only(plan: Plan, *steps: Step, policy: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """The plan with these steps and this policy and no others: for stories that others would spoil."""
    bare = attrs.evolve(plan, steps=(), client=attrs.evolve(plan.client, policy={}))
    return with_(bare, *steps, policy=policy, **changes)


def at(when: float, fault: f.Fault, **more: Any) -> Step:
    """A step at a time."""
    return Step(fault=fault, at=when, **more)


def in_(state: str, fault: f.Fault, when: float = 0.0, **more: Any) -> Step:
    """A step in a state, from a time on."""
    return Step(fault=fault, state=state, at=when, **more)


def late_words(state: str, deal: Deal, when: float) -> tuple[Step, ...]:
    """What the server may still say on a connection that we are closing: some of it, in any order."""
    return (
        at(0.0, f.SlowClose(0.25, EVER)),
        *(in_(state, f.Unsolicited(word), when, delay=0.02 * n) for n, word in enumerate(deal.some(_LATE_WORDS, 4), 1)),
        in_(state, f.Stray("Heard"), when, delay=0.01),
        in_(state, f.Stray("JournalFlushed"), when, delay=0.01),
        in_(state, f.Stray("OutputHeard"), when, delay=0.01),
    )
