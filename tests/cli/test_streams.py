"""The standard streams, and files that are written: closed or full, that is said, and not with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from tests.cli.processes import end, start

from relive.cli import simulate

FULL = Path("/dev/full")
SHORT = ("simulate", "--level", "core", "--sessions", "2")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")


def relive(*words: str, before: str = "", env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run the command line in a process, where this is done first."""
    ended = end(start("-c", f"import os, sys\n{before}\nfrom relive.cli import main; main()", *words, env=env))
    return ended.code, ended.out, " ".join(ended.err.replace("│", " ").split())


@pytest.mark.parametrize("words", [("simulate", "--replay", "-"), ("timeline", "-")])
def test_a_closed_standard_input_is_said_to_be_so(words: tuple[str, ...]) -> None:
    code, out, err = relive(*words, before="sys.stdin = None")  # what Python makes of a closed one
    assert (code, out) == (2, "")
    assert "the standard input is closed" in err
    assert "Traceback" not in err


@needs_full
@pytest.mark.parametrize("unbuffered", ["1", ""])
@pytest.mark.parametrize("words", [(*SHORT, "--json"), SHORT, ("diagram",), ("--version",)])
def test_where_nothing_can_be_written_it_does_not_look_like_a_broken_promise(
    words: tuple[str, ...], unbuffered: str
) -> None:
    before = f"os.dup2(os.open('{FULL}', os.O_WRONLY), 1)"
    said = relive(*words, before=before, env={"PYTHONUNBUFFERED": unbuffered})
    assert said == (2, "", "relive: cannot write the output: No space left on device")


@needs_full
def test_a_trace_that_cannot_be_written_ends_it_and_is_named() -> None:
    code, out, err = relive(*SHORT, "--jobs", "1", "--trace", str(FULL))
    assert (code, out) == (2, "")
    assert "Invalid value for --trace: cannot write /dev/full: No space left on device" in err
    assert "Traceback" not in err


@needs_full
def test_a_trace_is_not_written_before_the_last_of_it_is() -> None:
    with pytest.raises(typer.BadParameter, match="cannot write /dev/full"), simulate._writer(FULL) as write:
        write("so little that it waits until the file is closed")


def test_another_error_is_told_as_it_is() -> None:
    before = "from relive.cli.app import app\ndef broken(): raise OSError(5, 'broken')\napp.command('broken')(broken)"
    code, _, err = relive("broken", before=before)
    assert code == 1
    assert "OSError: [Errno 5] broken" in err
