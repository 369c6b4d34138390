"""P24: same seed, same trace, byte for byte: the core across processes and hash seeds.

Across Python versions the digests that `python -m tests.promises.trace` prints are compared by CI.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.promises.trace import trace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_the_same_seed_gives_the_same_trace_whatever_the_hash_seed(hash_seed: str) -> None:
    """P24."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.promises.trace", "7"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == trace(7)


def test_another_seed_gives_another_trace() -> None:
    """The digest looks at what happens."""
    assert trace(7) != trace(8)
