"""The commands and their options.

Exit codes: 0 all is well, 1 something was lost, 2 it was called wrongly, or there is no room for what it has to say.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

import relive
from relive.cli.demo import Backend, run_demo, run_live
from relive.cli.diagram import diagram
from relive.cli.handles import handles
from relive.cli.interrupts import interruptible
from relive.cli.named import NotThere, load, load_table
from relive.cli.plan import make_plan
from relive.cli.screen import RichScreen, Screen, show_report
from relive.cli.serve import CannotServe, Serving, serve
from relive.cli.simulate import simulate
from relive.cli.timeline import timeline
from relive.cli.watching import Hold, watched

Result = TypeVar("Result")

MODEL = "gemini-3.1-flash-live-preview"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Gemini Live sessions that outlive their connections.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"relive {relive.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Gemini Live sessions that outlive their connections."""


@app.command("demo")
def _demo(
    *,
    seed: Annotated[int, typer.Option(help="What goes wrong, where and in which order; the same again.")] = 0,
    backend: Annotated[
        Backend | None,
        typer.Option(
            help="Vertex reports how much it consumed, so nothing is doubled; the Developer API does not.",
            show_default="vertex",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary alone, as JSON.")] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Talk to the real service, with the key in GEMINI_API_KEY. Nothing is made to go wrong, and what was "
            "lost cannot be told. This has not been tried against the real service yet.",
        ),
    ] = False,
    model: Annotated[str, typer.Option(help="Name of the model.")] = MODEL,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Serve a page that shows it live, on this machine only, and go on serving it until interrupted.",
        ),
    ] = False,
) -> None:
    """Hold a conversation through everything that can happen to a connection, and account for every frame.

    Runs the real google-genai client against a Live server of our own, over TLS on the loopback interface. Exits with 1
    if a frame or a piece of an answer was lost or doubled.
    """
    plan = make_plan(seed, faults=not live)
    console = Console()
    key = os.environ.get("GEMINI_API_KEY", "")
    if live and backend is Backend.VERTEX:
        raise typer.BadParameter("--live talks to the Developer API", param_hint="--backend")
    if live and not key:
        raise typer.BadParameter("set GEMINI_API_KEY to a key of the Gemini Developer API", param_hint="--live")
    screen = Screen() if as_json else RichScreen(console, len(plan.turns))
    if live:
        hold: Hold = partial(run_live, plan, key=key, model=model, screen=screen)
    else:
        hold = partial(run_demo, plan, backend=backend or Backend.VERTEX, model=model, screen=screen)
    with screen:
        report = _run(watched(hold, partial(typer.echo, err=as_json)) if watch else hold())
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        show_report(console, report)
    if not report.good:
        raise typer.Exit(1)


@app.command("explore")
def _explore(
    *,
    table: Annotated[
        str | None,
        typer.Option(help="Another table, as package.module:NAME; made with TABLE.extend.", show_default="ours"),
    ] = None,
    facts: Annotated[
        str | None,
        typer.Option(help="A function, as package.module:NAME, that yields the moves of that table's own facts."),
    ] = None,
    paths: Annotated[bool, typer.Option("--paths", help="Show a shortest path to each edge.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Walk every situation that a table can get into, and look for traps and for what cannot be reached.

    Exits with 1 if a state cannot be reached, or a situation cannot be left for a final state.
    """
    from relive.cli import explore

    try:
        more = load(facts) if facts is not None else None
        findings = explore.explore(load_table(table), more)
    except (NotThere, relive.TableError) as exc:
        raise typer.BadParameter(str(exc)) from exc
    if as_json:
        typer.echo(json.dumps(findings.as_json(), indent=2))
    else:
        explore.show(Console(), findings, paths=paths)
    if not findings.sound:
        raise typer.Exit(1)


app.command("diagram")(diagram)
app.command("simulate")(simulate)
app.command("timeline")(timeline)
app.add_typer(handles, name="handles")


@app.command("serve")
def _serve(
    *,
    host: Annotated[str, typer.Option(help="Name or address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 0,
    ca: Annotated[
        Path | None,
        typer.Option(help="Where to write the certificate that clients are to trust.", show_default="a temporary file"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes session ids and handles.")] = 0,
    connection_limit: Annotated[
        float | None,
        typer.Option(help="Seconds that a connection lives; about 600 in the real service.", show_default="for ever"),
    ] = None,
    notice: Annotated[
        float | None,
        typer.Option(
            help="Seconds before that end at which GoAway is sent; 0 for none.",
            show_default="60, at most half of the limit",
        ),
    ] = None,
    turn_chunks: Annotated[int, typer.Option(min=1, help="Chunks that an answer has.")] = 3,
    turn_interval: Annotated[float, typer.Option(help="Seconds between two chunks.")] = 0.04,
    turn_thinking: Annotated[float, typer.Option(help="Seconds before the first.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for programs.")] = False,
) -> None:
    """Host a fake Live server until interrupted, and print how to point any Gemini client at it.

    The server echoes: text is answered with text, speech with sound. It understands session resumption, GoAway,
    tool calls and interruptions; `relive.testing` can do much more with it.
    """
    serving = Serving(
        host=host,
        port=port,
        ca=ca,
        seed=seed,
        connection_limit=_seconds("--connection-limit", connection_limit, above=True),
        notice=_seconds("--notice", notice),
        turn_chunks=turn_chunks,
        turn_interval=_seconds("--turn-interval", turn_interval) or 0.0,
        turn_thinking=_seconds("--turn-thinking", turn_thinking) or 0.0,
        as_json=as_json,
    )
    try:
        _run(serve(serving, typer.echo))
    except CannotServe as exc:
        typer.echo(f"relive serve: {exc}", err=True)
        raise typer.Exit(2) from None


def _seconds(option: str, value: float | None, *, above: bool = False) -> float | None:
    """A finite number of seconds; typer lets NaN and infinity pass."""
    if value is not None and not (0.0 < value < float("inf") or (value == 0.0 and not above)):
        raise typer.BadParameter(f"{value} is not a number of seconds", param_hint=option)
    return value


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    with interruptible():
        return asyncio.run(work)
