"""Holds a history to the promises P1–P23. P24, same plan, same history, is checked by playing twice.

Start reading here. `check` asks every checker; a checker is a function of the `Facts` of a history that yields what was
promised and not kept. They look at what happened from outside: what was sent, heard, presented, refused, saved,
reported and counted, and what the server consumed. What nobody can know (after a crash, in a black hole) is no
violation; each checker says what it leaves out.

By theme: `checks_handles` (P1–P5), `checks_connections` (P6–P10, P12), with `checks_deadlines` that what is awaited is
given its time, and no more; `checks_retries` (P11), `checks_input` (P13–P16)
with the account of `checks_timeline`, `checks_output` (P17, P18), `checks_ending` (P19–P22), `checks_seeing` (P23).
`checks_facts` sorts a history for all of them, `checks_coverage` says what happened in it at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from relive.testing.simulation import (
    checks_connections,
    checks_deadlines,
    checks_ending,
    checks_handles,
    checks_input,
    checks_output,
    checks_retries,
    checks_seeing,
)
from relive.testing.simulation.checks_coverage import MUST_HAPPEN, cover
from relive.testing.simulation.checks_facts import Facts
from relive.testing.simulation.history import History
from relive.testing.simulation.outcome import Violation

__all__ = ["CHECKS", "MUST_HAPPEN", "Check", "Facts", "check"]

Check: TypeAlias = Callable[[Facts], Iterator[Violation]]


def noted(facts: Facts) -> Iterator[Violation]:
    """P11 P18 P22: what was seen to be wrong while the plan was played.

    No rest in the end, a frame out of nowhere, an error where the application can do nothing about it.
    """
    for record in facts.history.of("wrong"):  # not by stories: what raised in the loop is nobody's
        yield Violation(record.what, str(record.data), record.at, record.client)


CHECKS: Final[tuple[Check, ...]] = (
    noted,
    *checks_handles.CHECKS,
    *checks_connections.CHECKS,
    *checks_deadlines.CHECKS,
    *checks_retries.CHECKS,
    *checks_input.CHECKS,
    *checks_output.CHECKS,
    *checks_ending.CHECKS,
    *checks_seeing.CHECKS,
)


TIMED: Final[frozenset[Check]] = frozenset((
    *checks_connections.CHECKS, *checks_deadlines.CHECKS, *checks_retries.CHECKS,
))  # fmt: skip
"Those that look at times: not asked where a machine made them (`History.scale`)."


def check(history: History) -> tuple[Violation, ...]:
    """Return what was promised and not kept, and note in the history what happened in it (`History.seen`)."""
    facts = Facts(history)
    cover(facts)
    asked = [checker for checker in CHECKS if history.scale is None or checker not in TIMED]
    found = [violation for checker in asked for violation in checker(facts)]
    return tuple(sorted(found, key=lambda violation: violation.at))
