"""Whether an application goes the same way when it is run again: here, and in a process with another hash seed.

What is compared is `AgentHistory.account`: every frame that the server was sent, what the sessions went through, and
how it ended. In this process a second run shows a wall clock, chance, and what the first has left behind; the order of
a set of texts shows in another one only. For that the application (and its model) must be what `pickle` can send:
functions and objects of modules that can be imported, and nothing of a script. Of closures and lambdas nothing is
known elsewhere; they are run again here, and sets are not noticed.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from relive.testing.server_model import Model
from relive.testing.simulation.embedding import Agent, AgentHistory, play_agent
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.twice import different_lines
from relive.testing.simulation.workers import other_hash_seed

_HERE: Final = (
    "The plan is the same, so the application is not: it looks at a wall clock, draws by chance, or depends on what an "
    "earlier run has left behind."
)
_ELSEWHERE: Final = (
    "In this process it goes the same way twice, in another one with another PYTHONHASHSEED it does not: it depends on "
    "the order of a set, on the wall clock, or on what only this process has: a variable, a monkeypatch."
)
_CHILD: Final = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from relive.testing.simulation.embedding_again import main; main()"
)


def run_again(agent: Agent, history: AgentHistory, model: Model | None) -> None:
    """Run an application again, here and, if it can be had there, in another process; notes in `history.again` where.

    Raises:
        AssertionError: it went differently; says where first.
        RuntimeError: the other process died.
    """
    same_again(history, play_agent(agent, history.plan, model=model))
    history.again = "here"
    account = _elsewhere(agent, history.plan, model)
    if account is not None:
        _same(history.account(), account, _ELSEWHERE)
        history.again = "elsewhere"


def same_again(first: AgentHistory, second: AgentHistory) -> None:
    """Insist that two histories of one plan are the same.

    Raises:
        AssertionError: they differ; says where first.
    """
    _same(first.account(), second.account(), _HERE)


def _same(first: Sequence[str], second: Sequence[str], why: str) -> None:
    difference = different_lines(0, first, second)
    if difference is not None:
        lines = "\n  ".join(difference.lines())
        raise AssertionError(f"it went differently when it was run again, first here:\n  {lines}\n{why}")


def _elsewhere(agent: Agent, plan: Plan, model: Model | None) -> Sequence[str] | None:
    """The account of a run in another process; None if the application cannot be had there."""
    try:
        sent = pickle.dumps((agent, plan, model))
    except Exception:  # noqa: BLE001 - pickle raises whatever the objects do
        return None
    child = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", _CHILD],
        input=pickle.dumps(sys.path) + pickle.dumps(sent),
        env=os.environ | other_hash_seed(),
        capture_output=True,
        check=False,
    )
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"the process that was to run the application again ended with {child.returncode}:\n{said}")
    return pickle.loads(child.stdout)  # noqa: S301 - our own


def main() -> None:
    """Be the other process: run what comes in, and write down the account, or None if it cannot be had here."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the application prints is not ours
    sent: bytes = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own
    try:
        found: tuple[Any, Plan, Model | None] | None = pickle.loads(sent)  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever a module raises that is imported for it
        found = None
    account = None if found is None else play_agent(found[0], found[1], model=found[2]).account()
    out.write(pickle.dumps(account))
    out.close()
