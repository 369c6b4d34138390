"""The machine at full speed, for simulation: what a step, a fact and a walk over every situation cost."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.bench.figures import Figure, median

from relive.core import events as ev
from relive.core.compiled import Compiled
from relive.core.lifecycle import Lifecycle
from relive.core.machine import Runs, engine_for
from relive.core.schema import name_of
from relive.core.table import TABLE
from relive.testing.walk import walk

_TURN = (
    ev.Heard(1, 0.0),
    ev.OutputStarted(1),
    ev.CheckpointWithheld(1),
    ev.TurnEnded(1),
    ev.CheckpointReceived(1, "handle"),
    ev.JournalFlushed(1),
)
_TURNS = 500


def machine(rounds: int) -> list[Figure]:
    """Steps of the table alone, facts with their orders on both engines, and the walk."""
    compiled, stock = Compiled(TABLE), engine_for(TABLE)
    found = walk()
    return [
        _figure("one table step, compiled", 1.0, rounds, lambda: _steps(compiled)),
        _figure("one fact with its orders, compiled", 5.0, rounds, lambda: _facts(compiled)),
        _figure("one fact with its orders, stock engine", 12.5, rounds, lambda: _facts(stock)),
        _figure(
            f"a walk over {len(found.places)} situations, {found.moves} moves", 250.0, max(3, rounds // 10), _walk, "ms"
        ),
    ]


def _figure(name: str, limit: float, rounds: int, measure: Callable[[], float], unit: str = "µs") -> Figure:
    value, noise = median([measure() for _ in range(rounds)])
    return Figure(name, value, noise, unit, limit)


def _active(engine: Runs) -> Lifecycle:
    lifecycle = Lifecycle(engine=engine)
    for fact in (ev.ConnectRequested(), ev.DialStarted(1), ev.ConnectionOpened(1), *_TURN):
        lifecycle.handle(fact, 0.0, 0.0)
    return lifecycle


def _steps(engine: Runs) -> float:
    """A row that stays and does nothing: the table and nothing else."""
    scene, flushed = _active(engine).scene, ev.JournalFlushed(1)
    step, name = engine.step, name_of(flushed)
    began = time.perf_counter()
    for _ in range(_TURNS * len(_TURN)):
        step(scene, name, flushed)
    return (time.perf_counter() - began) / (_TURNS * len(_TURN)) * 1e6


def _facts(engine: Runs) -> float:
    handle = _active(engine).handle
    began = time.perf_counter()
    for _ in range(_TURNS):
        for fact in _TURN:
            handle(fact, 0.0, 0.0)
    return (time.perf_counter() - began) / (_TURNS * len(_TURN)) * 1e6


def _walk() -> float:
    began = time.perf_counter()
    walk()
    return (time.perf_counter() - began) * 1e3
