"""`relive diagram`: to the terminal, into files, and whether the committed files are stale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.processes import end, start
from transitions import Machine
from typer.testing import CliRunner

from relive.cli.app import app
from relive.core.table import TABLE
from relive.diagrams import Options, draw, of_machine, of_table

DOOR = Machine(model=None, states=["open", "shut", "SHUT", "a/b"], initial="open", auto_transitions=False)
DOOR.add_transition("close", "open", "shut")
EMPTY = Machine(model=None, states=None, initial=None)
HOLD = "tests.extending.test_paused:WITH_HOLD"
HERE = "tests.cli.test_diagram"


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["diagram", *words], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_without_anything_it_is_the_whole_machine_as_mermaid() -> None:
    assert run() == (0, f"{TABLE:mermaid}")


@pytest.mark.parametrize("form", ["mermaid", "dot", "svg", "matrix"])
def test_the_text_goes_to_the_terminal_in_any_format(form: str) -> None:
    assert run("--format", form) == (0, format(TABLE, form))


def test_a_state_is_shown_with_its_orders() -> None:
    view = of_table(TABLE).view("DRAINING")
    assert run("--state", "DRAINING") == (0, draw(view, "mermaid", Options(orders=True)))
    assert run("--state", "DRAINING", "--no-orders") == (0, draw(view, "mermaid"))


def test_guards_can_be_left_out() -> None:
    assert "within_budget" not in run("--no-guards")[1]


def test_an_embedders_table_is_drawn() -> None:
    code, out = run("--table", HOLD)
    assert code == 0
    assert "PAUSED" in out


def test_any_machine_is_drawn() -> None:
    assert run("--machine", f"{HERE}:DOOR", "--format", "dot") == (0, draw(of_machine(DOOR), "dot"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--state", "DRIANING"), "there is no DRIANING"),
        (("--format", "png"), "is not one of"),
        (("--table", "nonsense"), "is not of the form package.module:NAME"),
        (("--table", f"{HERE}:DOOR"), "not a relive.core.schema.Table"),
        (("--machine", HOLD), "is not a transitions.Machine"),
        (("--machine", f"{HERE}:EMPTY"), "has no states"),
        (("--machine", f"{HERE}:NO"), f"{HERE} has no NO"),
        (("--machine", f"{HERE}:Path.NO"), f"{HERE} has no Path.NO"),
        (("--machine", "..cli:NO"), "cannot import ..cli: TypeError"),
        (("--machine", "no_such_module:NO"), "cannot import no_such_module: ModuleNotFoundError"),
        (("--out", "/dev/null"), "cannot write /dev/null"),
        (("--machine", f"{HERE}:DOOR", "--table", HOLD), "a table or a machine, not both"),
    ],
)
def test_what_cannot_be_drawn_is_said(words: tuple[str, ...], said: str) -> None:
    code, out = run(*words)
    assert code == 2
    assert said in " ".join(out.split())


@pytest.mark.parametrize("code", ["raise ValueError('no')", "import sys; sys.exit(0)", "1 +", "x = y"])
def test_a_module_that_cannot_be_imported_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"broken_{len(code)}"
    (tmp_path / f"{name}.py").write_text(code + "\n", "utf-8")
    assert run("--machine", f"{name}:NAME")[0] == 2
    assert f"cannot import {name}: " in " ".join(run("--machine", f"{name}:NAME")[1].split())


def test_the_text_is_utf_8_on_any_terminal() -> None:
    done = start("-m", "relive", "diagram", "--format", "matrix", env={"PYTHONIOENCODING": "ascii"})
    assert end(done).code == 0


def test_what_was_written_is_not_stale(tmp_path: Path) -> None:
    assert run("--out", str(tmp_path)) == (0, "")
    assert run("--out", str(tmp_path), "--check") == (0, "")
    assert (tmp_path / "lifecycle.svg").read_text("utf-8") == f"{TABLE:svg}"
    assert {path.stem for path in (tmp_path / "states").glob("*.mmd")} == set(TABLE.states)


def test_what_is_stale_missing_or_left_over_is_named(tmp_path: Path) -> None:
    run("--out", str(tmp_path))
    stale, missing, left = (tmp_path / name for name in ("matrix.md", "floors.svg", "states/GONE.mmd"))
    stale.write_text(stale.read_text("utf-8") + "\n", "utf-8")
    missing.unlink()
    left.write_text("stateDiagram-v2\n", "utf-8")
    code, out = run("--out", str(tmp_path), "--check")
    assert code == 1
    for said in (f"stale: {stale}", f"missing: {missing}", f"left over: {left}: delete it"):
        assert said in out.splitlines()
    assert "writes the others anew" in out
    assert run("--out", str(tmp_path))[0] == 0
    (tmp_path / "README.md").write_text("# Pictures\n", "utf-8")
    assert run("--out", str(tmp_path), "--check") == (1, f"left over: {left}: delete it\n")
    assert "GONE" not in run("--out", str(tmp_path), "--check", "--format", "svg")[1]


def test_one_state_or_one_format_can_be_written_alone(tmp_path: Path) -> None:
    run("--out", str(tmp_path), "--state", "DRAINING", "--format", "svg")
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["DRAINING-dark.svg", "DRAINING.svg"]
    assert run("--out", str(tmp_path), "--state", "DRAINING", "--format", "svg", "--check") == (0, "")
    assert run("--out", str(tmp_path), "--check")[0] == 1


def test_states_that_no_file_could_be_called_like_have_numbers(tmp_path: Path) -> None:
    assert run("--machine", f"{HERE}:DOOR", "--out", str(tmp_path), "--format", "mermaid")[0] == 0
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.mmd"))
    assert names == ["machine.mmd", "states/open.mmd", "states/state-2.mmd", "states/state-3.mmd", "states/state-4.mmd"]


def test_a_trace_is_shown_as_counts(tmp_path: Path) -> None:
    trace, out = tmp_path / "trace.jsonl", tmp_path / "out"
    played = CliRunner().invoke(app, ["simulate", "--sessions", "1", "--level", "core", "--trace", str(trace)])
    assert played.exit_code == 0
    code, said = run("--trace", str(trace), "--state", "ACTIVE", "--format", "dot")
    assert code == 0
    assert "1 run, " in said
    assert "never: GoAwayReceived" in said or "GoAwayReceived</font> ×" in said
    assert "penwidth" in said
    assert run("--trace", str(trace), "--out", str(out))[0] == 0
    assert "never" in (out / "lifecycle.svg").read_text("utf-8")
    assert not (out / "floors.svg").exists()


def test_a_trace_of_another_table_is_told(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    steps = [{"state": "ACTIVE", "event": "Held", "dest": "PAUSED", "times": 4}]
    trace.write_text(json.dumps({"sessions": 2, "transitions": steps}))
    code, said = run("--trace", str(trace))
    assert code == 0
    assert "4 steps are of another table: Held, ACTIVE → PAUSED is one" in said


@pytest.mark.parametrize("text", [None, "", "{}", '{"relive_trace": 9}'])
def test_what_is_no_trace_is_refused(tmp_path: Path, text: str | None) -> None:
    trace = tmp_path / "trace.jsonl"
    if text is not None:
        trace.write_text(text)
    code, said = run("--trace", str(trace))
    assert code == 2
    assert "trace.jsonl" in said


def test_no_picture_of_a_trace_is_committed() -> None:
    assert run("--trace", "x", "--check")[0] == 2
