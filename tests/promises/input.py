"""Input: what the core decides of P13–P16."""

from __future__ import annotations

from tests.promises.step import FINAL, OPEN, OPENING, Step, promise

from relive.core import effects as do, events as ev


@promise(ev.InputAccepted, states=OPEN)
def input_is_taken_in_whatever_becomes_of_the_connection(step: Step) -> None:
    """P13: a question is owed an answer from here on, whether it can be written or not."""
    assert isinstance(step.event, ev.InputAccepted)
    if step.event.demands_answer:
        assert step.after.owed == (*step.before.owed, step.event.position)
        assert not step.after.user_turn
    elif step.event.opens_turn:
        assert step.after.user_turn
    if step.event.answers:
        assert not step.after.pending & step.event.answers


@promise(ev.InputAccepted)
def input_moves_the_session_nowhere(step: Step) -> None:
    """P13: but a drain may have come to its safe point."""
    assert step.path in ((step.before.state,), ("DRAINING", "RESUMING"))


@promise(ev.InputAccepted, states=FINAL)
def a_session_that_has_ended_takes_nothing_in(step: Step) -> None:
    """P13 P22."""
    assert step.orders == ()
    assert step.after.owed == step.before.owed
    assert step.after.user_turn == step.before.user_turn


@promise()
def frames_wait_in_the_order_in_which_they_were_accepted(step: Step) -> None:
    """P13: after a seed, and none is lost."""
    journal = step.life.journal
    positions = [entry.position for queue in (journal.written, journal.waiting) for entry in queue if entry.position]
    assert positions == sorted(set(positions))


@promise()
def what_was_accepted_is_covered_dropped_counted_or_still_there(step: Step) -> None:
    """P13 P14: each once."""
    journal = step.life.journal
    kept = sum(entry.position > 0 for entry in journal.written)
    kept += sum(entry.position > 0 and not entry.dropped for entry in journal.waiting)
    assert journal.counts.accepted == journal.counts.covered + journal.counts.dropped + kept


@promise(ev.ConnectionOpened)
def what_no_checkpoint_covers_is_written_again(step: Step) -> None:
    """P15: the journal is rewound when a connection is up, and the verdict says how much."""
    verdict = step.after.verdict
    assert verdict is not None
    assert step.waiting >= verdict.replayed
    assert step.life.journal.connection == step.after.number


@promise(ev.ConnectionOpened)
def a_tool_response_to_a_call_that_the_session_cannot_know_is_not_sent(step: Step) -> None:
    """P16: a fresh session knows none, a resumed one those of its checkpoint."""
    checkpoint = step.before.checkpoint
    resumed = step.before.state == "RESUMING" and checkpoint is not None
    known = checkpoint.calls if resumed and checkpoint else frozenset[str]()
    assert step.after.known == known
    journal = step.life.journal
    for entry in (*journal.written, *journal.waiting):
        assert entry.answers <= known


@promise(ev.ToolCalled)
def a_call_is_known_and_pending_until_it_is_answered(step: Step) -> None:
    """P16."""
    assert isinstance(step.event, ev.ToolCalled)
    assert step.event.ids <= step.after.pending
    assert step.event.ids <= step.after.known


@promise(ev.ToolCallsCancelled)
def a_call_that_the_model_cancelled_is_not_pending(step: Step) -> None:
    """P16."""
    assert isinstance(step.event, ev.ToolCallsCancelled)
    assert step.after.pending == step.before.pending - step.event.ids


@promise()
def no_seed_is_ever_written_into_a_resumed_session(step: Step) -> None:
    """P19: nor behind anything else."""
    for order in step.ordered(do.Open):
        assert not (order.handle and order.seeded)
        assert order.seeded == bool(step.after.seed)
    if step.after.verdict is not None and step.after.verdict.kind not in ("fresh", "not_restored"):
        assert all(entry.position for entry in step.life.journal.waiting)


@promise(ev.ConnectionDropped)
def a_frame_that_killed_two_connections_is_blamed_and_not_the_handle(step: Step) -> None:
    """P13: the session fails, naming it."""
    before = step.before
    if step.after.judgement != "bad_input":
        return
    reliable = [entry.position for entry in step.life.journal.written if entry.lane == "reliable" and entry.position]
    newest = reliable[-1] if reliable else 0
    if newest and before.suspect == newest:
        assert step.path == (before.state, "FAILED")
        assert [order.failure.cause for order in step.ordered(do.Fail)] == ["poisoned"]
    else:
        assert not any(order.failure.cause == "poisoned" for order in step.ordered(do.Fail))
        assert step.after.suspect == newest
    assert not step.ordered(do.Quarantine)


@promise(ev.ConnectionClosed, states=(*OPENING, "HANDLE_EXPIRED"))
def what_was_sent_on_a_closed_connection_can_be_sent_again(step: Step) -> None:
    """P13: nothing leaves the journal with a connection."""
    assert step.after.down_wall == step.after.wall
