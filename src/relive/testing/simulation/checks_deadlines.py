"""Deadlines: what P8, P10 and P19 say comes at its time, neither late nor early."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final

from relive.testing.simulation.checks_facts import EPS, LIVE, Facts, Story
from relive.testing.simulation.history import Record
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
    """
    timeout = facts.policy.answer_timeout
    if timeout is None:
        return
    for story in facts.stories:
        wait = _Wait(story)
        for record in story.walk:
            if wait.asked + timeout + EPS < record.at:
                what = f"nothing came of a question for {record.at - wait.asked:.3f} s, and nobody noticed"
                yield story.wrong("P10", wait.asked + timeout, what)
                wait.asked = inf
            wait.see(record)


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


def nothing_is_given_up_early(facts: Facts) -> Iterator[Violation]:
    """P10 P19: a probe, an opening, an answer and the application's hook each have all of their time."""
    policy = facts.policy
    for story in facts.stories:
        probes = iter([*story.probes, inf])
        probe, following = -inf, next(probes)
        began: dict[str, float] = dict.fromkeys(("opening", "answer", "seed"), -inf)
        limits = {
            "opening": policy.open_timeout + policy.setup_timeout,
            "answer": policy.answer_timeout or 0.0,
            "seed": policy.seed_timeout,
            "silence": policy.probe_timeout,
        }
        for step in story.steps:
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


CHECKS: Final = (rotations_come, answers_are_awaited, nothing_is_given_up_early)
