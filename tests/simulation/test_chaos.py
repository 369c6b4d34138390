"""Faults that last: each of them for as long as it says, whatever else lasts, and none into the calm."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, cast

import pytest

from relive.testing.links import Network
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript
from relive.testing.simulation import faults as f
from relive.testing.simulation.chaos import Chaos
from relive.testing.simulation.history import History
from relive.testing.simulation.outcome import Level
from relive.testing.simulation.plan import Plan, Service, Step
from relive.testing.simulation.simulate import play
from relive.testing.simulation.stage import Store


class Stage:
    """One on which nobody plays."""

    def __init__(self, *steps: Step) -> None:
        plan = Plan(steps=steps)
        self.server = FakeLiveServer(ServerScript())
        self.network = Network()
        self.store = Store()
        self.held = list[str]()
        self.chaos = Chaos(plan, cast("Any", self), History(plan, self.server), self.server.script)

    def states(self) -> list[tuple[int, str]]:
        return []

    def flush(self) -> None:
        pass

    def lines(self, _client: int) -> Any:
        return self.network.lines

    def at(self, now: float, what: str) -> Any:
        """What something is at a time."""
        while self.chaos.deadline <= now:
            self.chaos.due(self.chaos.deadline)
        return attrgetter(what)(self)


def both(first: f.Fault, second: f.Fault) -> Stage:
    """The one at 20 s, and the other 5 seconds later."""
    return Stage(Step(fault=first, at=20.0), Step(fault=second, at=25.0))


@pytest.mark.parametrize(
    ("long", "short", "what", "values"),
    [
        (f.Hold(seconds=20.0), f.Hold(seconds=10.0), "network.up.held", (True, True, False)),
        (f.FailingStore(20.0), f.FailingStore(10.0), "store.failing", (True, True, False)),
        (f.SlowStore(2.0, 20.0), f.SlowStore(1.0, 10.0), "store.delay", (2.0, 1.0, 0.0)),
        (f.SlowHook(2.0, 20.0), f.SlowHook(1.0, 10.0), "store.hook_delay", (2.0, 1.0, 0.0)),
        (f.Latency(2.0, seconds=20.0), f.Latency(1.0, seconds=10.0), "network.down.latency", (2.0, 1.0, 0.0)),
        (f.Bandwidth(20.0, seconds=20.0), f.Bandwidth(10.0, seconds=10.0), "network.up.bandwidth", (20.0, 10.0, None)),
        (f.SlowSetup(2.0, 20.0), f.SlowSetup(1.0, 10.0), "server.script.setup_delay", (2.0, 1.0, 0.0)),
        (f.LateHandles(2.0, 20.0), f.LateHandles(1.0, 10.0), "server.script.updates.late", (2.0, 1.0, 0.0)),
    ],
    ids=lambda value: type(value).__name__ if type(value) in f.FAULTS.values() else "",
)
def test_each_of_two_faults_that_overlap_lasts_as_long_as_it_says(
    long: f.Fault, short: f.Fault, what: str, values: tuple[object, object, object]
) -> None:
    one, other, usual = values
    within = both(long, short)  # 20 to 40, 25 to 35
    assert [within.at(now, what) for now in (19.0, 21.0, 26.0, 36.0, 41.0)] == [usual, one, other, one, usual]
    past = both(short, long)  # 20 to 30, 25 to 45
    assert [past.at(now, what) for now in (21.0, 26.0, 31.0, 44.0, 46.0)] == [other, one, one, one, usual]


def test_a_hold_of_one_way_outlasts_one_of_both_and_does_not_hold_the_other_way() -> None:
    stage = both(f.Hold("up", 20.0), f.Hold("both", 10.0))
    ways = attrgetter("up.held", "down.held")
    assert [ways(stage.at(now, "network")) for now in (21.0, 26.0, 36.0, 41.0)] == [
        (True, False), (True, True), (True, False), (False, False),
    ]  # fmt: skip


def test_a_connection_that_two_swizzles_have_clogged_is_unclogged_by_the_second() -> None:
    stage = both(f.Swizzle(10.0), f.Swizzle(10.0))  # 20 to 30, 25 to 35
    line = stage.network.line(0.0)
    assert [stage.at(now, "network") and line.up.direct for now in (19.0, 21.0, 31.0, 36.0)] == [
        True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("level", ["core", "runtime"])
@pytest.mark.parametrize("fault", [f.Clog(300.0), f.StopReading(300.0)], ids=["Clog", "StopReading"])
def test_in_the_calm_the_application_receives_and_its_socket_takes_what_is_sent(fault: f.Fault, level: Level) -> None:
    service = Service(connection=None)
    history = play(Plan(seconds=400.0, calm=300.0, service=service, steps=(Step(fault=fault, at=90.0),)), level)
    ends = [record.at for record in history.records if record.kind == "heard" and record.what == "over"]
    assert any(100.0 < end < 130.0 for end in ends)
    assert history.clients[0].lives[0].failure is None
