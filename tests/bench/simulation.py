"""How fast a plan is played: processor time for each simulated second, with recording, checkers and trace hash."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time
from collections.abc import Callable

from tests.bench.figures import Figure, median

from relive.testing.loop import SimLoop
from relive.testing.simulation.checks import check
from relive.testing.simulation.draw import draw
from relive.testing.simulation.outcome import Level
from relive.testing.simulation.plan import AudioSchedule, Conversation, Plan
from relive.testing.simulation.runtime_level import InMemory
from relive.testing.simulation.simulate import simulate

_FULL = 50.0
_SEED = 1


def simulation(rounds: int) -> list[Figure]:
    """Both rates on each level, a fresh loop, and the same runtime on looptime's loop."""
    logging.getLogger("relive").disabled = True
    usual = [draw(_SEED, index, profile="light") for index in range(8)]
    talk = Conversation(audio=AudioSchedule(rate=_FULL))
    full = [Plan(seed=n, seconds=120.0, calm=60.0, talk=talk) for n in range(2)]
    figures = [
        _speed("core, 50 frames/s each way", 400.0, rounds, full, "core"),
        _speed("runtime, 50 frames/s each way", 2500.0, rounds, full, "runtime"),
        _speed("SDK session, 50 frames/s each way", 8333.0, rounds, full, "session"),
        _speed("core, a default session", 25.0, rounds, usual, "core"),
        _speed("runtime, a default session", 83.3, rounds, usual, "runtime"),
        _speed("SDK session, a default session", None, rounds, usual, "session"),
        _fresh_loop(rounds * 200),
    ]
    if importlib.util.find_spec("looptime") is not None:
        figures += [
            _on_looptime("runtime on looptime, 50 frames/s each way", rounds, full),
            _on_looptime("runtime on looptime, a default session", rounds, usual),
        ]
    return figures


def _speed(name: str, limit: float | None, rounds: int, plans: list[Plan], level: Level) -> Figure:
    def play(plan: Plan) -> float:
        outcome = simulate(plan, level)
        assert not outcome.violations, outcome.violations[0]
        return outcome.simulated

    return _figure(name, limit, rounds, plans, play)


def _figure(name: str, limit: float | None, rounds: int, plans: list[Plan], play: Callable[[Plan], float]) -> Figure:
    """Microseconds of processor time for a simulated second."""
    play(plans[0])
    samples: list[float] = []
    for _ in range(rounds):
        began, simulated = time.process_time(), 0.0
        for plan in plans:
            simulated += play(plan)
        samples.append((time.process_time() - began) / simulated * 1e6)
    value, noise = median(samples)
    return Figure(name, value, noise, "µs/s", limit, f"{1e6 / value:,.0f} simulated seconds a second")


def _fresh_loop(rounds: int) -> Figure:
    samples: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        loop = SimLoop()
        loop.close()
        samples.append((time.perf_counter() - began) * 1e6)
    value, noise = median(samples)
    return Figure("a fresh loop", value, noise, "µs", 100.0)


def _on_looptime(name: str, rounds: int, plans: list[Plan]) -> Figure:
    import looptime  # pyright: ignore[reportMissingImports] - not needed but for this comparison

    def play(plan: Plan) -> float:
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
            history = runner.run(InMemory(plan, sdk=False).run())
        check(history)
        history.digest()
        return history.ended

    return _figure(name, None, max(2, rounds // 2), plans, play)
