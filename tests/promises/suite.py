"""All promises, and the walks that they are held to."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import attrs
from tests.promises import connections, ending, expiry, goaway, handles, input, output, seeing  # noqa: A004
from tests.promises.step import PROMISES, Promise, Witness

from relive.core.closes import Dropped, Judgement
from relive.core.policy import Policy
from relive.core.schema import Table
from relive.core.table import TABLE
from relive.testing.walk import POLICY, Walk, walk

GROUPS: Final = (handles, goaway, connections, input, output, expiry, ending, seeing)
ALL: Final = tuple(PROMISES)


def overrule(drop: Dropped, judgement: Judgement) -> Judgement:
    """A user's function: whoever says nothing is given up, a bad key may be mended."""
    if drop.reason.startswith("no "):
        return "fatal"
    return "retry" if judgement == "fatal" else judgement


@attrs.frozen
class Ground:
    """A policy to walk with."""

    policy: Policy
    compressed: bool = True


GROUNDS: Final = MappingProxyType(
    {
        "ordinary": Ground(POLICY),
        "uncompressed": Ground(attrs.evolve(POLICY, session_limit=300.0), compressed=False),
        "patient": Ground(attrs.evolve(POLICY, answer_timeout=None, probe=False, rotate_after=None)),
        "overruled": Ground(attrs.evolve(POLICY, classify=overrule, handle_strikes=1)),
    }
)


def hold(promises: tuple[Promise, ...] = ALL, table: Table[Any, Any, Any] = TABLE, ground: str = "ordinary") -> Walk:
    """Walk over every reachable situation and ask these promises after each step; without any, just walk."""
    witness = Witness(list(promises)) if promises else None
    on = GROUNDS[ground]
    watch = witness.watch if witness is not None else None
    return walk(table, policy=on.policy, compressed=on.compressed, watch=watch, everything=bool(promises))
