"""Deadlines: what P8, P10, P13 and P19 say comes at its time, neither late nor early."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final

from relive.core.policy import Policy
from relive.testing.simulation.checks_facts import EPS, LIVE, Facts, Story
from relive.testing.simulation.checks_output import NOISE
from relive.testing.simulation.history import Record, Refused
from relive.testing.simulation.outcome import Violation

_BEGUN_ANEW: Final = frozenset({"OutputStarted", "ToolCalled", "TurnEnded", "ConnectionOpened"})
"What has the wait for an answer begin from its beginning."
_DEMANDS: Final = frozenset({"content", "text", "activity_end"})
"What certainly demands an answer."
_CANCELLED: Final = (("heard", "cancelled"), ("read", "toolCallCancellation"))


def rotations_come(facts: Facts) -> Iterator[Violation]:
    """P8: a connection that is in use for `rotate_after` is drained then, or that is put off for as long again."""
    after = facts.policy.rotate_after
    if after is None:
        return
    for story in facts.stories:
        due = inf
        for step in story.steps:
            if due + EPS < step.at:
                yield story.wrong("P8", due, f"a connection was {after:g} s old, and nobody asked whether to leave it")
                due = inf
            if step.what == "DeadlineReached(rotate)" and step.at < due - EPS:
                yield story.wrong("P8", step.at, f"a connection was to be left {due - step.at:.3f} s too early")
            if step.what in ("ConnectionOpened", "DeadlineReached(rotate)"):
                due = step.at + after
            if step.data[1] != "ACTIVE":
                due = inf


def answers_are_awaited(facts: Facts) -> Iterator[Violation]:
    """P10: that nothing comes of a question for `answer_timeout` is noticed.

    Judged for questions that were asked while no other answer was on, and no tool ran: then no word can come unseen.
    While the application does not receive, and relive has stopped reading for it, nothing is missed: the wait begins
    again when it receives again.
    """
    timeout = facts.policy.answer_timeout
    if timeout is None:
        return
    for story in facts.stories:
        wait = _Wait(story)
        stalls = list(_stalls(facts, story))
        for record in story.walk:
            for began, ended in stalls:
                if began <= wait.asked + timeout and wait.asked < ended:
                    wait.asked = ended
            if wait.asked + timeout + EPS < record.at:
                what = f"nothing came of a question for {record.at - wait.asked:.3f} s, and nobody noticed"
                yield story.wrong("P10", wait.asked + timeout, what)
                wait.asked = inf
            wait.see(record)


def _stalls(facts: Facts, story: Story) -> Iterator[tuple[float, float]]:
    """From when to when relive did not read, because the application did not receive."""
    pauses = [pause for pause in facts.struck if pause.what == "StopReading" and pause.client in (-1, story.client)]
    for stall in story.kinds["notice"]:
        if stall.what == "reader_stalled":
            ends = [pause.at + pause.data["seconds"] for pause in pauses if pause.at <= stall.at]
            yield stall.at, max(ends, default=stall.at)


class _Wait:
    """When the question was asked that nothing has come of since."""

    def __init__(self, story: Story) -> None:
        self.asked = inf
        self._answers = story.answers
        self._calls: set[str] = set()
        self._live = self._answering = False

    def see(self, record: Record) -> None:
        """Go on to this record."""
        what = record.what
        if record.kind == "read" and what == "toolCall":
            self._calls.update(record.data or ())
        elif (record.kind, what) in _CANCELLED:
            self._calls.difference_update(record.data or ())
        elif record.kind == "sent":
            self._calls.difference_update(self._answers.get(record.data[0], ()))
            alone = self._live and not (self._answering or self._calls)
            if what in _DEMANDS and record.data[1] == "ok" and alone:
                self.asked = min(self.asked, record.at)
        elif record.kind == "step" and what not in ("DeadlineReached(probe)", "InputAccepted"):
            self._live = record.data[1] in LIVE
            if what in _BEGUN_ANEW or what in ("AnswerGenerated", "Interrupted", "DeadlineReached(answer)"):
                self.asked = inf
                self._answering = what != "TurnEnded"
            if not self._live:
                self.asked = inf


class _Idle:
    """Whether certainly no answer is awaited, so that the wait for one begins with the next question.

    It is so when a connection comes up with nothing to be written on it and no tool running, and when the turn of the
    only question since then has ended, for an application that asks in words. A question counts from when the machine
    took it: writing it may take its time.
    """

    def __init__(self, facts: Facts, story: Story) -> None:
        self._asks = 0
        self._certain = False
        self._simple = False
        "Questions were asked one by one on this connection, and each was answered."
        self._taken: float | None = None
        "When the machine took what may be a question."
        self._verdicts = iter(story.life.verdicts)
        self._answers = story.answers
        self._calls: set[str] = set()
        kinds = {turn.kind for turn in facts.plan.talk.turns}
        self._in_words = kinds <= {"typed", "text", "marked"} and not facts.faults & NOISE and not facts.misled

    def see(self, record: Record) -> float | None:
        """Go on to this record. Returns when the wait for an answer began, if it did so with the question in it."""
        what = record.what
        if record.kind == "sent":
            self._calls.difference_update(self._answers.get(record.data[0], ()))
            if what in _DEMANDS and record.data[1] == "ok":
                self._asks += 1
                certain, self._certain = self._certain, False
                return self._taken if certain else None
        elif record.kind == "read" and what == "toolCall":
            self._calls.update(record.data or ())
        elif (record.kind, what) in _CANCELLED:
            self._calls.difference_update(record.data or ())
        elif record.kind == "step":
            self._step(record)
        return None

    def _step(self, step: Record) -> None:
        what = step.what
        if what == "InputAccepted":
            self._taken = step.at
        elif what == "ConnectionOpened":
            verdict = next(self._verdicts, None)
            nothing = verdict is not None and not (verdict.replayed or step.data[2] or self._calls)
            self._simple = self._certain = self._in_words and nothing
            self._asks = 0
        elif what == "TurnEnded":
            self._simple &= self._asks == 1 and not self._calls
            self._certain, self._asks = self._simple, 0
        elif what in ("OutputStarted", "ToolCalled"):
            self._simple &= self._asks == 1
            self._certain = False
        elif what in ("Interrupted", "DeadlineReached(answer)") or step.data[1] not in LIVE:
            self._simple = self._certain = False


def nothing_is_given_up_early(facts: Facts) -> Iterator[Violation]:
    """P10 P19: a probe, an opening, an answer and the application's hook each have all of their time."""
    policy = facts.policy
    for story in facts.stories:
        idle = _Idle(facts, story)
        probes = iter([*story.probes, inf])
        probe, following = -inf, next(probes)
        began: dict[str, float] = dict.fromkeys(("opening", "answer", "seed"), -inf)
        limits = {
            "opening": policy.open_timeout + policy.setup_timeout,
            "answer": policy.answer_timeout or 0.0,
            "seed": policy.seed_timeout,
            "silence": policy.probe_timeout,
        }
        for step in story.walk:
            asked = idle.see(step)
            if asked is not None:
                began["answer"] = max(began["answer"], asked)
            if step.kind != "step":
                continue
            while following <= step.at:
                probe, following = following, next(probes)
            name = step.what.removeprefix("DeadlineReached(").removesuffix(")")
            had = step.at - began.get(name, probe)
            if name != step.what and name in limits and had < limits[name] - EPS:
                yield story.wrong(
                    "P19" if name == "seed" else "P10", step.at, f"{name} had {had:.3f} s of {limits[name]:g}"
                )
            if step.what == "DialStarted":
                began["opening"] = step.at
            elif step.what in _BEGUN_ANEW:
                began["answer"] = step.at
            if step.data[1] == "HANDLE_EXPIRED" != step.data[0]:
                began["seed"] = step.at


def nothing_is_refused_early(facts: Facts) -> Iterator[Violation]:
    """P13: `send` fails because its session has ended, or after `send_timeout` without room for its frame.

    There was none if something waited all that time, and was about `send_limit` with the frame: of one that the SDK
    makes, which may be longer than ours, twice the size is allowed.
    """
    policy = facts.policy
    for story in facts.stories:
        for refused in story.life.refused:
            wrong = _refused_early(story, refused, policy)
            if wrong:
                yield story.wrong("P13", refused.at, f"a frame was refused with {refused.error}, {wrong}")


def _refused_early(story: Story, refused: Refused, policy: Policy) -> str:
    """What speaks against this refusal; nothing if it may be so."""
    began, at = refused.began, refused.at
    if refused.error != "SendBufferFull":
        ended = story.closed_at
        return "and the session had not ended" if ended is None or at < ended - EPS else ""
    if abs(at - began - policy.send_timeout) > EPS:
        return f"which waited {at - began:.3f} s, and not {policy.send_timeout:g}"
    if refused.waiting + 2 * refused.size <= policy.send_limit:
        return f"while {refused.waiting} of {policy.send_limit} bytes waited"
    if any(began + EPS < step.at < at - EPS and not step.data[2] for step in story.steps):
        return "although nothing waited meanwhile"
    return ""


CHECKS: Final = (rotations_come, answers_are_awaited, nothing_is_given_up_early, nothing_is_refused_early)
