"""Traces, read line by line: what happened to sessions, as `relive simulate --trace` and `TraceFile` write it down.

A trace is lines of JSON. A header says which version it is; a record follows for each thing that happened; the next
header begins another run in the same file. What cannot be read is a `Flaw` with the number of its line, and the rest
is read all the same. What is no trace at all, or of a version that is not known, is a `TraceError`.

Nothing is kept: a trace may be as long as it likes, and so may be its lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple, TypeAlias, cast

import attrs

from relive.errors import ReliveError

VERSION: Final = 1
"The newest that can be read."
LONGEST: Final = 1 << 20
"Bytes of a line; a longer one is a flaw."
_DECODE: Final = json.JSONDecoder().decode
_WORD: Final = 200
_DETAILS: Final = 2000
"Characters of details, as JSON; what is longer is cut."
_PLAN: Final = 1 << 18
"Characters of a plan."
_NUMBERS: Final = 1 << 31


class TraceError(ReliveError):
    """What was given is no trace that can be read."""

    def __init__(self, line: int, what: str) -> None:
        self.line = line
        "Its number, from 1; 0 if no line is to blame."
        self.what = what
        super().__init__(line, what)

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}" if self.line else self.what


@attrs.frozen
class Head:
    """A run begins."""

    line: int
    plan: dict[str, Any] | None = None
    "What was to happen, if it was a simulation."
    began: str = ""
    "When a real one began, by the wall clock; empty if nobody says."


class Entry(NamedTuple):
    """One thing that happened."""

    at: float
    "Seconds since the beginning of its run."
    client: int
    "Which of the sessions; -1 for all."
    conn: int
    "Number of the connection within its session; 0 if it is about none."
    kind: str
    what: str
    data: Any = None


@attrs.frozen
class Flaw:
    """A line that cannot be read."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


Told: TypeAlias = Head | Entry | Flaw


def read(file: BinaryIO) -> Iterator[Told]:
    """What a trace says, in its order.

    Raises:
        TraceError: it does not begin with a header, or a header is of a version that is not known.
    """
    headed = False
    for number, line, whole in _lines(file):
        if line is None:
            told: Told = Flaw(number, f"it is longer than {LONGEST:,} bytes: left out")
        elif not line.strip():
            continue
        else:
            told = _told(number, line, headed=headed, whole=whole)
        headed = headed or isinstance(told, Head)
        if not headed:
            raise TraceError(number, f"this is no trace: it should begin with a header, and {_why(told)}")
        yield told
    if not headed:
        raise TraceError(1, "this is no trace: it is empty")


def _why(told: Told) -> str:
    return told.what if isinstance(told, Flaw) else "this is a record"


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None, bool]]:
    """Lines with their numbers, and whether they have an end. One that is too long is None."""
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        whole = line.endswith(b"\n")
        if not whole and len(line) == LONGEST:
            while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            yield number, None, bool(rest)
        else:
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, whole


def _told(number: int, line: bytes, *, headed: bool, whole: bool) -> Told:
    try:
        said: Any = _DECODE(line.decode())
    except (ValueError, RecursionError):
        return Flaw(number, "it is not JSON" if whole or not headed else "the file ends in the middle of it")
    if not isinstance(said, dict):
        return Flaw(number, "it is not an object")
    fields = cast("dict[str, Any]", said)
    return _head(number, fields) if "relive_trace" in fields else _entry(number, fields)


def _head(number: int, fields: dict[str, Any]) -> Head:
    version = fields["relive_trace"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise TraceError(number, f"{shortened(version, 40)} is no version of a trace")
    if version > VERSION:
        raise TraceError(number, f"this is a trace of version {version:,}; this relive reads version {VERSION}")
    plan, began = fields.get("plan"), fields.get("began")
    return Head(number, _plan(plan), began[:_WORD] if isinstance(began, str) else "")


def _plan(plan: Any) -> dict[str, Any] | None:
    """A plan; None if it is none, or so large that nobody would look at it."""
    try:
        short = isinstance(plan, dict) and len(json.dumps(plan, allow_nan=False)) <= _PLAN
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", plan) if short else None


def _entry(number: int, fields: dict[str, Any]) -> Entry | Flaw:
    at: Any = fields.get("t")
    client: Any = fields.get("client")
    conn: Any = fields.get("conn")
    kind, what, data = fields.get("kind"), fields.get("what"), fields.get("data")
    if not isinstance(at, (int, float)) or isinstance(at, bool) or not -_NUMBERS < at < 1e12:
        return Flaw(number, "`t` is not a number of seconds")
    if not _counts(client) or not _counts(conn):
        return Flaw(number, f"`{'conn' if _counts(client) else 'client'}` is not a number")
    if not isinstance(kind, str) or not isinstance(what, str):
        return Flaw(number, f"`{'what' if isinstance(kind, str) else 'kind'}` is not a text")
    return Entry(float(at), client, conn, kind[:_WORD], what[:_WORD], _bounded(data))


def _counts(value: Any) -> bool:
    return value.__class__ is int and -_NUMBERS < value < _NUMBERS


def _bounded(data: Any) -> Any:
    """Details as they are, or as a text that is cut, if there is too much of them or they are no JSON to others."""
    if data is None or (data.__class__ is list and len(data) <= 8 and all(map(_plain, data))) or _plain(data):
        return data
    if data.__class__ is str:
        return f"{data[:_DETAILS]} …" if len(data) > _DETAILS else data
    try:
        return data if len(json.dumps(data, allow_nan=False)) <= _DETAILS else shortened(data, _DETAILS)
    except (ValueError, RecursionError):
        return shortened(data, _DETAILS)


def _plain(value: Any) -> bool:
    """Whether it is surely short, and a number is one."""
    kind = value.__class__
    if kind is str:
        return len(value) < _WORD
    return value is None or kind is bool or ((kind is int or kind is float) and -1e15 < value < 1e15)


def shortened(value: Any, longest: int) -> str:
    """A value as JSON of at most so many characters."""
    try:
        said = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        said = "…"
    return said if len(said) <= longest else f"{said[:longest]} …"
