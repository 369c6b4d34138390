"""What came of many simulations, added up: small enough to be sent between machines."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from functools import partial
from math import fsum
from statistics import median
from typing import Any, Final, TypeAlias

import attrs

from relive.core.table import TABLE
from relive.testing.simulation.outcome import Edge, Outcome, Violation
from relive.testing.simulation.plan import Plan

KEPT: Final = 100
"Failed sessions that are kept with their plans. The rest are only counted."
_SPOKEN: Final = 20
"Violations of one session that are kept."
_UNKNOWN: Final = bytes(32)
"For the digest of a session without a trace: it hung."

Figures: TypeAlias = "array[float]"


@attrs.frozen
class Failure:
    """A session that did not keep its promises."""

    index: int
    "Of the session in its campaign."
    plan: Plan
    violations: tuple[Violation, ...]
    "The first of them."
    sha256: str
    "Of its trace; empty if it has none."


@attrs.define
class Tally:
    """Sessions, added up. Two tallies of the same sessions are equal, whoever played them, in pieces of any size."""

    faults: Counter[str] = attrs.Factory(Counter[str])
    "Faults that were brought, by name."
    edges: Counter[Edge] = attrs.Factory(Counter[Edge])
    "Steps of the machine: state, event, destination."
    seen: Counter[str] = attrs.Factory(Counter[str])
    "Interesting things that happened: see `History.sometimes`."
    violated: int = 0
    "Sessions with violations."
    failures: list[Failure] = attrs.Factory(list[Failure])
    "The first `KEPT` of them."
    seconds: Figures = attrs.Factory(partial(array, "d"))
    "Simulated, of each session; and likewise its"
    connections: Figures = attrs.Factory(partial(array, "d"))
    "connections (of one client of a herd),"
    sent: Figures = attrs.Factory(partial(array, "d"))
    "frames from the application,"
    delivered: Figures = attrs.Factory(partial(array, "d"))
    "frames to the application."
    digests: bytearray = attrs.Factory(bytearray)
    "The SHA-256 of each session's trace, in order."
    traces: list[tuple[str, ...]] = attrs.field(factory=list[tuple[str, ...]], eq=False, repr=False)
    "The lines of each session, if they were asked for."
    spent: float = attrs.field(default=0.0, eq=False)
    "Wall seconds that playing them took, added up over those who played."

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self.seconds)

    @property
    def simulated(self) -> float:
        """Seconds simulated. The order of additions makes no difference."""
        return fsum(self.seconds)

    @property
    def sha256(self) -> str:
        """SHA-256 over those of the sessions, in order."""
        return hashlib.sha256(self.digests).hexdigest()

    @property
    def states(self) -> frozenset[str]:
        """The states that sessions were in."""
        return frozenset(state for source, _, dest in self.edges for state in (source, dest))

    @property
    def edges_never_taken(self) -> tuple[Edge, ...]:
        """The edges of the table that no session took."""
        every = {(step.source, step.trigger, step.dest) for step in TABLE.steps()}
        return tuple(sorted(every - self.edges.keys()))

    def medians(self) -> dict[str, float]:
        """Of a session: simulated minutes, connections, frames each way."""
        figures = {
            "simulated_minutes": [seconds / 60.0 for seconds in self.seconds],
            "connections": self.connections,
            "frames_sent": self.sent,
            "frames_delivered": self.delivered,
        }
        return {name: round(median(values), 2) if values else 0.0 for name, values in figures.items()}

    def add(self, index: int, outcome: Outcome) -> None:
        """Add a session."""
        herd = outcome.plan.herd
        self.faults.update(outcome.faults)
        self.edges.update(outcome.edges)
        self.seen.update(outcome.seen)
        self.seconds.append(outcome.simulated)
        self.connections.append(outcome.connections / herd)
        self.sent.append(outcome.frames_sent / herd)
        self.delivered.append(outcome.frames_delivered / herd)
        self.digests += bytes.fromhex(outcome.sha256) or _UNKNOWN
        if outcome.violations:
            self.violated += 1
            self._keep([Failure(index, outcome.plan, outcome.violations[:_SPOKEN], outcome.sha256)])
        if outcome.trace:
            self.traces.append(outcome.trace)

    def extend(self, other: Tally) -> None:
        """Add the sessions that come next. Their traces are not taken over: whoever wants them takes them first."""
        self.faults.update(other.faults)
        self.edges.update(other.edges)
        self.seen.update(other.seen)
        self.seconds += other.seconds
        self.connections += other.connections
        self.sent += other.sent
        self.delivered += other.delivered
        self.digests += other.digests
        self.violated += other.violated
        self._keep(other.failures)
        self.spent += other.spent

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "sessions": self.sessions,
            "simulated_seconds": round(self.simulated, 3),
            "medians": self.medians(),
            "faults": dict(sorted(self.faults.items())),
            "transitions": [
                {"state": state, "event": event, "dest": dest, "times": times}
                for (state, event, dest), times in sorted(self.edges.items())
            ],
            "edges_never_taken": [list(edge) for edge in self.edges_never_taken],
            "sometimes": dict(sorted(self.seen.items())),
            "trace_sha256": self.sha256,
        }

    def _keep(self, failures: list[Failure]) -> None:
        self.failures += failures[: max(0, KEPT - len(self.failures))]
