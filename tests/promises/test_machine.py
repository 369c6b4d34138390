"""P1–P23 along lives of any length: with the facts of the table, and with any facts at all."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.promises import suite
from tests.promises.step import Step, Witness

from relive.core import events as ev, situation
from relive.core.checkpoint import Checkpoint
from relive.core.closes import CAUSES, Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.policy import Policy
from relive.core.situation import restored, save
from relive.core.table import TABLE
from relive.testing.walk import Move, Place, moves

SETTINGS: Final = settings(
    max_examples=150, stateful_step_count=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
POLICIES: Final = (
    *(ground.policy for ground in suite.GROUNDS.values()),
    Policy(),
    Policy(probe=False, answer_timeout=None, retry_attempts=3, handle_strikes=1),
    Policy(rotate_after=20.0, rotate_patience=0.0, withhold_repeats=False),
    Policy(journal_limit=40, audio_age=1.0, replay_audio=0.5, handle_ttl=50.0, late_handle=0.0),
    Policy(stable_after=0.0, drain_margin=0.0, coverage_margin=0.0),
)
policies = st.sampled_from(POLICIES)
WITNESS: Final = Witness(list(suite.ALL))


class Session(RuleBasedStateMachine):
    """A session that is told of things, and the checks after each."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Lifecycle(POLICIES[0])
        self.now = 100.0
        self.wall = 1000.0

    @property
    def situation(self) -> situation.Situation:
        return self.life.scene.situation

    def saw(self, before: situation.Situation, event: ev.Event, orders: Any, waiting: int) -> None:
        """Ask the checks, of a copy that later steps do not change."""
        after = restored(save(self.situation))
        WITNESS(Step(before, event, orders, after, waiting, self.life))


class ByTheTable(Session):
    """What the table has rows for, as a walk would do it. The rules are made below, one for each fact."""

    @initialize(policy=policies, compressed=st.booleans())
    def begin(self, policy: Policy, compressed: bool) -> None:
        self.life = Lifecycle(policy, compressed=compressed)

    def possible(self, fact: str) -> list[Move]:
        return [move for move in moves(Place(self.life, self.now, self.wall)) if move.fact == fact]

    def make(self, move: Move) -> None:
        place = Place(self.life, self.now, self.wall)
        orders, waiting = place.make(move)
        self.now += move.after
        self.wall += move.after + move.wall
        self.saw(place.situation, move.event, orders, waiting)


def _rule(fact: str) -> Any:
    def happens(self: ByTheTable, data: st.DataObject) -> None:
        self.make(data.draw(st.sampled_from(self.possible(fact)), label=fact))

    happens.__name__ = "".join(letter if letter.isalnum() else "_" for letter in fact)
    return precondition(lambda self: bool(self.possible(fact)))(rule(data=st.data())(happens))


FACTS: Final = sorted({step.trigger for step in TABLE.steps()} - {"SafePointReached"})
RULED: Final = cast("type[ByTheTable]", type("RULED", (ByTheTable,), {fact: _rule(fact) for fact in FACTS}))

handles = st.sampled_from(("h1", "h2", "h3", "stored"))
names = st.frozensets(st.sampled_from("abc"), max_size=2)
seconds = st.sampled_from((0.0, 0.01, 0.5, 1.0, 3.0, 5.0, 12.0, 31.0, 400.0)) | st.floats(0.0, 60.0)
reasons = st.sampled_from(["", "Internal error encountered.", *(text for row in CAUSES for text in row.reasons)])
drops = st.builds(
    Dropped,
    code=st.sampled_from((None, 1000, 1006, 1007, 1008, 1011)),
    reason=reasons,
    phase=st.sampled_from(("opening", "resumed", "steady")),
    origin=st.sampled_from(("server", "network", "local")),
)
near = st.sampled_from((0, 0, 0, 0, 0, 0, -1, 1))


class AnyFacts(Session):
    """Whatever can be said, of whatever connection, whenever."""

    def __init__(self) -> None:
        super().__init__()
        self.jitter = 1.0

    def tell(self, event: ev.Event) -> None:
        before = restored(save(self.situation))
        orders = self.life.handle(event, self.now, self.wall, self.jitter)
        self.saw(before, event, orders, len(self.life.journal.waiting))

    def of(self, near: int) -> int:
        return self.situation.number + near

    @rule(delay=seconds, step=st.sampled_from((0.0, 0.0, 0.0, -5000.0, 5000.0)), jitter=st.floats(0.0, 1.0))
    def time_passes(self, delay: float, step: float, jitter: float) -> None:
        self.now += delay
        self.wall += delay + step
        self.jitter = jitter

    @initialize(policy=policies, compressed=st.booleans(), handle=st.none() | handles, stored=st.booleans())
    def begin_to_connect(self, policy: Policy, compressed: bool, handle: str | None, stored: bool) -> None:
        self.life = Lifecycle(policy, compressed=compressed)
        self.tell(ev.ConnectRequested(handle, stored))

    @rule(data=st.data())
    def deadline(self, data: st.DataObject) -> None:
        armed = dict(self.situation.deadlines)
        name = data.draw(st.sampled_from(sorted(armed or situation.SCOPES)))
        if name in armed and data.draw(st.booleans(), label="due"):
            self.time_passes(max(0.0, armed[name] - self.now), 0.0, self.jitter)
            self.now = max(self.now, armed[name])
        self.tell(ev.DeadlineReached(name))

    @rule(near=near)
    def dial(self, near: int) -> None:
        self.tell(ev.DialStarted(self.of(near)))

    @rule(near=near)
    def up(self, near: int) -> None:
        self.tell(ev.ConnectionOpened(self.of(near)))

    @rule(near=near)
    def closed(self, near: int) -> None:
        self.tell(ev.ConnectionClosed(self.of(near)))

    @rule(near=near, drop=drops, opening=st.booleans())
    def ends(self, near: int, drop: Dropped, opening: bool) -> None:
        self.tell((ev.OpenFailed if opening else ev.ConnectionDropped)(self.of(near), drop))

    @rule(near=near, handle=handles, index=st.none() | st.integers(0, 9))
    def handle(self, near: int, handle: str, index: int | None) -> None:
        self.tell(ev.CheckpointReceived(self.of(near), handle, index))

    @rule(near=near, time_left=seconds)
    def go_away(self, near: int, time_left: float) -> None:
        self.tell(ev.GoAwayReceived(self.of(near), time_left))

    @rule(near=near, kind=st.sampled_from((ev.OutputStarted, ev.AnswerGenerated, ev.TurnEnded, ev.Interrupted,
                                           ev.CheckpointWithheld, ev.JournalFlushed, ev.SafePointReached)))  # fmt: skip
    def says(self, near: int, kind: Any) -> None:
        self.tell(kind(self.of(near)))

    @rule(near=near, ids=names, kind=st.sampled_from((ev.ToolCalled, ev.ToolCallsCancelled)))
    def tools(self, near: int, ids: frozenset[str], kind: Any) -> None:
        self.tell(kind(self.of(near), ids))

    @rule(near=near, silent=seconds, trip=st.none() | st.floats(0.0, 2.0))
    def heard(self, near: int, silent: float, trip: float | None) -> None:
        self.tell(ev.Heard(self.of(near), silent, trip))

    @rule(near=near, silent=seconds)
    def heard_output(self, near: int, silent: float) -> None:
        self.tell(ev.OutputHeard(self.of(near), silent))

    @rule(event=st.sampled_from((
        ev.CheckpointLoaded(), ev.CheckpointLoaded(Checkpoint("stored", wall=1000.0)), ev.CheckpointNotLoaded(),
        ev.CheckpointLoaded(Checkpoint("stored", wall=1000.0), "other model"), ev.SeedAnswered(),
        ev.SeedAnswered(("{}", "{}")), ev.SeedRefused(),
    )))  # fmt: skip
    def is_answered(self, event: ev.Event) -> None:
        self.tell(event)

    @precondition(lambda self: self.now > 1000.0)
    @rule()
    def close(self) -> None:
        self.tell(ev.CloseRequested())

    @rule(opens=st.booleans(), asks=st.booleans())
    def input(self, opens: bool, asks: bool) -> None:
        position = self.life.journal.accept("text", "reliable", self.now)
        self.tell(ev.InputAccepted(position, opens, asks))

    @rule(ids=names)
    def answers(self, ids: frozenset[str]) -> None:
        responses = [{"id": name, "name": name} for name in sorted(ids)]
        frame = json.dumps({"tool_response": {"function_responses": responses}})
        position = self.life.journal.accept(frame, "reliable", self.now, ids)
        self.tell(ev.InputAccepted(position, answers=ids))

    @rule(video=st.booleans(), frames=st.integers(1, 5))
    def media(self, video: bool, frames: int) -> None:
        self.life.scene.video |= video
        for _ in range(frames):
            self.life.journal.accept(b"media", "video" if video else "audio", self.now)

    @rule(frames=st.integers(1, 9))
    def writes(self, frames: int) -> None:
        if self.situation.link == "up":
            for _ in range(frames):
                self.life.journal.write(self.now)


TestByTheTable = RULED.TestCase
TestByTheTable.settings = SETTINGS
TestAnyFacts = AnyFacts.TestCase
TestAnyFacts.settings = SETTINGS
