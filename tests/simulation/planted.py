"""Bugs to be found: each a one-line change of the core or the runtime, of the kind that systems like this one have.

`plant` puts one in for as long as it is entered. None may survive the default campaign.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
import pytest

from relive.core import backoff, effects as do, events as ev, guards
from relive.core.actions import ending, flowing, opening, turns
from relive.core.checkpoint import Checkpoint
from relive.core.compiled import Compiled
from relive.core.journal import Journal, Replay
from relive.core.lifecycle import Lifecycle
from relive.core.scene import Scene
from relive.core.table import TABLE
from relive.runtime.keeper import Keeper
from relive.testing.simulation import core_session, live
from relive.testing.simulation.recording import Recording

Patch = Callable[[pytest.MonkeyPatch], None]


@attrs.frozen
class Bug:
    """One bug."""

    name: str
    about: str
    promise: str
    "The promise that it breaks; a checker of another may be the first to see it."
    patch: Patch


BUGS: Final[list[Bug]] = []


def bug(promise: str) -> Callable[[Patch], Patch]:
    """Enter a bug: its name is that of the function, its docstring says what it does."""

    def enter(patch: Patch) -> Patch:
        BUGS.append(Bug(patch.__name__, (patch.__doc__ or "").strip(), promise, patch))
        return patch

    return enter


@contextlib.contextmanager
def planted(found: Bug) -> Iterator[None]:
    """Have the bug while this is entered."""
    with pytest.MonkeyPatch.context() as patch:
        found.patch(patch)
        yield


def _act(patch: pytest.MonkeyPatch, **functions: Callable[..., Any]) -> None:
    """Run a table with other actions and guards by these names."""
    actions = {name: functions.get(name, action) for name, action in TABLE.actions.items()}
    guards = {name: functions.get(name, guard) for name, guard in TABLE.guards.items()}
    machine = Compiled(attrs.evolve(TABLE, actions=actions, guards=guards))
    for module in (live, core_session):
        patch.setattr(module, "Recording", lambda scribe: Recording(scribe, machine))


@bug("P1")
def an_empty_update_wipes_the_handle(patch: pytest.MonkeyPatch) -> None:
    """An update that is not resumable erases the checkpoint that there is."""

    def mark_unresumable(scene: Scene, event: object) -> None:
        flowing.mark_unresumable(scene, event)
        scene.situation.checkpoint = None

    _act(patch, mark_unresumable=mark_unresumable)


@bug("P1")
def an_empty_handle_is_kept(patch: pytest.MonkeyPatch) -> None:
    """An update without a handle becomes the checkpoint, with an empty handle."""

    def mark_unresumable(scene: Scene, event: object) -> None:
        flowing.mark_unresumable(scene, event)
        scene.situation.checkpoint = Checkpoint("", scene.model, scene.backend)

    _act(patch, mark_unresumable=mark_unresumable)


@bug("P3")
def a_rejected_handle_is_retried(patch: pytest.MonkeyPatch) -> None:
    """A refusal of the handle is taken for any other."""
    _act(patch, handle_useless=lambda _scene, _event: False)


@bug("P3")
def a_condemned_handle_comes_back(patch: pytest.MonkeyPatch) -> None:
    """A handle that must not be used again is forgotten, and not remembered as such."""
    patch.setattr(ending, "quarantine", lambda _scene, _checkpoint, _reason: None)
    patch.setattr(opening, "quarantine", lambda _scene, _checkpoint, _reason: None)


@bug("P4")
def the_handle_before_is_saved(patch: pytest.MonkeyPatch) -> None:
    """What is saved is not the newest handle but the one before it."""
    save = Keeper.save

    def save_older(self: Any, checkpoint: Checkpoint) -> None:
        older, previous[id(self)] = previous.get(id(self), checkpoint), checkpoint
        save(self, older)

    previous: dict[int, Checkpoint] = {}
    patch.setattr(Keeper, "save", save_older)


@bug("P6")
def a_second_goodbye_postpones(patch: pytest.MonkeyPatch) -> None:
    """Of two GoAways the newer counts, not the earlier."""

    def arm_drain(scene: Scene, event: Any) -> None:
        scene.disarm("drain")
        flowing.arm_drain(scene, event)

    _act(patch, arm_drain=arm_drain)


@bug("P7")
def the_drain_timer_is_never_cancelled(patch: pytest.MonkeyPatch) -> None:
    """The drain's deadline outlives the draining."""
    init = Recording.__init__

    def with_ears(self: Any, *args: Any) -> None:
        init(self, *args)
        answers = self.answers
        self.answers = lambda state, trigger: trigger == "DeadlineReached(drain)" or answers(state, trigger)

    patch.setattr(Recording, "__init__", with_ears)


@bug("P7")
def safe_points_do_not_wait_for_the_handle(patch: pytest.MonkeyPatch) -> None:
    """A drain does not ask whether a handle covers the last turn, nor whether an answer is owed."""
    patch.setattr("relive.core.guards.at_safe_point", lambda scene: not scene.journal.waiting)


@bug("P9")
def facts_of_old_connections_count(patch: pytest.MonkeyPatch) -> None:
    """The number of a connection is not looked at (no fencing)."""
    fenced = Lifecycle._fenced

    def unfenced(self: Lifecycle, event: Any, now: float) -> bool:
        number = getattr(event, "connection", None)
        if number is not None and number != self.connection:
            event = attrs.evolve(event, connection=self.connection)
        return fenced(self, event, now)

    patch.setattr(Lifecycle, "_fenced", unfenced)


@bug("P10")
def a_black_hole_is_never_noticed(patch: pytest.MonkeyPatch) -> None:
    """A probe is sent, and its answer is not missed."""

    def probe(scene: Scene, _event: object) -> None:
        scene.order(do.Probe(scene.situation.number))
        scene.arm("probe", scene.policy.probe_after)

    _act(patch, probe=probe)


@bug("P11")
def the_budget_is_full_after_every_connect(patch: pytest.MonkeyPatch) -> None:
    """A connection that comes up counts as stable."""

    def reset(action: Callable[[Scene, object], None]) -> Callable[[Scene, object], None]:
        def with_reset(scene: Scene, event: object) -> None:
            action(scene, event)
            scene.situation.attempts = 0

        return with_reset

    _act(patch, come_up_fresh=reset(opening.come_up_fresh), come_up_resumed=reset(opening.come_up_resumed))


@bug("P11")
def fatal_causes_are_retried(patch: pytest.MonkeyPatch) -> None:
    """No cause is fatal."""
    _act(patch, fatal=lambda _scene, _event: False)


@bug("P13")
def the_first_replayed_frame_is_dropped(patch: pytest.MonkeyPatch) -> None:
    """A replay begins with the second frame."""
    rewind = Journal.rewind
    patch.setattr(Journal, "rewind", lambda self, replay: rewind(self, attrs.evolve(replay, again=replay.again[1:])))


@bug("P13")
def nothing_is_replayed(patch: pytest.MonkeyPatch) -> None:
    """What was written is taken for arrived."""
    rewind = Journal.rewind
    patch.setattr(Journal, "rewind", lambda self, replay: rewind(self, attrs.evolve(replay, again=())))


@bug("P14")
def indices_are_believed(patch: pytest.MonkeyPatch) -> None:
    """An index is trusted, whatever it says."""

    def trusted(scene: Scene, event: Any) -> int | None:
        if event.index is not None:
            scene.situation.consumed, scene.situation.consumed_on = event.index, scene.situation.number
        return event.index

    patch.setattr(flowing, "_trusted", trusted)


@bug("P15")
def a_handle_covers_all_that_was_written(patch: pytest.MonkeyPatch) -> None:
    """Every handle is taken to cover what was written before it came, with an index and without."""
    trim = Journal.trim
    patch.setattr(Journal, "trim", lambda self, _covered: trim(self, lambda _entry: True))


@bug("P16")
def stray_answers_are_sent(patch: pytest.MonkeyPatch) -> None:
    """Tool responses to calls that the session does not know are sent all the same."""
    patch.setattr(turns, "withdraw_answers", lambda _scene: None)


@bug("P17")
def repeats_are_delivered(patch: pytest.MonkeyPatch) -> None:
    """An answer that was heard is heard again after a replay."""
    resettle = turns.resettle

    def without_withholding(scene: Scene, again: tuple[int, ...]) -> None:
        resettle(scene, again)
        scene.situation.withhold = 0

    patch.setattr(turns, "resettle", without_withholding)


@bug("P17")
def a_cut_answer_is_not_announced(patch: pytest.MonkeyPatch) -> None:
    """The application is not told that the answer it was receiving was cut."""
    _silence(patch, "cut_turn", do.Interrupt)


@bug("P17")
def cancelled_calls_are_not_announced(patch: pytest.MonkeyPatch) -> None:
    """The application is not told which calls a loss has rolled back."""
    patch.setattr(turns, "cancel_calls", lambda _scene, _ids: None)


@bug("P19")
def a_loss_of_context_is_called_fresh(patch: pytest.MonkeyPatch) -> None:
    """A session that could not be restored comes up as if it were new."""
    verdict = opening._verdict

    def cheerful(scene: Scene, replay: Replay, kind: str, reason: str) -> do.Verdict:
        return verdict(scene, replay, "fresh" if kind == "not_restored" else kind, "")

    patch.setattr(opening, "_verdict", cheerful)


@bug("P19")
def the_application_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    """A loss of context goes on without the application's hook."""
    patch.setattr("relive.runtime.asking.Asking.ask", lambda self, *_: self._tell(ev.SeedAnswered()))


@bug("P3")
def the_first_strike_is_the_last(patch: pytest.MonkeyPatch) -> None:
    """A handle is condemned as soon as one resume from it has died young or stayed mute."""
    doubts = ("handle_dead", "limit", "handle_doubted")
    _act(patch, handle_useless=lambda scene, _event: scene.situation.judgement in doubts)


@bug("P7")
def speech_is_no_turn(patch: pytest.MonkeyPatch) -> None:
    """A drain ends in the middle of the user's speech."""
    _blind(patch, user_turn=False)


@bug("P7")
def no_handle_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    """A drain ends with the turn, although its handle would have come a moment later."""
    _blind(patch, resumable=True, turn_covered=True)


def _blind(patch: pytest.MonkeyPatch, **seen: Any) -> None:
    """Have this seen where it is asked for a safe point, whatever there is."""
    at_safe_point = guards.at_safe_point

    def blindly(scene: Scene) -> bool:
        there, scene.situation = scene.situation, attrs.evolve(scene.situation, **seen)
        try:
            return at_safe_point(scene)
        finally:
            scene.situation = there

    patch.setattr(guards, "at_safe_point", blindly)


@bug("P8")
def no_connection_is_too_old(patch: pytest.MonkeyPatch) -> None:
    """`rotate_after` does nothing."""
    patch.setattr(opening, "arm_rotation", lambda _scene: None)


@bug("P10")
def an_answer_has_all_the_time(patch: pytest.MonkeyPatch) -> None:
    """An answer that is owed is awaited for three times as long as the policy says."""
    _stretch(patch, "answer", 3.0)


@bug("P10")
def a_probe_has_no_time(patch: pytest.MonkeyPatch) -> None:
    """A probe is given up after a fifth of its time."""
    _stretch(patch, "silence", 0.2)


@bug("P19")
def the_application_has_no_time(patch: pytest.MonkeyPatch) -> None:
    """The application's hook is given up after a fifth of its time."""
    _stretch(patch, "seed", 0.2)


def _stretch(patch: pytest.MonkeyPatch, deadline: str, factor: float) -> None:
    arm = Scene.arm
    patch.setattr(
        Scene, "arm", lambda self, name, delay: arm(self, name, delay * (factor if name == deadline else 1.0))
    )


@bug("P11")
def all_waits_are_long(patch: pytest.MonkeyPatch) -> None:
    """The first wait may be as long as the last."""
    delay = backoff.delay
    patch.setattr(backoff, "delay", lambda _attempt, jitter, **how: delay(30, jitter, **how))


@bug("P13")
def a_gap_is_not_told(patch: pytest.MonkeyPatch) -> None:
    """The verdict does not say that frames could not be kept."""
    verdict = opening._verdict

    def cheerful(scene: Scene, replay: Replay, kind: str, reason: str) -> do.Verdict:
        said = verdict(scene, replay, kind, reason)
        return attrs.evolve(said, kind="resumed") if said.kind == "resumed_with_gap" else said

    patch.setattr(opening, "_verdict", cheerful)


@bug("P17")
def calls_are_cancelled_last(patch: pytest.MonkeyPatch) -> None:
    """On a loss the turn is interrupted first, and then its calls are cancelled."""
    cut_turn = turns.cut_turn

    def in_disorder(scene: Scene) -> None:
        cut_turn(scene)
        scene.orders.sort(key=lambda order: isinstance(order, do.CancelCalls))

    patch.setattr(turns, "cut_turn", in_disorder)


@bug("P17")
def a_cut_turn_does_not_end(patch: pytest.MonkeyPatch) -> None:
    """The application is not told that a turn which was cut is over."""
    _silence(patch, "complete_turn", do.CompleteTurn)


def _silence(patch: pytest.MonkeyPatch, action: str, kind: type[Any]) -> None:
    """Have this action order nothing of this kind."""
    act = getattr(turns, action)

    def quietly(scene: Scene) -> None:
        act(scene)
        scene.orders[:] = [order for order in scene.orders if not isinstance(order, kind)]

    patch.setattr(turns, action, quietly)


@bug("P19")
def the_application_is_not_told_why(patch: pytest.MonkeyPatch) -> None:
    """The application's hook is told that there was no handle, whatever the reason is."""
    ask_seed = ending.ask_seed

    def evasively(scene: Scene, event: object) -> None:
        ask_seed(scene, event)
        scene.orders[:] = [
            attrs.evolve(o, reason="no_handle") if isinstance(o, do.AskSeed) else o for o in scene.orders
        ]

    _act(patch, ask_seed=evasively)
