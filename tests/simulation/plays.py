"""Draws and plays that are not ours, with something wrong in them. In a module, so that other processes know them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from itertools import count
from threading import Event

import attrs

from relive.testing.simulation.draw import draw
from relive.testing.simulation.outcome import Level, Outcome, Violation
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.simulate import simulate

BAD = (7, 11)
"Sessions of `paper` that do not keep their promises."
_COUNT = count()


def numbered(seed: int, index: int, *, profile: str, rate: float) -> Plan:
    """A plan that is nothing but its number."""
    return Plan(seed=index)


def short(seed: int, index: int, *, profile: str, rate: float) -> Plan:
    """Two minutes of a real one, and what strikes in them."""
    plan = draw(seed, index, profile=profile, rate=rate)
    return attrs.evolve(plan, seconds=120.0, calm=20.0, steps=[step for step in plan.steps if step.at < 100.0])


def paper(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Plays nothing, and makes something up."""
    number = plan.seed
    lines = (f'{{"relive_trace":1,"plan":{number}}}', f'{{"t":{number}}}')
    return Outcome(
        plan,
        level,
        600.1 + number / 7.0,
        (Violation("P13", f"number {number} is bad", 1.0),) if number in BAD else (),
        Counter({("IDLE", "ConnectRequested", "CONNECTING"): 1}),
        Counter({"Close": number % 3}),
        Counter({"it rained": 1}) if number == 5 else Counter(),
        3 + number % 2,
        600,
        500,
        f"{number:064x}",
        lines if trace else (),
    )


def raising(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Breaks down."""
    raise LookupError("there is nothing here")


def cancelled(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Lets out what was meant for a task."""
    raise asyncio.CancelledError("nobody waits for it")


def refused(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Asks an event loop in virtual time for what it does not have."""
    raise NotImplementedError("SimLoop has no add_reader()")


def pressed(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Breaks down at number 4, in which somebody has pressed Ctrl-C."""
    if plan.seed == 4:
        signal.raise_signal(signal.SIGINT)
        return raising(plan, level, trace=trace)
    return paper(plan, level, trace=trace)


def tired(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Is interrupted at number 4."""
    if plan.seed == 4:
        raise KeyboardInterrupt
    return paper(plan, level, trace=trace)


def stuck(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Does not come to an end from number 3 on. Says so into the pipe named ``STUCK``, and keeps it open."""
    if plan.seed >= 3:
        os.write(os.open(os.environ["STUCK"], os.O_WRONLY), b"x")
        Event().wait()
    return paper(plan, level, trace=trace)


def stuck_again(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Finds something wrong with number 0, and gets `stuck` when it is played once more."""
    if plan.seed or next(_COUNT):
        return stuck(attrs.evolve(plan, seed=3), level, trace=trace)
    return attrs.evolve(paper(plan, level, trace=trace), violations=(Violation("P13", "number 0 is bad", 1.0),))


def deaf() -> bool:
    """Whether this process was started so that it never hears of an interrupt."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def by_the_clock(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Looks at the real clock."""
    return _line_of(plan, level, f'{{"t":{time.perf_counter_ns()}}}', trace=trace)


def by_the_set(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Goes through a set of words."""
    return _line_of(plan, level, ",".join({"north", "east", "south", "west", "up", "down"}), trace=trace)


def unsteady(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """Always does the same, and is found wanting every other time."""
    found = (Violation("P1", "now it is", 0.0),) if next(_COUNT) % 2 else ()
    return attrs.evolve(paper(plan, level, trace=trace), violations=found)


def crash_and_close(plan: Plan, level: Level, *, trace: bool) -> Outcome:
    """As `simulate`, but the only thing wrong with a session is that its client crashes and its server closes."""
    outcome = simulate(plan, level, trace=trace)
    found = (Violation("P99", "a planted promise", 1.0),) if outcome.faults["Crash"] and outcome.faults["Close"] else ()
    return attrs.evolve(outcome, violations=found)


def _line_of(plan: Plan, level: Level, line: str, *, trace: bool) -> Outcome:
    outcome = paper(plan, level, trace=trace)
    digest = format(hash(line) % 2**64, "064x")
    return attrs.evolve(outcome, sha256=digest, trace=(*outcome.trace[:1], line) if trace else ())
