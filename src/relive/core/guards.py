"""Guards: questions that the table asks of the situation. They change nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from relive.core import events as ev
from relive.core.checkpoint import digest
from relive.core.closes import Dropped
from relive.core.scene import Scene

Guard: TypeAlias = Literal[
    "handle_given",
    "store_given",
    "checkpoint_usable",
    "checkpoint_found",
    "has_handle",
    "may_rotate",
    "handle_useless",
    "context_lost",
    "fatal",
    "poisoned",
    "may_open_now",
    "may_resume_now",
    "within_budget",
    "still_closing",
    "condemned",
    "nothing_owed",
]


def handle_given(_scene: Scene, event: ev.ConnectRequested) -> bool:
    """Does the caller's own configuration hold a handle?"""
    return bool(event.handle)


def store_given(_scene: Scene, event: ev.ConnectRequested) -> bool:
    """Is there a store to ask?"""
    return event.stored


def checkpoint_usable(scene: Scene, event: ev.CheckpointLoaded) -> bool:
    """Is the stored checkpoint ours, and young enough?"""
    return event.checkpoint is not None and not event.mismatch and scene.handle_fresh(event.checkpoint.wall)


def checkpoint_found(_scene: Scene, event: ev.CheckpointLoaded) -> bool:
    """Was there a checkpoint at all?"""
    return event.checkpoint is not None or bool(event.mismatch)


def has_handle(scene: Scene, _event: object) -> bool:
    """Is there a handle that the server should still know?"""
    s = scene.situation
    if s.checkpoint is None:
        return False
    # While a connection is up its handle cannot age: the time runs from the end of the last one.
    return s.link in ("up", "closing") or scene.handle_fresh(max(s.down_wall, s.checkpoint.wall))


def may_rotate(scene: Scene, event: object) -> bool:
    """Is there a handle, and no turn that a loss has cut already? One that takes long would be cut for ever."""
    return has_handle(scene, event) and not scene.situation.returning


def handle_useless(scene: Scene, _event: object) -> bool:
    """Has the server refused the handle, or killed (or ignored) too many resumes from it, or is the session over?"""
    s = scene.situation
    if s.judgement in ("handle_dead", "limit"):
        return True
    if s.judgement != "handle_doubted":
        return False
    return s.link == "opening" or s.strikes + 1 >= scene.policy.handle_strikes


def context_lost(scene: Scene, event: object) -> bool:
    """Was there a conversation, does no handle lead back to it, and was the application not asked yet?"""
    return not scene.situation.loss and scene.has_conversation() and not has_handle(scene, event)


def fatal(scene: Scene, _event: object) -> bool:
    """Would another attempt fail in the same way?"""
    return scene.situation.judgement == "fatal"


def suspect(scene: Scene) -> int:
    """Position of the frame that a connection's death for bad input points at; 0 if none does."""
    uncovered = scene.journal.written
    reliable = next((entry for entry in reversed(uncovered) if entry.lane == "reliable"), None)
    return reliable.position if reliable is not None else 0


def suspected(scene: Scene, drop: Dropped) -> bool:
    """May this end be about the frame that a connection died of before, and so say nothing of the handle?"""
    return drop.code in (1007, 1008) and scene.situation.suspect == suspect(scene) > 0


def poisoned(scene: Scene, _event: object) -> bool:
    """Has the same frame killed a connection for the second time?"""
    s = scene.situation
    return s.judgement == "bad_input" and s.suspect == suspect(scene) > 0


def may_open_now(scene: Scene, event: object) -> bool:
    """Is no wait due: after a stable connection, or a refusal that is about the handle and not about load?"""
    s = scene.situation
    refused = s.state == "HANDLE_EXPIRED" and s.judgement in ("handle_dead", "handle_doubted")
    due = scene.attempts() == 0 or refused
    return due and s.judgement != "retry_later" and within_budget(scene, event)


def may_resume_now(scene: Scene, event: object) -> bool:
    """Is there a handle, and is no wait due?"""
    return has_handle(scene, event) and may_open_now(scene, event)


def within_budget(scene: Scene, _event: object) -> bool:
    """May another attempt be made: by number, by time, and in total?"""
    s, policy = scene.situation, scene.policy
    attempts = scene.attempts()
    if attempts >= policy.retry_attempts or s.openings >= policy.retry_total:
        return False
    return attempts == 0 or s.now + scene.retry_delay() - s.recovering_since <= policy.retry_time


def still_closing(scene: Scene, _event: object) -> bool:
    """Is the old connection still being closed?"""
    return scene.situation.link == "closing"


def condemned(scene: Scene, event: ev.CheckpointReceived) -> bool:
    """Is this a handle that must not be used again?"""
    s = scene.situation
    return event.handle in s.condemned or (bool(s.tombstones) and digest(event.handle) in s.tombstones)


def nothing_owed(scene: Scene, _event: object) -> bool:
    """Did we wait for a repeat, or once more for a turn that was cut, and not for an answer whose absence counts?"""
    s = scene.situation
    if s.generated:
        return False  # a question waits behind it
    if s.answering:
        return s.stalled
    return not s.owed or (s.returning and not mute(scene))


def mute(scene: Scene) -> bool:
    """Has a resumed connection said nothing yet that proves its session alive?"""
    s = scene.situation
    return s.from_handle and not s.heard_since_up


def at_safe_point(scene: Scene) -> bool:
    """Would nothing be lost by leaving this connection now? Asked after every fact in DRAINING."""
    s, policy = scene.situation, scene.policy
    if s.link != "up" or s.checkpoint is None:
        return False
    # An answer to calls that this session does not know is about to be taken back.
    if any(not entry.answers or entry.answers & s.known for entry in scene.journal.waiting):
        return False
    if s.turn_open or s.user_turn or s.pending or s.repeat_awaited:
        return False
    return (s.resumable and s.turn_covered) or s.now >= max(s.ended_at, s.active_at) + policy.late_handle


def settled(scene: Scene) -> bool:
    """Would nothing but media be lost if another process went on from here, without our journal?"""
    if scene.situation.checkpoint is None:
        return not scene.has_conversation() and not scene.journal.waiting
    return at_safe_point(scene) and not scene.journal.uncovered()["reliable"]


_FUNCTIONS: Final[dict[Guard, Callable[[Scene, Any], bool]]] = {
    "handle_given": handle_given,
    "store_given": store_given,
    "checkpoint_usable": checkpoint_usable,
    "checkpoint_found": checkpoint_found,
    "has_handle": has_handle,
    "may_rotate": may_rotate,
    "handle_useless": handle_useless,
    "context_lost": context_lost,
    "fatal": fatal,
    "poisoned": poisoned,
    "may_open_now": may_open_now,
    "may_resume_now": may_resume_now,
    "within_budget": within_budget,
    "still_closing": still_closing,
    "condemned": condemned,
    "nothing_owed": nothing_owed,
}
GUARDS: Final = MappingProxyType(_FUNCTIONS)
