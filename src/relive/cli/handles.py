"""`relive handles`: what a store holds of which sessions, without telling it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from relive import stores
from relive.core.checkpoint import Fingerprint
from relive.errors import MissingExtra, SettingError, StoreError, StoreUnreadable
from relive.ports import Browsable, Entry, HandleStore

T = TypeVar("T")

_KEY_BYTES: Final = 16
_WIDE: Final = 10_000
"Columns where there is no terminal: a program that reads on wants each session whole, in one line."

handles = typer.Typer(no_args_is_help=True, help="Look at the handles that a store holds.")

Store = Annotated[
    str,
    typer.Option(
        envvar="RELIVE_STORE",
        help="URL of the store: sqlite:///path, redis://host:port/number.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Key = Annotated[str, typer.Argument(help="The session's key in the store.", show_default=False)]


@handles.command("ls")
def _ls(*, store: Store, as_json: AsJson = False) -> None:
    """List the sessions that are there. Fingerprints can be compared within one list only."""
    entries = _run(store, lambda opened: _browse(opened, None))
    shown = _shown(entries, reveal=False)
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    table = Table(
        Column("key", overflow="fold"), "fingerprint", "age", "expires in", "model", "owner", box=None, pad_edge=False
    )
    for one in shown:
        ages = (_duration(one["age"]), _duration(one["expires_in"]))
        told = "unreadable" if one["problem"] else one["fingerprint"]
        table.add_row(*map(_visible, (one["key"], told, *ages, one["model"], one["owner"])))
    console = Console(markup=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table if shown else "Nothing is there.")


@handles.command("show")
def _show(
    key: Key,
    *,
    store: Store,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the handle: it opens the conversation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is there of one session. Exits with 1 if there is nothing."""
    entries = _run(store, lambda opened: _browse(opened, key))
    if not entries:
        _fail(f"nothing is there under {key!r}")
    (one,) = _shown(entries, reveal=reveal)
    if as_json:
        typer.echo(json.dumps(one, indent=2))
        return
    for name, value in one.items():
        said = _duration(value) if name in _DURATIONS else value
        typer.echo(f"{name.replace('_', ' '):12} {_visible(said)}")


@handles.command("forget")
def _forget(key: Key, *, store: Store, as_json: AsJson = False) -> None:
    """Forget a session: its handle, its tombstones, and who owns it. Exits with 1 if there was nothing."""

    async def forget(opened: HandleStore) -> bool:
        there = True
        with contextlib.suppress(StoreUnreadable):  # what cannot be read is there, and can be forgotten
            there = bool(await _browse(opened, key))
        await opened.delete(key)
        return there

    there = _run(store, forget)
    if as_json:
        typer.echo(json.dumps({"key": key, "forgotten": there}))
    elif there:
        typer.echo(f"{_visible(key)} is forgotten.")
    if not there:
        _fail(f"nothing is there under {key!r}")


_DURATIONS: Final = ("age", "expires_in", "owned_for")


def _shown(entries: list[Entry], *, reveal: bool) -> list[dict[str, Any]]:
    """What is told of sessions; durations are in seconds."""
    fingerprint, now = Fingerprint(secrets.token_bytes(_KEY_BYTES)), time.time()
    shown: list[dict[str, Any]] = []
    for entry in entries:
        checkpoint, lease = entry.stored.checkpoint, entry.lease
        one: dict[str, Any] = {
            "key": entry.key,
            "fingerprint": fingerprint(checkpoint.handle) if checkpoint is not None else None,
            "age": round(now - checkpoint.wall, 1) if checkpoint is not None and checkpoint.wall else None,
            "expires_in": round(entry.expires - now, 1) if entry.expires is not None else None,
            "model": checkpoint.model if checkpoint is not None else None,
            "backend": checkpoint.backend if checkpoint is not None else None,
            "generation": list(entry.generation),
            "condemned": len(entry.stored.condemned),
            "owner": lease.owner if lease is not None else None,
            "owned_for": round(lease.left, 1) if lease is not None else None,
            "problem": entry.problem or None,
        }
        if reveal:
            one["handle"] = checkpoint.handle if checkpoint is not None else None
        shown.append(one)
    return shown


async def _browse(opened: HandleStore, key: str | None) -> list[Entry]:
    assert isinstance(opened, Browsable)  # noqa: S101 - all that a URL can name are
    return await opened.browse(key)


def _run(url: str, work: Callable[[HandleStore], Awaitable[T]]) -> T:
    """Open the store, work with it, close it; whatever goes wrong is one sentence."""
    try:
        opened = stores.open(url)
    except (MissingExtra, SettingError) as exc:
        raise typer.BadParameter(str(exc), param_hint="--store") from None

    async def working() -> T:
        try:
            return await work(opened)
        finally:
            await opened.aclose()

    path = getattr(opened, "path", None)
    if path is not None and not path.exists():  # a store would make it when something is saved, and until then be empty
        raise typer.BadParameter(f"there is no file {path}", param_hint="--store")
    try:
        return asyncio.run(working())
    except StoreError as exc:
        return _fail(str(exc))


def _fail(sentence: str) -> Any:
    typer.echo(f"relive handles: {_visible(sentence)}", err=True)
    raise typer.Exit(1)


def _visible(value: object) -> str:
    """A value for a terminal: keys, models and owners are others' text, and may have control characters in them."""
    text = "–" if value in (None, "") else str(value)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _duration(seconds: float | None) -> str | None:
    """Seconds as people say them."""
    if seconds is None:
        return None
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
