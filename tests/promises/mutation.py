"""Mutates the rows of the table: every mutant must be killed by a promise.

    python -m tests.promises.mutation

Each row is deleted, sent to every other state (or kept from leaving), stripped of its guard and of each of its actions.
A mutant is killed by a check that fails somewhere on a walk, by a step that breaks there, or because no sound table can
be made of it. One that survives must be equal: made on both tables, every move from every reachable situation gives the
same orders and leaves the same memories.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any, Final, TypeAlias

import attrs
from tests.promises import suite

from relive.core.compiled import Compiled
from relive.core.lifecycle import Lifecycle
from relive.core.schema import STAY, Row, Table
from relive.core.situation import save
from relive.core.table import TABLE
from relive.errors import TableError
from relive.testing.walk import Place, moves

EQUAL: Final = "equal in every reachable situation"
SURVIVED: Final = "survived"


Rows: TypeAlias = tuple[Row[Any, Any, Any], ...]


@attrs.frozen
class Mutant:
    """A table with one fault."""

    row: Row[Any, Any, Any]
    change: str
    rows: Rows = attrs.field(repr=False)
    "All rows of the faulty table."

    def __str__(self) -> str:
        row = self.row
        when, actions = f" when {row.when}" if row.when else "", f" and {', '.join(row.do)}" if row.do else ""
        return f"in {' '.join(row.sources)} on {' '.join(row.triggers)} go to {row.dest}{when}{actions}: {self.change}"

    def table(self) -> Table[Any, Any, Any]:
        """The faulty table; raises TableError if that is none."""
        return attrs.evolve(TABLE, rows=self.rows)


def _mutants(rows: Rows) -> Iterator[Mutant]:
    for index, row in enumerate(rows):
        before, after = rows[:index], rows[index + 1 :]
        yield Mutant(row, "deleted", (*before, *after))
        for dest in (STAY, *TABLE.states):
            # To go to the one state that a row is about is to stay there.
            if dest not in (row.dest, row.source):
                changed = attrs.evolve(row, dest=dest)
                yield Mutant(row, f"goes to {dest}", (*before, changed, *after))
        if row.when:
            yield Mutant(row, "asks no guard", (*before, attrs.evolve(row, when=""), *after))
        for action in row.do:
            left = tuple(name for name in row.do if name != action)
            yield Mutant(row, f"does not {action}", (*before, attrs.evolve(row, do=left), *after))


@lru_cache(maxsize=1)
def mutants() -> tuple[Mutant, ...]:
    """All of them, in the order of the table."""
    return tuple(_mutants(TABLE.rows))


def fate(mutant: Mutant) -> str:
    """What became of a mutant: who killed it, or that it is equal, or that it survived."""
    try:
        table = mutant.table()
    except TableError as error:
        return f"no sound table: {_kind(error.problems[0])}"
    for ground in suite.GROUNDS:
        try:
            suite.hold(table=table, ground=ground)
        except AssertionError as error:
            return _promise(error)
        except Exception as error:  # noqa: BLE001 - whatever a faulty table does to the core
            return f"broke: {type(error).__name__}"
    return EQUAL if all(equal(table, ground) for ground in suite.GROUNDS) else SURVIVED


def _kind(problem: str) -> str:
    kinds = ("cannot be reached", "is a trap", "is never asked", "has no way out", "has no row", "is final")
    return next((kind for kind in kinds if kind in problem), problem)


def _promise(error: AssertionError) -> str:
    frame = error.__traceback__
    names: list[str] = []
    while frame is not None:
        names.append(frame.tb_frame.f_code.co_name)
        frame = frame.tb_next
    checks = {promise.name for promise in suite.ALL}
    return next((name for name in reversed(names) if name in checks), "an assertion in the core")


def equal(table: Table[Any, Any, Any], ground: str) -> bool:
    """Whether each move from each reachable situation does the same on both tables."""
    on = suite.GROUNDS[ground]
    twin = Lifecycle(on.policy, compressed=on.compressed, engine=Compiled(table))
    return all(_same(place, place.with_(twin)) for place in suite.hold((), ground=ground).places.values())


def _same(ours: Place, theirs: Place) -> bool:
    return all(_does(ours, move) == _does(theirs, move) for move in tuple(moves(ours)))


def _does(place: Place, move: Any) -> tuple[object, ...]:
    done = place.make(move)
    life = place.lifecycle
    return (done, save(life.scene.situation), repr(life.journal.remember()))


def _fate(number: int) -> str:
    return fate(mutants()[number])


def fates() -> list[tuple[Mutant, str]]:
    """What became of every mutant, found out on all processors."""
    for ground in suite.GROUNDS:
        suite.hold(ground=ground)  # what breaks without a mutation has killed nothing
    everyone = mutants()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(zip(everyone, pool.map(_fate, range(len(everyone)), chunksize=4), strict=True))


def main() -> int:
    """Print a report; 1 if a mutant survived."""
    began = time.perf_counter()
    found = fates()
    by = Counter(what for _, what in found)
    for name, count in by.most_common():
        print(f"{count:5}  {name}")  # noqa: T201 - a command prints
    for mutant, what in found:
        if what in (EQUAL, SURVIVED):
            print(f"{what}: {mutant}")  # noqa: T201
    killed = len(found) - by[EQUAL] - by[SURVIVED]
    said = f"{len(found)} mutants: {killed} killed, {by[EQUAL]} equal, {by[SURVIVED]} survived"
    print(f"{said}, in {time.perf_counter() - began:.0f} s")  # noqa: T201
    return bool(by[SURVIVED])


if __name__ == "__main__":
    sys.exit(main())
