"""How a demo looks: a line for whatever happens, a bar at the bottom of a terminal, a table at the end."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from relive.cli.plan import CHUNKS, Fault, Turn
from relive.cli.report import Report
from relive.core.effects import Transition
from relive.ports import Notice

if TYPE_CHECKING:
    from typing import Self

_STYLES: Final = {
    "IDLE": "dim",
    "CONNECTING": "blue",
    "ACTIVE": "green",
    "DRAINING": "yellow",
    "RESUMING": "cyan",
    "WAITING": "magenta",
    "HANDLE_EXPIRED": "red",
    "CLOSED": "dim",
    "FAILED": "bold red",
}


class Screen:
    """Shows nothing: the screen of a program."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def turn_began(self, turn: Turn) -> None:
        """The user begins a turn."""

    def chunk(self, number: int) -> None:
        """So many chunks of the answer have been heard."""

    def interrupted(self, chunks: int) -> None:
        """The answer was cut: so many chunks of it are thrown away."""

    def turn_ended(self, chunks: int) -> None:
        """The turn is over; its answer has so many chunks."""

    def struck(self, fault: Fault) -> None:
        """Something goes wrong."""

    def transition(self, step: Transition) -> None:
        """The session went from one state to another."""

    def notice(self, notice: Notice) -> None:
        """Something happened that is no transition."""


class RichScreen(Screen):
    """Shows everything on a console; in a terminal with a live bar."""

    def __init__(self, console: Console, turns: int) -> None:
        """Show nothing yet."""
        self._console = console
        self._progress = Progress(
            TextColumn("{task.fields[state]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("turns · {task.fields[doing]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._progress.add_task("demo", total=turns, state="IDLE", doing="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def turn_began(self, turn: Turn) -> None:
        """The user begins a turn."""
        what = f"the user speaks ({turn.frames} frames)" if turn.spoken else f"the user types: {turn.text}"
        self._line("bold", f"turn {turn.number}", what)
        self._doing("user")

    def chunk(self, number: int) -> None:
        """So many chunks of the answer have been heard."""
        self._doing(f"answer {number}/{CHUNKS}")

    def interrupted(self, chunks: int) -> None:
        """The answer was cut: so many chunks of it are thrown away."""
        self._line("", "", f"interrupted: {chunks} chunks of the answer are thrown away")

    def turn_ended(self, chunks: int) -> None:
        """The turn is over; its answer has so many chunks."""
        self._progress.advance(self._task)
        self._line("", "", f"answered: {chunks} chunks" if chunks else "answered")

    def struck(self, fault: Fault) -> None:
        """Something goes wrong."""
        self._line("bold red", "fault", str(fault))

    def transition(self, step: Transition) -> None:
        """The session went from one state to another."""
        self._progress.update(self._task, state=f"[{_STYLES[step.dest]}]{step.dest}")
        about = f"on {step.event}"
        if step.dest == "ACTIVE":
            about += f": connection {step.connection}, {step.verdict}"
            if step.verdict is not None and step.verdict.replayed:
                about += f", {step.verdict.replayed} frames sent again"
        self._line(_STYLES[step.dest], step.dest, about)

    def notice(self, notice: Notice) -> None:
        """Something happened that is no transition."""
        self._line("dim", notice.what, notice.detail)

    def _doing(self, what: str) -> None:
        self._progress.update(self._task, doing=what)

    def _line(self, style: str, head: str, rest: str) -> None:
        seconds = self._progress.tasks[0].elapsed or 0.0
        line = Text.assemble((f"{seconds:6.2f}  ", "dim"), (f"{head:<20}", style), rest)
        self._console.print(line, soft_wrap=True, highlight=False)


def show_report(console: Console, report: Report) -> None:
    """Print the summary."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _rows(report):
        table.add_row(name, value)
    console.print()
    console.print(table)
    if report.problem:
        console.print(Text(f"It went wrong: {report.problem}.", "bold red"), soft_wrap=True)
    elif report.good:
        said = "The conversation came to its end." if report.live else "Nothing was lost."
        console.print(Text(said, "bold green"))
    else:
        console.print(Text("Something was lost, doubled or shuffled.", "bold red"))


def _rows(report: Report) -> list[tuple[str, str]]:
    stats, account = report.stats, report.account
    rows = [
        ("seed", str(report.plan.seed)),
        ("backend", report.backend + (", the real service" if report.live else "")),
        ("turns", str(len(report.plan.turns))),
        ("seconds", f"{report.seconds:.1f}"),
    ]
    if stats is not None:
        rows += [
            ("connections", f"{stats.connections} came up, of {stats.openings} dialled"),
            ("frames sent", f"{stats.frames_accepted}, {stats.frames_replayed} of them again"),
        ]
    if account is not None:
        margin = "" if report.backend == "vertex" else f" (margin: {stats.frames_uncertain if stats else 0})"
        rows += [
            ("frames", f"{account.frames_lost} lost, {account.frames_doubled} doubled{margin}"),
            ("output", f"{account.output_lost} lost, {account.output_doubled} doubled"),
            ("said again", f"{account.frames_said_again} frames, to a session that had not heard them"),
        ]
        shuffled = account.frames_out_of_order + account.output_out_of_order
        if shuffled:
            rows.append(("out of order", str(shuffled)))
    elif report.live:
        rows.append(("losses", "unknown: nobody outside the service knows what it consumed"))
    rows.append(("verdicts", ", ".join(map(str, report.verdicts)) or "none"))
    return rows
