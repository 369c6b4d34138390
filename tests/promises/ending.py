"""Ending: what the core decides of P21 and P22."""

from __future__ import annotations

from tests.promises.step import FINAL, OPEN, Step, promise

from relive.core import effects as do, events as ev


@promise(ev.CloseRequested, states=OPEN)
def close_works_in_every_state(step: Step) -> None:
    """P21: so every situation has a way to CLOSED."""
    assert step.path == (step.before.state, "CLOSED")
    assert len(step.ordered(do.Shut)) == 1
    assert not step.ordered(do.Fail)


@promise(ev.CloseRequested, states=OPEN)
def close_flushes_what_can_still_be_written(step: Step) -> None:
    """P13."""
    flush = step.before.link == "up" and step.waiting > 0
    assert step.ordered(do.Shut) == [do.Shut(flush)]


@promise(ev.CloseRequested, states=OPEN)
def the_handle_stays_in_the_store(step: Step) -> None:
    """P21: with what is left behind; its age counts from the end of the last connection."""
    before, left_behind = step.before, step.life.journal.uncovered().total()
    connected = before.link in ("up", "closing")
    if before.checkpoint is not None and (connected or left_behind):
        lived = step.after.wall if connected else max(before.down_wall, before.checkpoint.wall)
        assert step.ordered(do.Save) == [do.Save(before.checkpoint.seen(lived, left_behind=left_behind))]
    else:
        assert not step.ordered(do.Save)
    assert not step.ordered(do.Quarantine)


@promise(states=FINAL)
def what_has_ended_stays_ended(step: Step) -> None:
    """P21: close works twice; and nothing is ordered any more."""
    assert step.path == (step.before.state,)
    assert step.orders == ()


@promise()
def an_end_leaves_nothing_behind(step: Step) -> None:
    """P21: no timer, no connection."""
    if step.after.state in FINAL:
        assert step.after.deadlines == ()
        assert step.after.link == "none"


@promise()
def only_we_close_a_session(step: Step) -> None:
    """P21."""
    if "CLOSED" in step.path[1:]:
        assert isinstance(step.event, ev.CloseRequested)


@promise()
def whoever_waits_for_a_session_that_fails_gets_an_error(step: Step) -> None:
    """P22: one, with its cause, and then everything is released; none without a failure."""
    failed, shut = step.ordered(do.Fail), step.ordered(do.Shut)
    if "FAILED" in step.path[1:]:
        assert failed == [do.Fail(step.after.failure)] if step.after.failure is not None else False
        assert shut == [do.Shut(flush=False)]
        assert step.orders.index(failed[0]) < step.orders.index(shut[0])
        assert failed[0].failure.cause in ("fatal", "gave_up", "poisoned", "seed_refused")
    else:
        assert not failed
        assert bool(shut) == ("CLOSED" in step.path[1:])


@promise()
def a_session_fails_only_for_a_reason(step: Step) -> None:
    """P22: an end or a refusal that it cannot go on from, a budget that is spent, or the application's word."""
    for order in step.ordered(do.Fail):
        match order.failure.cause:
            case "fatal":
                assert step.after.judgement == "fatal"
            case "gave_up":
                assert step.spent
            case "poisoned":
                assert step.after.judgement == "bad_input"
            case _:
                assert step.event == ev.SeedRefused()
