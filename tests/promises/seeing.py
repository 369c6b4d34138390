"""Seeing: what the core decides of P23, and what holds of every step."""

from __future__ import annotations

from itertools import pairwise

from tests.promises.step import FINAL, Step, promise

from relive.core import effects as do, events as ev
from relive.core.situation import save

SCOPES = {
    "load": ("IDLE",),
    "opening": ("CONNECTING", "RESUMING"),
    "retry": ("WAITING",),
    "seed": ("HANDLE_EXPIRED",),
    "drain": ("DRAINING",),
    "late_handle": ("DRAINING",),
    "rotate": ("ACTIVE",),
    "probe": ("ACTIVE", "DRAINING"),
    "silence": ("ACTIVE", "DRAINING"),
    "answer": ("ACTIVE", "DRAINING"),
    "limit": ("ACTIVE", "DRAINING"),
}


@promise()
def each_transition_is_reported_once(step: Step) -> None:
    """P23: from, to, one after the other, and none without a change."""
    reports = step.reports
    assert all(report.source != report.dest for report in reports)
    assert all(first.dest == second.source for first, second in pairwise(reports))
    if reports:
        assert reports[0].source == step.before.state
        assert reports[-1].dest == step.after.state
    else:
        assert step.after.state == step.before.state


@promise()
def a_report_says_when_and_why_and_on_which_connection(step: Step) -> None:
    """P23: and how it came up."""
    event = step.event
    why = f"DeadlineReached({event.name})" if isinstance(event, ev.DeadlineReached) else type(event).__name__
    for place, report in enumerate(step.reports):
        assert report.event == (why if place == 0 and report.event != "SafePointReached" else "SafePointReached")
        assert report.at == step.now
        assert report.connection == step.after.number
        assert report.verdict == step.after.verdict


@promise()
def a_fact_makes_one_transition_and_a_safe_point_may_add_one(step: Step) -> None:
    """P23."""
    events = [report.event for report in step.reports]
    assert len(events) - events.count("SafePointReached") <= 1
    assert events.count("SafePointReached") <= 1
    assert "SafePointReached" not in events[:-1]


@promise()
def a_deadline_exists_only_in_its_states(step: Step) -> None:
    """P7: leaving them cancels it, and each is armed at most once."""
    names = [name for name, _ in step.after.deadlines]
    assert len(names) == len(set(names))
    assert all(step.after.state in SCOPES[name] for name in names)


@promise()
def a_deadline_that_has_come_does_not_come_again_at_once(step: Step) -> None:
    """P7: what is due when it is armed would spin."""
    if isinstance(step.event, ev.DeadlineReached):
        at = step.after.at(step.event.name)
        assert at is None or at > step.now


@promise(stray=True)
def a_fact_about_a_connection_that_is_no_more_changes_nothing(step: Step) -> None:
    """P9: nor does a deadline that nobody set."""
    assert step.orders == ()
    assert save(step.before) == save(step.after)


@promise()
def a_session_that_has_not_ended_waits_for_something(step: Step) -> None:
    """P21 P22: a connection, the end of one, a dial, or a deadline. Nothing hangs."""
    state = step.after.state
    if state not in (*FINAL, "IDLE"):
        assert step.after.link != "none" or step.after.deadlines
    if state == "IDLE" and step.before.at("load") is not None:
        assert step.after.at("load") is not None


@promise()
def a_dial_that_began_has_its_deadline_until_it_ends(step: Step) -> None:
    """P10."""
    before, after = step.before, step.after
    if before.at("opening") is not None and after.link == "opening" and after.number == before.number:
        assert after.at("opening") is not None


@promise()
def a_connection_is_prepared_only_for_a_drain(step: Step) -> None:
    """P9."""
    if step.ordered(do.Prepare):
        assert step.path[:2] == ("ACTIVE", "DRAINING")
        assert len(step.ordered(do.Prepare)) == 1
