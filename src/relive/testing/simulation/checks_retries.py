"""Retries: P11, from what was opened when, and from what the refusals said."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final

from relive.core.backoff import delay
from relive.core.policy import Policy
from relive.testing.simulation.checks_connections import is_cut, is_loss
from relive.testing.simulation.checks_facts import EPS, Facts, Story
from relive.testing.simulation.history import Record
from relive.testing.simulation.outcome import Violation

_QUOTA: Final = ("you exceeded your current quota", "resource has been exhausted", "resource exhausted")
_FATAL: Final = ("api key", "your api key", "models/", "publisher model", "method doesn't allow unregistered callers")


def is_quota(code: object, status: object, reason: object) -> bool:
    """Whether a refusal says that there was too much."""
    return status == 429 or (code is not None and str(reason).lower().startswith(_QUOTA))


def is_fatal(code: object, status: object, reason: object) -> bool:
    """Whether a refusal says that another attempt would fail in the same way, beyond doubt."""
    return status in (401, 403) or (code in (1007, 1008) and str(reason).lower().startswith(_FATAL))


class _Budget:
    """Openings since the last stable connection, as the history shows them."""

    def __init__(self) -> None:
        self.attempts = 0
        self.since = 0.0
        self.up_at: float | None = None
        self.total = 0
        self.sure = True
        "Whether the last connection was stable is beyond rounding."

    def left(self, at: float, stable_after: float) -> None:
        """A connection was left, or lost."""
        if self.up_at is not None and at - self.up_at >= stable_after - EPS:
            self.attempts = 0
            self.since = at
            self.sure = at - self.up_at >= stable_after + EPS
        self.up_at = None

    def longest_wait(self, policy: Policy) -> float:
        """Seconds that the next wait takes at most."""
        return delay(self.attempts - 1, 1.0, base=policy.retry_base, cap=policy.retry_cap)


def budgets_hold(facts: Facts) -> Iterator[Violation]:
    """P11: openings are bounded in a row, in time and in total; giving up comes when a bound is reached, not before.

    An opening after an unstable connection waits, one after a stable connection does not, but for quota. The longest
    that a wait can be doubles from one to the next.
    """
    policy = facts.policy
    for story in facts.stories:
        budget, quota = _Budget(), False
        until = inf
        for record in story.walk:
            if record.kind == "open":
                budget.total += 1
                if not budget.attempts:
                    budget.since = record.at
                budget.attempts += 1
                yield from _within(facts, story, budget, record)
            elif record.kind == "refused":
                quota = is_quota(*record.data[1:4])
            elif record.kind == "gone":
                quota = is_quota(record.data[0], None, record.data[1])
            elif record.kind == "up":
                budget.up_at = record.at
            elif record.kind == "step":
                source, dest = record.data[:2]
                if is_loss(record):
                    if is_cut(record):
                        yield from _after_loss(facts, story, budget, record, quota)
                    budget.left(record.at, policy.stable_after)
                if dest == "WAITING" != source:
                    until = record.at + budget.longest_wait(policy) + policy.quota_delay * quota
                elif source == "WAITING" != dest and record.at > until + EPS and budget.sure:
                    what = f"waited {record.at - until:.3f} s too long for attempt {budget.attempts + 1}"
                    yield story.wrong("P11", record.at, what)
        failure = story.life.failure
        if failure is not None and failure.cause == "gave_up":
            most = policy.retry_cap + policy.quota_delay
            spent = budget.attempts >= policy.retry_attempts or budget.total >= policy.retry_total
            at = story.closed_at or story.ended
            if budget.sure and not spent and at - budget.since + most <= policy.retry_time:
                yield story.wrong("P11", at, f"gave up after {budget.attempts} attempts in {at - budget.since:.1f} s")


def _within(facts: Facts, story: Story, budget: _Budget, opened: Record) -> Iterator[Violation]:
    policy = facts.policy
    if budget.attempts > policy.retry_attempts:
        yield story.wrong("P11", opened.at, f"{budget.attempts} openings without a stable connection between them")
    if budget.total > policy.retry_total:
        yield story.wrong("P11", opened.at, f"{budget.total} openings in all")
    if opened.at - budget.since > policy.retry_time + EPS and facts.plan.herd == 1:
        yield story.wrong("P11", opened.at, f"one recovery took {opened.at - budget.since:.1f} s")


def _after_loss(facts: Facts, story: Story, budget: _Budget, step: Record, quota: bool) -> Iterator[Violation]:
    if budget.up_at is None:
        return
    age, dest = step.at - budget.up_at, step.data[1]
    if age >= facts.policy.stable_after + EPS and dest == "WAITING" and not quota:
        yield story.wrong("P11", step.at, f"waited after a connection that had been stable for {age:.1f} s")
    if age < facts.policy.stable_after - EPS and dest in ("RESUMING", "CONNECTING"):
        yield story.wrong("P11", step.at, f"did not wait after a connection that had lived {age:.1f} s")


def waits_are_bounded(facts: Facts) -> Iterator[Violation]:
    """P11: a wait is no longer than `retry_cap`, after quota `quota_delay` more and no shorter than that.

    It has a random part, which may be nothing once, but not each time.
    """
    policy = facts.policy
    for story in facts.stories:
        began: Record | None = None
        quota, waits = False, list[float]()
        for record in story.walk:
            if record.kind == "refused":
                quota = is_quota(record.data[1], record.data[2], record.data[3])
            elif record.kind == "gone":
                quota = is_quota(record.data[0], None, record.data[1])
            elif record.kind == "step" and record.data[0] != record.data[1]:
                if record.data[1] == "WAITING":
                    began = record
                elif began is not None:
                    waited = record.at - began.at
                    waits += [waited] if record.what == "DeadlineReached(retry)" else []
                    if waited > policy.retry_cap + policy.quota_delay * quota + EPS:
                        yield story.wrong("P11", record.at, f"waited {waited:.3f} s between two attempts")
                    refused = quota and began.what in ("OpenFailed", "ConnectionDropped")
                    short = waited < policy.quota_delay - EPS and record.what == "DeadlineReached(retry)"
                    if refused and short:
                        yield story.wrong("P11", record.at, f"waited only {waited:.3f} s after quota was exceeded")
                    began = None
        if len(waits) > 1 and max(waits) <= EPS:
            yield story.wrong("P11", story.ended, f"waited {len(waits)} times, and never for any time at all")


def fatal_causes_are_final(facts: Facts) -> Iterator[Violation]:
    """P11: after a refusal that will come again, whatever is tried, nothing is opened, and the session has failed."""
    for story in facts.stories:
        fatal: Record | None = None
        for record in story.walk:
            if record.kind == "open" and fatal is not None:
                yield story.wrong("P11", record.at, "opened again after a refusal that is final")
                break
            if record.kind == "refused" and is_fatal(*record.data[1:4]):
                fatal = record
        if fatal is not None and not story.life.crashed and story.life.state not in ("FAILED", "CLOSED"):
            yield story.wrong("P11", fatal.at, f"{story.life.state} after a refusal that is final")


def failures_have_causes(facts: Facts) -> Iterator[Violation]:
    """P11 P22: a session that has failed says why, and no other does, but one that was taken with no connection up."""
    for story in facts.stories:
        failure, told = story.life.failure, not story.life.crashed
        if story.life.state == "FAILED" and told and (failure is None or not failure.cause or not failure.detail):
            yield story.wrong("P11", story.ended, f"the session failed and does not say why: {failure}")
        if failure is not None and story.life.state != "FAILED" and failure.cause != "session_taken":
            yield story.wrong("P22", story.ended, f"the session is {story.life.state} and says why it failed")
        if failure is not None and failure.cause == "internal":
            yield story.wrong("P22", story.ended, f"something raised that may not: {failure.drop}")


CHECKS: Final = (budgets_hold, waits_are_bounded, fatal_causes_are_final, failures_have_causes)
