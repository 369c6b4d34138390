"""P1–P23 over every reachable situation of the core."""

from __future__ import annotations

from functools import lru_cache

import attrs
import pytest
from tests.promises import suite
from tests.promises.step import Promise, Step

from relive.core.table import TABLE


@lru_cache
def broken(ground: str) -> dict[str, str]:
    """The promises that a walk finds broken, and the first step that broke each."""
    found: dict[str, str] = {}

    def forgiving(promise: Promise) -> Promise:
        def check(step: Step) -> None:
            try:
                promise.check(step)
            except AssertionError as error:
                found.setdefault(promise.name, f"{' → '.join(step.path)} on {step.event}: {step.orders} {error}")

        return attrs.evolve(promise, check=check)

    suite.hold(tuple(forgiving(promise) for promise in suite.ALL), ground=ground)
    return found


@pytest.mark.parametrize("promise", suite.ALL, ids=lambda promise: promise.name)
def test_promise(promise: Promise) -> None:
    assert {ground: broken(ground)[promise.name] for ground in suite.GROUNDS if promise.name in broken(ground)} == {}


def test_a_walk_sees_every_state() -> None:
    assert {kind[0] for kind in suite.hold(()).places} == set(TABLE.states)


def test_every_check_names_its_promise() -> None:
    """And each of those that the core has a part in is held."""
    core = {f"P{number}" for number in range(1, 24)} - {"P5", "P12", "P18"}
    cited = {word.strip(":,.") for promise in suite.ALL for word in (promise.check.__doc__ or "").split()}
    assert all((promise.check.__doc__ or "").startswith("P") for promise in suite.ALL)
    assert core <= cited
