"""A long random life of the core, as a digest (P24): `python -m tests.promises.trace SEED`."""

from __future__ import annotations

import hashlib
import json
import random
import sys

import attrs

from relive.core.compiled import Compiled
from relive.core.lifecycle import Lifecycle
from relive.core.table import TABLE
from relive.testing.walk import POLICY, Place, moves


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)


def trace(seed: int, lives: int = 40, steps: int = 60) -> str:
    """SHA-256 over every move and every order of so many lives."""
    chance, digest = random.Random(seed), hashlib.sha256()
    for _ in range(lives):
        lifecycle = Lifecycle(POLICY, engine=Compiled(TABLE))
        place = Place(lifecycle)
        for _ in range(steps):
            move = chance.choice(list(moves(place)))
            orders, waiting = place.make(move)
            place = place.there(move)
            told = [(type(order).__name__, attrs.asdict(order)) for order in orders]
            digest.update(json.dumps([move.name, told, waiting, lifecycle.state], default=_plain).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(trace(int(sys.argv[1])) + "\n")
