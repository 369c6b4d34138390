"""The worker of the docs is told to stop, and the next one goes on with its conversation. Real processes, real TLS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.processes import end, start
from tests.cli.test_serve import serving
from tests.docs.blocks import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sockets,
    pytest.mark.skipif(sys.platform == "win32", reason="a worker is told with a signal"),
]

WORKER = str(ROOT / "docs/examples/worker.py")


def until(process: subprocess.Popen[str], said: str) -> list[str]:
    """What it says, up to the line in which this is; all that it says to its end if that is empty."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if said and said in line:
            return lines
    assert not said, lines
    return lines


def stopped(process: subprocess.Popen[str]) -> list[str]:
    """What it still says when it is told to stop."""
    process.terminate()
    lines = until(process, "")
    ended = end(process)
    assert ended.code == 0, ended.err
    return lines


def test_the_next_worker_goes_on_where_this_one_left(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/handles.db"
    with serving("--turn-interval", "0.2") as (_, about):
        one = start(WORKER, url, "one", env=about["env"])
        assert until(one, "turn 2")[0] == "one: fresh"
        two = start(WORKER, url, "two", env=about["env"])  # waits, because one owns the conversation
        heard = ["turn 2", *until(one, "turn 3"), *stopped(one)]
        assert heard[-1] == "one: 0 frames left behind, handle saved: True"
        turns = 1 + sum("turn" in line for line in heard)
        assert until(two, "turn") == ["two: resumed", f"two: turn {turns + 1}: And then?"]
        stopped(two)
