"""`relive simulate`: break sessions on purpose, by the thousand, and hold them to what is promised."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer
from rich.console import Console
from rich.text import Text

from relive.cli.campaign_screen import CampaignScreen, show_result
from relive.cli.interrupts import interruptible
from relive.cli.streams import standard_input
from relive.testing.simulation.campaign import Always, Campaign, Result, attempt, run
from relive.testing.simulation.draw import PROFILES
from relive.testing.simulation.explain import example_line, explain, only_line, replay_line
from relive.testing.simulation.outcome import Outcome
from relive.testing.simulation.plan import AudioSchedule, Plan, PlanError
from relive.testing.simulation.shrink import TRIES, Shrunk, shrink, still
from relive.testing.simulation.tally import Failure
from relive.testing.simulation.workers import strangers

_FEW: Final = 50
"Sessions that are not worth a second process, unless it is asked for."
_STREAM: Final = "-"


class At(StrEnum):
    """Where sessions are played."""

    CORE = "core"
    RUNTIME = "runtime"
    SESSION = "session"
    SOCKETS = "sockets"


def simulate(
    context: typer.Context,
    *,
    sessions: Annotated[int, typer.Option(min=1, help="How many to play.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of all chance; the same again.")] = 0,
    level: Annotated[
        At,
        typer.Option(
            help="The pure core; the runtime, or the SDK's session above it, on virtual time; the SDK over real TLS."
        ),
    ] = At.RUNTIME,
    profile: Annotated[str, typer.Option("--faults", help=f"How rough it gets: {', '.join(PROFILES)}.")] = "default",
    rate: Annotated[
        float, typer.Option(help="Frames of audio a second each way; 50 is what a microphone sends.")
    ] = 1.0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="How many processes play. Makes no other difference.", show_default="all cores"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON, and nothing else.")] = False,
    trace: Annotated[
        Path | None, typer.Option(help="Write what happened at the end of this file, a line of JSON for each thing.")
    ] = None,
    check_determinism: Annotated[
        bool,
        typer.Option("--check-determinism", help="Play each session once more, in a process with another hash seed."),
    ] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Do not stop at the first violation.")] = False,
    only: Annotated[
        int | None, typer.Option(min=0, metavar="INDEX", help="Play this session of the seed alone.")
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Play the plan in this file (JSON); - reads it from the standard input."),
    ] = None,
    shrink_it: Annotated[
        bool, typer.Option("--shrink/--no-shrink", help="Make the plan of the first violation small.")
    ] = True,
) -> None:
    """Play conversations through all that can go wrong, at thousands of times real speed, and check the promises.

    A session is at least ten simulated minutes on several connections, with faults on the link, the server, the store
    and the process. Stops at the first violation, and says how to see it again. Exits with 1 if there is one, if
    something that must happen in a long campaign never did, or if a session went differently the second time; with 130
    if it is interrupted, after it has told what it has found so far.
    """
    if only is not None and replay is not None:
        raise typer.BadParameter("there is no other session in a plan: leave out --only", param_hint="--replay")
    if replay is not None:
        drawn = {"sessions": "--sessions", "seed": "--seed", "profile": "--faults", "rate": "--rate"}
        _leave_out(context, "--replay", "a plan says that itself", **drawn)
    if only is not None:
        _leave_out(context, "--only", "it plays one session alone", sessions="--sessions")
    if check_determinism and level is At.SOCKETS:
        raise typer.BadParameter("real sockets never do the same twice", param_hint="--check-determinism")
    campaign = Campaign(
        seed=seed,
        sessions=1 if only is not None or replay is not None else sessions,
        first=only or 0,
        level=level.value,
        profile=_profile(profile),
        rate=_rate(rate),
        keep_going=keep_going,
    )
    if replay is not None:
        campaign = attrs.evolve(campaign, draw=Always(_read(replay)))
    with interruptible():
        _simulate(campaign, jobs, trace, twice=check_determinism, shrink_it=shrink_it, as_json=as_json)


def _simulate(
    campaign: Campaign, jobs: int | None, trace: Path | None, *, twice: bool, shrink_it: bool, as_json: bool
) -> None:
    console = Console()
    with ExitStack() as stack:
        write = stack.enter_context(_writer(trace)) if trace is not None else None
        screen = stack.enter_context(CampaignScreen(Console(stderr=True) if as_json else console, campaign))
        workers = jobs if jobs is not None else 1 if campaign.sessions < _FEW else _cores()
        again = stack.enter_context(strangers(workers)) if twice else None
        result = _played(partial(run, campaign, jobs=workers, again=again, progress=screen.told, trace=write), campaign)
        first = result.tally.failures[0] if result.tally.failures else None
        worth_it = shrink_it and not result.interrupted
        shrunk = _shrink(campaign, first, screen) if first is not None and worth_it else None
    interrupted = result.interrupted or (shrunk is not None and shrunk.interrupted)
    if as_json:
        typer.echo(json.dumps(_as_json(result, shrunk), indent=2))
    else:
        show_result(console, result)
        if first is not None:
            _show_failure(console, campaign, first, shrunk, interrupted=interrupted)
    if interrupted:
        raise KeyboardInterrupt
    if not result.good:
        raise typer.Exit(1)


def _played(play: Callable[[], Result], campaign: Campaign) -> Result:
    try:
        return play()
    except PlanError as error:
        hint = "--replay" if isinstance(campaign.draw, Always) else None
        raise typer.BadParameter(str(error), param_hint=hint) from error
    except BrokenExecutor as error:
        typer.echo(f"relive simulate: a process that played has died: {error}", err=True)
        raise typer.Exit(1) from None


def _leave_out(context: typer.Context, beside: str, why: str, **options: str) -> None:
    """Refuse options that would mean nothing beside another, rather than ignore them."""
    for name, option in options.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"{why}: leave out {option}", param_hint=beside)


def _profile(name: str) -> str:
    if name not in PROFILES:
        raise typer.BadParameter(
            f"there is no profile {name!r}; there are {', '.join(PROFILES)}", param_hint="--faults"
        )
    return name


def _rate(rate: float) -> float:
    try:
        return AudioSchedule(rate=rate).rate
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from None


def _read(name: str) -> Plan:
    """Read a plan."""
    try:
        return Plan.from_json(standard_input("--replay").read() if name == _STREAM else Path(name).read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"cannot read {name}: {error.strerror}", param_hint="--replay") from error
    except PlanError as error:
        raise typer.BadParameter(str(error), param_hint="--replay") from error


@contextmanager
def _writer(path: Path) -> Generator[Callable[[str], object]]:
    """Write lines at the end of a file."""
    if str(path) == _STREAM:  # else a file of that name
        raise typer.BadParameter("it has to be a file: standard output has what was found", param_hint="--trace")
    with _writing(path):
        file = path.open("a", encoding="utf-8", newline="\n")

    def write(line: str) -> None:
        with _writing(path):
            file.write(line + "\n")

    try:
        yield write
    finally:
        with _writing(path):
            file.close()


@contextmanager
def _writing(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror}", param_hint="--trace") from error


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shrink(campaign: Campaign, failure: Failure, screen: CampaignScreen) -> Shrunk | None:
    """Make a failure small. None if it does not fail here: whoever played it was not like this process."""
    fails = still(failure.violations[0], campaign.level, play=campaign.play)
    try:
        if not fails(failure.plan):
            return None
    except KeyboardInterrupt:
        return Shrunk(failure.plan, 0, interrupted=True)
    return shrink(failure.plan, fails, progress=screen.shrinking)


def _outcome(plan: Plan, campaign: Campaign) -> Outcome:
    return attempt(plan, campaign.level, play=campaign.play)


def _show_failure(
    console: Console, campaign: Campaign, failure: Failure, shrunk: Shrunk | None, *, interrupted: bool
) -> None:
    """Print the first failure, as small as it could be made; after an interrupt without playing it once more."""
    before = failure.plan
    again = replay_line(before, campaign.level)
    if not isinstance(campaign.draw, Always):
        again = only_line(campaign, failure.index)
    console.print(Text(f"Session {failure.index} did not keep a promise.", "bold red"))
    plan = before if shrunk is None else shrunk.plan
    if plan is not before or interrupted:
        for violation in failure.violations[:1]:
            console.print(Text(f"{violation}\n  {again}"), soft_wrap=True)
    if plan is not before:
        steps = f"{len(before.steps)} steps to {len(plan.steps)}, {before.seconds:g} s to {plan.seconds:g} s"
        tries = shrunk.tries if shrunk is not None else 0
        console.print(Text(f"\nShrunk from {steps}, by playing {tries} plans of {TRIES} at most:", "bold"))
    if not interrupted:
        line = again if plan is before else None
        console.print(Text(explain(_outcome(plan, campaign), again=line)), soft_wrap=True)
    elif plan is not before:
        console.print(Text(f"  {replay_line(plan, campaign.level)}"), soft_wrap=True)


def _as_json(result: Result, shrunk: Shrunk | None) -> dict[str, Any]:
    campaign = result.campaign
    drawn = not isinstance(campaign.draw, Always)
    return {
        **result.as_json(),
        "failures": [
            {
                "index": failure.index,
                "trace_sha256": failure.sha256,
                "replay": only_line(campaign, failure.index) if drawn else replay_line(failure.plan, campaign.level),
                "plan": json.loads(failure.plan.to_json()),
            }
            for failure in result.tally.failures
        ],
        "shrunk": None
        if shrunk is None
        else {
            "tries": shrunk.tries,
            "replay": replay_line(shrunk.plan, campaign.level),
            "example": example_line(shrunk.plan),
            "plan": json.loads(shrunk.plan.to_json()),
        },
    }
