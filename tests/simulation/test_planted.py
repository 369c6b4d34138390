"""Bugs that were planted are found: by a session of the default campaign, and by the small plan that was made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.hunt import FOUND, MOST, table
from tests.simulation.planted import BUGS, planted

from relive.testing.simulation.campaign import attempt
from relive.testing.simulation.draw import draw
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.surroundings import quiet

RECORD = json.loads(FOUND.read_text())


def test_all_bugs_were_hunted() -> None:
    assert [one["bug"] for one in RECORD["found"]] == [bug.name for bug in BUGS]
    assert len(BUGS) >= 12


def test_the_documentation_shows_what_was_found() -> None:
    page = Path(__file__).parents[2] / "docs" / "simulation.md"
    assert table(RECORD["found"]) in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("one", RECORD["found"], ids=lambda one: one["bug"])
def test_a_planted_bug_is_found(one: dict[str, Any]) -> None:
    bug = next(bug for bug in BUGS if bug.name == one["bug"])
    assert one["index"] < MOST
    assert one["steps"] <= 5
    small = Plan.from_json(json.dumps(one["plan"]))
    with quiet():
        assert not attempt(small).violations
        with planted(bug):
            large = attempt(draw(RECORD["seed"], one["index"]))
            assert one["promise"] in {violation.promise for violation in large.violations}
            assert one["promise"] in {violation.promise for violation in attempt(small).violations}
