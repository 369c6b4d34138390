"""Actions while frames flow: keep checkpoints, watch for silence, drain. Turns and tool calls: `turns`."""

from __future__ import annotations

from relive.core import effects as do, events as ev
from relive.core.journal import by_index, by_time
from relive.core.scene import Scene


def keep_checkpoint(scene: Scene, event: ev.CheckpointReceived) -> None:
    """The newest handle is the checkpoint, and what it covers leaves the journal."""
    s, journal = scene.situation, scene.journal
    if s.checkpoint is None or s.checkpoint.handle != event.handle:
        s.strikes = 0
        s.from_handle = False
    s.checkpoint_at = s.now
    s.resumable = s.turn_covered = s.heard_since_up = True
    s.suspect = 0
    s.index = _trusted(scene, event)
    if s.index is not None:
        covered = by_index(s.number, s.index)
    elif event.index is None:
        sent = s.now if event.held_since is None else event.held_since
        covered = by_time(s.number, sent - scene.margin(), s.proven_position)
    else:
        covered = None
    # A call whose answer is not in the checkpoint is still open there.
    calls = s.pending | (journal.answers(covered) & s.known if s.known else s.known)
    s.checkpoint = scene.checkpoint(event.handle, calls)
    if covered is not None:
        scene.stage(lambda: journal.trim(covered))
    scene.order(do.Save(s.checkpoint))


def _trusted(scene: Scene, event: ev.CheckpointReceived) -> int | None:
    """The index if it can be true: not beyond what was written here, not behind the last one."""
    s, written = scene.situation, scene.journal.index
    if event.index is None:
        return None
    known = s.consumed if s.consumed_on == s.number else 0
    if not known <= event.index <= written:
        detail = f"the server says it consumed {event.index} messages; {known} to {written} can be true"
        scene.order(do.Warn("index_anomaly", detail))
        return None
    s.consumed, s.consumed_on = event.index, s.number
    return event.index


def rejoin(scene: Scene, _event: object) -> None:
    """A handle came on the connection that we hung up on without one: no context is lost after all."""
    s = scene.situation
    if s.at("seed") is not None:
        scene.order(do.CancelSeed())
    s.loss = ""
    s.seed = ()
    s.conversation = True


def mark_unresumable(scene: Scene, _event: object) -> None:
    """Not from here; the older handle stays good."""
    scene.situation.resumable = False


def note_life(scene: Scene, event: ev.Heard) -> None:
    """It lives; look again when it has been silent for a while."""
    s = scene.situation
    if event.round_trip is not None:
        first = s.round_trip is None
        s.round_trip = event.round_trip
        s.least_round_trip = event.round_trip if first else min(s.least_round_trip, event.round_trip)
    scene.disarm("silence")
    # Not at once again, whatever the rounding: a deadline that is due when it is armed would spin.
    after = scene.policy.probe_after
    if scene.policy.probe:
        scene.arm("probe", max(after / 8, after - event.silent_for))


def probe(scene: Scene, _event: object) -> None:
    """It has been silent for a while: ask whether it lives, and give it so long."""
    scene.order(do.Probe(scene.situation.number))
    scene.arm("silence", scene.policy.probe_timeout)


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
        scene.arm_at("late_handle", due)


def put_off(scene: Scene, _event: object) -> None:
    """Nobody presses us, and something would be lost: stay, and look again when as much time has passed."""
    arm_rotation(scene)


def arm_rotation(scene: Scene) -> None:
    """Leave a connection of some age by ourselves, if the policy says so."""
    if scene.policy.rotate_after is not None:
        scene.arm("rotate", scene.policy.rotate_after)


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
