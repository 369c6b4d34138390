"""How soon the default campaign finds each planted bug, and how small its plan becomes.

::

    python -m tests.simulation.hunt

Writes `tests/simulation/found.json`, from which `test_planted.py` plays, and prints the table of the documentation.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from tests.simulation.planted import BUGS, planted

from relive.testing.simulation.campaign import attempt
from relive.testing.simulation.draw import draw
from relive.testing.simulation.shrink import shrink, still
from relive.testing.simulation.surroundings import quiet

SEED: Final = 1
MOST: Final = 2000
FOUND: Final = Path(__file__).with_name("found.json")


def hunt(name: str, seed: int, most: int) -> dict[str, Any]:
    """Play sessions with a bug until one does not keep its promises, and make its plan small."""
    bug = next(bug for bug in BUGS if bug.name == name)
    with planted(bug), quiet():
        for index in range(most):
            plan = draw(seed, index)
            violations = attempt(plan).violations
            if violations:
                small = shrink(plan, still(violations[0]))
                return {
                    "bug": name, "index": index, "promise": violations[0].promise,
                    "steps": len(small.plan.steps), "tries": small.tries, "plan": json.loads(small.plan.to_json()),
                }  # fmt: skip
    return {"bug": name, "index": None}


def table(found: list[dict[str, Any]]) -> str:
    """What was found, as the documentation shows it."""
    about = {bug.name: bug.about for bug in BUGS}
    lines = ["| bug | found by | in session | steps of the smallest plan | tries |", "|---|---|---|---|---|"]
    for one in found:
        if one["index"] is None:
            lines.append(f"| {about[one['bug']]} | **not found** | | | |")
        else:
            row = (about[one["bug"]], one["promise"], one["index"] + 1, one["steps"], one["tries"])
            lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines)


def main() -> int:
    """Hunt all of them, or those whose names begin so."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.hunt")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--most", type=int, default=MOST, help="sessions to play for each at most")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    names = [bug.name for bug in BUGS if bug.name.startswith(options.only)]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as executor:
        futures = [executor.submit(hunt, name, options.seed, options.most) for name in names]
        found = [future.result() for future in futures]
    if not options.only:
        FOUND.write_text(json.dumps({"seed": options.seed, "found": found}, indent=1) + "\n")
    print(table(found))  # noqa: T201
    return int(any(one["index"] is None or one["steps"] > 5 for one in found))


if __name__ == "__main__":
    sys.exit(main())
