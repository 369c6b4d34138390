"""Things of an embedder's, by name: ``package.module:NAME``."""

from __future__ import annotations

import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from relive.core.schema import Table
from relive.core.table import TABLE


class NotThere(Exception):
    """What was asked for is not there, or is not what it should be."""


def load(name: str) -> Any:
    """What ``package.module:NAME`` stands for; NAME may have dots.

    Raises:
        NotThere: it stands for nothing, or its module cannot be imported.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise NotThere(f"{name!r} is not of the form package.module:NAME")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does: an embedder's package need not be installed
    try:
        home = import_module(module)
    except (Exception, SystemExit) as exc:  # it is somebody else's, and does what it likes
        raise NotThere(f"cannot import {module}: {type(exc).__name__}: {exc}") from exc
    finally:
        sys.path.pop(0)
    try:
        return attrgetter(attribute)(home)
    except AttributeError as exc:
        raise NotThere(f"{module} has no {attribute}") from exc


def load_table(name: str | None) -> Table[Any, Any, Any]:
    """The table of that name; ours without one."""
    table = TABLE if name is None else load(name)
    if not isinstance(table, Table):
        raise NotThere(f"{name} is a {type(table).__name__}, not a relive.core.schema.Table")
    return table  # pyright: ignore[reportUnknownVariableType] - a table's own types are its owner's
