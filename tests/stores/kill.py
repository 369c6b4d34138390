"""Kill a process that saves as fast as it can, again and again, and look at what is there afterwards.

::

    python -m tests.stores.kill --rounds 190                          in a file
    python -m tests.stores.kill --rounds 190 --store redis://…        in a Redis that is running

The writer says of each checkpoint when it was acknowledged. It is killed (SIGKILL) after a random number of them, which
is at a random point of a later one. None that was acknowledged may be lost, or give way to an older one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs

from relive import stores
from relive.core.checkpoint import Checkpoint

_KEY = "ada"
_HANDLE = "x" * 400  # as long as a real one
_MOST = 200
"Acknowledgements that a writer is left to live for."


@attrs.define
class Tally:
    """What came of the rounds."""

    rounds: int = 0
    acknowledged: int = 0
    unheard: int = 0
    "Rounds after which one more was there than had been acknowledged: killed between the save and its word."
    wrong: list[str] = attrs.Factory(list[str])


def play(url: str, rounds: int, seed: int = 0) -> Tally:
    """Let so many writers live and die, one after another, on one store."""
    chance, tally = random.Random(seed), Tally()
    last = 0
    for number in range(rounds):
        acknowledged = _live_and_die(url, last + 1, chance.randrange(1, _MOST))
        tally.rounds += 1
        tally.acknowledged += len(acknowledged)
        last = acknowledged[-1] if acknowledged else last
        found = asyncio.run(_look(url, last))
        if found not in (last, last + 1):
            tally.wrong.append(f"round {number}: {last} was acknowledged, and {found} is there")
        tally.unheard += found == last + 1
        last = max(last, found)
        if url.startswith("sqlite:///"):
            tally.wrong += [f"round {number}: {what}" for what in _unsound(Path(url.removeprefix("sqlite:///")))]
    return tally


def _live_and_die(url: str, first: int, enough: int) -> list[int]:
    """What the writer said before it was killed."""
    words = [sys.executable, "-m", "tests.stores.kill", "--store", url, "--write", str(first)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(enough)]
        writer.kill()
        said += writer.stdout.readlines()
    return [int(line) for line in said if line.endswith(b"\n")]


async def _look(url: str, last: int) -> int:
    """Which checkpoint is there; -1 if none. One that is older than the last is refused."""
    store = stores.open(url)
    try:
        found = await store.load(_KEY)
        if last > 1 and await store.save(_KEY, Checkpoint("older"), generation=(1, last - 1), ttl=3600.0):
            return -1
        return int(found.checkpoint.wall) if found is not None and found.checkpoint is not None else -1
    finally:
        await store.aclose()


def _unsound(path: Path) -> list[str]:
    database = sqlite3.connect(path)
    try:
        return [what for (what,) in database.execute("PRAGMA integrity_check") if what != "ok"]
    finally:
        database.close()


async def _write(url: str, first: int) -> None:
    store, number = stores.open(url), first
    while await store.save(_KEY, Checkpoint(_HANDLE, wall=float(number)), generation=(1, number), ttl=3600.0):
        os.write(1, b"%d\n" % number)
        number += 1


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.stores.kill", description="Kill writers.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", default="", help="its URL; a new file if there is none")
    parser.add_argument("--write", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        asyncio.run(_write(options.store, options.write))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        tally = play(options.store or f"sqlite:///{folder}/handles.db", options.rounds, options.seed)
    print(f"{tally.rounds} killed, {tally.acknowledged} acknowledged, {tally.unheard} saved and not heard of")
    print("\n".join(tally.wrong) or "none was lost, none gave way to an older one")
    return int(bool(tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
