"""`relive diagram`: pictures of a machine, made from the machine, and whether the committed ones are stale."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from relive.cli.named import NotThere, load, load_table
from relive.diagrams import Options, draw
from relive.diagrams.gallery import SUFFIXES, floor_plans, gallery, left_over, stale, view_stem, write
from relive.diagrams.model import Diagram, StepTaken
from relive.diagrams.reading import of_machine, of_table
from relive.diagrams.text import printable
from relive.diagrams.timeline.reading import TraceError
from relive.diagrams.walked import walked
from relive.errors import TableError

HOME = Path("diagrams")


class Format(Enum):
    """What a picture can be written as."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    MATRIX = "matrix"


def diagram(
    *,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="What to write.", show_default="mermaid; with --out or --check all"),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(help="What can happen in this state, and nothing else.", show_default="the whole machine"),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="Another table, as package.module:NAME; made with TABLE.extend.", show_default="ours"),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(help="A transitions.Machine in place of a table, as package.module:NAME.", show_default=False),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Say how often each step was taken in this trace, or in what `relive simulate --json` printed.",
            show_default=False,
        ),
    ] = None,
    guards: Annotated[
        bool | None,
        typer.Option("--guards/--no-guards", help="Say which guards are asked.", show_default="not with --trace"),
    ] = None,
    orders: Annotated[
        bool | None,
        typer.Option("--orders/--no-orders", help="Say what is done.", show_default="in the view of a state"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write files into this directory, instead of text to the terminal.", show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: say which files in --out, or else in diagrams, are stale.")
    ] = False,
) -> None:
    """Draw the machine: as Mermaid, Graphviz or SVG, or as a matrix of states and events.

    Exits with 1 if --check finds a file that is stale, missing or left over.
    """
    shown = _diagram(table, machine)
    if state is not None and state not in shown.states:
        there = ", ".join(map(printable, shown.states))
        raise typer.BadParameter(f"there is no {printable(state)}; there are {there}", param_hint="--state")
    if check and trace is not None:
        raise typer.BadParameter("no picture of a trace is committed", param_hint="--check")
    if trace is not None:
        shown = _walked(shown, trace)
    asked = guards if guards is not None else trace is None
    whole, views = Options(asked, bool(orders)), Options(asked, orders is not False)
    if out is None and not check:
        kind, options = (form or Format.MERMAID).value, whole if state is None else views
        # As bytes: these files are UTF-8, whatever the terminal's encoding is.
        typer.echo(draw(shown if state is None else shown.view(state), kind, options).encode(), nl=False)
        return
    files = gallery(shown, "lifecycle" if machine is None else "machine", whole, views)
    if table is None and machine is None and trace is None:
        files |= floor_plans()
    if state is not None:
        stem = view_stem(shown, state)
        files = {name: text for name, text in files.items() if name.startswith((f"{stem}.", f"{stem}-dark."))}
    if form is not None:
        files = {name: text for name, text in files.items() if name.endswith(SUFFIXES[form.value])}
    folder = out or HOME
    try:
        if check:
            _check(files, folder, whole=state is None and form is None)
        else:
            write(files, folder)
    except OSError as exc:
        verb = "read" if check else "write"
        raise typer.BadParameter(f"cannot {verb} {exc.filename}: {exc.strerror}", param_hint="--out") from exc


def _check(files: dict[str, str], folder: Path, *, whole: bool) -> None:
    old, more = stale(files, folder), left_over(files, folder) if whole else []
    for problem in (*old, *more):
        typer.echo(problem)
    if old:
        typer.echo(f"`relive diagram --out {folder}`, called as this was, writes the others anew.", err=True)
    if old or more:
        raise typer.Exit(1)


def _walked(shown: Diagram, trace: Path) -> Diagram:
    """The diagram with its steps counted. What there is to be said about that goes to stderr."""
    try:
        with trace.open("rb") as file:
            walk = walked(file)
    except OSError as exc:
        raise typer.BadParameter(f"cannot read {trace}: {exc.strerror}", param_hint="--trace") from exc
    except TraceError as exc:
        raise typer.BadParameter(f"{trace}: {exc}", param_hint="--trace") from exc
    counted, strange = walk.on(shown)
    never = walk.never(shown)
    steps = "steps" if walk.every else "transitions"
    runs = "1 run" if walk.runs == 1 else f"{walk.runs:,} runs"
    typer.echo(f"{runs}, {walk.steps.total():,} {steps}; {len(never)} were never taken", err=True)
    for event in dict.fromkeys(event for _, event, _ in never):
        ways = ", ".join(_way(step) for step in never if step[1] == event)
        typer.echo(f"never: {printable(event)}: {ways}", err=True)
    if walk.flaws:
        typer.echo(f"{walk.flaws:,} lines could not be read", err=True)
    if strange:
        step = strange.most_common(1)[0][0]
        typer.echo(
            f"{strange.total():,} {steps} are of another table: {printable(step[1])}, {_way(step)} is one", err=True
        )
    return counted


def _way(step: StepTaken) -> str:
    source, _, dest = step
    return printable(source if source == dest else f"{source} → {dest}")


def _diagram(table: str | None, machine: str | None) -> Diagram:
    if table is not None and machine is not None:
        raise typer.BadParameter("a table or a machine, not both", param_hint="--machine")
    try:
        return of_table(load_table(table)) if machine is None else of_machine(load(machine))
    except (NotThere, TableError) as exc:
        said = "; ".join(exc.problems) if isinstance(exc, TableError) else str(exc)
        raise typer.BadParameter(said, param_hint="--table" if machine is None else "--machine") from exc
