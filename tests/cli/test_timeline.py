"""`relive timeline`: from a file or a pipe, to a page or to Mermaid, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.timeline.traces import HEADER, collected, line, played, step
from typer.testing import CliRunner, Result

from relive.cli.app import app
from relive.core.table import TABLE
from relive.diagrams import of_table
from relive.diagrams.timeline import page, sequence

HOLD = "tests.extending.test_paused:WITH_HOLD"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(played(violated=True)) + "\n", "utf-8")
    return path


def run(*words: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["timeline", *map(str, words)], input=stdin, env={"COLUMNS": "200"})


def test_a_page_is_written_beside_the_trace_or_where_it_is_wanted(trace: Path, tmp_path: Path) -> None:
    wanted = page(collected(*played(violated=True)), of_table(TABLE))
    done = run(trace)
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "a.html").read_text("utf-8") == wanted
    assert f"written to {tmp_path / 'a.html'}" in done.stderr
    assert run(trace, "-o", tmp_path / "b.html").exit_code == 0
    assert (tmp_path / "b.html").read_text("utf-8") == wanted
    assert run(trace, "-o", "-").stdout_bytes.decode() == wanted


def test_a_trace_is_not_written_over_by_its_page(trace: Path, tmp_path: Path) -> None:
    odd = trace.rename(tmp_path / "a.html")
    assert run(odd).exit_code == 0
    assert (tmp_path / "a.page.html").exists()
    done = run(odd, "-o", odd)
    assert done.exit_code == 2
    assert "is the trace itself" in done.stderr
    assert odd.read_text("utf-8").startswith('{"relive_trace"')


def test_mermaid_goes_to_the_terminal_and_is_about_the_session_that_was_let_down(trace: Path, tmp_path: Path) -> None:
    (whole,) = collected(*played(violated=True)).runs
    done = run(trace, "--format", "mermaid")
    assert (done.exit_code, done.stdout_bytes.decode()) == (0, sequence(whole, 1))
    only = whole.only("0")
    assert only is not None
    assert run(trace, "--format", "mermaid", "--session", "0").stdout_bytes.decode() == sequence(only, 0)
    assert run(trace, "--format", "mermaid", "-o", tmp_path / "a.mmd").stdout == ""
    assert (tmp_path / "a.mmd").read_text("utf-8") == sequence(whole, 1)


def test_a_trace_comes_through_a_pipe(trace: Path) -> None:
    done = run("-", stdin=trace.read_bytes())
    assert done.exit_code == 0
    assert done.stdout_bytes.startswith(b"<!doctype html>")


def test_one_run_and_one_session_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*played(), HEADER, line(0.0, "session", "ada", client=7), ""]), "utf-8")
    assert run(path, "--run", "2", "--session", "ada").exit_code == 0
    assert '"clients":[[7,"ada"]]' in (tmp_path / "a.html").read_text("utf-8")


def test_what_had_to_be_left_out_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([HEADER, "nonsense", *(step(at, "A", "A") for at in range(500)), '{"t":']), "utf-8")
    done = run(path, "--most", "100")
    assert done.exit_code == 0
    assert "too many to be shown one by one" in done.stderr
    said = "2 lines cannot be read: line 2: it is not JSON; line 503: the file ends in the middle of it."
    assert said in done.stderr
    assert said in (tmp_path / "a.html").read_text("utf-8")


def test_the_machine_of_an_embedder_is_drawn(trace: Path, tmp_path: Path) -> None:
    assert run(trace, "--table", HOLD).exit_code == 0
    assert 'data-state="PAUSED"' in (tmp_path / "a.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: this is no trace: it is empty"),
        ("hello", "line 1: this is no trace: it should begin with a header, and it is not JSON"),
        ('{"relive_trace":2}', "line 1: this is a trace of version 2; this relive reads version 1"),
    ],
)
def test_what_is_no_trace_is_told_and_leaves_no_page(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text, "utf-8")
    done = run(path)
    assert (done.exit_code, done.stderr) == (1, f"relive timeline: {path}: {said}\n")
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("missing.jsonl",), "cannot read missing.jsonl"),
        (("TRACE", "--session", "eve"), "there is no session 'eve'; there are 0, 1"),
        (("TRACE", "--table", "nonsense"), "is not of the form package.module:NAME"),
        (("TRACE", "-o", "/nowhere/a.html"), "cannot write /nowhere/a.html"),
        (("TRACE", "--format", "png"), "is not one of"),
        (("TRACE", "--most", "1"), "greater than or equal to 100"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(trace: Path, words: tuple[str, ...], said: str) -> None:
    done = run(*(str(trace) if word == "TRACE" else word for word in words))
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_a_run_that_is_not_there_is_told(trace: Path) -> None:
    done = run(trace, "--run", "9")
    assert done.exit_code == 1
    assert "there is no run 9; there are 1" in done.stderr
