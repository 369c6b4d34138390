"""What happened in a simulation, in order: decisions and not bytes.

A record is a line of the trace: when, to which client, on which connection, what kind of thing, which, and details.
Frames are not recorded one by one: a record of kind ``flow`` counts those of some seconds, and signs of life are kept
with the `Life` that heard them. Handles appear by fingerprint.
What was sent is kept apart, item by item, for the checkers; what the server consumed is the server's own ground truth.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import attrs

from relive.core.checkpoint import Fingerprint
from relive.testing.server import FakeLiveServer
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.user import Item, User

TRACE_VERSION: Final = 1
CLOSING: Final = 2.0
"Seconds that closing a session may take (P21)."
COLUMNS: Final = ("t", "client", "conn", "kind", "what", "data")
"Of a line of the trace, in this order."
Fate: TypeAlias = Literal["ok", "fail"]
"Accepted; refused with an error."


class Record(NamedTuple):
    """One thing that happened."""

    at: float
    "Seconds since the beginning."
    client: int
    "Which of the herd; -1 for all."
    conn: int
    "Number of the connection within its session; 0 if it is about none."
    kind: str
    """``step`` (of the machine), ``transition``, ``notice``, ``open``, ``up``, ``refused``, ``read``, ``gone``,
    ``left``, ``made`` (a frame, by us), ``heard``, ``sent``, ``asked``, ``save``, ``load``, ``condemn``, ``fault``,
    ``left_out`` (a fault that an application has no part for), ``start``, ``crash``, ``end``, ``flow``; ``wrong``, what
    was seen to break a promise as it happened.
    After all that happened ``violation``, of what should not have: see `violation_lines`."""
    what: str
    data: Any = None
    "Details, plain JSON."

    def line(self) -> str:
        """As a line of the trace."""
        return self.after(self.place)

    @property
    def place(self) -> str:
        """How that begins: when, and to whom."""
        return f'{{"t":{round(self.at, 6)!r},"client":{self.client},"conn":{self.conn}'

    def after(self, place: str) -> str:
        """How it goes on. The most frequent kind is put together by hand: its details need no quoting."""
        _, _, _, kind, what, data = self
        if kind == "step":
            source, dest, waiting, written, index = data
            said = f'["{source}","{dest}",{waiting},{written},{"null" if index is None else index}]'
        else:
            said = _said(data)
        return f'{place},"kind":"{kind}","what":{_QUOTE(what)},"data":{said}}}'


_DUMP: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=False, default=str).encode
_PLACE: Final = itemgetter(0, 1, 2)
_QUOTE: Final = json.encoder.encode_basestring_ascii


def _said(data: Any) -> str:
    """Details as JSON. Most are a few plain values, and `json` takes longer to begin than these take to be written."""
    kind = data.__class__
    if data is None:
        return "null"
    if kind is str:
        return _QUOTE(data)
    if kind is int:
        return str(data)
    if kind is bool:
        return "true" if data else "false"
    if kind is list or kind is tuple:
        return f"[{','.join([_said(value) for value in data])}]"
    return _DUMP(data)


class Sent(NamedTuple):
    """An item that was sent."""

    item: Item
    at: float
    life: int
    "Of which process of the client, from 1."
    fate: Fate
    after: int = 0
    "How many frames of audio had been accepted before it, by all processes of the client."


class Refused(NamedTuple):
    """A frame that a session did not take."""

    began: float
    "When it was to be sent, and"
    at: float
    "when that raised."
    error: str
    "What, by the name of its type."
    size: int
    "Bytes of it; of the frame that the SDK makes, about as many."
    waiting: int
    "Bytes that waited to be written then."


class Dialled(NamedTuple):
    """Whose a connection of the server's is."""

    client: int
    life: int
    "Of which process of the client, from 1."
    number: int
    "The connection's number within its session."


@attrs.define(eq=False)
class Life:
    """One process of a client, from its start to its end or crash."""

    client: int
    number: int
    "From 1."
    began: float
    ended: float | None = None
    crashed: bool = False
    given: str | None = None
    "The handle, by its name, that its application gave it to begin with, where the plan does not say."
    verdicts: list[Any] = attrs.Factory(list[Any])
    "`Verdict`s, one for each time that a connection came up."
    stats: Any = None
    "`Stats` at its end; of a crash, just before it."
    failure: Any = None
    "Why its session was given up."
    errors: dict[str, str] = attrs.Factory(dict[str, str])
    "What the application got at the end: ``send``, ``receive``, ``start`` by the names of their types."
    closing: float | None = None
    "Seconds that closing took."
    left_over: tuple[str, ...] = ()
    "What was left after the end, and should not be."
    state: str = "IDLE"
    "The last one."
    audio_from: int = 0
    "How many frames of audio its predecessors had accepted."
    passed_over: int = 0
    "Chunks of output that were read and not delivered, and"
    passed_over_control: int = 0
    "other frames."
    made: int = 0
    "Frames that were delivered and never read, of the kinds that relive makes."
    signs: list[float] = attrs.Factory(list[float])
    "When it heard a sign of life: the steps for that say nothing else, and are not in the trace."
    read_late: int = 0
    "Frames that were read after its session had ended: nobody receives them."
    refused: list[Refused] = attrs.Factory(list[Refused])
    "What it could not send."


@attrs.define(eq=False)
class Ledger:
    """Everything of one client."""

    number: int
    user: User
    sent: list[Sent] = attrs.Factory(list[Sent])
    "Apart from audio."
    audio: list[int] = attrs.Factory(list[int])
    "Numbers of the frames of audio that were accepted, in order."
    audio_failed: int = 0
    lives: list[Life] = attrs.Factory(list[Life])


class History:
    """What happened.

    Args:
        plan: what was to happen.
        server: the ground truth.
        scale: None if its times are those of a simulation; else a machine made them, so many times faster than the plan
            was written: they prove nothing.
    """

    def __init__(self, plan: Plan, server: FakeLiveServer, *, scale: float | None = None) -> None:
        self.plan = plan
        self.server = server
        self.records: list[Record] = []
        self.clients: list[Ledger] = []
        self.steps: Counter[tuple[str, str, str]] = Counter()
        "Steps of the machine: state, event, destination."
        self.faults: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        "What happened at least sometimes: see `sometimes`."
        self.scale = scale
        self.began = 0.0
        "The clock at the beginning."
        self.ended = 0.0
        "Seconds from there to the end."
        self.dialled: dict[int, Dialled] = {}
        "Whose the server's connections are, by the server's numbers."
        self.secrets: set[str] = set()
        "Handles that were given: no record may contain one."
        self._fingerprint = Fingerprint(hashlib.sha256(b"relive simulation").digest())
        self._names: dict[str, str] = {}

    def add(self, at: float, client: int, conn: int, kind: str, what: str, data: Any = None) -> None:  # noqa: PLR0917
        """Note something."""
        self.records.append(Record(at, client, conn, kind, what, data))

    def sometimes(self, what: str) -> None:
        """Note that an interesting thing has happened. A campaign in which it never did has shown little."""
        self.seen[what] += 1

    def name(self, handle: str | None) -> str | None:
        """Name a handle without telling it."""
        if handle is None:
            return None
        name = self._names.get(handle)
        if name is None:
            name = self._names[handle] = self._fingerprint(handle)
            self.secrets.add(handle)
        return name

    def of(self, kind: str, client: int | None = None) -> list[Record]:
        """The records of a kind, of one client or of all."""
        return [r for r in self.records if r.kind == kind and (client is None or r.client == client)]

    def lines(self) -> list[str]:
        """The trace: a header with the plan, and a line for each record."""
        lines = [header_line(self.plan)]
        for _, together in groupby(self.records, _PLACE):  # what happens at one instant is written alike
            records = list(together)
            place = records[0].place
            lines += [record.after(place) for record in records]
        return lines

    def digest(self) -> str:
        """SHA-256 over the trace."""
        return digest_of(self.lines())


def header_line(plan: Plan) -> str:
    """The first line of the trace of a plan."""
    return _DUMP({"relive_trace": TRACE_VERSION, "columns": list(COLUMNS), "plan": json.loads(plan.to_json())})


def violation_lines(violations: Iterable[Violation], plan: Plan, records: Sequence[Record] = ()) -> tuple[str, ...]:
    """What a trace ends with if promises were not kept; no part of its digest, which is of what happened.

    Each is a record of kind ``violation``, about a promise, with what it says, and with the place in the plan (from 0)
    of the last step that struck before, for that session or for all; None if none had.
    """
    faults = [record for record in records if record.kind == "fault" and record.what != "over"]
    return tuple(
        Record(said.at, said.client, 0, "violation", said.promise, [said.what, _last_step(plan, faults, said)]).line()
        for said in violations
    )


def _last_step(plan: Plan, faults: Sequence[Record], said: Violation) -> int | None:
    struck = [fault for fault in faults if fault.at <= said.at and fault.client in (-1, said.client)]
    for last in struck[-1:]:
        for number, step in reversed(list(enumerate(plan.steps))):
            same = (type(step.fault).__name__, attrs.asdict(step.fault)) == (last.what, last.data)
            if same and step.at <= last.at:
                return number
    return None


def digest_of(lines: list[str]) -> str:
    """SHA-256 over the lines of a trace."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
