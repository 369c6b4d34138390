"""Traces for tests: of simulations, by hand, hostile, and long."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from relive.diagrams.timeline import Timeline, collect
from relive.testing.simulation import simulate as kernel
from relive.testing.simulation.faults import Crash, ExpireHandles, GoAway, ResetPeer
from relive.testing.simulation.history import Record, violation_lines
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import Plan, Step

HEADER = '{"relive_trace":1,"columns":["t","client","conn","kind","what","data"]}'
PLAN = Plan(
    seed=5,
    seconds=300.0,
    herd=2,
    steps=(
        Step(fault=GoAway(time_left=5.0), at=30.0),
        Step(fault=ResetPeer(), state="DRAINING", delay=0.5),
        Step(fault=ExpireHandles(), at=120.0),
        Step(fault=Crash(), at=200.0),
    ),
)
BROKEN = Violation("P13", "a frame was neither consumed nor reported", 120.5, client=1)
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'`&lt;!--<!--",
    "]]></title><svg/onload=alert(1)>",
    "\u05e9\u05dc\u05d5\u05dd\u200f (abc) 123",
    "\u202eevil\u202c\u0000\u0007\u2028\u2029",
    "\u65e5\u672c\u8a9e \U0001f389\U0001f469\u200d\U0001f469",
    "\ud800 alone",
    "%%{init: {}}%% ; end # \n graph TD",
    "__proto__",
    "constructor",
    "x" * 5000,
)


@cache
def _played() -> tuple[str, ...]:
    with ThreadPoolExecutor(1) as elsewhere:  # where no browser has an event loop
        return elsewhere.submit(kernel.simulate, PLAN, trace=True).result().trace


def played(*, violated: bool = False) -> tuple[str, ...]:
    """The lines of a simulation's trace, of two sessions; with a violation that nobody committed."""
    lines = _played()
    return (*lines, *violation_lines((BROKEN,), PLAN, records(lines))) if violated else lines


def records(lines: tuple[str, ...]) -> Any:
    """The records of a trace as a history has them."""
    said = [json.loads(line) for line in lines[1:]]
    return [Record(one["t"], one["client"], one["conn"], one["kind"], one["what"], one["data"]) for one in said]


def line(at: float, kind: str, what: str, data: Any = None, *, client: int = 0, conn: int = 1) -> str:
    return json.dumps({"t": at, "client": client, "conn": conn, "kind": kind, "what": what, "data": data})


def step(at: float, source: str, dest: str, event: str = "E", *, client: int = 0, conn: int = 1) -> str:
    return line(at, "step", event, [source, dest, 0, 0, None], client=client, conn=conn)


def collected(*lines: str, name: str = "a.jsonl", **how: Any) -> Timeline:
    return collect(io.BytesIO("\n".join((*lines, "")).encode(errors="surrogatepass")), name, **how)


def hostile() -> list[str]:
    """A trace in which everything that can be a text is not a nice one."""
    lines = [json.dumps({**json.loads(HEADER), "began": HOSTILE[0], "plan": {"steps": [{"fault": {HOSTILE[0]: 1}}]}})]
    lines += [step(0.0, "IDLE", "CONNECTING"), step(0.5, "CONNECTING", "ACTIVE")]
    at = 1.0
    for text in HOSTILE:
        for kind in ("session", "notice", "fault", "read", "start", "transition", "made", "violation", text):
            lines.append(line(at, kind, text, [text, 0, {text: text}]))
            at += 0.25
        lines += [step(at, "ACTIVE", text, text), step(at + 0.1, text, "ACTIVE", text)]
    shapes: list[Any] = [None, 1, -1, True, "x", [], {}, [[]], [None] * 9, {"a": {"b": []}}, 1e300]
    for kind in ("step", "states", "flow", "open", "up", "refused", "gone", "sent", "save", "violation", "transition"):
        for shape in shapes:
            lines.append(line(at, kind, "A → B", shape))
            at += 0.1
    return lines


def flood(count: int) -> Iterator[bytes]:
    """A long trace, line by line: connections that come and go, with all that happens meanwhile."""
    yield HEADER.encode() + b"\n"
    number, conn, at = 1, 1, 0.0
    while number < count:
        cycle = [
            step(at, "ACTIVE", "DRAINING", "GoAwayReceived", conn=conn),
            line(at, "notice", "go_away", ["", 5.0], conn=conn),
            step(at + 1, "DRAINING", "RESUMING", "SafePointReached", conn=conn),
            line(at + 1, "open", "resume", [conn + 1, "a4d12ef8b4", False], conn=conn + 1),
            step(at + 1.3, "RESUMING", "ACTIVE", "ConnectionOpened", conn=conn + 1),
            line(at + 1.3, "transition", "RESUMING → ACTIVE",
                 ["ConnectionOpened", conn + 1, at + 1.3, ["resumed", "", conn % 30, 0, 0]], conn=conn + 1),
            line(at + 1.4, "flow", "", [20, 22, 30, 30, 0, 12], conn=conn + 1),
        ]  # fmt: skip
        for turn in range(30):
            now = at + 2 + turn * 3.0
            cycle.append(line(now, "sent", "text", [number + turn, "ok"], conn=conn + 1))
            cycle.append(step(now, "ACTIVE", "ACTIVE", "InputAccepted", conn=conn + 1))
            cycle.append(line(now + 1, "read", "sessionResumptionUpdate", ["0123456789", True, "17"], conn=conn + 1))
        yield "".join(f"{one}\n" for one in cycle).encode()
        number, conn, at = number + len(cycle), conn + 1, at + 100.0


class Stream(io.RawIOBase):
    """A file that is made while it is read, so that it takes no memory."""

    def __init__(self, count: int) -> None:
        self._parts = flood(count)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while len(self._left) < len(buffer):
            part = next(self._parts, None)
            if part is None:
                break
            self._left += part
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
