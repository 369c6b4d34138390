"""The command line, rendered from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import typer

from relive.cli.app import app
from relive_docs.markdown import code, heading, table

_OPTION: Final = re.compile(r"(?<![\w`-])--[\w-]+")
_NOTES: Final = re.compile(r"\s*\[([^\[\]]*)\]$")


def commands() -> str:
    """Every command: what it does, how it is called, its options."""
    return "".join(_command(f"relive {name}", command) for name, command in _all())


def _all() -> Iterator[tuple[str, Any]]:
    """Names and commands, in the order of `relive --help`; those of a group after it."""
    for name, command in _below(typer.main.get_command(app)):
        yield name, command
        yield from ((f"{name} {inner}", each) for inner, each in _below(command))


def _below(group: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(group, "commands", {}).items()


def _command(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=name)
    usage = " ".join((name, *command.collect_usage_pieces(context)))
    told = _plain(inspect.cleandoc(command.help or ""))
    records = [record for each in command.params if (record := each.get_help_record(context)) is not None]
    rows = [[_name(given), *_said(text)] for given, text in records if given != "--help"]
    return (
        heading(2 if name.count(" ") == 1 else 3, name)
        + f"{told}\n\n```text\n{usage}\n```\n\n"
        + (table(["option", "meaning", "default, bounds"], rows) if rows else "")
    )


def _name(given: str) -> str:
    return code(given.replace("<", "").replace(">", "").replace(" range", ""))


def _said(text: str) -> tuple[str, str]:
    """What an option means, and what stands in brackets behind it."""
    found = _NOTES.search(text)
    if found is None:
        return _plain(text), ""
    return _plain(text[: found.start()]), _plain(found[1].removeprefix("default: ").strip("()"))


def _plain(text: str) -> str:
    """Options that a text names are code, and no dashes."""
    return _OPTION.sub(r"`\g<0>`", text)
