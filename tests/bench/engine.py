"""What one fact costs the machine: lifecycles with the stock engine, fed with what happens in an ordinary session."""

from __future__ import annotations

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator

from tests.bench.figures import Figure, median

from relive.core import events as ev
from relive.core.lifecycle import Lifecycle
from relive.core.schema import name_of

LIMIT = 15.0
_TURNS = 20
"Turns of one session, after each of which the server reports what it has consumed."
_FRAMES = 25
"Frames of audio in a turn, where a checkpoint is to cover some: half a second."

_EVERY_TURN = ("InputAccepted", "JournalFlushed", "OutputStarted", "ToolCalled", "Interrupted", "TurnEnded",
               "CheckpointWithheld", "CheckpointReceived", "Heard")  # fmt: skip


def _turn(journal_index: int, position: int, connection: int, number: int) -> Iterator[ev.Event]:
    """A turn as it comes, with a tool call in every fifth and an interruption in every seventh."""
    yield ev.InputAccepted(position, demands_answer=True)
    yield ev.JournalFlushed(connection)
    yield ev.OutputStarted(connection)
    if number % 5 == 0:
        ids = frozenset({f"call-{number}"})
        yield ev.ToolCalled(connection, ids)
        yield ev.InputAccepted(position, answers=ids)
        yield ev.OutputStarted(connection)
    if number % 7 == 0:
        yield ev.Interrupted(connection)
    yield ev.TurnEnded(connection)
    yield ev.CheckpointWithheld(connection)
    yield ev.CheckpointReceived(connection, f"handle-{number}", journal_index)
    yield ev.Heard(connection, 0.5)


def session(frames: int = 0) -> list[tuple[str, float]]:
    """One life, with two connections: what happened, and how many microseconds it took to be handled."""
    spent: list[tuple[str, float]] = []
    lifecycle = Lifecycle(model="models/bench", backend="bench")
    journal = lifecycle.journal
    now = 1000.0

    def tell(event: ev.Event) -> None:
        began = time.perf_counter_ns()
        lifecycle.handle(event, now, now, 0.5)
        spent.append((name_of(event), (time.perf_counter_ns() - began) / 1000))

    tell(ev.ConnectRequested())
    for connection in (1, 2):
        tell(ev.DialStarted(connection))
        tell(ev.ConnectionOpened(connection))
        for number in range(_TURNS):
            for _ in range(frames):
                journal.accept("audio", "audio", now)
                journal.write(now)
                now += 0.02
            position = journal.accept("text", "reliable", now)
            journal.write(now)
            for event in _turn(journal.index, position, connection, number):
                now += 0.1
                tell(event)
        if connection == 1:
            tell(ev.GoAwayReceived(connection, 10.0))
            assert lifecycle.state == "RESUMING", "an idle session drains at once"
            tell(ev.ConnectionClosed(connection))
    tell(ev.CloseRequested())
    assert lifecycle.state == "CLOSED"
    return spent


def engine(rounds: int) -> list[Figure]:
    """The mean over a session, and each kind of fact that comes with the turns."""
    means: list[float] = []
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    covering: list[float] = []
    count = len(session())
    gc.collect()
    for _ in range(rounds):
        spent = session()
        means.append(statistics.fmean(cost for _, cost in spent))
        for name, cost in spent:
            kinds[name].append(cost)
        covering += [cost for name, cost in session(_FRAMES) if name == "CheckpointReceived"]
    value, noise = median(means)
    usual = {name: median(kinds[name]) for name in _EVERY_TURN}
    rare = ", ".join(f"{name} {median(costs)[0]:.0f}" for name, costs in kinds.items() if name not in usual)
    covered, unrest = median(covering)
    each = (covered - usual["CheckpointReceived"][0]) / _FRAMES
    return [
        Figure("one lifecycle event, mean", value, noise, "µs", LIMIT, f"{count} events a session; once each: {rare}"),
        *(Figure(f"  {name}", *figure, "µs", LIMIT) for name, figure in usual.items()),
        Figure("  more, per frame that a checkpoint covers", each, unrest / _FRAMES, "µs"),
    ]
