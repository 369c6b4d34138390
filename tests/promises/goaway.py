"""GoAway: P6–P8."""

from __future__ import annotations

from tests.promises.step import OPENING, Step, promise

from relive.core import effects as do, events as ev


def at_safe_point(step: Step) -> bool:
    """Nothing unwritten, no turn open, no answer owed, no tool pending; the handle covers the last turn or is late."""
    after = step.after
    repeat = after.withhold and not after.given_up
    quiet = not (after.user_turn or after.owed or after.answering or after.returning or repeat or after.pending)
    covered = after.resumable and after.turn_covered
    late = after.now >= max(after.ended_at, after.active_at) + step.policy.late_handle
    return quiet and not step.waiting and after.checkpoint is not None and (covered or late)


@promise(ev.GoAwayReceived, states=("ACTIVE",))
def goaway_leads_to_draining(step: Step) -> None:
    """P6: and a connection is prepared; at a safe point the drain is over at once."""
    assert step.path in (("ACTIVE", "DRAINING"), ("ACTIVE", "DRAINING", "RESUMING"))
    assert step.ordered(do.Prepare) == [do.Prepare()]


@promise(ev.GoAwayReceived, states=("ACTIVE",))
def a_drain_ends_a_margin_before_the_server_ends_it(step: Step) -> None:
    """P7: on its own timer."""
    assert isinstance(step.event, ev.GoAwayReceived)
    if step.after.state == "DRAINING":
        assert step.due("drain") == round(max(0.0, step.event.time_left - step.policy.drain_margin), 6)


@promise(ev.GoAwayReceived, states=("DRAINING",))
def a_second_goaway_may_move_the_deadline_earlier_never_later(step: Step) -> None:
    """P6."""
    assert isinstance(step.event, ev.GoAwayReceived)
    first, second = step.before.at("drain"), step.after.at("drain")
    if step.after.state != "DRAINING":
        return
    told = step.now + max(0.0, step.event.time_left - step.policy.drain_margin)
    assert first is not None
    assert second == min(first, told)
    assert not step.ordered(do.Prepare)


@promise(ev.GoAwayReceived)
def frames_keep_flowing_both_ways(step: Step) -> None:
    """P6: GoAway touches no turn, no call and nothing that waits."""
    before, after = step.before, step.after
    assert (after.owed, after.answering, after.pending) == (before.owed, before.answering, before.pending)
    assert not step.ordered(do.Interrupt)
    assert not step.ordered(do.CancelCalls)
    if after.state == "DRAINING":
        assert after.link == "up"
        assert not step.ordered(do.HangUp)


@promise(ev.GoAwayReceived, states=(*OPENING, "HANDLE_EXPIRED"))
def a_goaway_on_a_connection_that_we_left_changes_nothing(step: Step) -> None:
    """P6."""
    assert step.path == (step.before.state,)
    assert step.orders == ()


@promise()
def a_drain_always_has_its_deadline(step: Step) -> None:
    """P7: also when the server has fallen silent and when time_left is missing."""
    if step.after.state == "DRAINING":
        assert step.after.at("drain") is not None
        assert step.after.link == "up"


@promise()
def a_drain_ends_at_the_first_safe_point(step: Step) -> None:
    """P7: tested on entry and after every event."""
    if step.after.state == "DRAINING":
        assert not at_safe_point(step)


@promise()
def nothing_but_a_safe_point_the_deadline_a_loss_or_the_end_ends_a_drain(step: Step) -> None:
    """P7."""
    path = step.path
    if "DRAINING" not in path[:-1] or step.lost or isinstance(step.event, ev.CloseRequested):
        return
    if step.event != ev.DeadlineReached("drain"):
        assert path[-2:] == ("DRAINING", "RESUMING")
        assert at_safe_point(step)


@promise()
def a_drain_that_waits_for_a_late_handle_looks_again_when_it_is_late(step: Step) -> None:
    """P7."""
    after = step.after
    if after.state == "DRAINING" and after.checkpoint is not None and not step.waiting:
        due = max(after.ended_at, after.active_at) + step.policy.late_handle
        if due > step.now:
            assert after.at("late_handle") == due


@promise(deadlines=("drain",), states=("DRAINING",))
def at_its_deadline_a_drain_is_over(step: Step) -> None:
    """P7: with a handle the session is resumed; without one the conversation is lost, if there was any."""
    before = step.before
    if before.checkpoint is not None:
        assert step.path == ("DRAINING", "RESUMING")
    elif step.after.conversation:
        assert step.path == ("DRAINING", "HANDLE_EXPIRED")
        assert step.ordered(do.AskSeed) == [do.AskSeed("no_handle")]
    else:
        assert step.path == ("DRAINING", "CONNECTING")


@promise(states=("ACTIVE", "DRAINING"))
def we_hang_up_before_anything_is_opened(step: Step) -> None:
    """P7 P9: the old connection is read until it is closed; only then another is opened."""
    path = step.path
    if "DRAINING" in path[:-1] and not step.lost and path[-1] not in ("CLOSED", "FAILED"):
        assert step.ordered(do.HangUp) == [do.HangUp(step.before.number)]
        assert step.after.link == "closing"
        assert step.after.number == step.before.number
        assert step.after.down_wall == step.after.wall
        assert not step.ordered(do.Open)
        assert not step.ordered(do.Abandon)
    else:
        assert not step.ordered(do.HangUp)


@promise(deadlines=("rotate",))
def a_connection_of_some_age_is_drained_in_the_same_way_without_any_goaway(step: Step) -> None:
    """P8: waiting up to rotate_patience."""
    if step.before.checkpoint is not None and not step.before.returning:
        assert step.path in (("ACTIVE", "DRAINING"), ("ACTIVE", "DRAINING", "RESUMING"))
        assert step.ordered(do.Prepare) == [do.Prepare()]
        if step.after.state == "DRAINING":
            assert step.due("drain") == step.policy.rotate_patience


@promise(deadlines=("rotate",))
def without_a_handle_or_with_a_turn_that_was_cut_before_a_rotation_is_put_off(step: Step) -> None:
    """P8: nobody presses us to lose the context, or to cut a turn again and again."""
    if step.before.checkpoint is None or step.before.returning:
        assert step.path == ("ACTIVE",)
        assert step.due("rotate") == step.policy.rotate_after
        assert step.orders == ()


@promise()
def a_connection_in_use_is_left_in_time(step: Step) -> None:
    """P8: if the policy says when."""
    if step.after.state == "ACTIVE":
        assert (step.after.at("rotate") is not None) == (step.policy.rotate_after is not None)
    if "DRAINING" in step.path and "ACTIVE" in step.path:
        assert isinstance(step.event, ev.GoAwayReceived) or step.event == ev.DeadlineReached("rotate")


@promise(ev.ConnectionOpened)
def the_age_of_a_connection_counts_from_when_it_came_up(step: Step) -> None:
    """P8."""
    assert step.due("rotate") == step.policy.rotate_after
