"""`relive timeline`: a trace as a page to look at, or as a Mermaid sequence diagram for an issue report."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from relive.cli.named import NotThere, load_table
from relive.cli.streams import standard_input
from relive.diagrams import of_table
from relive.diagrams.timeline import MOST, Run, Timeline, TraceError, collect, page, sequence
from relive.errors import TableError

_STDIO: Final = "-"


class Form(Enum):
    """What a trace can be written as."""

    HTML = "html"
    MERMAID = "mermaid"


def timeline(
    *,
    trace: Annotated[
        str,
        typer.Argument(
            metavar="TRACE", show_default=False,
            help="A trace, of relive simulate --trace or of TraceFile; - reads it from the standard input.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to write; - is the standard output.",
                     show_default="html: beside the trace; mermaid: -"),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="A page, or text for an issue report.")] = Form.HTML,
    run: Annotated[
        int | None, typer.Option(min=1, help="Only this run of the file, from 1.", show_default="all of them")
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(help="Only this session of the run: its name or its number.",
                     show_default="all; mermaid: the first with a violation, else the first"),
    ] = None,
    most: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="Rows to show. Of more, those that lie close are merged.")
    ] = MOST,
    table: Annotated[
        str | None,
        typer.Option(help="The table that the sessions had, as package.module:NAME.", show_default="ours"),
    ] = None,
) -> None:  # fmt: skip
    """Draw a trace: what happened to sessions, when, and in which state they were.

    The page loads nothing and can be sent around: states, connections, frames, GoAways, handles, replays, faults and
    violations over time, with the machine beside it. Exits with 1 if the trace cannot be read.
    """
    try:
        machine = of_table(load_table(table))
    except (NotThere, TableError) as exc:
        raise typer.BadParameter(str(exc), param_hint="--table") from exc
    found = _collect(trace, most, run)
    for note in found.notes:
        typer.echo(f"relive timeline: {note}", err=True)
    if session is not None:
        found = _only(found, session)
    if form is Form.HTML:
        _write(page(found, machine), out or _beside(trace), trace)
    else:
        chosen = next((one for one in found.runs if one.violated), found.runs[0])
        _write(sequence(chosen, _worst(chosen)), out or _STDIO, trace)


def _collect(trace: str, most: int, run: int | None) -> Timeline:
    try:
        if trace == _STDIO:
            return collect(standard_input("TRACE"), "trace", most=most, run=run)
        with Path(trace).open("rb") as file:
            return collect(file, Path(trace).name, most=most, run=run)
    except OSError as exc:
        raise typer.BadParameter(f"cannot read {trace}: {exc.strerror}", param_hint="TRACE") from exc
    except TraceError as exc:
        typer.echo(f"relive timeline: {trace}: {exc}", err=True)
        raise typer.Exit(1) from None


def _beside(trace: str) -> str:
    if trace == _STDIO:
        return _STDIO
    path = Path(trace).with_suffix(".html")
    return str(path if path != Path(trace) else path.with_suffix(".page.html"))


def _write(text: str, out: str, trace: str) -> None:
    if out == _STDIO:
        typer.echo(text.encode(), nl=False)  # whatever the terminal's encoding is
        return
    try:
        if trace != _STDIO and Path(out).exists() and Path(out).samefile(trace):
            raise typer.BadParameter(f"{out} is the trace itself", param_hint="--out")
        Path(out).write_text(text, "utf-8", newline="\n")
    except OSError as exc:
        raise typer.BadParameter(f"cannot write {out}: {exc.strerror}", param_hint="--out") from exc
    typer.echo(f"written to {out}", err=True)


def _only(found: Timeline, session: str) -> Timeline:
    runs = tuple(one for one in (run.only(session) for run in found.runs) if one is not None)
    if not runs:
        names = {name or str(number) for run in found.runs for number, name in run.clients.items()}
        known = ", ".join(sorted(names)[:20]) + (" …" if len(names) > 20 else "")
        raise typer.BadParameter(f"there is no session {session!r}; there are {known}", param_hint="--session")
    return Timeline(found.name, runs, found.notes)


def _worst(run: Run) -> int:
    """The session to look at: the first with a violation, if there is one."""
    broken = [row[1] for row in run.rows if row[3] == "violation" and row[1] in run.clients]
    return broken[0] if broken else next(iter(run.clients), 0)
