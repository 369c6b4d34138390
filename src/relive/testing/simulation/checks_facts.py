"""A history, sorted for the checkers: one pass over its records, and what follows from it.

A `Story` is one process of a client with what was recorded of it. What is recorded by the thousand and says little by
itself (flow, probes) is kept apart, so that a checker may walk through the rest.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from math import isfinite
from typing import Any, Final, NamedTuple

import attrs

from relive.core.checkpoint import digest
from relive.core.policy import Policy
from relive.testing.server_record import Admission
from relive.testing.server_truth import Session, Snapshot
from relive.testing.simulation.history import History, Ledger, Life, Record
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import UNKNOWN, Plan

EPS: Final = 1e-6
"Seconds that rounding may make of nothing."
LIVE: Final = ("ACTIVE", "DRAINING")
HANDS_OFF: Final = frozenset({
    "Latency", "Bandwidth", "Slicer", "Hold", "Timeout", "HalfOpen", "LimitData", "Truncate", "SlowClose", "Swizzle",
    "ResetPeer", "Flap", "ClogSocket", "Clog",
})  # fmt: skip
"Faults after which the server need not know at once what the client has done, or the other way round."
MUTING: Final = frozenset({"Silence", "MuteAfterSetup", "PoisonHandles", "GoAway"})
"Faults after which a connection may be open and consume nothing."


class Update(NamedTuple):
    """What a resumption update said."""

    handle: str | None
    "Its name."
    resumable: bool

    @property
    def usable(self) -> bool:
        """It can be resumed from."""
        return self.handle is not None and self.resumable


@attrs.define(eq=False)
class Story:
    """One process of a client, and what was recorded of it."""

    ledger: Ledger
    life: Life
    last: bool = True
    "No other process of this client follows."
    walk: list[Record] = attrs.Factory(list[Record])
    "Everything but flow and probes, in order."
    kinds: dict[str, list[Record]] = attrs.field(factory=lambda: defaultdict(list))
    "The same by kind."
    flows: list[Record] = attrs.Factory(list[Record])
    probes: list[float] = attrs.Factory(list[float])
    "When it asked for a sign of life."

    @property
    def client(self) -> int:
        """Number of the client."""
        return self.life.client

    @property
    def ended(self) -> float:
        """When it ended."""
        return self.life.ended if self.life.ended is not None else self.walk[-1].at

    @cached_property
    def steps(self) -> list[Record]:
        """The machine's steps but those that hear, or ask for, a sign of life."""
        return self.kinds["step"]

    @cached_property
    def moves(self) -> list[Record]:
        """The steps that led to another state."""
        return [step for step in self.steps if step.data[0] != step.data[1]]

    @cached_property
    def reads(self) -> list[tuple[float, int, Update]]:
        """The resumption updates that were read: when, on which connection, and what they said."""
        return [
            (record.at, record.conn, Update(record.data[0], record.data[1]))
            for record in self.kinds["read"]
            if record.what == "sessionResumptionUpdate" and record.data is not None
        ]

    @cached_property
    def answers(self) -> dict[int, tuple[str, ...]]:
        """The calls that are answered by what its client has sent, by the item's number."""
        return {sent.item.number: sent.item.ids for sent in self.ledger.sent if sent.item.ids}

    @cached_property
    def closed_at(self) -> float | None:
        """When the session was closed or given up."""
        return next((step.at for step in reversed(self.moves) if step.data[1] in ("CLOSED", "FAILED")), None)

    def wrong(self, promise: str, at: float, what: str) -> Violation:
        """A promise that was not kept."""
        return Violation(promise, what, at, self.client)


def stories_of(history: History) -> list[Story]:
    """Tell the records of a history apart: what was recorded of each process, in order."""
    stories: list[Story] = []
    now: dict[int, Story] = {}
    for record in history.records:
        kind = record[3]
        if kind == "flow":
            now[record[1]].flows.append(record)
        elif kind == "step" and record[4] == "DeadlineReached(probe)":
            now[record[1]].probes.append(record[0])
        elif kind == "start":
            client = record[1]
            ledger = history.clients[client]
            before = now.get(client)
            if before is not None:
                before.last = False
            number = int(record[4].removeprefix("life "))
            story = now[client] = Story(ledger, ledger.lives[number - 1])
            stories.append(story)
        elif kind != "fault":
            story = now.get(record[1])
            if story is not None:
                story.walk.append(record)
                story.kinds[kind].append(record)
    return stories


class Facts:
    """A history, sorted.

    Args:
        history: what happened.
        plan: what is true of the clients, if the history's own does not say it: those of an application bring their
            own settings.
        policy: theirs; by default the plan's.
        stories: those to be judged; by default all.
    """

    def __init__(
        self,
        history: History,
        *,
        plan: Plan | None = None,
        policy: Policy | None = None,
        stories: Sequence[Story] | None = None,
    ) -> None:
        self.history: Final = history
        self.plan: Final = plan if plan is not None else history.plan
        self.policy: Final = policy if policy is not None else self.plan.client.make_policy()
        self.stories: Final = list(stories) if stories is not None else stories_of(history)
        self.struck: Final = history.of("fault")
        "Faults, as they struck."
        self.late: Final = EPS if history.scale is None else 1.0
        "Seconds by which a thing may come after the time that it is due at: a machine takes its time."

    @property
    def herd(self) -> int:
        """How many clients there were."""
        return len(self.history.clients)

    @property
    def faults(self) -> frozenset[str]:
        """Names of the faults that struck."""
        return frozenset(self.history.faults)

    @cached_property
    def misled(self) -> bool:
        """Whether the machine was told of input that there was not, so that it may be wrong about turns."""
        return any(fault.what == "Stray" and fault.data.get("fact") == "InputAccepted" for fault in self.struck)

    @cached_property
    def prompt(self) -> bool:
        """Whether what one side does is known to the other at once."""
        return not self.plan.service.latency and not self.faults & HANDS_OFF

    @cached_property
    def indexed(self) -> bool:
        """Whether the server says what it has consumed, and truly."""
        return self.numbered and "WrongIndices" not in self.faults

    @cached_property
    def numbered(self) -> bool:
        """Whether the server says what it has consumed, truly or not."""
        return self.policy.transparent is not False and self.plan.service.backend == "vertex"

    @cached_property
    def handles(self) -> dict[str, Snapshot]:
        """What handles stand for, by their names."""
        name = self.history.name
        return {str(name(handle)): snapshot for handle, snapshot in self.history.server.handles.items()}

    def of_client(self, client: int) -> list[Story]:
        """The processes of a client, in order."""
        return [story for story in self.stories if story.client == client]

    def given(self, story: Story) -> str | None:
        """The handle, by its name, that an application gave to begin with."""
        if self.plan.client.handle and story.life.number == 1:
            return self.history.name(UNKNOWN)
        return story.life.given

    def admitted(self, story: Story) -> Iterator[tuple[int, Admission]]:
        """The connections of a process as the server saw them, each with the number that it had in its session."""
        admissions = self.history.server.admissions
        for conn, whose in self.history.dialled.items():
            if (whose.client, whose.life) == (story.client, story.life.number) and conn:
                yield whose.number, admissions[conn - 1]

    def sessions(self, client: int) -> list[Session]:
        """The server's sessions that a client knew of, in the order in which it first did."""
        return list({id(session): session for session in self._visits(client)}.values())

    def last_session(self, client: int) -> Session | None:
        """The one that it was in last. What an old store leads back to was known before the one that it leaves."""
        visits = list(self._visits(client))
        return visits[-1] if visits else None

    def _visits(self, client: int) -> Iterator[Session]:
        """The session of each connection that came up for a client, in order."""
        up = {(story.life.number, up.data[0]) for story in self.of_client(client) for up in story.kinds["up"]}
        admissions = self.history.server.admissions
        for conn, whose in self.history.dialled.items():
            if whose.client == client and conn and (whose.life, whose.number) in up:
                session = admissions[conn - 1].session
                if session is not None:
                    yield session

    @cached_property
    def digests(self) -> dict[str | None, str]:
        """How tombstones are noted (`condemn`), by the names of the handles that they stand for."""
        return {self.history.name(handle): digest(handle)[:10] for handle in self.history.secrets}

    @cached_property
    def _clock_steps(self) -> tuple[list[float], list[float]]:
        times, sums = [float("-inf")], [0.0]
        for fault in self.struck:
            if fault.what == "StepWall":
                times.append(fault.at)
                sums.append(sums[-1] + fault.data["step"])
        return times, sums

    def wall(self, at: float) -> float:
        """What the wall clock showed then, but for a constant."""
        times, sums = self._clock_steps
        return at + sums[bisect_right(times, at) - 1]

    def wall_at_least(self, at: float) -> float:
        """As `wall`; the least that it showed then, if it was set at that very instant."""
        times, sums = self._clock_steps
        return at + min(sums[max(0, bisect_left(times, at) - 1) : bisect_right(times, at)])


def seconds_of(time_left: Any) -> float:
    """What a GoAway's `time_left` means: 0 if it says nothing."""
    try:
        seconds = float(time_left.strip().removesuffix("s")) if isinstance(time_left, str) else float(time_left)
    except (TypeError, ValueError):
        return 0.0
    return seconds if isfinite(seconds) and seconds > 0.0 else 0.0
