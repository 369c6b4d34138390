"""A session as a Mermaid sequence diagram, for an issue report: short enough to be read there.

Between what happened stands how many frames flowed. If there is too much, what matters least is left out first, and
then the middle; both are said.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, cast

import attrs

from relive.diagrams.text import printable
from relive.diagrams.timeline.collecting import Run
from relive.diagrams.timeline.thinning import Row, ends

LINES: Final = 100
"Lines of a diagram at most; of more GitHub draws none that can be read."
_COLUMNS: Final = 46
_NARROW: Final = 32
"Of a note about one."
_HANDLE: Final = "handle "
_UNSAFE: Final = re.compile(r"[^\w ,.:()\[\]/|+=@'→×…\u2068\u2069-]")
_LONGEST: Final = 240


@attrs.frozen
class _Line:
    at: float
    weight: int
    "What weighs less is left out before the rest."
    kind: str
    """``note`` of relive, ``server`` for one of the server, ``both`` for one across, ``broken`` for a violation, or an
    arrow of Mermaid's with its ends."""
    text: str


def sequence(run: Run, client: int, *, most: int = LINES) -> str:
    """What happened to one session of a run, as Mermaid text.

    Args:
        run: the run.
        client: the session's number.
        most: lines at most, without what stands at the top.
    """
    rows = [row for row in run.rows if row[1] in (client, -1)]
    stepping = any(row[3] != "transition" and ends(row) for row in rows)
    lines = [line for row in rows for line in _lines(row, stepping=stepping)]
    lines = _gathered(sorted([*lines, *_frames(run, client, lines)], key=lambda line: line.at))
    chosen, left_out = _chosen(lines, most)
    heard = any("A" in line.kind for line in chosen)
    written = ["sequenceDiagram", *(["    participant A as application"] if heard else [])]
    written += ["    participant R as relive", "    participant S as server"]
    if left_out:
        written.append(f"    Note over R,S: {left_out} of {len(lines)} lines are left out")
    for line in chosen:
        written += (f"    {said}" for said in _written(line))
    return "\n".join(written) + "\n"


def _written(line: _Line) -> Iterator[str]:
    columns = _NARROW if line.kind in ("note", "server") else _COLUMNS
    text = "<br/>".join(_UNSAFE.sub(_entity, part) for part in _wrapped(f"{_clock(line.at)} {line.text}", columns))
    match line.kind:
        case "note":
            yield f"Note over R: {text}"
        case "server":
            yield f"Note over S: {text}"
        case "both":
            yield f"Note over R,S: {text}"
        case "broken":
            yield "rect rgba(220, 40, 60, 0.25)"
            yield f"    Note over R,S: {text}"
            yield "end"
        case arrow:
            yield f"{arrow}: {text}"


def _entity(found: re.Match[str]) -> str:
    return f"#{ord(found.group())};"


def _wrapped(text: str, columns: int) -> list[str]:
    """A text in lines; invisible characters are written out, one from right to left stays within itself."""
    words = " ".join(printable(text).split())
    short = words if len(words) <= _LONGEST else f"{words[:_LONGEST].rstrip()} …"
    return textwrap.wrap(short, columns) or [""]


def _clock(at: float) -> str:
    minutes, seconds = divmod(max(at, 0.0), 60.0)
    return f"{int(minutes)}:{seconds:06.3f}"


def _chosen(lines: list[_Line], most: int) -> tuple[list[_Line], int]:
    """As many as may be, and how many are left out."""
    chosen = lines
    for weight in range(1, 4):
        if len(chosen) > most:
            chosen = [line for line in chosen if line.weight > weight]
    if len(chosen) > most:
        broken = next((number for number, line in enumerate(chosen) if line.kind == "broken"), len(chosen))
        end = min(len(chosen), max(broken + most // 10, most))
        chosen = [*chosen[: most // 4], *chosen[max(most // 4, end - most + most // 4) : end]]
    return chosen, len(lines) - len(chosen)


def _gathered(lines: list[_Line]) -> list[_Line]:
    """What is said several times on end is said once, with how often."""
    found: list[_Line] = []
    for (_, _, text), together in groupby(lines, lambda line: (line.kind, line.weight, _alike(line.text))):
        same = list(together)
        if len(same) == 1:
            found += same
        elif text == _HANDLE:
            found.append(attrs.evolve(same[-1], text=f"{len(same)} handles, the last {same[-1].text[len(_HANDLE) :]}"))
        else:
            found.append(attrs.evolve(same[0], text=f"{len(same)} × {text}"))
    return found


def _alike(text: str) -> str:
    return _HANDLE if text.startswith(_HANDLE) else text


def _lines(row: Row, *, stepping: bool) -> Iterator[_Line]:
    """What is said of a row. If the machine's own steps are there, a transition tells of its verdict only."""
    at, kind, what = row[0], str(row[3]), str(row[4])
    parts: list[Any] = cast("list[Any]", row[5]) if isinstance(row[5], list) else [] if row[5] is None else [row[5]]
    both = ends(row)
    times = f"{row[6]:,} × " if len(row) > 6 else ""
    if both is not None and not (stepping and kind == "transition"):
        event = what if kind == "step" else _said(parts[:1]) if kind == "transition" else "and others between"
        yield _Line(at, 4, "note", f"{times}{both[0]} → {both[1]}: {event}")
    if kind in _SAID:
        weight, arrow, say = _SAID[kind]
        if text := say(what, parts):
            yield _Line(at, weight, arrow, f"{times}{text}")
    elif kind == "notice" and what in _NOTICES:
        weight, arrow, say = _NOTICES[what]
        if text := say(what, parts):
            yield _Line(at, weight, arrow, f"{times}{text}")
    elif kind == "notice" and what != "saved":
        yield _Line(at, 3, "note", f"{times}{what.replace('_', ' ')} {_said(parts)}".strip())


def _said(parts: list[Any]) -> str:
    return ", ".join(str(part) for part in parts if part not in (None, ""))


def _judged(verdict: Any) -> str:
    match verdict:
        case [str(kind), reason, int(replayed), *_]:
            why = f" ({reason})" if reason else ""
            return f"{kind.replace('_', ' ')}{why}" + (f", {replayed:,} frames replayed" if replayed else "")
        case _:
            return _said([verdict])


def _went_away(_: str, parts: list[Any]) -> str:
    left = parts[1] if len(parts) > 1 else None
    return f"GoAway, {left:g} s left" if isinstance(left, (int, float)) else "GoAway"


def _verdict(_: str, parts: list[Any]) -> str:
    return f"connection {parts[1]} is up: {_judged(parts[3])}" if len(parts) > 3 and parts[3] else ""


def _fault(what: str, parts: list[Any]) -> str:
    if what == "over":
        return "faults are over"
    given: dict[str, Any] = cast("dict[str, Any]", parts[0]) if parts and isinstance(parts[0], dict) else {}
    return f"fault: {what} {_said([f'{name} {value}' for name, value in given.items() if value is not None])}".strip()


def _handle(_: str, parts: list[Any]) -> str:
    return f"{_HANDLE}{parts[0]}" if len(parts) > 1 and parts[0] and parts[1] else ""


_Say = Callable[[str, list[Any]], str]
_SAID: Final[dict[str, tuple[int, str, _Say]]] = {
    "violation": (5, "broken", lambda what, parts: f"{what} was not kept: {_said(parts[:1])}"),
    "wrong": (5, "broken", lambda what, parts: f"{what}: {_said(parts)}"),
    "crash": (5, "note", lambda what, _: f"the process crashes in {what}"),
    "start": (3, "note", lambda what, _: f"starts {what}"),
    "end": (4, "note", lambda what, parts: f"ends {what} {_said(parts)}"),
    "fault": (4, "server", _fault),
    "open": (3, "R->>S", lambda what, parts: f"opens connection {_said(parts[:1])}: {what}"),
    "transition": (4, "S-->>R", _verdict),
    "asked": (4, "R->>A", lambda what, _: f"asks how to go on: {what}"),
    "made": (2, "R->>A", lambda what, _: what.replace("_", " ")),
    "read": (2, "S->>R", lambda what, parts: _handle(what, parts) if what == "sessionResumptionUpdate" else ""),
}
_NOTICES: Final[dict[str, tuple[int, str, _Say]]] = {
    "go_away": (4, "S->>R", _went_away),
    "lost": (4, "S--xR", lambda _, parts: f"connection lost: {_said(parts[:1])}"),
    "failed": (5, "note", lambda _, parts: f"given up: {_said(parts[:1])}"),
    "dialled": (3, "S--xR", lambda _, parts: f"refused: {parts[0]}" if parts and parts[0] else ""),
}


def _frames(run: Run, client: int, lines: list[_Line]) -> Iterator[_Line]:
    """Arrows for the frames between what weighs most: how many went each way."""
    marks = sorted(line.at for line in lines if line.weight > 3)
    flows = [flow for flow in run.flows if flow[2] == client]
    place, written, read = 0, 0, 0
    for number, flow in enumerate(flows):
        written, read = written + flow[4], read + flow[5]
        later = flows[number + 1][0] if number + 1 < len(flows) else float("inf")
        while place < len(marks) and marks[place] <= flow[0]:
            place += 1
        if number + 1 == len(flows) or (place < len(marks) and marks[place] <= later):
            if written:
                yield _Line(flow[0], 1, "R->>S", _frame_count(written))
            if read:
                yield _Line(flow[0], 1, "S->>R", _frame_count(read))
            written = read = 0


def _frame_count(count: int) -> str:
    return "1 frame" if count == 1 else f"{count:,} frames"
