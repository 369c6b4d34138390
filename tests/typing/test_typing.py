"""A strict type checker agrees with the public API as callers write it, in `api.py`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

API = Path(__file__).with_name("api.py")
PYRIGHT = shutil.which("pyright", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


@pytest.mark.slow
@pytest.mark.skipif(not PYRIGHT and not os.environ.get("CI"), reason="pyright is not installed: pip install '.[dev]'")
def test_callers_of_the_public_names_are_typed() -> None:
    assert PYRIGHT, "CI must have pyright on the path"
    answer = subprocess.run(
        [PYRIGHT, "--outputjson", "--pythonpath", sys.executable, str(API)],
        cwd=API.parents[2],
        capture_output=True,
        check=False,
        env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        text=True,
        timeout=240,
    )
    report = json.loads(answer.stdout)
    problems = [
        f"{Path(problem['file']).name}:{problem['range']['start']['line'] + 1}: {problem['message']}"
        for problem in report["generalDiagnostics"]
        if problem["severity"] == "error"
    ]
    assert problems == []
    assert report["summary"]["filesAnalyzed"] >= 1
