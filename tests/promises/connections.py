"""Connections: P9–P12, as far as the core decides."""

from __future__ import annotations

import pytest
from tests.promises.step import LIVE, OPENING, STATES, Step, behind, promise

from relive.core import effects as do, events as ev

AWAY = tuple(state for state in STATES if state not in LIVE)


@promise()
def at_most_one_connection_is_in_use(step: Step) -> None:
    """P9: what there was is gone before another is opened; it takes the next number."""
    opened = step.ordered(do.Open)
    assert len(opened) <= 1
    if not opened:
        assert step.after.number == step.before.number
        return
    there = step.before.link != "none" and not isinstance(step.event, ev.ConnectionClosed)
    if there:
        assert step.orders.index(do.Abandon(step.before.number)) < step.orders.index(opened[0])
    assert opened[0].number == step.before.number + 1 == step.after.number
    assert step.after.link == "opening"


@promise()
def a_connection_is_opened_only_while_opening(step: Step) -> None:
    """P9: from the newest checkpoint when RESUMING, else afresh."""
    for order in step.ordered(do.Open):
        assert step.after.state in OPENING
        checkpoint = step.after.checkpoint
        if step.after.state == "RESUMING":
            assert checkpoint is not None
            assert order.handle == checkpoint.handle
        else:
            assert order.handle is None


@promise()
def every_state_has_its_link(step: Step) -> None:
    """P9: live with a connection, waiting without, opening with one on its way (or one still being closed)."""
    state, link = step.after.state, step.after.link
    if state in LIVE:
        assert link == "up"
    elif state in OPENING:
        assert link in ("opening", "closing")
    elif state == "HANDLE_EXPIRED":
        assert link in ("closing", "none")
    else:
        assert link == "none"


@promise()
def there_is_no_way_from_a_conversation_to_a_fresh_connection_but_through_a_loss_that_was_told(step: Step) -> None:
    """P19: every loss of context passes through HANDLE_EXPIRED."""
    if "CONNECTING" in step.path[1:] and step.before.state not in ("IDLE", "HANDLE_EXPIRED"):
        assert step.before.loss or not (step.before.conversation or step.after.conversation)


@promise()
def resuming_needs_a_handle(step: Step) -> None:
    """P9."""
    if step.after.state == "RESUMING":
        assert step.after.checkpoint is not None


@promise(ev.ConnectionClosed, states=OPENING)
def the_next_connection_is_opened_as_soon_as_the_old_one_is_closed(step: Step) -> None:
    """P9: if its predecessor was stable; else the budget is asked."""
    if step.before.state == "CONNECTING" and step.path[-1] == "HANDLE_EXPIRED":
        assert not step.before.loss
        assert step.after.conversation
        return
    if step.attempts == 0 and not step.spent:
        assert step.path == (step.before.state,)
        assert len(step.ordered(do.Open)) == 1
    elif step.spent:
        assert step.path[-1] == "FAILED"
    else:
        assert step.path[-1] == "WAITING"


@promise(ev.ConnectionClosed, states=("CONNECTING",))
def what_was_said_while_the_old_connection_was_being_closed_counts(step: Step) -> None:
    """P9 P19: a conversation that began there is not passed over in silence."""
    if step.after.conversation and not step.before.loss and not step.ordered(do.AskSeed):
        assert step.before.conversation is False
        assert step.after.verdict is step.before.verdict
        pytest.fail("a conversation was forgotten")


@promise(ev.DialStarted)
def opening_and_setup_have_their_time_from_when_the_limiter_let_the_dial_through(step: Step) -> None:
    """P10."""
    assert step.due("opening") == step.policy.open_timeout + step.policy.setup_timeout
    assert step.path == (step.before.state,)
    assert step.orders == ()


@promise()
def waiting_for_the_limiter_does_not_count(step: Step) -> None:
    """P10."""
    if step.ordered(do.Open):
        assert step.after.at("opening") is None


@promise(ev.ConnectionOpened)
def a_connection_that_came_up_is_active(step: Step) -> None:
    """P9 P22: what waits is written, and its life is watched."""
    after, number = step.after, step.before.number
    assert step.path == (step.before.state, "ACTIVE")
    assert after.link == "up"
    assert after.active_at == step.now
    assert step.ordered(do.Write) == [do.Write(number)]
    assert step.ordered(do.Probe) == [do.Probe(number)] * step.policy.probe
    assert after.verdict is not None
    assert after.proven
    assert after.heard_since_up is False


@promise()
def only_a_connection_that_came_up_makes_a_session_active(step: Step) -> None:
    """P22."""
    if "ACTIVE" in step.path[1:]:
        assert isinstance(step.event, ev.ConnectionOpened)


@promise()
def a_connection_in_use_is_watched(step: Step) -> None:
    """P10: a probe is due, or its answer is."""
    armed = {name for name, _ in step.after.deadlines} & {"probe", "silence"}
    if step.after.state in LIVE and step.policy.probe:
        assert armed
    else:
        assert not armed


@promise(ev.Heard, states=LIVE)
def a_sign_of_life_means_no_silence(step: Step) -> None:
    """P10: the next probe is due when it has been silent for a while."""
    assert isinstance(step.event, ev.Heard)
    if step.after.state in LIVE:
        assert step.after.at("silence") is None
        after = step.policy.probe_after
        if step.policy.probe:
            assert step.due("probe") == round(max(after / 8, after - step.event.silent_for), 6)
    if step.event.round_trip is not None:
        assert step.after.round_trip == step.event.round_trip


@promise(deadlines=("probe",), states=LIVE)
def a_silent_connection_is_probed(step: Step) -> None:
    """P10: and has so long to answer."""
    assert step.ordered(do.Probe) == [do.Probe(step.before.number)]
    if step.after.state in LIVE:
        assert step.due("silence") == step.policy.probe_timeout


@promise(states=LIVE)
def a_connection_without_a_sign_of_life_or_an_answer_is_treated_as_dropped(step: Step) -> None:
    """P10: it is abandoned at once, as one that they ended is."""
    if step.lost:
        assert do.Abandon(step.before.number) in step.orders
        assert step.after.state not in LIVE
        assert not step.ordered(do.HangUp)
    else:
        assert do.Abandon(step.before.number) not in step.orders


@promise()
def an_answer_that_is_owed_is_awaited(step: Step) -> None:
    """P10: to the last of it, and to the end of the turn if that need not wait for playback; but not while tools run.

    Nor where the model may choose to be silent, nor one that was given up. Behind an answer that is being played a
    question is awaited, once.
    """
    after = step.after
    repeated = after.withhold > 0 and not after.given_up
    due = not after.stalled and behind(after) if after.generated else after.turn_open or repeated
    due = due and after.link == "up" and not after.pending and step.policy.answer_timeout is not None
    assert (after.at("answer") is not None) == due


@promise(ev.InputAccepted, states=LIVE)
def an_answer_has_its_time_from_when_it_was_demanded(step: Step) -> None:
    """P10."""
    assert isinstance(step.event, ev.InputAccepted)
    before, timeout = step.before, step.policy.answer_timeout
    idle = not (before.turn_open or (before.withhold and not before.given_up) or before.pending)
    if before.generated and not before.stalled and before.at("answer") is None:
        idle = not before.pending
    if step.event.demands_answer and idle and timeout is not None:
        assert step.due("answer") == timeout


@promise(ev.OpenFailed, deadlines=("opening",), states=OPENING)
def an_attempt_that_failed_is_let_go_of(step: Step) -> None:
    """P10: setup has its own timeout."""
    assert step.ordered(do.Abandon) == [do.Abandon(step.before.number)]
    assert not step.ordered(do.Open)
    assert step.after.link == "none"


@promise(ev.OpenFailed, deadlines=("opening",), states=OPENING)
def a_failed_attempt_is_made_again_after_a_wait_until_the_budget_is_spent(step: Step) -> None:
    """P11."""
    if step.after.judgement not in ("retry", "retry_later"):
        return
    if step.spent:
        assert step.path[-1] == "FAILED"
        assert [order.failure.cause for order in step.ordered(do.Fail)] == ["gave_up"]
    else:
        assert step.path[-1] == "WAITING"


@promise()
def a_wait_has_its_end(step: Step) -> None:
    """P11: exponential, with the jitter drawn outside; quota waits longer."""
    after = step.after
    if after.state != "WAITING":
        return
    due = step.due("retry")
    assert due is not None
    if step.before.state == "WAITING":
        assert after.at("retry") == step.before.at("retry")
        return
    assert due == pytest.approx(step.wait(after.attempts), abs=1e-5)


@promise(deadlines=("retry",), states=("WAITING",))
def after_the_wait_an_attempt_is_made(step: Step) -> None:
    """P11 P3: from the handle if it is young enough; if it is not, the conversation is lost."""
    before, checkpoint = step.before, step.before.checkpoint
    if checkpoint is not None:
        if step.after.wall - max(before.down_wall, checkpoint.wall) < step.policy.handle_ttl:
            assert step.path == ("WAITING", "RESUMING")
        elif before.conversation:
            assert step.path == ("WAITING", "HANDLE_EXPIRED")
            assert step.ordered(do.Quarantine) == [do.Quarantine(checkpoint.handle, "expired")]
            assert step.ordered(do.AskSeed) == [do.AskSeed("expired")]
    elif before.conversation and not before.loss:
        assert step.path == ("WAITING", "HANDLE_EXPIRED")
    else:
        assert step.path == ("WAITING", "CONNECTING")
    assert len(step.ordered(do.Open)) == (step.after.state in OPENING)


@promise()
def every_opening_spends_budget_unless_its_predecessor_was_stable(step: Step) -> None:
    """P11: and only a stable connection fills it again."""
    before, after = step.before, step.after
    opened = len(step.ordered(do.Open))
    assert after.openings == before.openings + opened == after.number
    if step.was_stable:
        assert after.attempts in (before.attempts, opened, 0)
        if opened:
            assert after.attempts == 1
            assert after.recovering_since == step.now
    else:
        assert after.attempts == before.attempts + opened
    assert after.attempts <= step.policy.retry_attempts


@promise(states=LIVE)
def reopening_after_a_stable_connection_is_immediate(step: Step) -> None:
    """P11: unless the cause is fatal, or quota, or the context is lost."""
    passing = step.after.judgement not in ("fatal", "retry_later") and not step.ordered(do.Fail)
    if step.lost and step.was_stable and passing and step.after.state != "HANDLE_EXPIRED":
        assert len(step.ordered(do.Open)) == 1
        assert step.after.state == ("RESUMING" if step.before.checkpoint is not None else "CONNECTING")


@promise(states=LIVE)
def reopening_after_an_unstable_connection_waits_until_the_budget_is_spent(step: Step) -> None:
    """P11: GoAway or death on every connection must not spin."""
    if step.lost and not step.was_stable and step.after.state != "HANDLE_EXPIRED":
        assert not step.ordered(do.Open)
        blamed = step.after.judgement == "fatal" or bool(step.before.suspect)
        assert step.after.state == "FAILED" if step.spent else step.after.state == "WAITING" or blamed


@promise(states=LIVE)
def a_lost_conversation_that_no_handle_leads_back_to_expires(step: Step) -> None:
    """P19: a resumable one does not."""
    if step.lost and step.after.judgement == "retry":
        if step.before.checkpoint is None and step.after.conversation:
            assert step.after.state == "HANDLE_EXPIRED"
            assert step.ordered(do.AskSeed) == [do.AskSeed("no_handle")]
        else:
            assert step.after.state != "HANDLE_EXPIRED"


@promise(ev.OpenFailed, ev.ConnectionDropped, deadlines=("opening", "silence", "answer"))
def fatal_causes_are_never_retried(step: Step) -> None:
    """P11: a bad key is one; a user's function may say so of any."""
    overruled = step.policy.classify is not None
    if step.said(1007, "API key") and not overruled:
        assert step.after.judgement == "fatal"
    if step.after.judgement == "fatal":
        assert step.path == (step.before.state, "FAILED")
        assert [order.failure.cause for order in step.ordered(do.Fail)] == ["fatal"]
        assert not step.ordered(do.Open)


@promise()
def nothing_is_abandoned_but_what_failed_or_was_lost(step: Step) -> None:
    """P9."""
    for order in step.ordered(do.Abandon):
        assert order.number == step.before.number
        assert step.lost or step.refused
        assert step.orders.count(order) == 1


@promise(states=AWAY)
def only_a_connection_in_use_is_written_probed_or_hung_up_on(step: Step) -> None:
    """P9."""
    if not isinstance(step.event, ev.ConnectionOpened):
        assert not step.ordered(do.Write)
        assert not step.ordered(do.Probe)
    assert not step.ordered(do.HangUp)
