"""What came of a simulation: small enough to be sent between processes, and to be added up by the thousand."""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

import attrs

from relive.testing.simulation.plan import Plan

Level: TypeAlias = Literal["core", "runtime", "session", "sockets"]
"""Pure, without an event loop; the runtime on virtual time, frames in and out; the same under the SDK's session; the
SDK over real TLS websockets, with time scaled down."""
Edge: TypeAlias = tuple[str, str, str]
"A state, what happened, and the state after it."


@attrs.frozen
class Violation:
    """A promise that was not kept."""

    promise: str
    "``P13``."
    what: str
    "What was promised, and what was seen instead."
    at: float
    "Seconds since the beginning."
    client: int = 0

    def __str__(self) -> str:
        return f"{self.promise} at {self.at:.3f} s: {self.what}"


@attrs.frozen
class Outcome:
    """What came of one plan."""

    plan: Plan
    level: Level
    simulated: float
    "Seconds simulated."
    violations: tuple[Violation, ...]
    edges: Counter[Edge]
    "Steps that the machine made."
    faults: Counter[str]
    "Faults that were brought, by name."
    seen: Counter[str]
    "Interesting things that happened: see `History.sometimes`."
    connections: int
    "Connections that came up, all sessions together."
    frames_sent: int
    frames_delivered: int
    sha256: str
    "Of the trace."
    trace: tuple[str, ...] = attrs.field(default=(), repr=False)
    "Its lines, if they were asked for; of one with violations also these, which its digest is not of."
