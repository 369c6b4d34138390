"""What happened in a history at all: a campaign in which an interesting thing never did has shown little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from relive.testing.simulation.checks_facts import LIVE, Facts, Story, seconds_of
from relive.testing.simulation.checks_retries import is_quota
from relive.testing.simulation.history import Record

MUST_HAPPEN: Final = (
    "resumed",
    "resumed with an index",
    "resumed without an index",
    "resumed with unacknowledged audio",
    "replayed a tool response",
    "resumed with a gap",
    "drained at a safe point",
    "cut at the drain deadline",
    "lost while draining",
    "a second GoAway moved the deadline earlier",
    "a spoken answer was rolled back",
    "a repeat was withheld",
    "a tool call was cancelled by a loss",
    "a cut turn was completed",
    "a handle arrived while hanging up",
    "a handle was refused",
    "a handle was quarantined after strikes",
    "an unusable update kept the handle",
    "context was lost with a seed",
    "context was lost without a seed",
    "the application refused to go on",
    "the session limit was warned of",
    "crashed and resumed from the store",
    "crashed with a stale store",
    "the store failed",
    "backed off",
    "waited longer than for a first attempt",
    "waited for quota",
    "gave up",
    "a final refusal",
    "a black hole was found by a probe",
    "an answer was overdue",
    "an opening timed out",
    "video was dropped",
    "audio aged out",
    "the reader stalled",
    "a malformed frame was withheld",
    "an index anomaly",
    "closed while no connection was up",
    "a herd lost its connections and came back",
)
"What a default campaign must have seen, each at least once."

_NOTICES: Final = {
    "session_limit": "the session limit was warned of",
    "store_error": "the store failed",
    "reader_stalled": "the reader stalled",
    "malformed_frame": "a malformed frame was withheld",
    "index_anomaly": "an index anomaly",
}
_FAILURES: Final = {
    "gave_up": "gave up",
    "fatal": "a final refusal",
    "seed_refused": "the application refused to go on",
}
_STEPS: Final = {
    ("DRAINING", "SafePointReached"): "drained at a safe point",
    ("DRAINING", "DeadlineReached(drain)"): "cut at the drain deadline",
    ("DRAINING", "ConnectionDropped"): "lost while draining",
    ("ACTIVE", "DeadlineReached(silence)"): "a black hole was found by a probe",
    ("DRAINING", "DeadlineReached(silence)"): "a black hole was found by a probe",
    ("ACTIVE", "DeadlineReached(answer)"): "an answer was overdue",
    ("CONNECTING", "DeadlineReached(opening)"): "an opening timed out",
    ("RESUMING", "DeadlineReached(opening)"): "an opening timed out",
    ("RESUMING", "CheckpointReceived"): "a handle arrived while hanging up",
    ("CONNECTING", "CheckpointReceived"): "a handle arrived while hanging up",
    ("HANDLE_EXPIRED", "CheckpointReceived"): "a handle arrived while hanging up",
}


def cover(facts: Facts) -> None:
    """Note in the history what happened in it. Doing so again changes nothing."""
    counts = Counter(_herd(facts) if facts.plan.herd > 1 else ())
    for story in facts.stories:
        counts.update(_story(facts, story))
    for what, times in counts.items():
        facts.history.seen[what] = max(times, facts.history.seen[what])


def _herd(facts: Facts) -> Iterator[str]:
    """What happened to many sessions together."""
    if all(len(story.kinds["up"]) > 1 for story in facts.stories):
        yield "a herd lost its connections and came back"


def _story(facts: Facts, story: Story) -> Iterator[str]:
    yield from _verdicts(facts, story)
    yield from _turns(story)
    yield from _drains(facts, story)
    for notice in story.kinds["notice"]:
        if notice.what in _NOTICES:
            yield _NOTICES[notice.what]
        elif notice.what == "handle_quarantined":
            yield {
                "rejected": "a handle was refused", "quarantined": "a handle was quarantined after strikes",
            }.get(notice.data, "a handle was quarantined")  # fmt: skip
    for step in story.steps:
        source, dest = step.data[:2]
        known = _STEPS.get((source, step.what))
        if known is not None:
            yield known
        if dest == "WAITING" != source:
            yield "backed off"
        if dest == "CLOSED" and source not in LIVE:
            yield "closed while no connection was up"
    longest = max(
        [after.at - wait.at for wait, after in pairwise(story.moves) if wait.data[1] == "WAITING"], default=0.0
    )
    if facts.policy.retry_base < longest < facts.policy.quota_delay:
        yield "waited longer than for a first attempt"
    stats, failure = story.life.stats, story.life.failure
    if failure is not None and failure.cause in _FAILURES:
        yield _FAILURES[failure.cause]
    if stats is not None:
        if stats.frames_withheld_repeats:
            yield "a repeat was withheld"
        if stats.dropped_video:
            yield "video was dropped"
        if stats.dropped_audio:
            yield "audio aged out"
    if any(is_quota(*record.data[1:4]) for record in story.kinds["refused"]):
        yield "waited for quota"
    if story.life.crashed:
        how = next((fault.data["store"] for fault in reversed(facts.struck)
                    if fault.what == "Crash" and fault.at <= story.ended), "")  # fmt: skip
        if how == "stale":
            yield "crashed with a stale store"
    if story.life.number > 1 and story.kinds["load"] and story.kinds["load"][0].what:
        first = story.life.verdicts[:1]
        yield from ("crashed and resumed from the store" for verdict in first if verdict.kind.startswith("resumed"))


def _verdicts(facts: Facts, story: Story) -> Iterator[str]:
    seeded = {record.data[0] for record in story.kinds["open"] if record.data[2]}
    opened = [step.conn for step in story.steps if step.what == "ConnectionOpened"]
    for number, verdict in zip(opened, story.life.verdicts, strict=False):
        if verdict.kind.startswith("resumed"):
            yield "resumed"
            yield "resumed with an index" if facts.indexed else "resumed without an index"
            if verdict.replayed:
                yield "resumed with unacknowledged audio"
            if verdict.kind == "resumed_with_gap":
                yield "resumed with a gap"
        elif verdict.kind == "not_restored":
            yield "context was lost with a seed" if number in seeded else "context was lost without a seed"


def _turns(story: Story) -> Iterator[str]:
    for record in story.kinds["made"]:
        if record.what == "interrupted":
            yield "a spoken answer was rolled back"
        elif record.what == "turn_complete":
            yield "a cut turn was completed"
        else:
            yield "a tool call was cancelled by a loss"
    if any(read.what == "sessionResumptionUpdate" and not (read.data and read.data[0] and read.data[1])
           for read in story.kinds["read"]):  # fmt: skip
        yield "an unusable update kept the handle"
    answered = False
    for record in story.walk:
        if record.kind == "sent" and record.what == "tool_response":
            answered = True
        elif record.kind == "read" and record.what == "sessionResumptionUpdate":
            answered = False
        elif answered and record.kind == "step" and record.what == "ConnectionOpened":
            yield "replayed a tool response"
            answered = False


def _drains(facts: Facts, story: Story) -> Iterator[str]:
    due: float | None = None
    state = "IDLE"
    for record in story.walk:
        if record.kind == "step":
            state = record.data[1]
            due = due if state in LIVE else None
        elif record.kind == "read" and record.what == "goAway" and state in LIVE:
            told = _due(facts, record)
            if due is not None and told < due:
                yield "a second GoAway moved the deadline earlier"
            due = told if due is None else min(due, told)


def _due(facts: Facts, record: Record) -> float:
    return record.at + max(0.0, seconds_of(record.data) - facts.policy.drain_margin)
