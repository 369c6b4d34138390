"""Output: what the core decides of P17."""

from __future__ import annotations

from tests.promises.step import LIVE, OPENING, Step, behind, promise

from relive.core import effects as do, events as ev

HEARING = (*LIVE, *OPENING, "HANDLE_EXPIRED")


def _rolls_back(step: Step) -> bool:
    return (step.lost and step.before.link == "up") or isinstance(step.event, ev.ConnectionClosed)


@promise()
def on_loss_the_open_turn_is_interrupted_at_once_and_once(step: Step) -> None:
    """P17: also on a connection that we left; and at no other time."""
    before = step.before
    if step.given_up:
        # That it comes back was waited for already: it is completed. With the connection the next one is cut.
        told = before.interrupted or not before.answering
        assert step.lost or step.ordered(do.Interrupt) == [do.Interrupt()] * (not told)
        return
    open_ = bool(before.owed) or before.answering or before.returning
    due = _rolls_back(step) and open_ and not before.interrupted
    assert step.ordered(do.Interrupt) == [do.Interrupt()] * due
    if due:
        assert step.after.interrupted


@promise()
def on_loss_pending_calls_that_no_checkpoint_knows_are_cancelled_at_once(step: Step) -> None:
    """P17 P16: before the turn is; and when the context is lost, all are."""
    before, after, cancelled = step.before, step.after, step.ordered(do.CancelCalls)
    named = frozenset(name for order in cancelled for name in order.ids)
    lost_context = "HANDLE_EXPIRED" in step.path[1:]
    if not (_rolls_back(step) or lost_context):
        assert not cancelled
        return
    kept = before.checkpoint.calls if before.checkpoint is not None else frozenset[str]()
    due = before.pending if lost_context else before.pending - kept
    assert due <= named
    assert not after.pending & named
    assert all(order.ids == tuple(sorted(order.ids)) for order in cancelled)
    if _rolls_back(step) and step.ordered(do.Interrupt) and before.pending - kept:
        assert step.orders.index(cancelled[0]) < step.orders.index(do.Interrupt())


@promise()
def on_loss_nothing_is_delivered_any_more(step: Step) -> None:
    """P17."""
    if _rolls_back(step) and step.after.link != "up":
        assert not step.after.answering
        assert not step.after.flowing
        assert not step.after.generated
        assert step.after.withhold == 0
        assert not step.after.given_up


@promise()
def an_answer_that_stops_costs_a_connection_once(step: Step) -> None:
    """P10 P17: it is remembered to the end of the turn that it has."""
    if step.after.stalled and not step.before.stalled:
        assert step.event == ev.DeadlineReached("answer")
        assert step.before.answering or step.before.generated
        assert step.lost
    if step.event == ev.DeadlineReached("answer") and step.before.stalled and step.before.answering:
        assert not step.lost
        assert not step.before.generated


@promise(ev.ConnectionOpened)
def turn_complete_follows_if_nothing_is_replayed(step: Step) -> None:
    """P17: else the turn is awaited."""
    before, after = step.before, step.after
    assert after.verdict is not None
    completed = step.ordered(do.CompleteTurn)
    if completed:
        assert before.returning
        assert not after.returning
    elif before.returning:
        assert after.returning
        assert after.verdict.replayed or step.waiting or after.pending or before.pending


@promise(deadlines=("answer",), states=LIVE)
def turn_complete_follows_if_no_output_comes_within_answer_timeout(step: Step) -> None:
    """P17: the connection is none the worse for it, unless it has been mute since it was resumed."""
    before = step.before
    assert step.ordered(do.CompleteTurn) == [do.CompleteTurn()] * step.given_up
    if step.lost:
        return
    assert not step.after.returning
    assert step.path in ((before.state,), ("DRAINING", "RESUMING"))


@promise(deadlines=("answer",), states=LIVE)
def what_is_given_up_here_is_kept_back_to_the_end_of_its_turn(step: Step) -> None:
    """P17: the server may still end it, and the next question must not be taken for answered by that."""
    before, after = step.before, step.after
    asked = any(position <= before.asked_at for position in before.owed) or (before.withhold > 0 and before.demanded)
    if not step.lost and after.link == "up":
        assert after.given_up == asked
        assert after.withhold == asked


@promise()
def what_is_given_up_is_so_until_it_comes_or_its_connection_ends(step: Step) -> None:
    """P17: what comes is kept back, unless the server, that has heard the next question, has plainly forgotten it."""
    before, after = step.before, step.after
    if after.given_up:
        assert after.withhold == 1
        assert before.given_up or step.event == ev.DeadlineReached("answer")
    elif before.given_up and not _rolls_back(step):
        said = isinstance(step.event, (ev.OutputStarted, ev.ToolCalled))
        assert said or isinstance(step.event, ev.TurnEnded) or step.event == ev.DeadlineReached("answer")
        if said:
            setup = max(step.policy.coverage_margin, before.least_opening)
            way = 2.0 * before.round_trip + 0.1 if before.round_trip is not None else setup
            heard = step.life.journal.reached(step.now - way)
            assert after.answering == (bool(before.owed) and before.owed[0] <= heard)
            assert after.withhold == (not after.answering)


@promise()
def a_turn_is_completed_by_us_only_if_it_was_cut(step: Step) -> None:
    """P17: the application sees each turn end exactly once."""
    if step.ordered(do.CompleteTurn):
        assert step.before.returning or (step.before.answering and step.before.stalled)
        assert isinstance(step.event, ev.ConnectionOpened) or step.event == ev.DeadlineReached("answer")
        assert not any((step.after.answering, step.after.stalled))
        assert step.lost or not step.after.returning
        assert len(step.ordered(do.CompleteTurn)) == 1


@promise(ev.OutputStarted, states=HEARING)
def output_opens_a_turn_or_goes_on_with_one(step: Step) -> None:
    """P17: and there is something to lose."""
    assert step.after.conversation
    assert step.after.heard_since_up
    if not step.before.withhold:
        assert step.after.answering
        assert step.after.flowing
        assert step.after.returning == step.before.returning
        assert not step.after.interrupted


@promise(ev.OutputStarted, states=LIVE)
def output_that_began_has_its_time_to_go_on(step: Step) -> None:
    """P10: unless tools run for it, or all of it has come; a repeat has it as well."""
    if step.policy.answer_timeout is not None and not (step.after.pending or step.after.generated):
        assert step.due("answer") == step.policy.answer_timeout


@promise(ev.OutputHeard, states=LIVE)
def output_that_goes_on_is_not_overdue(step: Step) -> None:
    """P10: it is when none has come for so long; where nothing is awaited, nothing is from now on."""
    assert isinstance(step.event, ev.OutputHeard)
    timeout = step.policy.answer_timeout
    if step.after.state not in LIVE:
        return
    if step.before.at("answer") is None or timeout is None:
        assert step.after.at("answer") is None
    else:
        assert step.due("answer") == round(max(timeout / 100, timeout - step.event.silent_for), 6)


@promise(ev.AnswerGenerated, states=HEARING)
def an_answer_that_was_generated_may_be_played_for_any_time(step: Step) -> None:
    """P10: nothing is overdue then but a question behind it, and its time begins; nor is it for the turn's own sake."""
    before, after = step.before, step.after
    assert after.answering == before.answering
    assert after.owed == before.owed
    assert after.generated == (before.generated or before.answering or before.withhold > 0)
    if after.generated and after.at("answer") is not None:
        assert behind(after)
        assert step.due("answer") == step.policy.answer_timeout


@promise()
def an_answer_is_generated_once(step: Step) -> None:
    """P10: with the turn, or its connection, that ends; an interruption ends it early, tools have it go on."""
    before, after = step.before, step.after
    if after.generated:
        assert after.answering or after.withhold
        assert before.generated or isinstance(step.event, ev.AnswerGenerated)
    elif before.generated:
        tools = isinstance(step.event, (ev.ToolCallsCancelled, ev.InputAccepted)) and before.pending
        ended = isinstance(step.event, (ev.TurnEnded, ev.Interrupted))
        assert tools or ended or _rolls_back(step)


@promise(ev.TurnEnded, states=HEARING)
def a_turn_that_ended_is_settled(step: Step) -> None:
    """P17: what it answered is owed no more; a repeat that is withheld ends in silence."""
    before, after = step.before, step.after
    assert not after.generated
    assert after.heard_since_up
    assert after.ended_at == step.now
    assert not after.turn_covered
    if before.withhold:
        assert after.withhold == before.withhold - 1
        assert after.owed == before.owed
        return
    assert not after.answering
    assert not after.flowing
    assert not after.returning
    assert not after.interrupted
    assert not after.stalled
    assert set(after.owed) <= set(before.owed)
    if before.answering and before.owed:
        assert all(position > before.asked_at for position in after.owed)


@promise(ev.Interrupted, states=HEARING)
def an_interruption_by_the_server_need_not_be_told_again(step: Step) -> None:
    """P17."""
    if not step.before.withhold:
        assert step.after.interrupted == step.before.turn_open
        assert not step.after.flowing
    assert not step.ordered(do.Interrupt)


@promise(ev.ToolCalled, states=HEARING)
def a_tool_call_is_never_withheld_and_halts_the_wait_for_an_answer(step: Step) -> None:
    """P17 P10."""
    assert step.after.conversation
    assert step.after.heard_since_up
    if step.after.pending:
        assert step.after.at("answer") is None
    if not step.before.withhold:
        assert step.after.answering


@promise(
    *(ev.OutputStarted, ev.OutputHeard, ev.AnswerGenerated, ev.TurnEnded, ev.Interrupted),
    *(ev.ToolCalled, ev.ToolCallsCancelled, ev.Heard),
)
def what_the_model_says_moves_the_session_nowhere(step: Step) -> None:
    """P7: but a drain may have come to its safe point."""
    assert step.path in ((step.before.state,), ("DRAINING", "RESUMING"))


@promise(ev.CheckpointWithheld, ev.JournalFlushed)
def neither_does_a_refused_update_nor_an_empty_journal(step: Step) -> None:
    """P7."""
    assert step.path in ((step.before.state,), ("DRAINING", "RESUMING"))


@promise(deadlines=("probe", "late_handle"))
def nor_does_a_look_at_the_clock(step: Step) -> None:
    """P7 P10."""
    assert step.path in ((step.before.state,), ("DRAINING", "RESUMING"))
