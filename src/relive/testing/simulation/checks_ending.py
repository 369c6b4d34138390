"""Expiry, limits, ending and seeing: P19–P23."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from relive.testing.simulation.checks_facts import EPS, Facts, Story
from relive.testing.simulation.history import CLOSING, Record
from relive.testing.simulation.outcome import Violation

_MOMENT: Final = 1.0


def losses_pass_through_handle_expired(facts: Facts) -> Iterator[Violation]:
    """P19: no connection comes up without its context unless HANDLE_EXPIRED was passed; none so passed says `fresh`.

    And none says `fresh` after a connection on which something was said.
    """
    for story in facts.stories:
        verdicts = iter(story.life.verdicts)
        lost = said = False
        for step in story.steps:
            what, (source, dest, *_) = step.what, step.data
            if dest == "HANDLE_EXPIRED" != source:
                lost = True
            elif what == "CheckpointReceived" and dest == "RESUMING" != source:
                lost = False
            elif what == "ConnectionOpened":
                verdict = next(verdicts, None)
                if verdict is not None:
                    yield from _verdict(story, step, verdict, lost=lost, said=said)
                lost = said = False
            elif what in ("OutputStarted", "ToolCalled"):
                said = True


def _verdict(story: Story, step: Record, verdict: Any, *, lost: bool, said: bool) -> Iterator[Violation]:
    restored = verdict.kind in ("resumed", "resumed_with_gap")
    if restored != (step.data[0] == "RESUMING"):
        yield story.wrong("P19", step.at, f"{verdict} after {step.data[0]}")
    if verdict.kind == "not_restored" and not (lost and verdict.reason):
        yield story.wrong("P19", step.at, f"{verdict}, and HANDLE_EXPIRED was not passed, or no reason is given")
    if restored and (verdict.kind == "resumed_with_gap") != bool(verdict.dropped):
        yield story.wrong("P13", step.at, f"{verdict}, and {verdict.dropped} frames could not be kept")
    if verdict.kind == "fresh" and (lost or said):
        yield story.wrong("P19", step.at, "fresh, although there was a conversation")


def losses_have_reasons(facts: Facts) -> Iterator[Violation]:
    """P19: context is lost as `no_handle` only if none is known, and to the store only if that was in trouble.

    The hook is told the reason that the verdict gives.
    """
    for story in facts.stories:
        known: str | None = None
        dead: set[str | None] = set()
        reasons = iter([verdict.reason for verdict in story.life.verdicts if verdict.kind == "not_restored"])
        at_loss: str | None = None
        told: str | None = None
        pending = False
        for record in story.walk:
            if record.kind == "read" and record.what == "sessionResumptionUpdate" and record.data:
                known = record.data[0] if record.data[0] not in {None, "", *dead} and record.data[1] else known
            elif record.kind == "load":
                known = record.what or None
            elif record.kind == "open" and record.data[1]:
                known = record.data[1]
            elif record.kind == "step" and record.data[1] == "HANDLE_EXPIRED" != record.data[0]:
                at_loss, known, pending = known, None, True
                dead.add(at_loss)  # whatever the reason: it is not used again
            elif record.kind == "asked":
                told = record.what
            elif record.kind == "step" and record.what == "ConnectionOpened":
                if pending and record.data[0] == "CONNECTING":
                    reason = next(reasons, "")
                    if not reason and story.life.crashed:
                        break  # at this very instant, before anybody was told the verdict
                    wrong = _wrong_reason(facts, reason, at_loss)
                    if told is not None and told != reason:
                        wrong = f"and the application was told that it was {told}"
                    if wrong:
                        yield story.wrong("P19", record.at, f"not_restored({reason}), {wrong}")
                pending, told = False, None
                known = None if record.data[0] == "CONNECTING" else known


def _wrong_reason(facts: Facts, reason: str, handle: str | None) -> str:
    """What speaks against this reason for a loss of context at which this handle was known; nothing if it may be so."""
    match reason:
        case "no_handle" if handle is not None:
            return f"although {handle} was known"
        case "expired" if handle is None:
            return "although no handle was known"
        case "store_unavailable" if not facts.faults & {"SlowStore", "FailingStore"}:
            return "and the store was there"
        case "session_limit" if facts.plan.client.compressed:
            return "of a session that has none"
        case _:
            return ""


def the_hook_is_asked_once(facts: Facts) -> Iterator[Violation]:
    """P19: the application is asked once per loss, when it happens, and waited for no longer than `seed_timeout`.

    If it refuses in time the session fails and says so; it does not otherwise.
    """
    client, policy = facts.plan.client, facts.policy
    for story in facts.stories:
        losses = [step for step in story.moves if step.data[1] == "HANDLE_EXPIRED"]
        asked = story.kinds["asked"]
        at_once = all(abs(loss.at - ask.at) <= facts.late for loss, ask in zip(losses, asked, strict=False))
        if client.hook != "none" and (len(losses) != len(asked) or not at_once):
            crashed = story.life.crashed and len(losses) == len(asked) + 1
            at_end = bool(losses) and losses[-1].at >= (story.closed_at or story.ended) - EPS
            if not crashed and not (at_end and len(losses) == len(asked) + 1):
                yield story.wrong("P19", story.ended, f"{len(losses)} losses of context, asked {len(asked)} times")
        for one, next_ in pairwise(story.moves):
            if one.data[1] == "HANDLE_EXPIRED" and next_.at - one.at > policy.seed_timeout + facts.late:
                yield story.wrong("P19", next_.at, f"the hook was waited for {next_.at - one.at:.3f} s")
            refused = client.hook == "refuse" and "SlowHook" not in facts.faults and next_.what != "CloseRequested"
            rejoined = next_.what == "CheckpointReceived"
            if one.data[1] == "HANDLE_EXPIRED" and refused and not rejoined and next_.data[1] != "FAILED":
                yield story.wrong("P19", next_.at, f"the application refused, and the session went on: {next_.data}")
        failure = story.life.failure
        if failure is not None and failure.cause == "seed_refused" and (client.hook != "refuse" or not asked):
            yield story.wrong("P19", story.ended, "seed_refused, and the application did not refuse")


def seeds_go_first(facts: Facts) -> Iterator[Violation]:
    """P19: a seed is the first that a fresh session hears, and no resumed one ever hears one."""
    if facts.plan.client.hook != "seed":
        return
    for story in facts.stories:
        seeded = {record.data[0]: record for record in story.kinds["open"] if record.data[2]}
        for number, admission in facts.admitted(story):
            session = admission.session
            if session is None or not (admission.handle or number in seeded):
                continue
            conn = admission.number
            heard = [item for item in (*session.consumed, *session.rolled_back) if item.connection == conn]
            seeds = [item.index for item in heard if item.kind == "content" and item.payload == "before"]
            at = admission.up_at or 0.0
            if seeds and admission.handle:
                yield story.wrong("P19", at - facts.history.began, "a seed was written into a resumed session")
            elif heard and number in seeded and seeds != [1]:
                yield story.wrong("P19", at - facts.history.began, f"the seed came as message {seeds}, not first")


def limits_are_warned_of(facts: Facts) -> Iterator[Violation]:
    """P20: without compression a warning precedes the session's limit, by `limit_warning` unless video brings it near.

    Judged where the service's limit is the policy's, or later, and does not come as the connection or the video begins.
    """
    plan, policy = facts.plan, facts.policy
    limit = plan.service.session
    if plan.client.compressed or limit is None or limit < policy.session_limit:
        return
    began = facts.history.began
    for story in facts.stories:
        warned = [notice.at for notice in story.kinds["notice"] if notice.what == "session_limit"]
        video = next((sent.at for sent in story.ledger.sent if sent.item.kind == "video"), None)
        ups = {record.data[0]: record.at for record in story.kinds["up"]}
        for number, admission in facts.admitted(story):
            session = admission.session
            if session is None or not session.over or admission.ended_by != "limit" or admission.ended_at is None:
                continue
            if number not in ups or admission.number != session.connections[-1] or admission.up_at is None:
                continue
            ended, up = admission.ended_at - began, admission.up_at - began
            if any(opened.data[0] > number and opened.at < ended for opened in story.kinds["open"]):
                continue  # it was left long before
            if ended - max(up, video or 0.0) < _MOMENT:
                continue
            started = session.started_at - began
            # The client's count begins when it hears that the session has.
            heard = next((at for at in ups.values() if at >= started), started)
            by = ended if video is not None else max(ended - policy.limit_warning + heard - started, up) + _MOMENT
            known = any(started - EPS <= at <= by + EPS for at in warned)
            if not known and story.life.number == 1:
                yield story.wrong("P20", ended, "the session reached its limit without a warning")


def ends_in_time(facts: Facts) -> Iterator[Violation]:
    """P21: closing takes two seconds at most, and leaves nothing behind."""
    for story in facts.stories:
        life = story.life
        if life.closing is not None and life.closing > CLOSING + facts.late:
            yield story.wrong("P21", story.ended, f"closing took {life.closing:.3f} s")
        if life.left_over:
            yield story.wrong("P21", story.ended, f"left over: {', '.join(life.left_over)}")
        if not life.crashed and life.state not in ("CLOSED", "FAILED"):
            yield story.wrong("P21", story.ended, f"{life.state} after the end")


def ends_are_told(facts: Facts) -> Iterator[Violation]:
    """P22: after the end whoever receives or sends gets the error that fits it; a start that fails raises."""
    for story in facts.stories:
        life = story.life
        if life.crashed:
            continue
        right = {"CLOSED": "SessionClosed", "FAILED": "SessionFailed"}.get(life.state, "")
        came_up = any(step.data[1] == "ACTIVE" for step in story.moves)
        for where in ("receive", "send", "start"):
            got = life.errors.get(where)
            if got is not None and got != right:
                yield story.wrong("P22", story.ended, f"{where} raised {got} in a session that is {life.state}")
        if came_up and not life.left_over and "receive" not in life.errors:
            yield story.wrong("P22", story.ended, "the receiver was not told of the end")
        if not came_up and life.state == "FAILED" and "start" not in life.errors:
            yield story.wrong("P22", story.ended, "the session never came up, and opening it did not raise")


CHECKS: Final = (
    losses_pass_through_handle_expired, losses_have_reasons, the_hook_is_asked_once, seeds_go_first,
    limits_are_warned_of, ends_in_time, ends_are_told,
)  # fmt: skip
