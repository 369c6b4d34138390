"""Scenes lead where they should, and a thousand plans of any seed have every variant of them: chance has no say."""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

import attrs
import pytest

from relive.testing.simulation.draw import draw
from relive.testing.simulation.outcome import Edge
from relive.testing.simulation.scenes import DECK, SCENES, Deal
from relive.testing.simulation.simulate import simulate

RAREST: Final[dict[str, tuple[int, set[Edge]]]] = {
    "hook_too_slow": (9, {
        ("HANDLE_EXPIRED", "DeadlineReached(seed)", to) for to in ("WAITING", "FAILED", "CONNECTING")
    }),
    "session_limit": (2, {(state, "DeadlineReached(limit)", state) for state in ("ACTIVE", "DRAINING")}),
    "lost_before_a_word": (4, {
        (state, event, "CONNECTING") for state in ("ACTIVE", "DRAINING")
        for event in ("ConnectionDropped", "DeadlineReached(silence)")
    }),
    "lost_and_unstable": (8, {
        (state, event, to) for state in ("ACTIVE", "DRAINING") for to in ("WAITING", "FAILED")
        for event in ("ConnectionDropped", "DeadlineReached(silence)")
    }),
    "no_answer_and_unstable": (8, {
        (state, "DeadlineReached(answer)", to) for state in ("ACTIVE", "DRAINING") for to in ("WAITING", "FAILED")
    }),
    "repeat_that_does_not_come": (2, {(state, "DeadlineReached(answer)", state) for state in ("ACTIVE", "DRAINING")}),
    "two_goodbyes": (4, {("DRAINING", event, "DRAINING") for event in ("GoAwayReceived", "ToolCallsCancelled")}),
    "sent_before_up": (1, {(state, "InputAccepted", state) for state in ("IDLE", "CONNECTING")}),
    "quota": (2, {("WAITING", "InputAccepted", "WAITING")}),
}  # fmt: skip
"Scenes that lead to the rarest edges: how many variants they have, and which edges all of them together take."


@pytest.mark.parametrize("name", RAREST)
def test_its_variants_lead_where_they_should(name: str) -> None:
    variants, edges = RAREST[name]
    taken = Counter[Edge]()
    for nth in range(variants):
        plan = attrs.evolve(draw(nth, 0, profile="none"), steps=())
        taken.update(simulate(SCENES[name](plan, Deal(nth, random.Random(nth))), "core").edges)
    assert edges <= taken.keys()


@pytest.mark.parametrize("name", RAREST)
def test_a_thousand_plans_have_all_of_its_variants(name: str) -> None:
    assert 1000 // len(DECK) * DECK.count(name) >= RAREST[name][0]
