"""Hypothesis strategies: plans and their parts, within Hypothesis' budget, shrinking towards the plainest.

The plainest plan is `Plan()`: no steps, and the default everywhere. What a property needs of a plan it narrows with
arguments: ``plans(of=LINK + SERVER)`` for an application, ``plans(talk=just(…))`` for a conversation of its own.
`hold` plays a plan and raises what a failing property should print.

A plan takes longer than Hypothesis expects of an example, and explaining a failure by tracing every line of it takes
ten times as long: `patient` is a `settings` without a deadline and without that.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any, Final, TypeVar, cast

from relive.extras import extra
from relive.testing.server_model import EchoModel
from relive.testing.server_script import IndexAnomaly, Limits, ServerScript, Updates
from relive.testing.simulation import draw as tables, faults as f
from relive.testing.simulation.hold import hold
from relive.testing.simulation.plan import (
    AudioSchedule,
    Client,
    Conversation,
    Plan,
    PlanError,
    Service,
    Step,
    Turn,
    TurnKind,
)

with extra("testing", __name__):
    from hypothesis import Phase, settings, strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = [
    "LINK", "NOISE", "PROCESS", "SERVER", "audio_schedules", "clients", "conversations", "fault_plans", "faults",
    "hold", "patient", "plans", "server_scripts", "services", "turns",
]  # fmt: skip

T = TypeVar("T")

LINK: Final = (
    "ResetPeer", "Hold", "Latency", "HalfOpen", "Timeout", "RefuseDial", "HangDial", "Flap", "Bandwidth", "Slicer",
    "LimitData", "Truncate", "SlowClose",
)  # fmt: skip
"Names of the faults on the way to the server; the plainest first, as in the others."
SERVER: Final = (
    "Close", "GoAway", "Silence", "CloseAfterSetup", "CloseInSetup", "HangSetup", "SlowSetup", "MuteAfterSetup",
    "WithholdHandles", "LateHandles", "ExpireHandles", "RejectHandles", "PoisonHandles", "RestartServer",
)  # fmt: skip
"What a server may do to a connection or to its handles."
NOISE: Final = ("Duplicate", "Unsolicited", "Garbage", "WrongIndices")
"What a server may say although it should not: an application hears it."
PROCESS: Final = (
    "Crash", "StepWall", "SlowStore", "FailingStore", "SlowHook", "StopReading", "Clog", "Burst", "Stray",
)  # fmt: skip
"What happens where the client runs."
ALL: Final = (*SERVER, *LINK, *NOISE, *PROCESS)
assert set(ALL) == set(tables.DRAWN)

patient: Final = settings(
    deadline=None, phases=[phase for phase in Phase if phase is not Phase.explain], report_multiple_bugs=False
)
"Settings for properties of plans: ``@patient``, or ``@settings(patient, max_examples=30)``."
_STATES: Final = ("", "ACTIVE", "DRAINING", "RESUMING", "WAITING", "HANDLE_EXPIRED", "CONNECTING")
# Chosen at once: Hypothesis removes an item of a list in one go only if it is made of few choices.
_WHEN: Final = tuple((state, times) for state in _STATES for times in (1, 2, 3, 8))


class _Chance(random.Random):
    """Has Hypothesis choose where `relive.testing.simulation.draw` leaves it to chance."""

    def __init__(self, draw: DrawFn) -> None:
        super().__init__(0)
        self._draw = draw

    def choice(self, seq: Any) -> Any:
        return self._draw(st.sampled_from(cast("Sequence[Any]", seq)))

    def randint(self, a: int, b: int) -> int:
        return self._draw(st.integers(a, b))


def _of(plainest: T, *others: T) -> SearchStrategy[T]:
    """One of these; the first is what it shrinks to."""
    return st.sampled_from((plainest, *others))


def faults(of: Iterable[str] = ALL) -> SearchStrategy[f.Fault]:
    """A fault: with its defaults, or with values from the tables of our own campaigns, where these have any.

    Args:
        of: names to choose from, in `faults.FAULTS`; it shrinks towards the first.

    Raises:
        PlanError: there is no fault of such a name.
    """
    return _faults(_known(of))


@st.composite
def _faults(draw: DrawFn, names: tuple[str, ...]) -> f.Fault:
    name = draw(st.sampled_from(names))
    from_tables = name in tables.DRAWN and draw(st.booleans())
    return tables.fault(_Chance(draw), name) if from_tables else f.FAULTS[name]()


def _known(of: Iterable[str]) -> tuple[str, ...]:
    names = tuple(of)
    for name in names:
        if name not in f.FAULTS:
            raise PlanError("of", f"there is no fault {name!r}; there are {', '.join(f.FAULTS)}")
    return names


@st.composite
def _steps(draw: DrawFn, names: tuple[str, ...], last: int) -> Step:
    fault = draw(_faults(names))
    state, times = draw(st.sampled_from(_WHEN))
    return Step(
        fault=fault,
        at=float(draw(st.integers(0, last))),
        state=state,
        delay=draw(_of(0.0, 0.1, 1.0, 5.0)) if state else 0.0,
        times=times,
        every=draw(_of(10.0, 0.2, 2.0, 15.0, 40.0)) if times > 1 else 10.0,
    )


def fault_plans(of: Iterable[str] = ALL, *, most: int = 6, until: float = 540.0) -> SearchStrategy[tuple[Step, ...]]:
    """The steps of a plan, in the order of their times.

    Args:
        of: names of faults to choose from.
        most: steps at most. One may carry a repeat count.
        until: seconds in which they begin, the chaos of a plan.

    Raises:
        PlanError: there are none, or there is no fault of such a name.
    """
    names = _known(of)
    if not names or not most:
        return st.just(())
    if not until > 0.0:
        raise PlanError("until", f"{until:g} s have no room for faults: `seconds` must be more than `calm`")
    steps = st.lists(_steps(names, ceil(until) - 1), max_size=most)
    return steps.map(lambda found: tuple(sorted(found, key=lambda step: step.at)))


@st.composite
def audio_schedules(draw: DrawFn, rates: Sequence[float] = (1.0, 0.0, 2.0, 5.0)) -> AudioSchedule:
    """When the microphone sends. `rates` are frames a second; 50 is what a real one does, and costs as much."""
    rate, pauses = draw(st.sampled_from(rates)), draw(st.booleans())
    return (
        AudioSchedule(rate=rate, open=draw(_of(20.0, 45.0)), shut=draw(_of(5.0, 30.0)))
        if pauses
        else AudioSchedule(rate=rate)
    )


@st.composite
def turns(draw: DrawFn) -> Turn:
    """What the user does in one turn."""
    kinds: SearchStrategy[TurnKind] = _of("typed", "spoken", "marked", "text")
    kind = draw(kinds)
    tools = draw(_of(0, 1, 2)) if kind == "typed" else 0
    return Turn(
        kind=kind,
        answer=draw(_of(16.0, 4.0, 12.0, 25.0)),
        tools=tools,
        tool_time=draw(_of(1.0, 0.5, 8.0)) if tools else 1.0,
        pause=draw(_of(3.0, 0.5, 6.0)),
        barge_in=draw(_of(None, 3.0)),
        video=draw(_of(0, 1)),
    )


def conversations(audio: SearchStrategy[AudioSchedule] | None = None) -> SearchStrategy[Conversation]:
    """Who says what when."""
    some = st.lists(turns(), min_size=1, max_size=5).map(tuple)
    return st.builds(
        Conversation,
        audio=audio if audio is not None else audio_schedules(),
        turns=st.just(Conversation().turns) | some,
        begin=_of(0.5, 3.0),
    )


def services() -> SearchStrategy[Service]:
    """What the service is like when nothing goes wrong: connections that end after minutes, with notice or without."""
    usual = Service()
    return st.builds(
        Service,
        backend=_of(usual.backend, "developer"),
        connection=_of(usual.connection, None, 80.0, 120.0),
        lead=_of(usual.lead, None, 0.0, 2.0, 10.0),
        setup=_of(usual.setup, 0.0, 0.3),
        latency=_of(usual.latency, 0.04),
        thinking=_of(usual.thinking, 0.0, 1.0, 35.0),
        late=_of(usual.late, 0.0, 1.5),
        every=_of(usual.every, 5.0),
        while_busy=_of(usual.while_busy, "empty", "not_resumable", "handle"),
    )


def clients() -> SearchStrategy[Client]:
    """What relive is told, in a simulation of our own."""
    return st.builds(
        Client,
        compressed=_of(True, False),
        store=_of(True, False),
        eager=_of(False, True),
        hook=_of("none", "seed", "raise"),
        policy=st.fixed_dictionaries({}, optional={"rotate_after": _of(100.0, 45.0), "handle_strikes": _of(3, 1)}),
    )


def server_scripts() -> SearchStrategy[ServerScript]:
    """How a `FakeLiveServer` behaves, for tests that play no plan. Shrinks towards a well-behaved one."""
    anomalies: SearchStrategy[IndexAnomaly] = _of("none", "missing", "repeated", "backwards", "too_high")
    updates = st.builds(
        Updates,
        late=_of(0.0, 0.1, 1.5),
        first_after=_of(None, 1.0),
        every_seconds=_of(None, 5.0),
        while_busy=_of("silent", "empty", "not_resumable", "handle"),
        index=anomalies,
    )
    return st.builds(
        ServerScript,
        model=st.builds(EchoModel, chunks=_of(3, 1, 5), interval=_of(0.04, 0.0, 1.0), thinking=_of(0.0, 0.5)),
        setup_delay=_of(0.0, 0.05, 2.0),
        binary=_of(True, False),
        pretty=_of(False, True),
        updates=updates,
        limits=st.builds(Limits, connection=_of(None, 600.0, 60.0), lead=_of(60.0, 10.0, 0.0, None)),
        consume_lag=_of(0.0, 0.05),
        interaction_status=_of(False, True),
        usage=_of(True, False),
        withhold_handles=_of(False, True),
        after_go_away=_of("close", "silence", "never"),
        time_left=_of("duration", "bare", "missing"),
    )


def plans(
    of: Iterable[str] = ALL,
    *,
    most: int = 6,
    seconds: float = 600.0,
    calm: float = 60.0,
    talk: SearchStrategy[Conversation] | None = None,
    service: SearchStrategy[Service] | None = None,
    client: SearchStrategy[Client] | None = None,
) -> SearchStrategy[Plan]:
    """A whole plan.

    Args:
        of: names of the faults that may come.
        most: steps at most.
        seconds: how long the conversation is; `calm` of them, the last, are without faults.
        calm: likewise.
        talk: who says what; by default anything.
        service: what the service is like; by default anything.
        client: what relive is told; by default anything.

    Raises:
        PlanError: all of it is calm, so that there is no time for faults; or there is no fault of such a name.
    """
    return st.builds(
        Plan,
        steps=fault_plans(of, most=most, until=max(0.0, seconds - calm)),
        talk=talk if talk is not None else conversations(),
        service=service if service is not None else services(),
        client=client if client is not None else clients(),
        seed=st.integers(0, 2**32 - 1),
        seconds=st.just(seconds),
        calm=st.just(calm),
    )
