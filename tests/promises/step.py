"""What a promise is checked on: one fact, what was before it, what was ordered, and what is after it.

Nothing here knows the table. A check is a function that takes a `Step` and raises AssertionError; its name is the
sentence that it proves. `promise` says after which facts it is asked, and in which states they found the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from relive.core import effects as do, events as ev
from relive.core.checkpoint import digest
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.policy import Policy
from relive.core.situation import Situation
from relive.testing.walk import Taken

Order = TypeVar("Order")

OPENING: Final = ("CONNECTING", "RESUMING")
LIVE: Final = ("ACTIVE", "DRAINING")
FINAL: Final = ("CLOSED", "FAILED")
OPEN: Final = ("IDLE", *OPENING, *LIVE, "WAITING", "HANDLE_EXPIRED")
STATES: Final = (*OPEN, *FINAL)

TELLING: Final = (
    ev.CheckpointReceived, ev.CheckpointWithheld, ev.GoAwayReceived, ev.OutputStarted, ev.OutputHeard,
    ev.AnswerGenerated, ev.TurnEnded, ev.Interrupted, ev.ToolCalled, ev.ToolCallsCancelled, ev.Heard,
    ev.JournalFlushed,
)  # fmt: skip
"What a connection says."
_LINKS: Final[dict[type[Any], tuple[str, ...]]] = {
    ev.DialStarted: ("opening",),
    ev.ConnectionOpened: ("opening",),
    ev.OpenFailed: ("opening",),
    ev.ConnectionDropped: ("up",),
    ev.ConnectionClosed: ("closing",),
    ev.SafePointReached: (),
    **dict.fromkeys(TELLING, ("up", "closing")),
}


@attrs.define(eq=False)
class Step:
    """One fact and what came of it."""

    before: Situation
    event: ev.Event
    orders: tuple[do.Effect, ...]
    after: Situation
    waiting: int
    "Frames left unwritten when the fact had been handled."
    life: Lifecycle
    "The session, as it is after the step."
    policy: Policy = attrs.field(init=False)
    now: float = attrs.field(init=False)
    reports: tuple[do.Transition, ...] = ()
    path: tuple[str, ...] = ()
    "The states gone through, the first and the last included."

    def __attrs_post_init__(self) -> None:
        self.policy = self.life.scene.policy
        self.now = self.after.now
        if self.orders:
            self.reports = tuple(order.transition for order in self.orders if isinstance(order, do.Report))
        self.path = (self.before.state, *(report.dest for report in self.reports))

    def ordered(self, kind: type[Order]) -> list[Order]:
        """The orders of one kind."""
        return [order for order in self.orders if isinstance(order, kind)] if self.orders else []

    def due(self, name: str) -> float | None:
        """Seconds from now to a deadline; None if it is not armed."""
        at = self.after.at(name)
        return None if at is None else round(at - self.now, 6)

    def dead(self, handle: str) -> bool:
        """It must not be used again: we found that out before this fact, or another process did."""
        return handle in self.before.condemned or digest(handle) in self.before.tombstones

    @property
    def was_stable(self) -> bool:
        """The connection in use had lasted."""
        return self.before.link in ("up", "closing") and self.now - self.before.active_at >= self.policy.stable_after

    def wait(self, attempts: int) -> float:
        """Seconds to wait after so many attempts: full jitter, as it was drawn, and longer for quota."""
        policy, after = self.policy, self.after
        floor = policy.quota_delay if after.judgement == "retry_later" else 0.0
        return floor + after.jitter * min(policy.retry_cap, policy.retry_base * 2 ** max(0, attempts - 1))

    @property
    def attempts(self) -> int:
        """Openings in a row without a stable connection, this fact's own not counted."""
        return 0 if self.was_stable else self.before.attempts

    @property
    def spent(self) -> bool:
        """No further attempt may be made: by number, in total, or by time."""
        policy, before, attempts = self.policy, self.before, self.attempts
        if attempts >= policy.retry_attempts or before.openings >= policy.retry_total:
            return True
        return attempts > 0 and self.now + self.wait(attempts) - before.recovering_since > policy.retry_time

    @property
    def lost(self) -> bool:
        """They ended the connection in use, or we found it dead."""
        match self.event:
            case ev.ConnectionDropped() | ev.DeadlineReached("silence"):
                return True
            case ev.DeadlineReached("answer"):
                return self.answer_missing
            case _:
                return False

    @property
    def answer_missing(self) -> bool:
        """An answer, or the rest of one, is overdue that had been asked for, and not merely for a second time."""
        before = self.before
        if before.generated:
            return True
        if before.answering:
            return not before.stalled
        mute = before.from_handle and not before.heard_since_up
        return bool(before.owed) and (not before.returning or mute)

    @property
    def given_up(self) -> bool:
        """A turn that was cut is waited for no longer: it did not come back, or stopped a second time."""
        if self.event != ev.DeadlineReached("answer"):
            return False
        before = self.before
        if before.answering:
            return not self.lost
        return before.returning and not before.generated

    @property
    def refused(self) -> bool:
        """An attempt to open a connection came to nothing."""
        return isinstance(self.event, ev.OpenFailed) or self.event == ev.DeadlineReached("opening")

    def said(self, code: int, reason: str) -> bool:
        """Whether the server ended a connection, or refused it, with this code and this in its reason."""
        drop = getattr(self.event, "drop", None)
        return isinstance(drop, Dropped) and drop.origin == "server" and drop.code == code and reason in drop.reason


def counts(before: Situation, event: ev.Event, now: float) -> bool:
    """Whether a fact is about what there is: the newest connection as it stands, a deadline that is armed and due."""
    if isinstance(event, ev.DeadlineReached):
        at = before.at(event.name)
        return at is not None and at <= now
    number = getattr(event, "connection", None)
    return number is None or (number == before.number and before.link in _LINKS[type(event)])


def behind(situation: Situation) -> bool:
    """Whether a question waits behind the answer in progress."""
    last = max(situation.owed, default=0)
    return last > 0 and (situation.withhold > 0 or last > situation.asked_at)


Check: TypeAlias = Callable[[Step], None]


@attrs.frozen
class Promise:
    """A check, and when it is asked."""

    check: Check
    on: tuple[type[Any], ...]
    "After facts of these kinds; after any if empty."
    deadlines: tuple[str, ...]
    "Of deadlines, only after these."
    states: tuple[str, ...]
    "Where the fact found the session."
    stray: bool
    "Whether it is asked of facts that do not count; else of those that do."

    @property
    def name(self) -> str:
        return self.check.__name__


PROMISES: Final[list[Promise]] = []


def promise(
    *on: type[Any], deadlines: tuple[str, ...] = (), states: tuple[str, ...] = STATES, stray: bool = False
) -> Callable[[Check], Check]:
    """Ask this check after facts of these kinds (after all, if none is named) that found the session in `states`."""

    def enter(check: Check) -> Check:
        kinds = (*on, ev.DeadlineReached) if deadlines else on
        PROMISES.append(Promise(check, kinds, deadlines, states, stray))
        return check

    return enter


class Witness:
    """Sees steps, and asks the checks that are about them."""

    def __init__(self, promises: list[Promise]) -> None:
        self._promises = promises
        self._asked: dict[tuple[str, object, bool], tuple[Check, ...]] = {}

    def _about(self, state: str, event: ev.Event, stray: bool) -> Iterator[Check]:
        for promise in self._promises:
            if promise.stray != stray or state not in promise.states:
                continue
            if promise.on and not isinstance(event, promise.on):
                continue
            if isinstance(event, ev.DeadlineReached) and promise.deadlines and event.name not in promise.deadlines:
                continue
            yield promise.check

    def __call__(self, step: Step) -> None:
        event = step.event
        stray = not counts(step.before, event, step.now)
        what = event.name if isinstance(event, ev.DeadlineReached) else type(event)
        key = (step.before.state, what, stray)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = tuple(self._about(step.before.state, event, stray))
        for check in asked:
            check(step)

    def watch(self, taken: Taken, life: Lifecycle) -> None:
        """Look at a step of a walk."""
        self(Step(taken.was, taken.move.event, taken.orders, taken.now, taken.waiting, life))
