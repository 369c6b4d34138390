"""Actions while frames flow: keep checkpoints, follow turns and tool calls, watch for silence, drain."""

from __future__ import annotations

from relive.core import client_frames
from relive.core import effects as do
from relive.core import events as ev
from relive.core.checkpoint import Checkpoint
from relive.core.scene import Scene


def keep_checkpoint(scene: Scene, event: ev.CheckpointReceived) -> None:
    """The newest handle is the checkpoint, and what it covers leaves the journal."""
    s, journal = scene.situation, scene.journal
    s.checkpoint = Checkpoint(event.handle, scene.model, scene.backend, s.wall, s.pending)
    s.checkpoint_at = s.now
    s.resumable = True
    s.strikes = 0
    s.suspect = 0
    s.heard_since_up = True
    s.index = _trusted(scene, event)
    if s.index is not None:
        number, index = s.number, s.index
        scene.stage(lambda: journal.cover(number, index))
    elif event.index is None:
        number, proven = s.number, s.proven_position
        instant = s.now - max(scene.policy.coverage_margin, s.round_trip)
        scene.stage(lambda: journal.cover_before(number, instant, proven))
    scene.order(do.Save(s.checkpoint))


def _trusted(scene: Scene, event: ev.CheckpointReceived) -> int | None:
    """The index if it can be true: not beyond what was written here, not behind the last one."""
    s, written = scene.situation, scene.journal.index
    if event.index is None:
        return None
    known = s.index if s.index is not None and s.indexed_on == s.number else 0
    if not known <= event.index <= written:
        detail = f"the server says it consumed {event.index} messages; {known} to {written} can be true"
        scene.order(do.Warn("index_anomaly", detail))
        return None
    s.indexed_on = s.number
    return event.index


def mark_unresumable(scene: Scene, _event: object) -> None:
    """Not from here; the older handle stays good."""
    scene.situation.resumable = False


def begin_answer(scene: Scene, _event: object) -> None:
    """The model has begun to answer: what was written so far is what it answers."""
    s = scene.situation
    s.heard_since_up = True
    s.conversation = True
    scene.disarm("answer")
    if not s.withhold:
        s.answering = True
        s.returning = False
        s.interrupted = False
        s.asked_at = scene.journal.last_written


def note_interruption(scene: Scene, _event: object) -> None:
    """The application hears of it from the server; it need not hear it again from us."""
    s = scene.situation
    if not s.withhold:
        s.interrupted = s.answering


def end_turn(scene: Scene, _event: object) -> None:
    """The turn is over, and what it answered is settled."""
    s = scene.situation
    s.heard_since_up = True
    if s.withhold:
        s.withhold -= 1
        return
    if s.answering:
        settled, s.owed = s.asked_at, tuple(position for position in s.owed if position > s.asked_at)
    else:
        settled, s.owed = (s.owed[0] if s.owed else 0), s.owed[1:]
    if settled:
        s.answered = (*s.answered[-31:], settled)
        s.proven_position = settled
    s.answering = s.interrupted = s.returning = False
    s.ended_at = s.now
    _expect_answer(scene)
    if s.state == "DRAINING":
        scene.arm("late_handle", scene.policy.late_handle)


def _expect_answer(scene: Scene) -> None:
    s, timeout = scene.situation, scene.policy.answer_timeout
    if s.owed and not s.answering and s.link == "up" and timeout is not None:
        scene.arm("answer", timeout)
    else:
        scene.disarm("answer")


def note_calls(scene: Scene, event: ev.ToolCalled) -> None:
    """The model waits for these; so no answer is overdue meanwhile."""
    s = scene.situation
    s.heard_since_up = True
    s.conversation = True
    s.pending |= event.ids
    s.known |= event.ids
    if not s.withhold:
        s.answering = True
        s.returning = s.interrupted = False
        s.asked_at = scene.journal.last_written
    scene.disarm("answer")


def forget_calls(scene: Scene, event: ev.ToolCallsCancelled) -> None:
    """The model no longer waits for these."""
    scene.situation.pending -= event.ids


def note_input(scene: Scene, event: ev.InputAccepted) -> None:
    """The application opened or ended its turn, asked, or answered a call."""
    s = scene.situation
    if event.opens_turn:
        s.user_turn = True
    if event.demands_answer:
        s.user_turn = False
        s.owed = (*s.owed, event.position)
        _expect_answer(scene)
    if event.answers:
        s.pending -= event.answers
        if s.link == "up" and not event.answers <= s.known:
            known = s.known
            scene.stage(lambda: scene.journal.withdraw_answers(known, client_frames.without_answers))


def note_life(scene: Scene, event: ev.Heard) -> None:
    """It lives; look again when it has been silent for a while."""
    s = scene.situation
    if event.round_trip is not None:
        s.round_trip = event.round_trip
    scene.disarm("silence")
    # Not at once again, whatever the rounding: a deadline that is due when it is armed would spin.
    after = scene.policy.probe_after
    scene.arm("probe", max(after / 8, after - event.silent_for))


def probe(scene: Scene, _event: object) -> None:
    """It has been silent for a while: ask whether it lives, and give it so long."""
    scene.order(do.Probe(scene.situation.number))
    scene.arm("silence", scene.policy.probe_timeout)


def stop_expecting(scene: Scene, _event: object) -> None:
    """A cut turn did not come back, or a repeated answer was not repeated: stop waiting for either."""
    s = scene.situation
    s.withhold = 0
    if s.returning:
        scene.order(do.CompleteTurn())
        s.returning = s.interrupted = False
        s.ended_at = s.now
    if s.state == "DRAINING":
        scene.arm("late_handle", scene.policy.late_handle)


def warn_of_limit(scene: Scene, _event: object) -> None:
    """Without compression the service will end this session soon."""
    left = scene.policy.limit_warning
    scene.order(do.Warn("session_limit", f"without context-window compression this session ends in about {left:g} s"))


def arm_drain(scene: Scene, event: ev.GoAwayReceived) -> None:
    """Be gone before the server is; a later notice can only bring that forward."""
    s = scene.situation
    delay = max(0.0, event.time_left - scene.policy.drain_margin)
    armed = s.at("drain")
    if armed is None or s.now + delay < armed:
        scene.arm("drain", delay)
    if armed is None:
        _await_handle(scene)


def arm_patience(scene: Scene, _event: object) -> None:
    """Nobody presses us: wait so long for a safe point."""
    scene.arm("drain", scene.policy.rotate_patience)
    _await_handle(scene)


def _await_handle(scene: Scene) -> None:
    s = scene.situation
    due = max(s.ended_at, s.active_at) + scene.policy.late_handle
    if due > s.now:
        scene.arm("late_handle", due - s.now)


def prepare(scene: Scene, _event: object) -> None:
    """Another connection will soon be needed."""
    scene.order(do.Prepare())


def hang_up(scene: Scene, _event: object) -> None:
    """Leave in good order; it is read until it is closed."""
    s = scene.situation
    s.conversation = scene.has_conversation()
    s.link = "closing"
    s.down_wall = s.wall
    scene.order(do.HangUp(s.number))
