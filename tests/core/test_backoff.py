"""Backoff: the arithmetic of waiting."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, strategies as st

from relive.core.backoff import delay

SECONDS = st.floats(0.0, 1e6)


@pytest.mark.parametrize(("attempt", "ceiling"), [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (6, 20.0), (7, 20.0)])
def test_the_ceiling_doubles_until_it_meets_the_cap(attempt: int, ceiling: float) -> None:
    assert delay(attempt, 1.0, base=0.5, cap=20.0) == ceiling


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.0), (0.25, 1.0), (1.0, 4.0)])
def test_jitter_is_full(jitter: float, seconds: float) -> None:
    assert delay(2, jitter, base=1.0, cap=10.0) == seconds


def test_the_floor_is_added_so_that_sessions_told_to_wait_do_not_come_back_together() -> None:
    waits = [delay(9, jitter / 4, base=1.0, cap=8.0, floor=30.0) for jitter in range(5)]
    assert waits == [30.0, 32.0, 34.0, 36.0, 38.0]


@pytest.mark.parametrize("attempt", [1023, 1024, 10_000, sys.maxsize, 10**400])
def test_no_number_of_attempts_overflows(attempt: int) -> None:
    assert delay(attempt, 1.0, base=3.0, cap=60.0) == 60.0


def test_an_attempt_before_the_first_counts_as_the_first() -> None:
    assert delay(-3, 1.0, base=1.0, cap=60.0) == 1.0


@given(st.integers(0, 5000), st.floats(0.0, 1.0), SECONDS, SECONDS, SECONDS)
def test_a_wait_lies_between_the_floor_and_the_floor_plus_the_cap(
    attempt: int, jitter: float, base: float, cap: float, floor: float
) -> None:
    wait = delay(attempt, jitter, base=base, cap=cap, floor=floor)
    assert floor <= wait <= floor + cap
    assert wait <= delay(attempt + 1, jitter, base=base, cap=cap, floor=floor)
