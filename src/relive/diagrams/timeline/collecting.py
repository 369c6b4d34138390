"""A trace as a whole, small enough to be looked at: its runs, thinned, and what had to be left out."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import attrs

from relive.diagrams.timeline.reading import Entry, Flaw, Head, TraceError, read
from relive.diagrams.timeline.thinning import MANY, Flow, Row, Thinned

MOST: Final = 120_000
"Rows of all runs together, if nobody says otherwise."
RUNS: Final = 100
"Runs that are shown without a violation, and as many with one."
_SPOKEN: Final = 10
"Flaws that are told one by one."


@attrs.frozen
class Run:
    """One run: the sessions of a simulation, or those of one process."""

    number: int
    "Of the file, from 1."
    head: Head
    clients: dict[int, str]
    "Sessions by number, and what they are called; empty if they have no name."
    rows: list[Row]
    flows: list[Flow]
    end: float
    "Seconds to the last thing that happened."
    told: int
    "How many things happened; more than there are rows if they were thinned."
    violated: bool

    def only(self, session: str) -> Run | None:
        """The run with nothing but this session, by its name or its number; None if it has no such session."""
        number = next((number for number, name in self.clients.items() if session in (name, str(number))), None)
        if number is None:
            return None
        rows = [row for row in self.rows if row[1] in (number, -1)]
        flows = [flow for flow in self.flows if flow[2] == number]
        return attrs.evolve(self, clients={number: self.clients[number]}, rows=rows, flows=flows)


@attrs.frozen
class Timeline:
    """What can be shown of a trace."""

    name: str
    runs: tuple[Run, ...]
    notes: tuple[str, ...]
    "What is missing, and why: sentences."


def collect(file: BinaryIO, name: str, *, most: int = MOST, run: int | None = None) -> Timeline:
    """Read a trace in as much memory as `most` rows take, however long it is.

    Args:
        file: the trace.
        name: what it is called.
        most: how many rows there may be. If there are more, what lies close together is merged.
        run: the number of the one run that is wanted, from 1; None: all.

    Raises:
        TraceError: it is no trace that can be read, or has no such run.
    """
    collector = _Collector(max(most, 100), run)
    for told in read(file):
        collector.add(told)
    return collector.timeline(name)


class _Collector:
    def __init__(self, most: int, wanted: int | None) -> None:
        self._most = most
        self._wanted = wanted
        self._number = 0
        self._line = 1
        self._flaws: list[Flaw] = []
        self._flawed = 0
        self._left_out = 0
        self._kept: list[tuple[int, Head, Thinned]] = []
        self._open: tuple[int, Head, Thinned] | None = None

    def add(self, told: Head | Entry | Flaw) -> None:
        if isinstance(told, Entry):
            if self._open is not None:
                self._open[2].add(told)
        elif isinstance(told, Head):
            self._end_run()
            self._number += 1
            if self._wanted in (None, self._number):
                self._open = (self._number, told, Thinned(self._most))
        else:
            self._flawed += 1
            if len(self._flaws) < _SPOKEN:
                self._flaws.append(told)

    def _end_run(self) -> None:
        """Keep the run that has ended, if there is room for one like it."""
        if self._open is None:
            return
        violated = self._open[2].violated
        if sum(run.violated == violated for _, _, run in self._kept) < RUNS:
            self._kept.append(self._open)
            self._share()
        else:
            self._left_out += 1
        self._open = None

    def _share(self) -> None:
        """Thin the longest runs, so that all of them together are no more than may be."""
        left, sizes = self._most, sorted(run.size for _, _, run in self._kept)
        for number, size in enumerate(sizes):
            each = left // (len(sizes) - number)
            if size > each:
                for _, _, run in self._kept:
                    run.fit(max(each, 10))
                return
            left -= size

    def timeline(self, name: str) -> Timeline:
        self._end_run()
        if not self._kept:
            raise TraceError(0, f"there is no run {self._wanted}; there are {self._number}")
        runs = tuple(
            Run(number, head, run.clients, run.rows, run.flows, run.end, run.told, run.violated)
            for number, head, run in self._kept
        )
        return Timeline(name, runs, tuple(self._notes(runs)))

    def _notes(self, runs: tuple[Run, ...]) -> list[str]:
        notes: list[str] = []
        told = sum(run.told for run in runs)
        merged = sum(_merged(run.rows) for run in runs)
        if merged:
            notes.append(
                f"This trace tells of {told:,} things, too many to be shown one by one: {merged:,} of them are merged "
                "with others of their kind close by, those that matter least first; a merged mark says how many it is."
            )
        if self._left_out:
            notes.append(
                f"{self._left_out:,} of {self._number:,} runs are left out: of those in which every promise was kept, "
                f"and of those with a violation, the first {RUNS} are shown. To see another, say which: --run N."
            )
        crowd = sum(run.crowd for _, _, run in self._kept)
        if crowd:
            notes.append(f"{crowd:,} things happened to sessions beyond the first {MANY:,} of a run: left out.")
        backward = sum(run.backward for _, _, run in self._kept)
        if backward:
            notes.append(f"{backward:,} told after something that happened later: shown where the time says.")
        early = sum(run.early for _, _, run in self._kept)
        if early:
            notes.append(f"{early:,} happened before the beginning, by the clock: in the list alone.")
        if self._flawed:
            told_flaws = "; ".join(map(str, self._flaws)) + ("; …" if self._flawed > len(self._flaws) else "")
            lines = "1 line" if self._flawed == 1 else f"{self._flawed:,} lines"
            notes.append(f"{lines} cannot be read: {told_flaws}.")
        return notes


def _merged(rows: list[Row]) -> int:
    return sum(row[6] for row in rows if len(row) > 6)


def as_data(run: Run) -> dict[str, Any]:
    """A run for the page, which reads rows as a trace has them."""
    return {
        "number": run.number,
        "plan": run.head.plan,
        "began": run.head.began,
        "clients": [[number, name] for number, name in sorted(run.clients.items())],
        "rows": run.rows,
        "flows": run.flows,
        "end": run.end,
        "told": run.told,
    }
