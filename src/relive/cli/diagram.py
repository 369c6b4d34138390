"""`relive diagram`: pictures of a machine, made from the machine, and whether the committed ones are stale."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from relive.cli.named import NotThere, load, load_table
from relive.diagrams import Options, draw
from relive.diagrams.gallery import SUFFIXES, floor_plans, gallery, stale, view_stem, write
from relive.diagrams.model import Diagram
from relive.diagrams.reading import of_machine, of_table
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
    guards: Annotated[bool, typer.Option("--guards/--no-guards", help="Say which guards are asked.")] = True,
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
        raise typer.BadParameter(f"there is no {state}; there are {', '.join(shown.states)}", param_hint="--state")
    whole, views = Options(guards, bool(orders)), Options(guards, orders is not False)
    if out is None and not check:
        kind, options = (form or Format.MERMAID).value, whole if state is None else views
        typer.echo(draw(shown if state is None else shown.view(state), kind, options), nl=False)
        return
    files = gallery(shown, "lifecycle" if machine is None else "machine", whole, views)
    if table is None and machine is None:
        files |= floor_plans()
    if state is not None:
        stem = view_stem(shown, state)
        files = {name: text for name, text in files.items() if name.startswith((f"{stem}.", f"{stem}-dark."))}
    if form is not None:
        files = {name: text for name, text in files.items() if name.endswith(SUFFIXES[form.value])}
    folder = out or HOME
    if not check:
        write(files, folder)
        return
    problems = stale(files, folder, whole=state is None and form is None)
    for problem in problems:
        typer.echo(problem)
    if problems:
        typer.echo(f"`relive diagram --out {folder}`, called as this was, writes them anew.", err=True)
        raise typer.Exit(1)


def _diagram(table: str | None, machine: str | None) -> Diagram:
    if table is not None and machine is not None:
        raise typer.BadParameter("a table or a machine, not both", param_hint="--machine")
    try:
        return of_table(load_table(table)) if machine is None else of_machine(load(machine))
    except (NotThere, TableError) as exc:
        raise typer.BadParameter(str(exc), param_hint="--table" if machine is None else "--machine") from exc
