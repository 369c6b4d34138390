"""P23: whoever looks cannot slow or break a session. Here with telemetry that is broken, or has fallen behind."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider
from tests.scenarios.test_states import QUICK, eventful
from tests.scenarios.world import simulated, world
from tests.telemetry.readings import Readings

import relive
from relive.ports import Notice, Stats
from relive.telemetry.opentelemetry import Telemetry


class Broken:
    """A tracer, a span, an instrument: whatever is asked of it raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name} today")


class BrokenTracers(NoOpTracerProvider):
    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        return Broken()


class BrokenMeters(NoOpMeterProvider):
    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        meter: Any = super().get_meter("broken")
        for name in ("create_counter", "create_up_down_counter", "create_histogram"):
            setattr(meter, name, lambda *args, **kwargs: Broken())
        return meter


class Everywhere:
    """An observer, also of counts, that raises wherever it is called."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def transition(self, transition: relive.Transition) -> None:
        raise self.error

    def notice(self, notice: Notice) -> None:
        raise self.error

    def counted(self, stats: Stats) -> None:
        raise self.error


BROKEN = {
    "tracers": lambda: Telemetry(BrokenTracers(), Readings().meters).observer(model="m"),
    "meters": lambda: Telemetry(Readings().tracers, BrokenMeters()).observer(model="m"),
    "observer": lambda: Everywhere(ValueError("no")),
    "cancelled": lambda: Everywhere(asyncio.CancelledError()),
}


async def lived(*observers: Any) -> list[str]:
    async with world(policy=QUICK, observers=observers) as w:
        await eventful(w)
    return w.transcript


@pytest.mark.parametrize("what", BROKEN)
def test_telemetry_that_raises_changes_nothing_in_a_session(what: str, caplog: pytest.LogCaptureFixture) -> None:
    lives: list[list[str]] = []

    @simulated
    async def life(*observers: Any) -> None:
        lives.append(await lived(*observers))

    readings = Readings()
    life()
    life(BROKEN[what](), readings.observer())
    assert lives[0] == lives[1]
    assert len(readings.spans) == 11
    raised = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert {record.getMessage() for record in raised} == {"an observer raised; the session goes on"}


class Slow:
    """An observer that takes a tenth of a second for whatever it is told, and nobody else runs meanwhile."""

    def transition(self, transition: relive.Transition) -> None:
        loop: Any = asyncio.get_running_loop()
        loop._time += 0.1

    def notice(self, notice: Notice) -> None:
        self.transition(cast("Any", notice))

    def counted(self, stats: Stats) -> None:
        self.transition(cast("Any", stats))


def test_telemetry_that_takes_its_time_changes_nothing_but_times() -> None:
    lives: list[list[str]] = []

    @simulated
    async def life(*observers: Any) -> None:
        lives.append([line.partition(" ")[2] for line in await lived(*observers)])

    life()
    life(Slow())
    assert lives[0] == lives[1]


@simulated
async def test_what_a_full_queue_drops_is_counted_and_told_when_there_is_room() -> None:
    readings = Readings()
    async with world(policy=QUICK, observers=[readings.observer()]) as w:
        for _ in range(1500):
            w.session._runtime.notice("something", "")
        await asyncio.sleep(1.0)
        missed = w.session.stats.observer_overflows
        assert missed > 400
    assert readings.points("relive.observer.overflows") == {"": missed}
