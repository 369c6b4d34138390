"""Every promise is worded, once, and something fails if it is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, FROM_SOURCES, ROOT

from relive_docs import proofs

pytestmark = FROM_SOURCES

NUMBERS = range(1, proofs.LAST + 1)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_promise_is_worded(number: int) -> None:
    assert len(proofs.worded()[number].split()) > 10


def test_there_are_no_others() -> None:
    assert list(proofs.worded()) == list(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_promise_asks_for_its_own_proofs(number: int) -> None:
    text = proofs.PAGE.read_text("utf-8")
    assert text.count(f"```{{rendered}} proven {number}\n```") == 1
    part = text.partition(f"\n### P{number}\n")[2].partition("\n### ")[0]
    assert f"```{{rendered}} proven {number}\n```" in part


@pytest.mark.parametrize("number", NUMBERS)
def test_a_promise_is_proven_by_a_test(number: int) -> None:
    assert [proof for proof in proofs.proofs()[number] if proof.kind == "test"]


@pytest.mark.parametrize("number", [number for number in NUMBERS if number not in {5, 12, 18, 24}])
def test_a_promise_of_the_core_is_checked_in_every_situation(number: int) -> None:
    assert [proof for proof in proofs.proofs()[number] if proof.kind == "check"]


@pytest.mark.parametrize("number", [number for number in NUMBERS if number != 24])
def test_a_promise_is_checked_in_every_simulation(number: int) -> None:
    assert [proof for proof in proofs.proofs()[number] if proof.kind == "checker"]


def test_each_proof_is_where_it_is_said_to_be() -> None:
    found = {proof for proven in proofs.proofs().values() for proof in proven}
    assert len(found) > 200
    for proof in found:
        line = proof.path.read_text("utf-8").splitlines()[proof.line - 1]
        assert re.match(rf"\s*(async )?def {proof.name}\b", line)


def test_nothing_proves_a_promise_that_is_not_there() -> None:
    """But P99, which tests of the telling of violations make up."""
    for path in (ROOT / "tests").rglob("*.py"):
        said = {int(number) for number in re.findall(r"\bP(\d+)\b", path.read_text("utf-8"))}
        assert said <= {*NUMBERS, 99}, path


def test_what_names_a_promise(tmp_path: Path) -> None:
    assert proofs.cited("P6, P7: and P11–P13, P99 but no IP6") == {6, 7, 11, 12, 13}
    path = tmp_path / "test_it.py"
    path.write_text(
        '"""P1: of all; P5–P9 elsewhere."""\n'
        "@pytest.mark.promise(2, 3)\ndef test_a(): ...\n"
        'async def test_b():\n    """P4: this one."""\n'
        "def test_c(): ...\n"
        'def helper():\n    """P5"""\n',
        "utf-8",
    )
    found = {proof.name: set(numbers) for numbers, proof in proofs.found_in(path, "test")}
    assert found == {"test_a": {2, 3}, "test_b": {4}, "test_c": {1}}


def test_the_design_names_each_promise_in_a_line() -> None:
    text = (DOCS / "design.md").read_text("utf-8")
    assert re.findall(r"^\| \[P(\d+)\]\(reference/promises\.md#p\1\) \| \S", text, re.MULTILINE) == [
        str(number) for number in NUMBERS
    ]
