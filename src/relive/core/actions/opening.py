"""Actions that lead to a connection: begin, dial, wait, come up."""

from __future__ import annotations

from typing import Final

from relive.core import effects as do, events as ev
from relive.core.actions import turns
from relive.core.actions.ending import note_dead, quarantine
from relive.core.actions.flowing import arm_rotation
from relive.core.journal import Replay
from relive.core.scene import Scene

_NONE: Final = frozenset[str]()


def adopt_given(scene: Scene, event: ev.ConnectRequested) -> None:
    """Take the caller's handle as the first checkpoint, unchecked."""
    s = scene.situation
    assert event.handle is not None  # noqa: S101 - the guard has asked
    s.checkpoint = scene.checkpoint(event.handle)
    s.conversation = True


def adopt_loaded(scene: Scene, event: ev.CheckpointLoaded) -> None:
    """Take the stored checkpoint, and the gap that whoever saved it has left."""
    s = scene.situation
    assert event.checkpoint is not None  # noqa: S101 - the guard has asked
    s.checkpoint = event.checkpoint
    s.dropped_before = -event.checkpoint.left_behind
    s.conversation = True
    note_dead(scene, event)


def load(scene: Scene, _event: object) -> None:
    """Ask the store, once, for so long."""
    scene.order(do.Load())
    scene.arm("load", scene.policy.load_timeout)


def open_(scene: Scene, _event: object) -> None:
    """Begin the next attempt to open a connection, and pay for it."""
    s = scene.situation
    if scene.attempts() == 0:
        s.attempts = 0
        s.recovering_since = s.now
    s.number += 1
    s.link = "opening"
    s.attempts += 1
    s.openings += 1
    s.verdict = None
    handle = s.checkpoint.handle if s.state == "RESUMING" and s.checkpoint is not None else None
    scene.order(do.Open(s.number, handle, seeded=bool(s.seed)))


def arm_opening(scene: Scene, _event: object) -> None:
    """The dial has begun: from here on its time, and that of the setup, runs."""
    scene.situation.dialled_at = scene.situation.now
    scene.arm("opening", scene.policy.open_timeout + scene.policy.setup_timeout)


def back_off(scene: Scene, _event: object) -> None:
    """Wait before the next attempt."""
    s = scene.situation
    if scene.attempts() == 0:
        s.attempts = 0
        s.recovering_since = s.now
    scene.arm("retry", scene.retry_delay())


def come_up_fresh(scene: Scene, _event: object) -> None:
    """A fresh session is up: the seed goes first, then the journal, never answers to tools it has not called."""
    s = scene.situation
    if s.doubted is not None:
        quarantine(scene, s.doubted, "refused")
        s.doubted = None
    replay = _replay(scene)
    verdict = _verdict(scene, replay, "not_restored" if s.loss else "fresh", s.loss)
    s.conversation = bool(s.seed or replay.again)
    s.checkpoint = None
    s.index = None
    s.from_handle = False
    s.fresh_at = s.now
    s.known = _NONE
    _come_up(scene, replay, verdict)
    if s.seed:
        seed, now = s.seed, s.now
        scene.stage(lambda: scene.journal.seed(seed, now))
        s.seed = ()
    s.loss = ""


def come_up_resumed(scene: Scene, _event: object) -> None:
    """The session is resumed: what the checkpoint does not cover is sent again."""
    s = scene.situation
    replay = _replay(scene)
    verdict = _verdict(scene, replay, "resumed", "")
    s.known = s.checkpoint.calls if s.checkpoint is not None else _NONE
    s.from_handle = True
    _come_up(scene, replay, verdict)


def _replay(scene: Scene) -> Replay:
    s = scene.situation
    indexed, audio = s.index is not None, scene.policy.replay_audio
    return scene.journal.plan(now=s.now, indexed=indexed, since=s.checkpoint_at, audio=audio)


def _verdict(scene: Scene, replay: Replay, kind: str, reason: str) -> do.Verdict:
    s, counts = scene.situation, scene.journal.counts
    gap = counts.forgotten + counts.dropped_audio + replay.too_old
    dropped = gap - s.dropped_before
    s.dropped_before = gap
    if kind == "resumed" and dropped:
        kind, reason = "resumed_with_gap", f"{dropped} frames could not be kept"
    return do.Verdict(kind, reason, len(replay.again), dropped, replay.uncertain)


def _come_up(scene: Scene, replay: Replay, verdict: do.Verdict) -> None:
    s, policy, journal = scene.situation, scene.policy, scene.journal
    number = s.number
    scene.stage(lambda: journal.begin(number))
    scene.stage(lambda: journal.rewind(replay))
    turns.withdraw_answers(scene)
    s.link = "up"
    s.active_at = s.now
    s.least_opening = min(s.least_opening, s.now - s.dialled_at)
    s.proven = True
    s.resumable = False
    s.proven_position = 0
    s.verdict = verdict
    s.heard_since_up = False
    turns.resettle(scene, tuple(entry.position for entry in replay.again))
    arm_rotation(scene)
    if not scene.compressed:
        limit = policy.session_limit_video if scene.video else policy.session_limit
        scene.arm("limit", max(0.0, s.fresh_at + limit - policy.limit_warning - s.now))
    scene.order(do.Write(number))
    if policy.probe:
        scene.arm("probe", policy.probe_after)
        scene.order(do.Probe(number))
