"""Actions at the end: of a connection, of a context, of a session."""

from __future__ import annotations

from relive.core import effects as do
from relive.core import events as ev
from relive.core.closes import advice
from relive.core.guards import fatal, suspect
from relive.core.scene import Scene


def abandon(scene: Scene, _event: object) -> None:
    """Let go of a connection, or of the dial of it, without ceremony."""
    scene.order(do.Abandon(scene.situation.number))


def roll_back(scene: Scene, _event: object) -> None:
    """The connection is gone: everything the server did after the checkpoint is undone for the application, at once."""
    s = scene.situation
    if scene.stable():
        s.attempts = 0
    if s.judgement == "handle_doubted" and s.link == "up":
        s.strikes += 1
    if s.judgement == "bad_input" and s.link == "up":
        s.suspect = suspect(scene)
    if s.link == "up":
        s.conversation = scene.has_conversation()
    s.link = "none"
    s.down_wall = s.wall
    known = s.checkpoint.calls if s.checkpoint is not None else frozenset[str]()
    if rolled_back := s.pending - known:
        scene.order(do.CancelCalls(tuple(sorted(rolled_back))))
        s.pending &= known
    if (s.answering or s.owed) and not s.interrupted:
        scene.order(do.Interrupt())
        s.interrupted = True
    s.returning = s.turn_open
    s.answering = False
    s.withhold = 0


def condemn(scene: Scene, _event: object) -> None:
    """This handle leads nowhere: never use it again. If it may be the setup's fault, a fresh attempt decides first."""
    s = scene.situation
    checkpoint = s.checkpoint
    s.checkpoint = None
    s.index = None
    s.strikes = 0
    s.link = "none"
    if s.judgement == "limit":
        s.loss = "session_limit"
        return
    s.loss = "rejected" if s.judgement == "handle_dead" else "quarantined"
    if checkpoint is None:
        return
    if s.judgement == "handle_doubted" and not s.proven:
        s.doubted = checkpoint
    else:
        scene.order(do.Quarantine(checkpoint.handle, s.loss))


def lose(scene: Scene, _event: object) -> None:
    """There is no way back to the conversation: say why."""
    s = scene.situation
    s.loss = "no_handle" if s.checkpoint is None else "expired"
    s.checkpoint = None
    s.index = None


def lose_loaded(scene: Scene, event: ev.CheckpointLoaded) -> None:
    """What the store holds cannot be used: say why."""
    scene.situation.loss = event.mismatch or "expired"


def lose_unread(scene: Scene, _event: object) -> None:
    """The store did not answer, so there may have been a conversation."""
    scene.situation.loss = "store_unavailable"


def ask_seed(scene: Scene, _event: object) -> None:
    """Ask the application how to go on, once, for so long."""
    s = scene.situation
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


def give_up(scene: Scene, event: object) -> None:
    """The session is over; whoever waits is told why and what to do."""
    s = scene.situation
    drop = s.drop
    if isinstance(event, ev.SeedRefused):
        failure = do.Failure("seed_refused", drop, f"the application would not go on without its context ({s.loss})")
    elif s.suspect and s.judgement == "bad_input" and not fatal(scene, event):
        failure = do.Failure("poisoned", drop, f"frame {s.suspect} ended two connections; do not send it again")
    elif fatal(scene, event):
        failure = do.Failure("fatal", drop, advice(drop) if drop is not None else "")
    else:
        failure = do.Failure("gave_up", drop, f"{s.attempts} attempts in {s.now - s.recovering_since:.0f} s failed")
    s.failure = failure
    s.link = "none"
    scene.order(do.Fail(failure))
    scene.order(do.Shut(flush=False))


def save_last(scene: Scene, _event: object) -> None:
    """The handle stays in the store: another process may go on from it, and its age counts from now."""
    s = scene.situation
    if s.checkpoint is not None and s.link in ("up", "closing"):
        scene.order(do.Save(s.checkpoint.seen(s.wall)))


def shut(scene: Scene, _event: object) -> None:
    """Release everything; what is unwritten goes out first if it can."""
    s = scene.situation
    flush = s.link == "up" and bool(scene.journal.waiting)
    s.link = "none"
    scene.order(do.Shut(flush))
