"""The standard streams, where they are closed or full."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final

import typer

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def standard_input(option: str) -> BinaryIO:
    """The standard input, in bytes.

    Raises:
        typer.BadParameter: it is closed, and `option` asks for it.
    """
    if sys.stdin is None:
        raise typer.BadParameter("the standard input is closed", param_hint=option)
    return sys.stdin.buffer


@contextmanager
def telling() -> Generator[None]:
    """Exit with 2 if what came of it cannot be told, for there is no room: 1 would say that something was found."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        with suppress(OSError):
            sys.stderr.write(f"relive: cannot write {error.filename or 'the output'}: {error.strerror}\n")
        # What is left of it would be tried again at the end of the process, which would exit with another code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(2) from None
