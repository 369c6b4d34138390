"""Campaigns: sessions by the thousand, drawn from a seed, on as many processes or machines as there are.

What comes out depends on the seed alone: results are put together in the order of the sessions, so that one process,
two processes and a cluster give the same tally and the same digest. Prints nothing; `relive simulate` does.

Any `concurrent.futures.Executor` will do, as long as its workers have this library: the default is processes on this
machine; with ``Client(…).get_executor(pure=False)`` of dask.distributed it is a cluster.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing
from time import perf_counter
from typing import Any, Final, Protocol, TypeAlias

import attrs

from relive.testing.simulation import checks
from relive.testing.simulation.bounds import frames_a_second
from relive.testing.simulation.history import header_line, violation_lines
from relive.testing.simulation.outcome import Level, Outcome, Violation
from relive.testing.simulation.plan import Plan, PlanError
from relive.testing.simulation.simulate import simulate
from relive.testing.simulation.surroundings import LoopIsRunning, quiet
from relive.testing.simulation.tally import Tally
from relive.testing.simulation.twice import Difference, different_session, explain
from relive.testing.simulation.workers import Here, patiently, processes

ENOUGH: Final = 1000
"Sessions of the default profile in which everything of `checks.MUST_HAPPEN` is expected at least once."
_CHUNK: Final = 0.3
"Wall seconds that a chunk should take: short, so that progress is seen, and long beside the cost of sending it."
_LONGEST: Final = 64
_AHEAD: Final = 3
"Chunks under way for each worker, so that none waits for the slowest."

Tell: TypeAlias = Callable[[Tally, float], None]
"Is told of everything so far, and of the wall seconds it took."


class Draw(Protocol):
    """Draws the plan of a session."""

    def __call__(self, seed: int, index: int, *, profile: str, rate: float) -> Plan:
        """Draw a plan: the same for the same arguments."""
        ...


class Play(Protocol):
    """Plays a plan, as `simulate` does."""

    def __call__(self, plan: Plan, level: Level, *, trace: bool) -> Outcome:
        """Play a plan. `trace` keeps the lines of its trace."""
        ...


def _draw(seed: int, index: int, *, profile: str, rate: float) -> Plan:
    from relive.testing.simulation.draw import draw

    return draw(seed, index, profile=profile, rate=rate)


@attrs.frozen
class Always:
    """Draws the same plan every time: plays one that exists."""

    plan: Plan

    def __call__(self, *_: object, **__: object) -> Plan:
        """Return it."""
        return self.plan


@attrs.frozen(kw_only=True)
class Campaign:
    """What to play. Can be sent to another process as long as `draw` and `play` can: functions of a module."""

    seed: int = 0
    sessions: int = attrs.field(default=1000, validator=attrs.validators.ge(1))
    first: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    "Index of the first session."
    level: Level = "runtime"
    profile: str = "default"
    "How rough it gets: a name in `draw.PROFILES`."
    rate: float = frames_a_second()
    "Frames of audio a second, each way."
    keep_going: bool = False
    "Whether to go on after a session that did not keep its promises."
    draw: Draw = _draw
    "Where plans come from; ours by default."
    play: Play = simulate
    "What plays them: an embedder's own simulation, if it is not ours."

    def plan(self, index: int) -> Plan:
        """The plan of a session.

        Raises:
            PlanError: there is no such profile.
        """
        return self.draw(self.seed, index, profile=self.profile, rate=self.rate)


@attrs.frozen(kw_only=True)
class Result:
    """What came of a campaign."""

    campaign: Campaign
    tally: Tally
    wall: float
    "Seconds it took."
    interrupted: bool = False
    "Somebody did not want to wait for the rest."
    twice: bool = False
    "Every session was played twice."
    difference: Difference | None = None
    "The first session that went differently the second time."

    @property
    def never_happened(self) -> tuple[str, ...]:
        """What must happen in a campaign worth its name, and did not. Only in long ones, as rough as usual."""
        campaign = self.campaign
        usual = campaign.profile == "default" and campaign.rate and campaign.level != "sockets"
        if not usual or self.tally.sessions < ENOUGH:
            return ()
        return tuple(sorted(what for what in checks.MUST_HAPPEN if not self.tally.seen[what]))

    @property
    def good(self) -> bool:
        """Whether every promise was kept, everything that must happen did, and nothing went differently again."""
        return not (self.tally.violated or self.never_happened or self.difference)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        campaign, difference = self.campaign, self.difference
        return {
            "seed": campaign.seed,
            "level": campaign.level,
            "profile": campaign.profile,
            "rate": campaign.rate,
            "good": self.good,
            "interrupted": self.interrupted,
            "wall_seconds": round(self.wall, 3),
            **self.tally.as_json(),
            "never_happened": list(self.never_happened),
            "sessions_violated": self.tally.violated,
            "violations": [
                {"index": failure.index, **attrs.asdict(violation)}
                for failure in self.tally.failures
                for violation in failure.violations
            ],
            "played_twice": self.twice,
            "difference": None if difference is None else attrs.asdict(difference),
        }


def attempt(plan: Plan, level: Level = "runtime", *, play: Play = simulate, trace: bool = False) -> Outcome:
    """Play a plan, in quiet. Whatever it raises becomes a violation: a session raises nothing but its caller's faults.

    Raises:
        LoopIsRunning: it was called inside an event loop.
        PlanError: the plan asks for what does not exist.
    """
    try:
        with patiently(), quiet():
            return play(plan, level, trace=trace)
    except (PlanError, LoopIsRunning):
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a campaign has to go on to its report
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        broken = Violation("error", what, 0.0)
        told = (header_line(plan), *violation_lines((broken,), plan)) if trace else ()
        return Outcome(plan, level, 0.0, (broken,), Counter(), Counter(), Counter(), 0, 0, 0, "", told)


def play_chunk(campaign: Campaign, indices: range, *, trace: bool = False) -> Tally:
    """Play some sessions, and add them up: the work of a worker. Stops after a violation unless told to keep going."""
    tally = Tally()
    began = perf_counter()
    for index in indices:
        outcome = attempt(campaign.plan(index), campaign.level, play=campaign.play, trace=trace)
        tally.add(index, outcome)
        if outcome.violations and not campaign.keep_going:
            break
    tally.spent = perf_counter() - began
    return tally


def run(
    campaign: Campaign,
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    again: Executor | None = None,
    progress: Tell | None = None,
    trace: Callable[[str], object] | None = None,
) -> Result:
    """Play a campaign. Ends early, with what there is, at the first violation, difference or `KeyboardInterrupt`.

    Args:
        campaign: what to play.
        jobs: how many work at once. One works here, more are processes of their own.
        executor: who plays, instead; `jobs` is how many workers it has. It is not shut down.
        again: who plays everything a second time, to see whether it goes differently: see `workers.strangers`.
        progress: is told from time to time.
        trace: is given each line of the traces, without its end, in the order of the sessions.

    Raises:
        LoopIsRunning: it was called inside an event loop, and plays here.
        PlanError: there is no such profile.
        ValueError: `jobs` is no number of workers.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}, and at least one has to work")
    campaign.plan(campaign.first)  # what is wrong with all of them is said at once, and here
    total, began, interrupted, difference = Tally(), perf_counter(), False, None
    try:
        with ExitStack() as stack:
            if executor is None:
                executor = stack.enter_context(Here() if jobs == 1 else processes(jobs))
            parts = stack.enter_context(closing(_parts(campaign, jobs, executor, again, traced=trace is not None)))
            for part, repeated in parts:
                if trace is not None:
                    for line in (line for lines in part.traces for line in lines):
                        trace(line)
                if repeated is not None and (place := different_session(part, repeated)) is not None:
                    index = campaign.first + total.sessions + place
                    difference = explain(
                        index, *(_trace(campaign, index, who) for who in (executor, again or executor))
                    )
                total.extend(part)
                if progress is not None:
                    progress(total, perf_counter() - began)
                if difference is not None or (total.violated and not campaign.keep_going):
                    break
    except KeyboardInterrupt:
        interrupted = True
    return Result(
        campaign=campaign,
        tally=total,
        wall=perf_counter() - began,
        interrupted=interrupted,
        twice=again is not None,
        difference=difference,
    )


def _parts(
    campaign: Campaign, jobs: int, executor: Executor, again: Executor | None, *, traced: bool
) -> Generator[tuple[Tally, Tally | None]]:
    """Have chunks played, and yield what came of them in their order. Not more than a few are ever under way."""
    pending: deque[tuple[Future[Tally], Future[Tally] | None]] = deque()
    ahead = 1 if isinstance(executor, Here) else _AHEAD * jobs
    at, end, size = campaign.first, campaign.first + campaign.sessions, 1
    try:
        while pending or at < end:
            while at < end and len(pending) < ahead:
                indices = range(at, min(at + size, end))
                repeated = again.submit(play_chunk, campaign, indices) if again is not None else None
                pending.append((executor.submit(play_chunk, campaign, indices, trace=traced), repeated))
                at = indices.stop
            first, second = pending[0]
            part = first.result()
            # The size makes no difference to what comes out, so it may depend on how long things take.
            size = max(1, min(_LONGEST, int(_CHUNK * part.sessions / max(part.spent, 1e-6))))
            yield part, second.result() if second is not None else None
            pending.popleft()
    finally:
        for futures in pending:
            for future in futures:
                if future is not None:
                    future.cancel()


def _trace(campaign: Campaign, index: int, executor: Executor) -> Tally:
    return executor.submit(play_chunk, campaign, range(index, index + 1), trace=True).result()
