"""Each step of the tutorial is run, and shows what the page says that it shows. Times and fingerprints differ."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from tests.cli.processes import run
from tests.cli.test_serve import serving
from tests.docs.blocks import DOCS, ROOT, blocks

from relive.testing.simulation.hold import hold
from relive.testing.simulation.plan import Plan

PAGE: Final = DOCS / "tutorial.md"
SHOWN: Final = {(block.kind, block.of): block.text for block in blocks(PAGE)}
STEPS: Final = sorted({of for kind, of in SHOWN if kind == "output" and not of.endswith("restart.py")})
_VARIES: Final = (r"\b\d+\.\d+ s\b", r"\b[0-9a-f]{10}\b", r"\b\d+ (?:s|min)\b")


def steady(text: str) -> str:
    """The same, less what differs from run to run."""
    for varies in _VARIES:
        text = re.sub(varies, "…", text)
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.parametrize("file", STEPS)
def test_a_step_shows_what_the_page_says(file: str) -> None:
    ended = run(str(ROOT / file))
    assert steady(ended.out) == steady(SHOWN["output", file])
    assert steady(ended.err) == steady(SHOWN.get(("log", file), ""))
    assert ended.code == 0


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.skipif(sys.platform == "win32", reason="the server is ended with a signal")
def test_another_process_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    with serving() as (_, about):
        for line in SHOWN["output", "docs/examples/tutorial/restart.py"].splitlines():
            if line.startswith("$ "):
                said += [line, *typed(line.removeprefix("$ "), about["env"]).splitlines()]
    assert steady("\n".join(said)) == steady(SHOWN["output", "docs/examples/tutorial/restart.py"])


def typed(line: str, env: Mapping[str, str]) -> str:
    """What a command of the page prints."""
    program, *words = shlex.split(line)
    if program.endswith("/python"):
        words[0] = str(ROOT / words[0])
    else:
        words = ["-m", "relive", *words]
    ended = run(*words, env=env)
    assert ended.code == 0, ended.err
    return ended.out


def test_the_plan_is_played_and_every_promise_is_kept() -> None:
    plan = Plan.from_json((ROOT / "docs/examples/tutorial/plan.json").read_bytes())
    outcome = hold(plan)
    assert len(plan.steps) == 4
    assert not outcome.violations


def test_every_step_is_run() -> None:
    assert len(STEPS) == 3
