"""How a campaign looks: two lines at the bottom of a terminal while it goes on, and tables at the end."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as Grid
from rich.text import Text

from relive.core.table import TABLE
from relive.testing.simulation.campaign import ENOUGH, Always, Campaign, Result
from relive.testing.simulation.explain import only_line
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.shrink import TRIES
from relive.testing.simulation.tally import Tally

if TYPE_CHECKING:
    from typing import Self

_HOUR: Final = 3600.0
_EDGES: Final = frozenset((step.source, step.trigger, step.dest) for step in TABLE.steps())


class CampaignScreen:
    """Shows how far a campaign is, if the console is a terminal."""

    def __init__(self, console: Console, campaign: Campaign) -> None:
        """Show nothing yet."""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._task = self._bar.add_task(campaign.level, total=campaign.sessions, unit="sessions")
        self._text = Text()
        self._live = Live(Group(self._bar, self._text), console=console, transient=True, refresh_per_second=5)
        self._shown = console.is_terminal

    def __enter__(self) -> Self:
        if self._shown:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def told(self, tally: Tally, wall: float) -> None:
        """So much has been played, in so many seconds."""
        self._bar.update(self._task, completed=tally.sessions)
        if self._shown:
            taken = len(_EDGES & tally.edges.keys())
            self._say(
                f"{tally.sessions / wall:.1f} sessions/s · {_time(tally.simulated)} simulated, "
                f"{tally.simulated / wall:,.0f} × real time · {tally.faults.total():,} faults · "
                f"{len(tally.states)} of {len(TABLE.states)} states, {taken} of {len(_EDGES)} edges · "
                f"{tally.violated} violated"
            )

    def shrinking(self, plan: Plan, tries: int) -> None:
        """A failure is being made small: this is the smallest plan so far."""
        self._bar.update(self._task, description="shrinking", completed=tries, total=TRIES, unit="plans")
        self._say(f"{len(plan.steps)} steps, {plan.seconds:g} s")

    def _say(self, text: str) -> None:
        self._text.plain = text


def show_result(console: Console, result: Result) -> None:
    """Print what came of a campaign."""
    tally, wall = result.tally, result.wall or 1e-9
    grid = Grid(show_header=False, box=None, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in _rows(result, wall):
        grid.add_row(name, value)
    console.print(grid)
    if tally.faults:
        console.print(_counts("faults", tally.faults))
    console.print(_edges(tally))
    for source, fact, dest in tally.edges_never_taken if tally.sessions >= ENOUGH else ():
        console.print(Text.assemble(("never taken: ", "yellow"), f"{source} → {dest} on {fact}"), soft_wrap=True)
    if tally.seen:
        console.print(_counts("sometimes", tally.seen))
    _show_end(console, result)


def _rows(result: Result, wall: float) -> list[tuple[str, str]]:
    tally, campaign = result.tally, result.campaign
    middle = tally.medians()
    given = isinstance(campaign.draw, Always)
    seed, profile = ("of a given plan", "") if given else (f"seed {campaign.seed}", f", profile {campaign.profile}")
    return [
        ("sessions", f"{tally.sessions:,} of {campaign.sessions:,}, on level {campaign.level}, {seed}"),
        ("faults", f"{tally.faults.total():,}{profile}"),
        ("simulated", f"{_time(tally.simulated)}, {tally.simulated / wall:,.0f} × real time"),
        ("wall", f"{result.wall:.1f} s, {tally.sessions / wall:.1f} sessions/s"),
        ("median session", f"{middle['simulated_minutes']:g} minutes, {middle['connections']:g} connections"),
        ("", f"{middle['frames_sent']:g} frames sent, {middle['frames_delivered']:g} delivered"),
        ("trace sha256", tally.sha256),
    ]


def _counts(title: str, counts: Counter[str]) -> Grid:
    """Names and numbers, in two columns of them."""
    grid = Grid(title, "", "", "", box=None, header_style="bold", pad_edge=False)
    for column in (1, 3):
        grid.columns[column].justify = "right"
    items = [(name, f"{count:,}") for name, count in sorted(counts.items())]
    half = (len(items) + 1) // 2
    for number in range(half):
        grid.add_row(*items[number], *(items[half + number] if half + number < len(items) else ("", "")))
    return grid


def _edges(tally: Tally) -> Grid:
    """For each state of the table: what the machine did there."""
    grid = Grid("state", "steps", "edges taken", "never", box=None, header_style="bold", pad_edge=False)
    for column in grid.columns[1:]:
        column.justify = "right"
    for state in TABLE.states:
        declared = {edge for edge in _EDGES if edge[0] == state}
        taken = declared & tally.edges.keys()
        steps = sum(count for edge, count in tally.edges.items() if edge[0] == state)
        grid.add_row(state, f"{steps:,}", f"{len(taken)} of {len(declared)}", str(len(declared - taken) or ""))
    return grid


def _show_end(console: Console, result: Result) -> None:
    """Print what is to be made of it."""
    for failure in result.tally.failures[1:]:
        line = Text.assemble((f"violated in session {failure.index}: ", "bold red"), str(failure.violations[0]))
        console.print(line, soft_wrap=True)
        console.print(Text(f"  {only_line(result.campaign, failure.index)}"), soft_wrap=True)
    for what in result.never_happened:
        console.print(Text.assemble(("never happened, and must: ", "bold red"), what), soft_wrap=True)
    if result.difference is not None:
        console.print(Text(str(result.difference), "bold red"), soft_wrap=True)
    if result.interrupted:
        console.print(Text("Interrupted: this is what there is.", "yellow"))
    if result.good and result.tally.sessions:
        twice = " Every session went the same way twice." if result.twice else ""
        console.print(Text(f"Every promise was kept{' so far' if result.interrupted else ''}.{twice}", "bold green"))


def _time(seconds: float) -> str:
    return f"{seconds / _HOUR:,.1f} hours" if seconds >= _HOUR else f"{seconds / 60.0:.1f} minutes"
