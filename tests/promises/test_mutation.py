"""The promises kill whatever is wrong with a row."""

from __future__ import annotations

import attrs
import pytest
from tests.promises.mutation import EQUAL, SURVIVED, equal, fates, mutants

from relive.core.table import TABLE


@pytest.mark.slow
def test_every_mutant_of_every_row_is_killed() -> None:
    found = fates()
    assert {mutant.row for mutant, _ in found} == set(TABLE)
    assert [str(mutant) for mutant, what in found if what in (EQUAL, SURVIVED)] == []


def test_a_table_without_a_fault_is_equal_and_one_with_a_fault_is_not() -> None:
    """Else a survivor could be taken for an equal one."""
    faulty = next(mutant.table() for mutant in mutants() if mutant.change == "does not note_life")
    assert equal(attrs.evolve(TABLE), "patient")
    assert not equal(faulty, "ordinary")


def test_a_mutant_says_what_is_wrong_with_which_row() -> None:
    assert str(mutants()[0]) == (
        "in IDLE on ConnectRequested go to RESUMING when handle_given and adopt_given, open: deleted"
    )
