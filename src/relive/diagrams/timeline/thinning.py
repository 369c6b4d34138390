"""What happened in one run, in no more rows than can be shown, whatever its length.

Rows have weights. If there are too many, those of the least weight are merged first: rows of the same kind that lie
close together become one with a count. Every weight keeps a share of the rows to itself, so that a flood of one kind
does not wash away the others; what a row of the highest weight says is merged last.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, TypeAlias, cast

import attrs

from relive.diagrams.timeline.reading import Entry

Row: TypeAlias = list[Any]
"""An `Entry` as a list; of merged ones the first, then how many they are, and when the last of them was."""
Flow: TypeAlias = list[Any]
"From, to, session, and how many frames were sent, written, read, delivered; then how many waited, and were kept."

VARIOUS: Final = "…"
"Says of a merged row that it stands for different things."
MANY: Final = 1000
"Sessions of one run that are told apart."
_ARROW: Final = " → "
_SHARES: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.25)
"Of all rows, by weight: so many are not merged for the sake of others."
_CHANGE: Final = 4
"The weight of what leads from one state to another."
_FINEST: Final = 1 << 16
_STRETCH: Final = 10.0
"Seconds that frames are counted together, at most, where nobody says for how long they were."
_WEIGHTS: Final[dict[str, int]] = {
    "violation": 5, "wrong": 5, "fault": 5, "crash": 5, "session": 5, "start": 5, "end": 5, "asked": 5, "condemn": 5,
    "notice": 3, "open": 3, "up": 3, "refused": 3, "gone": 3, "left": 3, "load": 3, "transition": 3,
    "save": 2, "step": 0,
}  # fmt: skip

# Of a row that is kept: how many it stands for, when the last of them was, and its place among all.
_COUNT: Final = 6
_UNTIL: Final = 7
_PLACE: Final = 8

_Key: TypeAlias = Callable[[Row], object]
_KEYS: Final[tuple[_Key, ...]] = (itemgetter(1, 2, 3, 4), itemgetter(1, 3, 4), itemgetter(1, 3), itemgetter(1), len)
"What merged rows have in common: all of it, then all but the connection, and so on; at last nothing."
_CHANGE_KEYS: Final[tuple[_Key, ...]] = (itemgetter(1), len)


def ends(row: Entry | Row) -> tuple[str, str] | None:
    """The states that it leads from and to, if it is a step or a transition between two, or stands for several."""
    kind, what, data = row[3], row[4], row[5]
    if kind == "transition":
        source, _, dest = what.partition(_ARROW)
        return (source, dest) if dest else None
    if kind in ("step", "states") and isinstance(data, list) and len(cast("list[Any]", data)) > 1:
        source, dest = cast("list[Any]", data)[:2]
        if (source != dest or kind == "states") and isinstance(source, str) and isinstance(dest, str):
            return source, dest
    return None


@attrs.define
class _Weight:
    """Rows of one weight."""

    keys: tuple[_Key, ...]
    rows: list[Row] = attrs.Factory(list[Row])
    gap: float = 0.0
    level: int = 0

    def merge(self) -> None:
        """Merge what lies within one gap. A merged row is no longer than that either."""
        key, last = self.keys[self.level], dict[object, Row]()
        kept: list[Row] = []
        for row in self.rows:
            before = last.get(key(row))
            if before is None or row[_UNTIL] - before[0] > self.gap:
                last[key(row)] = row
                kept.append(row)
            else:
                _join(before, row)
        self.rows = kept

    def widen(self) -> None:
        """Merge more the next time."""
        span = max(row[_UNTIL] for row in self.rows) - min(row[0] for row in self.rows)
        self.gap = self.gap * 2 or max(span, 1.0) / _FINEST
        if self.gap > 2 * span and self.level + 1 < len(self.keys):
            self.level, self.gap = self.level + 1, 0.0


def _join(row: Row, other: Row) -> None:
    row[_COUNT] += other[_COUNT]
    row[_UNTIL] = max(row[_UNTIL], other[_UNTIL])
    first, last = ends(row), ends(other)
    if first is not None and last is not None:
        row[3:6] = "states", f"{first[0]}{_ARROW}{last[1]}", [first[0], last[1]]
    elif row[3:5] != other[3:5]:
        row[3:6] = row[3] if row[3] == other[3] else VARIOUS, VARIOUS, None


class Thinned:
    """Rows of one run, never more than twice as many as asked for while they come.

    Args:
        most: how many there may be at the end, and half as many stretches of frames.
    """

    def __init__(self, most: int) -> None:
        self.most = max(most, 100)
        self.told = 0
        "How many things happened; frames do not count, nor what is told twice."
        self.backward = 0
        "How many were told after what happened later to the same session."
        self.early = 0
        "How many happened before the beginning, by their time."
        self.end = 0.0
        "Seconds to the last of them."
        self.clients: dict[int, str] = {}
        "Sessions by number, and what they are called; empty if they have no name."
        self.crowd = 0
        "Things that happened to sessions beyond those that are told apart."
        self.violated = False
        self._weights = [_Weight(_CHANGE_KEYS if weight == _CHANGE else _KEYS) for weight in range(len(_SHARES))]
        self._flows: dict[int, list[Flow]] = {}
        self._flowing = 0
        self._stepping: set[int] = set()
        self._last: dict[int, float] = {}
        self.size = 0
        "How many rows there are now."

    def add(self, row: Entry) -> None:
        """Something happened."""
        client = row.client
        if client >= 0 and client not in self.clients:
            if len(self.clients) >= MANY:
                self.crowd += 1
                return
            self.clients[client] = ""
        if row.kind == "flow":
            self._flow(row)
            return
        self.early += row.at < 0.0
        if row.kind != "violation":  # those come last, whenever it was
            self.backward += row.at < self._last.get(client, row.at)
            self._last[client] = row.at
        self.end = max(self.end, row.at)
        self.violated = self.violated or row.kind == "violation"
        if row.kind == "session":
            self.clients[client] = row.what
        weight = self._weight(row)
        if weight is not None:
            self.told += 1
            self._weights[weight].rows.append([*row, 1, row.at, self.told])
            self.size += 1
            if self.size > 2 * self.most:
                self.fit(self.most)

    def _weight(self, row: Entry) -> int | None:
        """None of a transition that says no more than the machine's own step, which was written down before."""
        match row.kind, row.what:
            case "step", _ if ends(row):
                self._stepping.add(row.client)
                return _CHANGE
            case "transition", _ if row.client in self._stepping:
                return _WEIGHTS["transition"] if _verdict(row.data) is not None else None
            case "transition", _ if ends(row):
                return _CHANGE
            case "notice", "saved":
                return 2
            case "read", what:
                return {"goAway": 3, "sessionResumptionUpdate": 2}.get(what, 1)
            case kind, _:
                return _WEIGHTS.get(kind, 1)

    def _flow(self, row: Entry) -> None:
        data = _listed(row.data)
        if len(data) < 6 or not all(map(_number, data)):
            return
        flows = self._flows.setdefault(row.client, [])
        if flows:
            flows[-1][1] = max(min(flows[-1][1], row.at), flows[-1][0])
        flows.append([row.at, row.at + (data[6] if len(data) > 6 else _STRETCH), row.client, *data[:6]])
        self._flowing += 1
        if self._flowing > self.most:
            self._join_flows(self.most // 2)

    def _join_flows(self, most: int) -> None:
        """Put stretches together by twos."""
        while self._flowing > most and any(len(flows) > 1 for flows in self._flows.values()):
            for client, flows in self._flows.items():
                pairs = [flows[number : number + 2] for number in range(0, len(flows), 2)]
                self._flows[client] = [_together(pair[0], pair[-1]) for pair in pairs]
            self._flowing = sum(map(len, self._flows.values()))

    def fit(self, most: int) -> None:
        """Merge until there are no more rows than that."""
        for weight, share in zip(self._weights, _SHARES, strict=True):
            least = max(1, int(share * most))
            while self.size > most and (before := len(weight.rows)) > least:
                weight.merge()
                self.size -= before - len(weight.rows)
                if self.size > most and len(weight.rows) > least:
                    weight.widen()
        self._join_flows(most // 2)

    @property
    def rows(self) -> list[Row]:
        """The rows by time; of what happened at one time in the order in which it was told."""
        rows = sorted((row for weight in self._weights for row in weight.rows), key=itemgetter(0, _PLACE))
        return [row[:_PLACE] if row[_COUNT] > 1 else row[:_COUNT] for row in rows]

    @property
    def flows(self) -> list[Flow]:
        """Frames by session and time."""
        found = (flow for _, flows in sorted(self._flows.items()) for flow in sorted(flows) if any(flow[3:7]))
        return [[flow[0], min(flow[1], max(self.end, flow[0])), *flow[2:]] for flow in found]


def _verdict(data: Any) -> Any:
    said = _listed(data)
    return said[3] if len(said) > 3 else None


def _listed(data: Any) -> list[Any]:
    return cast("list[Any]", data) if isinstance(data, list) else []


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15


def _together(first: Flow, last: Flow) -> Flow:
    if first is last:
        return first
    begin, end = min(first[0], last[0]), max(first[1], last[1])
    return [begin, end, first[2], *(a + b for a, b in zip(first[3:7], last[3:7], strict=True)), *last[7:]]
