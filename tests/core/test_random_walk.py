"""Any fact, at any time, in any order: what must hold whatever happens."""

from __future__ import annotations

import random

import pytest
from tests.core.stories import Story

from relive.core import effects as do, events as ev, situation
from relive.core.checkpoint import Checkpoint
from relive.core.closes import Dropped
from relive.core.policy import Policy
from relive.core.table import TABLE
from relive.errors import CommandError

ENDS = [
    Dropped(1006),
    Dropped(1011, "Internal error occurred."),
    Dropped(1011, "You exceeded your current quota"),
    Dropped(1008, "BidiGenerateContent session not found"),
    Dropped(1007, "Request contains an invalid argument."),
    Dropped(1007, "Invalid JSON payload"),
    Dropped(None, "refused", origin="network"),
]
POLICIES = [
    Policy(),
    Policy(probe=False, answer_timeout=None, retry_attempts=3, handle_strikes=1),
    Policy(rotate_after=20.0, rotate_patience=0.0, retry_time=30.0, withhold_repeats=False),
    Policy(journal_limit=40, audio_age=1.0, replay_audio=0.5, retry_total=12, handle_ttl=50.0, late_handle=0.0),
    Policy(stable_after=0.0, drain_margin=0.0, coverage_margin=0.0),
]


class Walk:
    """A story told by chance, with the checks after each fact."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.story = Story(self.chance.choice(POLICIES), compressed=self.chance.random() < 0.5)
        self.outstanding: set[str] = set()
        self.link = "none"
        self.condemned: set[str] = set()
        self.history: list[object] = []

    def fact(self) -> ev.Event:
        chance, story = self.chance, self.story
        number = story.number if chance.random() < 0.95 else chance.randint(-1, story.number + 1)
        ids = frozenset(chance.sample("abc", chance.randint(0, 2)))
        handle = chance.choice(["h1", "h2", f"h{story.now:g}"])
        frames = tuple("s" * chance.randint(0, 2))
        checkpoint = Checkpoint(handle, wall=story.wall - chance.choice([0, 40, 10_000]))
        deadlines = [name for name, _ in story.life.snapshot().deadlines] or [*situation.SCOPES]
        return chance.choice([
            ev.CheckpointReceived(number, handle, chance.choice([None, None, 0, 1, story.life.journal.index, 99])),
            ev.CheckpointReceived(number, handle),
            ev.CheckpointWithheld(number),
            ev.GoAwayReceived(number, chance.choice([0.0, 1.0, 50.0])),
            *(kind(number) for kind in (ev.OutputStarted, ev.TurnEnded) * 2),
            ev.OutputHeard(number, chance.choice([0.0, 2.0, 29.99, 40.0])),
            ev.AnswerGenerated(number),
            ev.Interrupted(number),
            ev.ToolCalled(number, ids),
            ev.ToolCallsCancelled(number, ids),
            *(kind(number) for kind in (ev.DialStarted, ev.ConnectionOpened, ev.ConnectionOpened, ev.ConnectionClosed)),
            ev.OpenFailed(number, chance.choice(ENDS)),
            ev.ConnectionDropped(number, chance.choice(ENDS)),
            ev.Heard(number, chance.choice([0.0, 2.0, 9.0]), chance.choice([None, 0.2])),
            ev.JournalFlushed(number),
            ev.SafePointReached(number),
            ev.SeedAnswered(frames),
            ev.SeedAnswered(frames),
            *((ev.SeedRefused(), ev.CloseRequested()) if chance.random() < 0.02 else ()),
            ev.CheckpointLoaded(checkpoint, chance.choice(["", "", "model"])),
            ev.CheckpointNotLoaded(),
            *(ev.DeadlineReached(chance.choice(deadlines)) for _ in range(3)),
            *([ev.ConnectRequested(chance.choice([None, "h0"]), chance.random() < 0.5)] * (2 * (story.number == 0))),
        ])  # fmt: skip

    def input(self) -> None:
        chance, story = self.chance, self.story
        kind = chance.choice(["ask", "open", "answer", "audio", "audio", "video"])
        if kind in ("audio", "video"):
            story.life.journal.accept(b"media", kind, story.now)
            story.life.scene.video |= kind == "video"
            story.told = []
        elif kind == "answer":
            story.answers(*chance.sample("abc", chance.randint(1, 2)), written=False)
        else:
            story.accepts("text", written=False, opens_turn=kind == "open", demands_answer=kind == "ask")

    def step(self) -> None:
        chance, story = self.chance, self.story
        story.after(chance.choice([0.0, 0.01, 0.5, 3.0, 12.0, 31.0]))
        story.wall += chance.choice([0.0] * 8 + [-5000.0, 5000.0])
        story.jitter = chance.random()
        before, was = story.state, story.life.snapshot()
        story.told = []
        event: object = None
        if chance.random() < 0.2:
            self.input()
        else:
            event = self.fact()
            self.history.append(event)
            try:
                story.tell(event)
            except CommandError:
                assert isinstance(event, ev.ConnectRequested), event
                assert story.life.snapshot() == was
        for _ in range(chance.randint(0, 3)):
            if story.life.snapshot().link == "up":
                story.life.journal.write(story.now)
        self.settle(event)
        self.check(before)

    def settle(self, event: object) -> None:
        """Which orders still wait for their fact."""
        number = self.story.number
        if isinstance(event, ev.ConnectionOpened | ev.OpenFailed) and event.connection == number:
            self.outstanding.discard("open")
        if isinstance(event, ev.ConnectionClosed) and event.connection == number:
            self.outstanding.discard("close")
        for order in self.story.orders:
            match order:
                case do.Open():
                    self.outstanding.add("open")
                case do.HangUp():
                    self.outstanding.add("close")
                case do.Abandon():
                    self.outstanding -= {"open", "close"}
                case _:
                    pass

    def check(self, before: str) -> None:
        story = self.story
        now = story.life.snapshot()
        final = ("CLOSED", "FAILED")
        if before in final:
            assert story.state == before
            assert not story.told
        for name, _ in now.deadlines:
            assert story.state in situation.SCOPES[name]
        for order in story.orders:
            if isinstance(order, do.Open):
                assert self.link not in ("up", "opening")  # P9: at most one connection
                assert order.handle not in self.condemned  # P3: never again
                assert not (order.handle and order.seeded)  # P19: never seed into a resumed session
                self.link = "opening"
            elif isinstance(order, do.Abandon | do.Shut):
                self.link = "none"
            elif isinstance(order, do.Quarantine):
                self.condemned.add(order.handle)
            if isinstance(order, do.Open | do.Abandon | do.HangUp | do.Write | do.Probe):
                assert order.number in (story.number, story.number - isinstance(order, do.Abandon))
        self.link = now.link
        if story.state not in (*final, "IDLE"):
            waits = now.deadlines or self.outstanding or now.link == "up"
            assert waits, f"{story.state} waits for nothing"
        answers = [type(order) for order in story.orders if isinstance(order, do.Interrupt | do.CancelCalls)]
        assert len(answers) == len(set(answers))
        turn = story.life.scene.situation
        assert not turn.flowing or (turn.answering and not turn.withhold)
        awaited = now.turn_open or (turn.withhold and not turn.given_up)
        if now.link == "up" and awaited and not (turn.generated or turn.pending):
            patient = story.life.scene.policy.answer_timeout is not None
            assert not patient or turn.at("answer") is not None  # P10: an answer that is owed, or begun, is awaited
        if story.life.journal.waiting:
            assert all(entry.position or now.verdict is None or now.verdict.kind in ("fresh", "not_restored")
                       for entry in story.life.journal.waiting if now.link == "up")  # fmt: skip


@pytest.mark.parametrize("block", range(40))
def test_whatever_happens_the_session_goes_on_or_ends(block: int) -> None:
    """P1 P3 P9 P10 P19: no fact breaks the machine, leads out of an end, or leaves it waiting for nothing."""
    for seed in range(block * 10, block * 10 + 10):
        walk = Walk(seed)
        for _ in range(200):
            walk.step()


def test_walks_by_chance_come_through_every_state() -> None:
    """What is never reached proves nothing."""
    seen = set[str]()
    for seed in range(60):
        walk = Walk(seed)
        for _ in range(200):
            walk.step()
            seen.add(walk.story.state)
    assert seen == set(TABLE.states)
