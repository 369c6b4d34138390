"""Ctrl-C: a command that is interrupted says so, and no more."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import typer


@contextmanager
def interruptible() -> Generator[None]:
    """Exit with 130 if what is done meanwhile is interrupted, without a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None
