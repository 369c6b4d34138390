"""Play a plan on a level, and check what happened: the one call that everything else is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from relive.testing.loop import Deadlock, TimeLimit
from relive.testing.simulation.checks import check
from relive.testing.simulation.history import History, digest_of, header_line, violation_lines
from relive.testing.simulation.outcome import Level, Outcome, Violation
from relive.testing.simulation.plan import Plan, PlanError
from relive.testing.simulation.surroundings import insist_on_no_loop, quiet


def play(plan: Plan, level: Level = "runtime") -> History:
    """Play a plan, and return what happened.

    Raises:
        LoopIsRunning: it was called inside an event loop, which only level ``core`` does not mind.
        PlanError: the plan asks for what does not exist.
    """
    how = _LEVELS.get(level)
    if how is None:
        raise PlanError("level", f"there is no level {level!r}; there are {', '.join(_LEVELS)}")
    if level != "core":
        insist_on_no_loop("simulate")
    with quiet():
        return how(plan)


def simulate(plan: Plan, level: Level = "runtime", *, trace: bool = False) -> Outcome:
    """Play a plan, and hold what happened to the promises. `trace` keeps the trace's lines.

    What relive logs meanwhile is left out, unless the logger ``relive`` has been given a level.

    Raises:
        LoopIsRunning: it was called inside an event loop, which only level ``core`` does not mind.
        PlanError: the plan asks for what does not exist.
    """
    try:
        history = play(plan, level)
    except (Deadlock, TimeLimit) as stuck:
        hung = Violation("P22", f"it hangs: {stuck}", stuck.time)
        told = (header_line(plan), *violation_lines((hung,), plan)) if trace else ()
        return Outcome(plan, level, stuck.time, (hung,), Counter(), Counter(), Counter(), 0, 0, 0, "", told)
    violations = check(history)
    lines = history.lines()
    sent = delivered = 0
    for record in history.records:
        if record.kind == "flow":
            sent, delivered = sent + record.data[0], delivered + record.data[3]
    return Outcome(
        plan,
        level,
        history.ended * (history.scale or 1.0),
        violations,
        history.steps,
        history.faults,
        history.seen,
        sum(len(life.verdicts) for ledger in history.clients for life in ledger.lives),
        sent,
        delivered,
        digest_of(lines),
        (*lines, *violation_lines(violations, plan, history.records)) if trace else (),
    )


def _runtime(plan: Plan) -> History:
    from relive.testing.simulation.runtime_level import play

    return play(plan)


def _session(plan: Plan) -> History:
    from relive.testing.simulation.runtime_level import play

    return play(plan, sdk=True)


def _core(plan: Plan) -> History:
    from relive.testing.simulation.core_level import play

    return play(plan)


def _sockets(plan: Plan) -> History:
    from relive.testing.simulation.socket_level import play

    return play(plan)


_LEVELS: Final[dict[Level, Callable[[Plan], History]]] = {
    "core": _core, "runtime": _runtime, "session": _session, "sockets": _sockets,
}  # fmt: skip
