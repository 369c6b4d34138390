"""What the page on timelines says of traces is what is in one."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.docs.blocks import DOCS, ROOT

from relive.testing.simulation.plan import Plan
from relive.testing.simulation.simulate import simulate

PAGE = (DOCS / "how-to" / "read-a-timeline.md").read_text("utf-8")


def trace() -> list[dict[str, Any]]:
    plan = Plan.from_json((ROOT / "docs/examples/tutorial/plan.json").read_bytes())
    return [json.loads(line) for line in simulate(plan, trace=True).trace[1:]]


def test_each_kind_that_is_listed_is_in_the_trace_of_the_tutorial_and_no_other_but_beginning_and_end() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    listed = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    assert {record["kind"] for record in trace()} - {"start", "end"} == listed


def test_the_drain_ends_and_the_context_is_lost_as_the_page_says() -> None:
    steps = {(record["t"], record["what"]): record["data"] for record in trace() if record["kind"] == "transition"}
    assert steps[34.0, "DRAINING → RESUMING"][0] == "DeadlineReached(drain)"
    verdicts = [data[3] for (at, what), data in steps.items() if at > 91.0 and what.endswith("→ ACTIVE")]
    assert verdicts[0][:2] == ["not_restored", "rejected"]
    assert any("session not found" in str(record["data"]) for record in trace() if record["kind"] == "refused")
