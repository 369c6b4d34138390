"""Actions at the end: of a connection, of a context, of a session."""

from __future__ import annotations

from relive.core import effects as do, events as ev
from relive.core.actions import turns
from relive.core.checkpoint import Checkpoint
from relive.core.closes import advice
from relive.core.guards import suspect
from relive.core.scene import Scene


def abandon(scene: Scene, event: object) -> None:
    """Let go of a connection, or of the dial of it, without ceremony."""
    s = scene.situation
    scene.order(do.Abandon(s.number))
    if s.link == "up":
        roll_back(scene, event)
    s.link = "none"


def roll_back(scene: Scene, event: object) -> None:
    """The connection is gone: everything the server did after the checkpoint is undone for the application, at once."""
    s = scene.situation
    if scene.stable():
        s.attempts = 0
    if s.link == "up":
        s.conversation = scene.has_conversation()
        s.strikes += s.judgement == "handle_doubted"
        s.suspect = suspect(scene) if s.judgement == "bad_input" else s.suspect
    s.link = "none"
    s.down_wall = s.wall
    if event == ev.DeadlineReached("answer"):
        turns.note_stall(scene)
    turns.cut_turn(scene)


def condemn(scene: Scene, _event: object) -> None:
    """A handle that leads nowhere is not used again. If it may be the setup's fault, a fresh attempt decides first."""
    s = scene.situation
    checkpoint = s.checkpoint
    s.checkpoint = None
    s.index = None
    s.strikes = 0
    if s.judgement == "limit":
        s.loss = "session_limit"
        return
    s.loss = "rejected" if s.judgement == "handle_dead" else "quarantined"
    if checkpoint is None:
        return
    if s.judgement == "handle_doubted" and not s.proven:
        s.doubted = checkpoint
    else:
        quarantine(scene, checkpoint, s.loss)


def quarantine(scene: Scene, checkpoint: Checkpoint, reason: str) -> None:
    """Never again, here or in another process."""
    scene.situation.condemned |= {checkpoint.handle}
    scene.order(do.Quarantine(checkpoint.handle, reason))


def lose(scene: Scene, _event: object) -> None:
    """There is no way back to the conversation: say why."""
    s = scene.situation
    s.loss = "no_handle"
    if s.checkpoint is not None:
        s.loss = "expired"
        quarantine(scene, s.checkpoint, s.loss)
    s.checkpoint = None
    s.index = None


def lose_loaded(scene: Scene, event: ev.CheckpointLoaded) -> None:
    """What the store holds cannot be used: say why."""
    scene.situation.loss = event.mismatch or "expired"
    if event.checkpoint is not None and not event.mismatch:
        quarantine(scene, event.checkpoint, "expired")
    note_dead(scene, event)


def note_dead(scene: Scene, event: ev.CheckpointLoaded) -> None:
    """What led nowhere in another process leads nowhere in this one, should a server name it once more."""
    scene.situation.tombstones = event.tombstones


def lose_unread(scene: Scene, _event: object) -> None:
    """The store did not answer, so there may have been a conversation."""
    scene.situation.loss = "store_unavailable"


def ask_seed(scene: Scene, _event: object) -> None:
    """Ask the application how to go on, once, for so long. The calls of the lost session are nobody's any more."""
    s = scene.situation
    turns.cancel_calls(scene, s.pending)
    scene.order(do.AskSeed(s.loss))
    scene.arm("seed", scene.policy.seed_timeout)


def take_seed(scene: Scene, event: ev.SeedAnswered | ev.DeadlineReached) -> None:
    """Begin afresh with what the application gave; with nothing if it did not answer in time."""
    s = scene.situation
    s.conversation = False
    if isinstance(event, ev.SeedAnswered):
        s.seed = event.frames
    else:
        s.seed = ()
        scene.order(do.CancelSeed())


def give_up(scene: Scene, _event: object) -> None:
    """The session is over: no further attempt would help, or none is left."""
    s = scene.situation
    if s.judgement == "fatal" and s.drop is not None:
        _fail(scene, do.Failure("fatal", s.drop, advice(s.drop)))
    else:
        spent = f"{s.attempts} attempts in {s.now - s.recovering_since:.0f} s failed"
        _fail(scene, do.Failure("gave_up", s.drop, spent))


def blame_frame(scene: Scene, _event: object) -> None:
    """The session is over: one frame kills every connection that it is replayed on."""
    s = scene.situation
    detail = f"frame {s.suspect} ended two connections; do not send it again"
    _fail(scene, do.Failure("poisoned", s.drop, detail))


def obey(scene: Scene, _event: object) -> None:
    """The session is over: the application will not go on."""
    s = scene.situation
    detail = f"the application would not go on without its context ({s.loss})"
    _fail(scene, do.Failure("seed_refused", s.drop, detail))


def _fail(scene: Scene, failure: do.Failure) -> None:
    s = scene.situation
    s.failure = failure
    s.link = "none"
    scene.order(do.Fail(failure))
    scene.order(do.Shut(flush=False))


def save_last(scene: Scene, _event: object) -> None:
    """The handle stays in the store: another process may go on from it, and its age counts from now.

    That process has not our journal: what the handle does not cover is missing there.
    """
    s = scene.situation
    if s.checkpoint is None:
        return
    left_behind = scene.journal.uncovered().total()
    if s.link in ("up", "closing"):
        scene.order(do.Save(s.checkpoint.seen(s.wall, left_behind=left_behind)))
    elif left_behind:
        scene.order(do.Save(s.checkpoint.seen(max(s.down_wall, s.checkpoint.wall), left_behind=left_behind)))


def shut(scene: Scene, _event: object) -> None:
    """Release everything; what is unwritten goes out first if it can."""
    s = scene.situation
    flush = s.link == "up" and bool(scene.journal.waiting)
    s.link = "none"
    scene.order(do.Shut(flush))
