"""What guards look at and actions write on while one fact is handled."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from relive.core import backoff
from relive.core.checkpoint import Checkpoint
from relive.core.effects import Effect
from relive.core.journal import Journal
from relive.core.policy import Policy
from relive.core.situation import Situation


@attrs.define(eq=False)
class Scene:
    """A session's situation, its journal and its policy, with the orders made so far.

    Actions do three things and no other: set fields of the situation, append an order, and put a change of the journal
    on the list of those to be made once the fact has been handled to its end.
    """

    situation: Situation
    journal: Journal
    policy: Policy
    model: str = ""
    backend: str = ""
    compressed: bool = True
    "Whether context-window compression is on, so that the session has no limit."
    video: bool = False
    "Whether video was sent, which makes the limit of an uncompressed session shorter."
    orders: list[Effect] = attrs.Factory(list[Effect])
    staged: list[Callable[[], object]] = attrs.Factory(list[Callable[[], object]])

    def checkpoint(self, handle: str, calls: frozenset[str] = frozenset()) -> Checkpoint:
        """What a handle that is there now makes a checkpoint of: it belongs to what this session belongs to."""
        bound_to = self.policy.bind_to
        return Checkpoint(handle, self.model, self.backend, self.situation.wall, calls, bound_to=bound_to)

    def order(self, effect: Effect) -> None:
        """Say what is to be done."""
        self.orders.append(effect)

    def stage(self, change: Callable[[], object]) -> None:
        """Have the journal changed when this fact is done with."""
        self.staged.append(change)

    def arm(self, name: str, delay: float) -> None:
        """Set a deadline `delay` seconds from now, in place of an earlier one of that name."""
        self.arm_at(name, self.situation.now + delay)

    def arm_at(self, name: str, instant: float) -> None:
        """Set a deadline, in place of an earlier one of that name."""
        s = self.situation
        s.deadlines = (*[pair for pair in s.deadlines if pair[0] != name], (name, instant))

    def disarm(self, name: str) -> None:
        """Forget a deadline, armed or not."""
        s = self.situation
        s.deadlines = tuple([pair for pair in s.deadlines if pair[0] != name])

    def stable(self) -> bool:
        """Whether the connection in use has lasted long enough to fill the budget again."""
        s = self.situation
        return s.link in ("up", "closing") and s.now - s.active_at >= self.policy.stable_after

    def attempts(self) -> int:
        """Openings since the last stable connection, as they count for the next one."""
        return 0 if self.stable() else self.situation.attempts

    def retry_delay(self) -> float:
        """Seconds to wait before the next attempt, were it to be made now."""
        policy = self.policy
        floor = policy.quota_delay if self.situation.judgement == "retry_later" else 0.0
        return backoff.delay(
            max(0, self.attempts() - 1),
            self.situation.jitter,
            base=policy.retry_base,
            cap=policy.retry_cap,
            floor=floor,
        )

    def margin(self) -> float:
        """Seconds in which a frame may be on its way, so that a checkpoint without an index need not cover it.

        While no round trip was measured (the first connection may be left before that, and probes may be off), a setup
        is one, and some more.
        """
        s = self.situation
        return max(self.policy.coverage_margin, s.least_opening if s.round_trip is None else s.round_trip)

    def handle_fresh(self, wall: float) -> bool:
        """Whether a handle whose connection ended at `wall` is still within its time to live."""
        return self.situation.wall - wall < self.policy.handle_ttl

    def has_conversation(self) -> bool:
        """Whether something would be lost by starting afresh."""
        s = self.situation
        return s.conversation or (s.link in ("up", "closing") and self.journal.index > 0)
