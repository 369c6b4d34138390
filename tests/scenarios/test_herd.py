"""A thousand sessions are told to go away in the same second."""

from __future__ import annotations

from typing import Final

import pytest

from relive.runtime.limiter import DialLimiter
from relive.testing.simulation.checks import check
from relive.testing.simulation.faults import GoAway
from relive.testing.simulation.plan import Conversation, Plan, Service, Step, Turn
from relive.testing.simulation.simulate import play
from relive.testing.simulation.surroundings import quiet

HERD: Final = 1000
LEFT: Final = 20.0
PLAN: Final = Plan(
    seconds=60.0, calm=15.0, herd=HERD,
    service=Service(connection=None, setup=0.2, latency=0.02),
    talk=Conversation(turns=(Turn(answer=3.0),)),
    steps=(Step(fault=GoAway(LEFT), at=20.0),),
)  # fmt: skip


@pytest.mark.slow
def test_dials_are_spread_inside_the_time_that_is_left_and_nothing_is_lost() -> None:
    """P12: no more dials at a time than the limiter lets through; and every promise is kept to every one of them."""
    with quiet():
        history = play(PLAN)
    assert not check(history)
    ups = sorted(record.at for record in history.records if record.kind == "up" and record.at > 20.0)
    assert len(ups) == HERD
    assert ups[-1] < 20.0 + LEFT
    assert ups[-1] - ups[0] > HERD / DialLimiter().limit * 0.2  # one after the other, each takes as long as its setup
