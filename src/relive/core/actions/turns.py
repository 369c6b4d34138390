"""Actions that follow turns and tool calls, so that the application sees each turn end exactly once.

A turn is open for the application from the frame that demands an answer (`owed`), or from the first output where none
did (voice), to its end. When a connection is lost the turn is cut; it comes back if what it was about is sent again.

The deadline `answer` watches over what the model has to say: that an answer begins, that it goes on until all of it is
generated, that the turn ends after an interruption. From then on until the turn ends nothing tells playback from a
stall, so nothing is overdue but a question that waits behind it.
"""

from __future__ import annotations

import math
from itertools import chain

from relive.core import client_frames, effects as do, events as ev
from relive.core.journal import Frame
from relive.core.scene import Scene
from relive.core.situation import Situation

_BUSY = 0.1
"Seconds that a busy process adds to a round trip, or less: nobody can tell what came first within them."


def begin_answer(scene: Scene, _event: object) -> None:
    """The model has begun to answer, or goes on: more of it is awaited."""
    s = scene.situation
    s.heard_since_up = s.conversation = True
    _begin(scene)
    _watch(scene)


def _begin(scene: Scene) -> None:
    s, journal = scene.situation, scene.journal
    if s.given_up:
        # It comes after all, and is kept back to its end; or the server has forgotten it, and this is the next answer.
        s.withhold, s.given_up = int(not _has_forgotten(scene)), False
    if s.withhold:
        return
    if not s.answering:
        # What the answer can be about: what was written the least round trip ago (the newest may be long out of date,
        # and longer than the way of this answer; none is exact), and in any case the oldest open question.
        asked = tuple(position for position in s.owed[:1] if position <= journal.last_written)
        s.asked_at = max((journal.reached(s.now - 0.9 * s.least_round_trip), *asked))
        s.heard_at = _heard(scene)
        s.spoken_at = journal.reached(s.now - scene.margin())
    s.answering = s.flowing = True
    s.interrupted = False


def _heard(scene: Scene) -> int:
    """Position of the last frame that the server can have heard before it said what is heard now, generously."""
    return scene.journal.reached(scene.situation.now - max(0.0, 0.9 * scene.situation.least_round_trip - _BUSY))


def _has_forgotten(scene: Scene) -> bool:
    """Whether the server had certainly heard the next question before it said this: that would have ended the turn."""
    s = scene.situation
    way = scene.margin() if s.round_trip is None else 2.0 * s.round_trip + _BUSY
    return bool(s.owed) and s.owed[0] <= scene.journal.reached(s.now - way)


def await_more(scene: Scene, event: ev.OutputHeard) -> None:
    """Nothing was overdue yet: look again when it has been silent for so long."""
    timeout = scene.policy.answer_timeout
    if timeout is not None and scene.situation.at("answer") is not None:
        # Not at once again, whatever the rounding: a deadline that is due when it is armed would spin.
        scene.arm("answer", max(timeout / 100, timeout - event.silent_for))


def await_end(scene: Scene, _event: object) -> None:
    """No more of this answer comes, and it may be played for any time."""
    s = scene.situation
    if s.answering or s.withhold:
        s.generated = True
        _watch(scene)


def note_interruption(scene: Scene, _event: object) -> None:
    """The application hears of it from the server; it need not hear it again from us. The end of the turn follows."""
    s = scene.situation
    if not s.withhold:
        s.interrupted = s.turn_open
        s.flowing = False
    if s.generated:
        s.generated = False
        _watch(scene)


def end_turn(scene: Scene, _event: object) -> None:
    """The turn is over, and what it answered is settled."""
    s = scene.situation
    s.heard_since_up = True
    if s.withhold:
        s.withhold -= 1
        s.given_up = False
    else:
        _settle(scene)
    s.generated = False
    s.ended_at = s.now
    s.turn_covered = False
    _watch(scene)
    if s.state == "DRAINING":
        scene.arm("late_handle", scene.policy.late_handle)


def _settle(scene: Scene) -> None:
    s = scene.situation
    about = s.asked_at if s.answering else min((scene.journal.last_written, *s.owed[:1]))
    settled = tuple(position for position in s.owed if position <= about)
    if s.interrupted:
        settled = settled[:1]  # by the next of them, whose answer begins now
    s.owed = s.owed[len(settled) :]
    if settled:
        # The first is answered for certain. Those behind it were answered with it, or are still on their way. But what
        # is interrupted before a word of it was heard may have been about speech that nobody was asked to answer, and
        # what began before the question can have been heard was not about that.
        heard = s.heard_at if s.answering else _heard(scene)
        if not s.repeats and (s.answering or not s.interrupted) and settled[0] <= heard:
            s.proven_position = settled[0]
        _remember(scene, settled[-1:])
    elif s.answering:
        # With an index it is known to the frame what a handle covers, so what the answer is about is, too.
        _remember(scene, _spoken(scene))
    s.repeats = max(0, s.repeats - 1)
    s.answering = s.flowing = s.interrupted = s.returning = s.stalled = False


def _spoken(scene: Scene) -> tuple[int, ...]:
    """What an answer is about that no frame demanded: what had been heard when it began, for certain."""
    s = scene.situation
    return (s.asked_at if s.index is not None else s.spoken_at,)


def _remember(scene: Scene, positions: tuple[int, ...]) -> None:
    s, oldest = scene.situation, scene.journal.oldest
    new = tuple(position for position in positions if position and position not in s.answered)
    s.answered = tuple(position for position in (*s.answered, *new) if position >= oldest)


def _watch(scene: Scene) -> None:
    """What was awaited has come, or need not come: await the next thing from now on."""
    scene.disarm("answer")
    _await_answer(scene)


def _await_answer(scene: Scene) -> None:
    """Have it watched that the model says what it has to say here, unless that is watched already or tools run."""
    s, timeout = scene.situation, scene.policy.answer_timeout
    if _owes_words(s) and not s.pending and s.link == "up" and timeout is not None and s.at("answer") is None:
        scene.arm("answer", timeout)


def _owes_words(s: Situation) -> bool:
    """Whether the model has something to say, so that it cannot be silent for any time."""
    if s.generated:
        # Only for a question behind it; and only once, for it may be that the service answers it after playback.
        behind = s.owed and (s.withhold or s.owed[-1] > s.asked_at)
        return bool(behind) and not s.stalled
    return s.turn_open or s.repeat_awaited


def note_calls(scene: Scene, event: ev.ToolCalled) -> None:
    """The model waits for these; so no answer is overdue meanwhile."""
    s = scene.situation
    s.heard_since_up = s.conversation = True
    s.pending |= event.ids
    s.known |= event.ids
    _begin(scene)
    _watch(scene)


def forget_calls(scene: Scene, event: ev.ToolCallsCancelled) -> None:
    """The model no longer waits for these."""
    _finish_calls(scene, event.ids)


def _finish_calls(scene: Scene, ids: frozenset[str]) -> None:
    s = scene.situation
    if s.pending & ids:
        s.pending -= ids
        s.generated = s.generated and bool(s.pending)  # what the tools are answered with is spoken about
        _await_answer(scene)


def note_input(scene: Scene, event: ev.InputAccepted) -> None:
    """The application opened or ended its turn, asked, or answered a call."""
    s = scene.situation
    if event.opens_turn:
        s.user_turn = True
    if event.demands_answer:
        s.user_turn = False
        s.owed = (*s.owed, event.position)
        _await_answer(scene)
    if event.answers:
        _finish_calls(scene, event.answers)
        if s.link == "up" and not event.answers <= s.known:
            withdraw_answers(scene)
    limit = s.at("limit")
    if scene.video and limit is not None:
        due = s.fresh_at + scene.policy.session_limit_video - scene.policy.limit_warning
        scene.arm_at("limit", min(limit, max(due, s.now)))


def withdraw_answers(scene: Scene) -> None:
    """Tool responses to calls that this session does not know are not sent."""
    journal, known = scene.journal, scene.situation.known
    scene.stage(lambda: journal.withdraw_answers(known, _without))


def _without(frame: Frame, unknown: frozenset[str]) -> Frame | None:
    return client_frames.without_answers(frame if isinstance(frame, str) else frame.decode("utf-8", "replace"), unknown)


def cancel_calls(scene: Scene, ids: frozenset[str]) -> None:
    """Tell the application that these calls were rolled back."""
    if ids:
        scene.order(do.CancelCalls(tuple(sorted(ids))))
        scene.situation.pending -= ids


def note_stall(scene: Scene) -> None:
    """The connection is given up for what the model did not say: a second time it is not to blame."""
    s = scene.situation
    if s.answering or s.generated:
        s.stalled = True
    elif s.returning:
        _give_up_turn(scene)


def cut_turn(scene: Scene) -> None:
    """The connection is gone: the calls and the answer that the next one cannot know are rolled back."""
    s = scene.situation
    kept = s.checkpoint.calls if s.checkpoint is not None else frozenset[str]()
    # Answered calls too, if no checkpoint knows of it: their tools may have had an effect, and they may come again.
    cancel_calls(scene, (s.pending | (scene.journal.answers() & s.known)) - kept)
    if s.turn_open and not s.interrupted:
        scene.order(do.Interrupt())
        s.interrupted = True
    if not (s.answering or s.returning):
        s.asked_at = s.owed[0] if s.owed else 0
    s.returning = s.turn_open
    s.answering = s.flowing = s.generated = False
    s.withhold, s.given_up = 0, False


def resettle(scene: Scene, again: tuple[int, ...]) -> None:
    """A connection is up, and these positions are written again: settle the turns that were open, or over."""
    s, journal, patient = scene.situation, scene.journal, scene.policy.answer_timeout is not None
    asked = {position for position in s.owed if position <= s.asked_at}
    s.owed = tuple(position for position in s.owed if position in again or position > journal.last_written)
    coming = (*again, *(entry.position for entry in journal.waiting if entry.position))
    # It comes back if its question is asked again, or its audio heard again; it goes on if a tool still runs for it.
    goes_on = (s.pending | journal.answers()) & s.known
    comes_back = asked & set(s.owed) if asked else patient and min(coming, default=math.inf) <= s.asked_at
    if s.returning and not (goes_on or comes_back):
        complete_turn(scene)
    # Also what an earlier replay did not get to: its connection died, and it still waits.
    repeated = set(s.answered).intersection(coming)
    last = max(repeated, default=None)
    entries = chain(journal.written, journal.waiting) if repeated else ()
    s.demanded = any(entry.position == last and entry.lane == "reliable" for entry in entries)
    # Where the model may choose not to answer, a repeat cannot be told from an answer.
    s.withhold = len(repeated) if scene.policy.withhold_repeats and patient else 0
    s.repeats = len(repeated) - s.withhold
    _await_answer(scene)


def complete_turn(scene: Scene) -> None:
    """The cut turn does not come back: the application need not wait for its end."""
    s = scene.situation
    scene.order(do.CompleteTurn())
    s.returning = s.interrupted = s.stalled = False
    s.ended_at = s.now


def stop_expecting(scene: Scene, _event: object) -> None:
    """A cut turn did not come back, or not whole, or a repeat did not come, or not whole: stop waiting for it."""
    s = scene.situation
    # The server may still answer what was asked by a frame, and ends its turn when the next is asked: neither is about
    # the next question. (After speech there may be nothing to come, and what comes may be about more that was said.)
    s.demanded = any(position <= s.asked_at for position in s.owed) or (s.withhold > 0 and s.demanded)
    s.given_up = s.demanded
    s.withhold = int(s.given_up)
    if s.answering:
        if not s.interrupted:
            scene.order(do.Interrupt())
        _settle(scene)
        complete_turn(scene)
    elif s.returning:
        _give_up_turn(scene)
    _await_answer(scene)
    if s.state == "DRAINING":
        scene.arm("late_handle", scene.policy.late_handle)


def _give_up_turn(scene: Scene) -> None:
    """The cut turn did not come back: its question counts as answered, lest its answer come one too many."""
    s = scene.situation
    asked = tuple(position for position in s.owed if position <= s.asked_at)
    s.owed = s.owed[len(asked) :]
    _remember(scene, asked or _spoken(scene))
    complete_turn(scene)
