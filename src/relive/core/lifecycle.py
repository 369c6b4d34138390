"""The life of one session: facts and a time go in, orders and the next deadline come out.

Nothing is performed here. `handle` works on the situation as a transaction: an exception leaves situation, journal and
orders as they were. Facts of any connection but the newest, and facts that cannot be true of it, are ignored (fencing).
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias, get_args

import attrs

from relive.core import effects as do, events as ev, guards, situation
from relive.core.closes import Dropped, Judgement, judge
from relive.core.journal import Journal, JournalMemory
from relive.core.machine import Runs, engine_for
from relive.core.policy import Policy
from relive.core.scene import Scene
from relive.core.schema import Table, deadline_name, name_of
from relive.core.table import TABLE
from relive.errors import CommandError

JUDGEMENTS: Final = get_args(Judgement)
_OPENING: Final = frozenset({ev.DialStarted, ev.ConnectionOpened, ev.OpenFailed})
_ENDING: Final = (ev.OpenFailed, ev.ConnectionDropped, ev.ConnectionClosed, ev.DeadlineReached)
_HEARD: Final = frozenset({
    ev.CheckpointReceived, ev.CheckpointWithheld, ev.GoAwayReceived, ev.OutputStarted, ev.OutputHeard,
    ev.AnswerGenerated, ev.TurnEnded, ev.Interrupted, ev.ToolCalled, ev.ToolCallsCancelled, ev.Heard,
    ev.JournalFlushed,
})  # fmt: skip


@attrs.frozen
class Snapshot:
    """A lifecycle at one moment, for people and for tests. Names no handle."""

    state: str
    connection: int
    link: str
    resumable: bool
    deadlines: tuple[tuple[str, float], ...]
    waiting: int
    written: int
    pending: frozenset[str]
    turn_open: bool
    verdict: do.Verdict | None


Memory: TypeAlias = tuple[tuple[object, ...], JournalMemory]
"A lifecycle's memory of one moment: opaque."


class Lifecycle:
    """Runs the table for one session.

    Args:
        policy: the numbers.
        model: what handles are bound to.
        backend: the same, where they are valid.
        compressed: whether the session's context is compressed, so that its length has no limit.
        table: another table than ours, made with `Table.extend`.
        engine: what runs the table; by default the one on `transitions`, shared by all sessions.
    """

    __slots__ = ("_engine", "scene")

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        model: str = "",
        backend: str = "",
        compressed: bool = True,
        table: Table[Any, Any, Any] = TABLE,
        engine: Runs | None = None,
    ) -> None:
        policy = policy or Policy()
        self._engine = engine if engine is not None else engine_for(table)
        table = self._engine.table
        self.scene = Scene(
            situation.Situation(state=table.initial),
            Journal(limit=policy.journal_limit, audio_age=policy.audio_age),
            policy,
            model,
            backend,
            compressed,
        )

    def __repr__(self) -> str:
        s = self.scene.situation
        return f"<Lifecycle: {s.state}, connection {s.number} {s.link}, {self.journal!r}>"

    def __format__(self, form: str) -> str:
        return format(self.table, form) if form else str(self)

    @property
    def state(self) -> str:
        """The state of the session."""
        return self.scene.situation.state

    @property
    def journal(self) -> Journal:
        """The session's journal. The runtime accepts and writes frames on it directly: media are no facts."""
        return self.scene.journal

    @property
    def final(self) -> bool:
        """Whether the session has ended."""
        return self.state in self._engine.table.final

    @property
    def connection(self) -> int:
        """Number of the newest connection."""
        return self.scene.situation.number

    @property
    def verdict(self) -> do.Verdict | None:
        """How the newest connection came up."""
        return self.scene.situation.verdict

    @property
    def table(self) -> Table[Any, Any, Any]:
        """The table that runs."""
        return self._engine.table

    @property
    def answering(self) -> bool:
        """Whether further output would tell the machine nothing new."""
        return self.scene.situation.flowing

    @property
    def withholding(self) -> bool:
        """Whether output is the repeated answer of a turn that the application has already had."""
        return self.scene.situation.withhold > 0

    @property
    def deadline(self) -> tuple[float, str] | None:
        """The earliest deadline: when, in monotonic seconds, and its name. None if nothing is awaited."""
        first: tuple[float, str] | None = None
        for name, when in self.scene.situation.deadlines:
            if first is None or (when, name) < first:
                first = when, name
        return first

    def snapshot(self) -> Snapshot:
        """What there is to see from outside."""
        s, journal = self.scene.situation, self.journal
        return Snapshot(
            s.state, s.number, s.link, s.resumable, s.deadlines, len(journal.waiting), len(journal.written),
            s.pending, s.turn_open, s.verdict,
        )  # fmt: skip

    def remember(self) -> Memory:
        """All that it knows now, for `recall`."""
        return situation.save(self.scene.situation), self.journal.remember()

    def recall(self, memory: Memory) -> None:
        """Be again as it was then; as often as one likes."""
        saved, journal = memory
        self.scene.situation = situation.restored(saved)
        self.journal.recall(journal)

    def handle(self, event: ev.Event, now: float, wall: float, jitter: float = 1.0) -> tuple[do.Effect, ...]:
        """Take in a fact; returns what is to be done, in order.

        Args:
            event: what happened.
            now: monotonic seconds.
            wall: wall-clock seconds; only for the age of handles.
            jitter: a random number from 0 to 1, should a wait have to be chosen.

        Raises:
            CommandError: the application asked for what its session cannot do in this state.
        """
        scene = self.scene
        s = scene.situation
        if self._fenced(event, now):
            return ()
        if isinstance(event, ev.ConnectRequested) and s.at("load") is not None:
            raise CommandError(name_of(event), s.state)  # it was requested already; the store is being asked
        saved = situation.save(s)
        try:
            s.now, s.wall, s.jitter = now, wall, jitter
            self._judge(event)
            self._step(event)
            if s.state == "DRAINING" and guards.at_safe_point(scene):
                self._step(ev.SafePointReached(s.number))
            for change in scene.staged:
                change()
            return tuple(scene.orders)
        except BaseException:
            situation.restore(s, saved)
            raise
        finally:
            scene.orders.clear()
            scene.staged.clear()

    def _fenced(self, event: ev.Event, now: float) -> bool:
        s = self.scene.situation
        if isinstance(event, ev.DeadlineReached):
            when = s.at(event.name)
            return when is None or now < when
        number = getattr(event, "connection", None)
        if number is None:
            return False
        if number != s.number or isinstance(event, ev.SafePointReached):
            return True
        kind = type(event)
        if kind in _HEARD:
            return s.link not in ("up", "closing")
        if kind in _OPENING:
            return s.link != "opening"
        return s.link != ("up" if isinstance(event, ev.ConnectionDropped) else "closing")

    def _judge(self, event: ev.Event) -> None:
        """Decide what an end means before the guards look at it."""
        if not isinstance(event, _ENDING):
            return
        scene = self.scene
        s, compressed = scene.situation, scene.compressed
        match event:
            case ev.OpenFailed(drop=drop):
                judgement = judge(drop, resuming=s.state == "RESUMING", compressed=compressed)
            case ev.ConnectionDropped(drop=drop):
                early = s.from_handle and not scene.stable() and not guards.suspected(scene, drop)
                drop = attrs.evolve(drop, phase="resumed" if early else "steady")
                young = s.now - s.fresh_at < scene.policy.session_limit_video
                judgement = judge(drop, resuming=early, compressed=compressed, young=young)
            case ev.DeadlineReached("opening"):
                drop = Dropped(reason="no answer to the setup in time", phase="opening", origin="network")
                judgement = "retry"
            case ev.DeadlineReached("silence"):
                drop, judgement = Dropped(reason="no sign of life", origin="network"), "retry"
            case ev.DeadlineReached("answer") if not guards.nothing_owed(scene, event):
                drop = Dropped(reason="the answer did not go on" if s.answering else "no answer")
                judgement = "handle_doubted" if guards.mute(scene) else "retry"
            case ev.DeadlineReached("answer") | ev.ConnectionClosed() | ev.DeadlineReached("drain"):
                s.drop, s.judgement = None, "retry"
                return
            case _:
                return
        s.drop, s.judgement = drop, self._classify(drop, judgement)

    def _classify(self, drop: Dropped, judgement: Judgement) -> Judgement:
        override = self.scene.policy.classify
        if override is None:
            return judgement
        try:
            said = override(drop, judgement)
        except Exception:  # noqa: BLE001 - the user's function must not end the session
            said = judgement
        return said if said in JUDGEMENTS else judgement

    def _step(self, event: ev.Event) -> None:
        scene = self.scene
        s = scene.situation
        source = s.state
        if isinstance(event, ev.DeadlineReached):
            scene.disarm(event.name)
        trigger = name_of(event)
        self._engine.step(scene, trigger, event)
        if s.state != source:
            # A deadline that the new state has no row for has no meaning there.
            if s.deadlines:
                answers, state = self._engine.answers, s.state
                s.deadlines = tuple([pair for pair in s.deadlines if answers(state, deadline_name(pair[0]))])
            step = do.Transition(source, s.state, trigger, s.now, s.number, s.verdict)
            scene.order(do.Report(step))
