"""Tells stories to a `Lifecycle`: what happened, in verbs; what was ordered, as values. No clock, no network."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from relive.core import effects as do, events as ev
from relive.core.checkpoint import Checkpoint, digest
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.policy import Policy

Order = TypeVar("Order")
CALM = Policy(probe=False)
"Silent connections are not probed: stories are about something else."


class Story:
    """One session, and what it was told so far. Verbs return the story; `orders` are those of the last verb."""

    def __init__(self, policy: Policy = CALM, **given: Any) -> None:
        self.life = Lifecycle(policy, model="model", backend="backend", **given)
        self.now = 1000.0
        self.wall = 1_000_000.0
        self.told: list[do.Effect] = []
        self.jitter = 1.0

    @property
    def state(self) -> str:
        return self.life.state

    @property
    def number(self) -> int:
        return self.life.connection

    @property
    def orders(self) -> tuple[do.Effect, ...]:
        """What the last fact led to, without reports."""
        return tuple(order for order in self.told if not isinstance(order, do.Report))

    @property
    def path(self) -> list[str]:
        """The states gone through by the last fact."""
        return [order.transition.dest for order in self.told if isinstance(order, do.Report)]

    @property
    def deadlines(self) -> dict[str, float]:
        """Seconds left until each deadline."""
        return {name: round(when - self.now, 6) for name, when in self.life.snapshot().deadlines}

    def did(self, kind: type[Order]) -> list[Order]:
        """The orders of one kind that the last fact led to."""
        return [order for order in self.told if isinstance(order, kind)]

    def tell(self, event: ev.Event) -> Story:
        self.told = list(self.life.handle(event, self.now, self.wall, self.jitter))
        return self

    def after(self, seconds: float) -> Story:
        self.now += seconds
        self.wall += seconds
        return self

    def reaches(self, name: str) -> Story:
        """Wait for this deadline."""
        self.after(max(0.0, dict(self.life.snapshot().deadlines)[name] - self.now))
        return self.tell(ev.DeadlineReached(name))

    # What the application does.

    def opens(self, handle: str | None = None, *, stored: bool = False) -> Story:
        return self.tell(ev.ConnectRequested(handle, stored))

    def closes(self) -> Story:
        return self.tell(ev.CloseRequested())

    def accepts(self, frame: str = "context", *, written: bool = True, **means: Any) -> int:
        """A frame of the application's; returns its position."""
        position = self.life.journal.accept(frame, "reliable", self.now, means.get("answers", frozenset()))
        self.tell(ev.InputAccepted(position, **means))
        if written:
            self.writes()
        return position

    def asks(self, text: str = "question", *, written: bool = True) -> Story:
        self.accepts(text, written=written, demands_answer=True)
        return self

    def answers(self, *ids: str, written: bool = True) -> Story:
        responses = [{"id": identity, "name": identity} for identity in ids]
        frame = json.dumps({"tool_response": {"function_responses": responses}})
        self.accepts(frame, written=written, answers=frozenset(ids))
        return self

    def speaks(self, seconds: float = 1.0, step: float = 0.1) -> Story:
        """Audio, which is no fact."""
        for _ in range(round(seconds / step)):
            self.after(step)
            self.life.journal.accept("audio", "audio", self.now)
            self.writes()
        return self

    def seeds(self, *frames: str) -> Story:
        return self.tell(ev.SeedAnswered(frames))

    # What the network and the server do.

    def writes(self) -> list[str | bytes]:
        """Everything that may be written goes out, if a connection is up."""
        out: list[str | bytes] = []
        while self.life.snapshot().link == "up" and (entry := self.life.journal.write(self.now)) is not None:
            out.append(entry.frame)
        return out

    def dials(self) -> Story:
        return self.tell(ev.DialStarted(self.number))

    def comes_up(self, *, written: bool = True) -> Story:
        self.dials()
        self.tell(ev.ConnectionOpened(self.number))
        if written:
            self.writes()
        return self

    def fails(self, code: int | None = 1011, reason: str = "Internal error encountered.", **more: Any) -> Story:
        return self.tell(ev.OpenFailed(self.number, Dropped(code, reason, "opening", **more)))

    def drops(self, code: int | None = 1006, reason: str = "", **more: Any) -> Story:
        return self.tell(ev.ConnectionDropped(self.number, Dropped(code, reason, **more)))

    def is_closed(self) -> Story:
        return self.tell(ev.ConnectionClosed(self.number))

    def handle(self, handle: str, index: int | None = None) -> Story:
        return self.tell(ev.CheckpointReceived(self.number, handle, index))

    def withholds(self) -> Story:
        return self.tell(ev.CheckpointWithheld(self.number))

    def outputs(self) -> Story:
        return self.tell(ev.OutputStarted(self.number))

    def goes_on(self, silent_for: float = 0.0) -> Story:
        return self.tell(ev.OutputHeard(self.number, silent_for))

    def generates(self) -> Story:
        return self.tell(ev.AnswerGenerated(self.number))

    def ends_turn(self) -> Story:
        return self.tell(ev.TurnEnded(self.number))

    def interrupts(self) -> Story:
        return self.tell(ev.Interrupted(self.number))

    def calls(self, *ids: str) -> Story:
        return self.tell(ev.ToolCalled(self.number, frozenset(ids)))

    def cancels(self, *ids: str) -> Story:
        return self.tell(ev.ToolCallsCancelled(self.number, frozenset(ids)))

    def goes_away(self, time_left: float = 50.0) -> Story:
        return self.tell(ev.GoAwayReceived(self.number, time_left))

    def loads(self, checkpoint: Checkpoint | None = None, mismatch: str = "", dead: tuple[str, ...] = ()) -> Story:
        return self.tell(ev.CheckpointLoaded(checkpoint, mismatch, frozenset(map(digest, dead))))


def session(policy: Policy = CALM, **given: Any) -> Story:
    """A session that nobody has opened yet."""
    return Story(policy, **given)


def active(policy: Policy = CALM, **given: Any) -> Story:
    """A fresh session, stable, that the server has given no handle yet."""
    return session(policy, **given).opens().comes_up().after(60.0)


def resumable(policy: Policy = CALM, **given: Any) -> Story:
    """A stable session with a conversation of one turn, all of it covered by the handle ``h1``."""
    story = active(policy, **given).asks("first").outputs().ends_turn().after(1.0).handle("h1").after(5.0)
    assert not story.life.journal.written
    return story


def resumed(policy: Policy = CALM, **given: Any) -> Story:
    """The same, on its second connection: just up."""
    return resumable(policy, **given).drops().comes_up()
