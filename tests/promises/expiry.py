"""Expiry and limits: P19 and P20."""

from __future__ import annotations

from tests.promises.step import LIVE, STATES, Step, promise

from relive.core import effects as do, events as ev

ELSEWHERE = tuple(state for state in STATES if state != "HANDLE_EXPIRED")


@promise()
def the_application_is_asked_once_per_loss_and_told_the_reason(step: Step) -> None:
    """P19: and at no other time."""
    asked = step.ordered(do.AskSeed)
    if "HANDLE_EXPIRED" in step.path[1:]:
        assert step.after.loss
        assert asked == [do.AskSeed(step.after.loss)]
        assert step.due("seed") == step.policy.seed_timeout
    else:
        assert not asked


@promise()
def an_expired_handle_is_a_real_stop_bounded_by_seed_timeout(step: Step) -> None:
    """P19: nothing is opened there, and no handle is left."""
    if step.after.state == "HANDLE_EXPIRED":
        assert step.after.at("seed") is not None
        assert not step.ordered(do.Open)
        assert step.after.checkpoint is None


@promise(ev.SeedAnswered, deadlines=("seed",), states=("HANDLE_EXPIRED",))
def the_applications_turns_seed_a_fresh_session(step: Step) -> None:
    """P19: without an answer in time there are none, and none is wanted any more."""
    if isinstance(step.event, ev.SeedAnswered):
        assert step.after.seed == step.event.frames
        assert not step.ordered(do.CancelSeed)
    else:
        assert step.after.seed == ()
        assert step.ordered(do.CancelSeed) == [do.CancelSeed()]
    assert step.after.loss
    assert not step.after.conversation


@promise(ev.SeedAnswered, deadlines=("seed",), states=("HANDLE_EXPIRED",))
def then_a_fresh_session_is_opened(step: Step) -> None:
    """P19 P9 P11: after the old connection is closed, at once if the handle was at fault, within the budget."""
    before = step.before
    blamed = before.judgement in ("handle_dead", "handle_doubted")
    if before.link == "closing":
        assert step.path == ("HANDLE_EXPIRED", "CONNECTING")
        assert not step.ordered(do.Open)
    elif step.spent:
        assert step.path == ("HANDLE_EXPIRED", "FAILED")
    elif (step.attempts == 0 or blamed) and before.judgement != "retry_later":
        assert step.path == ("HANDLE_EXPIRED", "CONNECTING")
        assert len(step.ordered(do.Open)) == 1
    else:
        assert step.path == ("HANDLE_EXPIRED", "WAITING")


@promise(ev.SeedRefused, states=("HANDLE_EXPIRED",))
def the_application_may_refuse_to_go_on(step: Step) -> None:
    """P19."""
    assert step.path == ("HANDLE_EXPIRED", "FAILED")
    assert [order.failure.cause for order in step.ordered(do.Fail)] == ["seed_refused"]


@promise(ev.SeedAnswered, ev.SeedRefused, states=ELSEWHERE)
def an_answer_that_nobody_asked_for_changes_nothing(step: Step) -> None:
    """P19."""
    assert step.path in ((step.before.state,), ("DRAINING", "RESUMING"))
    assert step.after.seed == step.before.seed
    assert step.after.loss == step.before.loss


@promise(ev.ConnectionOpened, states=("CONNECTING",))
def a_fresh_session_after_a_loss_is_called_not_restored_and_never_fresh(step: Step) -> None:
    """P19: with the reason that the application was given."""
    verdict = step.after.verdict
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == (("not_restored" if step.before.loss else "fresh"), step.before.loss)
    assert step.after.loss == ""
    assert step.after.seed == ()
    assert step.after.fresh_at == step.now


@promise(ev.ConnectionOpened, states=("CONNECTING",))
def the_seed_is_written_first(step: Step) -> None:
    """P19: then the journal."""
    frames = [entry.frame for entry in (*step.life.journal.written, *step.life.journal.waiting)]
    assert tuple(frames[: len(step.before.seed)]) == step.before.seed


@promise(ev.ConnectionOpened, states=("RESUMING",))
def a_resumed_session_is_called_resumed(step: Step) -> None:
    """P19: or resumed with a gap."""
    verdict = step.after.verdict
    assert verdict is not None
    assert verdict.kind == ("resumed_with_gap" if verdict.dropped else "resumed")
    assert step.after.fresh_at == step.before.fresh_at


@promise(ev.CheckpointReceived, states=("CONNECTING", "HANDLE_EXPIRED"))
def a_handle_that_comes_on_the_connection_that_we_left_saves_the_context(step: Step) -> None:
    """P19: the application is no longer asked, and no seed is written."""
    assert isinstance(step.event, ev.CheckpointReceived)
    if step.dead(step.event.handle):
        assert step.path == (step.before.state,)
        return
    assert step.path == (step.before.state, "RESUMING")
    assert step.after.loss == ""
    assert step.after.seed == ()
    assert step.after.conversation
    assert step.ordered(do.CancelSeed) == [do.CancelSeed()] * (step.before.at("seed") is not None)


@promise()
def the_applications_answer_is_no_longer_wanted_only_if_it_was(step: Step) -> None:
    """P19."""
    if step.ordered(do.CancelSeed):
        assert step.before.at("seed") is not None
        assert len(step.ordered(do.CancelSeed)) == 1


@promise(ev.ConnectionClosed, states=("HANDLE_EXPIRED",))
def the_application_has_its_time_although_the_old_connection_is_closed(step: Step) -> None:
    """P19."""
    assert step.path == ("HANDLE_EXPIRED",)
    assert step.after.at("seed") == step.before.at("seed")


@promise(ev.ConnectionOpened)
def without_compression_a_warning_precedes_the_session_limit(step: Step) -> None:
    """P20: with it there is no limit."""
    policy, scene = step.policy, step.life.scene
    if scene.compressed:
        assert step.due("limit") is None
    else:
        limit = policy.session_limit_video if scene.video else policy.session_limit
        due = max(0.0, step.after.fresh_at + limit - policy.limit_warning - step.now)
        assert step.due("limit") == round(due, 6)


@promise()
def the_warning_is_given_when_it_is_due_and_only_then(step: Step) -> None:
    """P20."""
    warned = [order for order in step.ordered(do.Warn) if order.what == "session_limit"]
    due = step.event == ev.DeadlineReached("limit")
    assert len(warned) == due
    if due:
        assert step.path in ((step.before.state,), ("DRAINING", "RESUMING"))
        assert step.after.at("limit") is None


@promise(ev.ConnectionDropped, states=LIVE)
def the_limits_close_is_not_mistaken_for_a_network_fault(step: Step) -> None:
    """P20: the session is over, and its handle leads nowhere."""
    old = step.now - step.before.fresh_at >= step.policy.session_limit_video
    steady = step.was_stable or not step.before.from_handle
    limit = old and steady and step.said(1007, "Request contains an invalid argument")
    if limit and not step.life.scene.compressed:
        assert step.after.state == "HANDLE_EXPIRED"
        assert step.ordered(do.AskSeed) == [do.AskSeed("session_limit")]
