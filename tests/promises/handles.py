"""Handles: P1–P3, and what the core decides of P4."""

from __future__ import annotations

from tests.promises.step import LIVE, OPEN, OPENING, STATES, Step, promise

from relive.core import effects as do, events as ev
from relive.core.checkpoint import digest

BEGUN = tuple(state for state in STATES if state != "IDLE")


def _newest(step: Step) -> str | None:
    checkpoint = step.after.checkpoint
    return checkpoint.handle if checkpoint is not None else None


@promise(ev.CheckpointLoaded, states=("IDLE",))
def what_other_processes_condemned_is_known_from_the_first(step: Step) -> None:
    """P3: also not by another process."""
    assert isinstance(step.event, ev.CheckpointLoaded)
    assert step.after.tombstones == step.event.tombstones


@promise(ev.CheckpointReceived)
def a_usable_update_replaces_the_checkpoint(step: Step) -> None:
    """P1: and it is saved, once."""
    assert isinstance(step.event, ev.CheckpointReceived)
    if step.dead(step.event.handle):
        return
    assert _newest(step) == step.event.handle
    assert step.after.resumable
    assert step.after.suspect == 0  # the server has taken in whatever was sent before it
    assert step.ordered(do.Save) == [do.Save(step.after.checkpoint)] if step.after.checkpoint else False


@promise(ev.CheckpointReceived)
def a_condemned_handle_is_not_taken_again(step: Step) -> None:
    """P3: whoever sends it."""
    assert isinstance(step.event, ev.CheckpointReceived)
    if step.dead(step.event.handle):
        assert step.after.checkpoint == step.before.checkpoint
        assert not step.after.resumable
        assert not step.ordered(do.Save)


@promise(ev.CheckpointWithheld)
def any_other_update_marks_not_resumable_now_and_keeps_the_old_one(step: Step) -> None:
    """P1."""
    assert not step.after.resumable
    assert step.after.checkpoint == step.before.checkpoint
    assert not step.ordered(do.Save)


@promise()
def nothing_but_an_update_a_beginning_or_a_loss_changes_the_checkpoint(step: Step) -> None:
    """P1."""
    if step.after.checkpoint is step.before.checkpoint:
        return
    match step.event:
        case ev.CheckpointReceived():
            return
        case ev.ConnectRequested() | ev.CheckpointLoaded():
            assert step.before.state == "IDLE"
        case _:
            assert step.after.checkpoint is None
            assert "HANDLE_EXPIRED" in step.path or step.path == ("CONNECTING", "ACTIVE")


@promise(ev.ConnectionOpened)
def a_session_that_has_just_come_up_is_not_resumable_until_its_first_update(step: Step) -> None:
    """P1."""
    assert not step.after.resumable


@promise(ev.ConnectionOpened, states=("CONNECTING",))
def a_fresh_session_has_no_checkpoint(step: Step) -> None:
    """P1: the handles of another session do not lead to it."""
    assert step.after.checkpoint is None
    assert not step.after.from_handle


@promise(ev.ConnectionOpened, states=("RESUMING",))
def a_resumed_session_keeps_the_handle_that_it_came_from(step: Step) -> None:
    """P1 P3: and it is known that it came from there."""
    assert step.after.checkpoint == step.before.checkpoint
    assert step.after.from_handle


@promise(ev.ConnectRequested)
def a_handle_in_the_callers_own_config_is_the_first_checkpoint_and_wins_over_the_store(step: Step) -> None:
    """P2: unchecked."""
    assert isinstance(step.event, ev.ConnectRequested)
    if step.event.handle:
        assert _newest(step) == step.event.handle
        assert step.path == ("IDLE", "RESUMING")
        assert step.ordered(do.Open) == [do.Open(1, step.event.handle)]
        assert not step.ordered(do.Load)


@promise(ev.ConnectRequested)
def loading_happens_in_idle_once_and_time_boxed(step: Step) -> None:
    """P4."""
    assert isinstance(step.event, ev.ConnectRequested)
    if step.event.stored and not step.event.handle:
        assert step.orders == (do.Load(),)
        assert step.path == ("IDLE",)
        assert step.due("load") == step.policy.load_timeout


@promise(ev.ConnectRequested)
def without_a_handle_and_a_store_a_session_begins_afresh(step: Step) -> None:
    """P2."""
    assert isinstance(step.event, ev.ConnectRequested)
    if not step.event.stored and not step.event.handle:
        assert step.path == ("IDLE", "CONNECTING")
        assert step.ordered(do.Open) == [do.Open(1, None)]


@promise(ev.CheckpointLoaded, states=("IDLE",))
def a_stored_checkpoint_that_matches_and_is_young_is_resumed_from(step: Step) -> None:
    """P2 P3."""
    assert isinstance(step.event, ev.CheckpointLoaded)
    stored = step.event.checkpoint
    if stored is None or step.event.mismatch or step.after.wall - stored.wall >= step.policy.handle_ttl:
        return
    assert step.path == ("IDLE", "RESUMING")
    assert step.after.checkpoint == stored
    assert step.ordered(do.Open) == [do.Open(1, stored.handle)]
    assert step.after.conversation


@promise(ev.CheckpointLoaded, states=("IDLE",))
def a_stored_checkpoint_that_does_not_match_is_not_used(step: Step) -> None:
    """P2: the verdict will be not_restored(reason)."""
    assert isinstance(step.event, ev.CheckpointLoaded)
    if step.event.mismatch:
        assert step.path == ("IDLE", "HANDLE_EXPIRED")
        assert step.ordered(do.AskSeed) == [do.AskSeed(step.event.mismatch)]
        assert step.after.checkpoint is None
        assert not step.ordered(do.Open)


@promise(ev.CheckpointLoaded, states=("IDLE",))
def a_stored_checkpoint_that_is_too_old_is_quarantined(step: Step) -> None:
    """P3: older than its time to live, counted from the end of the last connection."""
    assert isinstance(step.event, ev.CheckpointLoaded)
    stored = step.event.checkpoint
    if stored is None or step.event.mismatch or step.after.wall - stored.wall < step.policy.handle_ttl:
        return
    assert step.path == ("IDLE", "HANDLE_EXPIRED")
    assert step.ordered(do.Quarantine) == [do.Quarantine(stored.handle, "expired")]
    assert step.ordered(do.AskSeed) == [do.AskSeed("expired")]


@promise(ev.CheckpointLoaded, states=("IDLE",))
def an_empty_store_means_a_fresh_session(step: Step) -> None:
    """P2."""
    assert isinstance(step.event, ev.CheckpointLoaded)
    if step.event.checkpoint is None and not step.event.mismatch:
        assert step.path == ("IDLE", "CONNECTING")
        assert step.ordered(do.Open) == [do.Open(1, None)]


@promise(ev.CheckpointNotLoaded, deadlines=("load",), states=("IDLE",))
def a_store_that_does_not_answer_may_have_held_a_conversation(step: Step) -> None:
    """P4: its failure does not break the session, and is no reason to say fresh."""
    assert step.path == ("IDLE", "HANDLE_EXPIRED")
    assert step.ordered(do.AskSeed) == [do.AskSeed("store_unavailable")]


@promise(ev.CheckpointLoaded, ev.CheckpointNotLoaded, states=BEGUN)
def what_the_store_says_too_late_changes_nothing(step: Step) -> None:
    """P4: loading happens in IDLE, once."""
    assert step.path in ((step.before.state,), ("DRAINING", "RESUMING"))
    assert step.after.checkpoint == step.before.checkpoint


@promise()
def the_store_is_asked_for_nothing_and_told_nothing_without_a_reason(step: Step) -> None:
    """P4."""
    if step.ordered(do.Load):
        assert isinstance(step.event, ev.ConnectRequested)
    if step.ordered(do.Save):
        assert isinstance(step.event, ev.CheckpointReceived | ev.CloseRequested)


@promise(ev.OpenFailed, states=("RESUMING",))
def a_handle_that_the_server_rejected_is_quarantined(step: Step) -> None:
    """P3."""
    if step.said(1008, "session not found") and step.before.checkpoint is not None:
        handle = step.before.checkpoint.handle
        assert step.path == ("RESUMING", "HANDLE_EXPIRED")
        assert step.ordered(do.Quarantine) == [do.Quarantine(handle, "rejected")]
        assert step.ordered(do.AskSeed) == [do.AskSeed("rejected")]
        assert step.after.checkpoint is None


@promise(ev.OpenFailed, states=("RESUMING",))
def an_invalid_argument_condemns_the_handle_if_this_configuration_has_come_up_before(step: Step) -> None:
    """P3: otherwise one fresh attempt decides."""
    if not step.said(1007, "invalid argument") or step.before.checkpoint is None:
        return
    assert step.path == ("RESUMING", "HANDLE_EXPIRED")
    assert step.after.checkpoint is None
    if step.before.proven:
        assert step.ordered(do.Quarantine) == [do.Quarantine(step.before.checkpoint.handle, "quarantined")]
    else:
        assert not step.ordered(do.Quarantine)
        assert step.after.doubted == step.before.checkpoint


@promise(ev.ConnectionOpened, states=("CONNECTING",))
def a_fresh_attempt_that_comes_up_proves_the_doubted_handle_guilty(step: Step) -> None:
    """P3."""
    doubted = step.before.doubted
    if doubted is not None:
        assert step.ordered(do.Quarantine) == [do.Quarantine(doubted.handle, "refused")]
    assert step.after.doubted is None


@promise()
def a_quarantined_handle_is_never_presented_again(step: Step) -> None:
    """P3: and none leaves quarantine."""
    assert step.before.condemned <= step.after.condemned
    assert step.before.tombstones <= step.after.tombstones
    for order in step.ordered(do.Quarantine):
        assert order.handle in step.after.condemned
    used = {order.handle for order in step.ordered(do.Open) if order.handle is not None}
    if step.after.checkpoint is not None:
        used.add(step.after.checkpoint.handle)
    assert not used & step.after.condemned
    assert not {digest(handle) for handle in used} & step.after.tombstones


@promise()
def a_handle_that_is_too_old_is_not_presented(step: Step) -> None:
    """P3: its age counts from the end of the last connection."""
    used = step.after.checkpoint
    asked = isinstance(step.event, ev.ConnectRequested) and step.event.handle
    if step.before.link in ("up", "closing") or used is None or asked:
        return
    if any(order.handle for order in step.ordered(do.Open)):
        assert step.after.wall - max(step.before.down_wall, used.wall) < step.policy.handle_ttl


@promise(ev.ConnectionDropped, deadlines=("answer",), states=LIVE)
def a_handle_that_was_accepted_and_then_died_or_stayed_mute_is_quarantined(step: Step) -> None:
    """P3: after so many strikes as the policy allows."""
    before, overruled = step.before, step.policy.classify is not None
    died = step.said(1011, "Internal error") and not step.was_stable
    mute = step.event == ev.DeadlineReached("answer") and bool(before.owed) and not before.heard_since_up
    doubted = before.from_handle and step.lost and step.after.judgement == "handle_doubted"
    assert doubted or overruled or not (before.from_handle and (died or mute))
    if not doubted or before.checkpoint is None:
        assert step.after.strikes <= before.strikes
        return
    if before.strikes + 1 >= step.policy.handle_strikes:
        assert step.after.state == "HANDLE_EXPIRED"
        assert step.ordered(do.Quarantine) == [do.Quarantine(before.checkpoint.handle, "quarantined")]
        assert step.ordered(do.AskSeed) == [do.AskSeed("quarantined")]
    else:
        assert step.after.strikes == before.strikes + 1
        assert step.after.state in ("RESUMING", "WAITING", "FAILED")
        assert not step.ordered(do.Quarantine)


@promise(states=(*OPENING, "WAITING"))
def nothing_is_opened_from_a_handle_but_while_resuming(step: Step) -> None:
    """P1: the handle is the newest checkpoint's."""
    for order in step.ordered(do.Open):
        assert (order.handle is not None) == (step.after.state == "RESUMING")


@promise(states=OPEN)
def the_age_of_a_handle_counts_from_the_end_of_the_last_connection(step: Step) -> None:
    """P3: however it ended."""
    if step.before.link in ("up", "closing") and step.after.link not in ("up", "closing"):
        assert step.ordered(do.Shut) or step.after.down_wall == step.after.wall


@promise(states=OPEN)
def a_handle_is_dropped_only_into_quarantine_or_doubt_or_with_its_session(step: Step) -> None:
    """P3: an expired one goes there too."""
    gone = step.before.checkpoint
    if gone is None or step.after.checkpoint is not None or step.after.state != "HANDLE_EXPIRED":
        return
    assert gone.handle in step.after.condemned or step.after.doubted == gone or step.after.loss == "session_limit"
