"""`relive simulate`: what it prints for people and for programs, and what it says when something is wrong."""

from __future__ import annotations

import io
import json
import shlex
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from rich.console import Console
from tests.cli.processes import PATIENCE, end, interrupt, start
from tests.simulation import plays
from typer.testing import CliRunner, Result

from relive.cli import simulate as command
from relive.cli.app import app
from relive.cli.campaign_screen import CampaignScreen, show_result
from relive.core.table import TABLE
from relive.testing.simulation import simulate as kernel
from relive.testing.simulation.campaign import Campaign, run as run_campaign
from relive.testing.simulation.faults import Close, Crash
from relive.testing.simulation.history import History
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import Plan, Step
from relive.testing.simulation.workers import Here

SHORT = Plan(seconds=80.0, calm=20.0, steps=(Step(fault=Close(), at=20.0), Step(fault=Crash(), at=40.0)))


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong with any session: these tests are about how it is said."""
    monkeypatch.setattr(kernel, "check", lambda history: ())


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client may crash."""

    def check(history: History) -> tuple[Violation, ...]:
        return (Violation("P99", "a client has crashed", 40.0),) if history.faults["Crash"] else ()

    monkeypatch.setattr(kernel, "check", check)


@pytest.fixture
def short(tmp_path: Path) -> str:
    """A file with a plan."""
    path = tmp_path / "plan.json"
    path.write_text(SHORT.to_json(), "utf-8")
    return str(path)


def simulate(*words: str, **how: Any) -> Result:
    return CliRunner().invoke(app, ["simulate", *words], env={"COLUMNS": "200"}, **how)


def found(*words: str) -> dict[str, Any]:
    return json.loads(simulate("--json", *words).stdout)


def test_a_campaign_for_people() -> None:
    done = simulate("--sessions", "3", "--seed", "5")
    assert done.exit_code == 0, done.output
    for words in ("3 of 3, on level runtime, seed 5", "median session", "sessions/s", "× real time", "trace sha256"):
        assert words in done.stdout
    for state in TABLE.states:
        assert state in done.stdout
    assert done.stdout.endswith("Every promise was kept.\n")


def test_a_campaign_for_programs() -> None:
    said = found("--sessions", "3", "--seed", "5", "--jobs", "1")
    assert said["sessions"] == 3
    assert said["simulated_seconds"] > 0
    assert said["wall_seconds"] > 0
    assert set(said["medians"]) == {"simulated_minutes", "connections", "frames_sent", "frames_delivered"}
    assert all(isinstance(count, int) for count in said["faults"].values())
    assert {tuple(sorted(step)) for step in said["transitions"]} == {("dest", "event", "state", "times")}
    taken = {(step["state"], step["event"], step["dest"]) for step in said["transitions"]}
    edges = {(step.source, step.trigger, step.dest) for step in TABLE.steps()}
    assert edges - taken == {tuple(edge) for edge in said["edges_never_taken"]}
    assert (said["violations"], said["failures"], said["shrunk"], said["good"]) == ([], [], None, True)
    assert len(said["trace_sha256"]) == 64
    others = found("--sessions", "3", "--seed", "5", "--jobs", "2", "--keep-going", "--no-shrink")
    assert others["trace_sha256"] == said["trace_sha256"]
    assert found("--sessions", "3", "--seed", "6")["trace_sha256"] != said["trace_sha256"]


def test_one_session_of_a_campaign_is_played_alone() -> None:
    whole = found("--sessions", "3", "--seed", "5")
    parts = [found("--only", str(index), "--seed", "5")["simulated_seconds"] for index in range(3)]
    assert sum(parts) == pytest.approx(whole["simulated_seconds"], abs=0.01)


def test_a_plan_is_played_again_from_a_file_or_from_the_standard_input(short: str) -> None:
    said = found("--replay", short)
    assert said["sessions"] == 1
    assert (said["faults"]["Close"], said["faults"]["Crash"]) == (1, 1)
    piped = simulate("--json", "--replay", "-", input=SHORT.to_json())
    assert json.loads(piped.stdout)["trace_sha256"] == said["trace_sha256"]


@pytest.mark.usefixtures("strict")
def test_a_violation_is_told_shrunk_and_comes_again_with_the_line_that_is_given(short: str) -> None:
    done = simulate("--replay", short)
    assert done.exit_code == 1
    assert "1 of 1, on level runtime, of a given plan" in done.stdout
    assert "profile" not in done.stdout
    assert "Shrunk from 2 steps to 1" in done.stdout
    assert "P99 at 40.000 s: a client has crashed" in done.stdout
    assert "1. at 0 s: Crash(" in done.stdout
    line = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("  echo"))
    _, plan, _, _, _, *words = shlex.split(line)
    again = simulate(*words, "--no-shrink", input=plan)
    assert again.exit_code == 1
    assert "P99 at 40.000 s" in again.stdout
    assert "Shrunk" not in again.stdout
    assert "@example(Plan.from_json('" in again.stdout


@pytest.mark.usefixtures("strict")
def test_a_violation_for_programs_comes_with_its_plan_small_and_whole(
    monkeypatch: pytest.MonkeyPatch, short: str
) -> None:
    said = found("--replay", short)
    (violation,) = said["violations"]
    assert violation == {"index": 0, "promise": "P99", "what": "a client has crashed", "at": 40.0, "client": 0}
    (failure,) = said["failures"]
    assert Plan.from_json(json.dumps(failure["plan"])) == SHORT
    assert [step["fault"]["fault"] for step in said["shrunk"]["plan"]["steps"]] == ["Crash"]
    assert said["shrunk"]["tries"] > 0


def paper(monkeypatch: pytest.MonkeyPatch, play: Any) -> None:
    """Have campaigns play something else."""
    made = Campaign(draw=plays.numbered, play=play)
    monkeypatch.setattr(command, "Campaign", lambda **how: attrs.evolve(made, **how))


def test_it_stops_at_the_first_violation_unless_it_is_told_to_keep_going(monkeypatch: pytest.MonkeyPatch) -> None:
    paper(monkeypatch, plays.paper)
    assert found("--sessions", "40", "--no-shrink")["sessions"] == 8
    done = simulate("--sessions", "40", "--no-shrink", "--keep-going")
    assert done.exit_code == 1
    assert "40 of 40" in done.stdout
    assert "Session 7 did not keep a promise." in done.stdout
    assert "relive simulate --seed 0 --only 7 --level runtime" in done.stdout
    assert "violated in session 11: P13" in done.stdout
    assert "relive simulate --seed 0 --only 11 --level runtime" in done.stdout


def test_a_trace_is_written_at_the_end_of_a_file(tmp_path: Path, short: str) -> None:
    path = tmp_path / "trace.jsonl"
    for _ in range(2):
        assert simulate("--replay", short, "--trace", str(path)).exit_code == 0
    lines = path.read_text("utf-8").splitlines()
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert json.loads(lines[0])["plan"] == json.loads(SHORT.to_json())


@contextmanager
def nobody_else(jobs: int) -> Generator[Here]:
    """Instead of other processes, which would not know what is planted here."""
    yield Here()


def test_what_goes_differently_the_second_time_is_named(monkeypatch: pytest.MonkeyPatch, short: str) -> None:
    monkeypatch.setattr(command, "strangers", nobody_else)
    done = simulate("--replay", short, "--check-determinism")
    assert done.exit_code == 0, done.output
    assert "Every session went the same way twice." in done.stdout
    add: Any = History.add

    def hasty(history: History, *record: Any) -> None:
        if record[3] == "crash":
            record = (*record[:5], time.perf_counter_ns())
        add(history, *record)

    monkeypatch.setattr(History, "add", hasty)
    done = simulate("--replay", short, "--check-determinism")
    assert done.exit_code == 1
    assert "session 0 went differently when it was played again, first in line " in done.stdout
    assert done.stdout.count('"kind":"crash"') == 2
    said = found("--replay", short, "--check-determinism")
    assert said["difference"]["first"] != said["difference"]["second"]
    assert said["good"] is False


def test_sessions_go_the_same_way_in_a_process_with_another_hash_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    said = found("--only", "1", "--check-determinism", "--no-shrink")
    assert (said["difference"], said["played_twice"]) == (None, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sessions", "0"], "--sessions"),
        (["--level", "cloud"], "--level"),
        (["--faults", "stormy"], "there is no profile 'stormy'"),
        (["--rate", "nan"], "--rate"),
        (["--rate", "-1"], "--rate"),
        (["--rate", "1e9"], "from 0.001 to 200, and is 1000000000.0"),
        (["--replay", "no-such-file"], "cannot read no-such-file"),
        (["--trace", "no-such-directory/trace"], "cannot write no-such-directory/trace"),
        (["--trace", "-"], "it has to be a file"),
        (["--only", "1", "--replay", "-"], "leave out --only"),
        (["--only", "1", "--sessions", "9"], "it plays one session alone: leave out --sessions"),
        (["--seed", "3", "--replay", "-"], "leave out --seed"),
        (["--level", "sockets", "--check-determinism"], "real sockets never do the same twice"),
    ],
)
def test_a_wrong_call_is_named(words: list[str], said: str) -> None:
    done = simulate(*words)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not JSON", "it is not JSON"),
        ('{"version": 2}', "it is of version 2, and this relive knows versions up to 1"),
        ('{"version": 1, "steps": [{"fault": {"fault": "Flood"}}]}', "there is no fault 'Flood'"),
        ('{"version": 1, "service": {"latency": -1}}', "$.service.latency"),
        ('{"version": 1, "client": {"policy": {"bravery": 1}}}', "$.client.policy.bravery"),
    ],
)
def test_an_unreadable_plan_is_said_to_be_so_without_a_traceback(text: str, said: str) -> None:
    done = simulate("--replay", "-", input=text)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output


def test_a_session_that_asks_the_loop_for_what_it_does_not_have_broke_a_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(plan: Plan) -> History:
        raise NotImplementedError("SimLoop has no add_reader()")

    monkeypatch.setitem(kernel._LEVELS, "runtime", refused)
    done = simulate("--only", "0", "--no-shrink")
    assert done.exit_code == 1
    assert "error at 0.000 s: NotImplementedError: SimLoop has no add_reader() (refused, line " in done.output


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send")
def test_ctrl_c_ends_it_with_what_there_is(tmp_path: Path) -> None:
    code = "from relive.testing.simulation import simulate; simulate.check = lambda history: ()\n"
    code += "from relive.cli import main; main()"
    trace = tmp_path / "trace.jsonl"
    running = start("-c", code, "simulate", "--sessions", "100000", "--jobs", "1", "--trace", str(trace))
    until = time.monotonic() + PATIENCE
    while not (trace.exists() and trace.stat().st_size) and time.monotonic() < until:
        time.sleep(0.05)
    ended = interrupt(running, signal.SIGINT)
    assert (ended.code, ended.err) == (130, "interrupted\n")
    assert "Interrupted: this is what there is." in ended.out
    assert "of 100,000, on level runtime" in ended.out


def test_the_kit_is_imported_without_the_command_lines_extra() -> None:
    code = "import sys; sys.modules.update(typer=None, rich=None)\n"
    code += "from relive.testing.simulation import campaign, explain, shrink; print('fine')"
    assert end(start("-c", code)).out == "fine\n"


def test_in_a_terminal_two_lines_follow_the_campaign() -> None:
    out = io.StringIO()
    campaign = Campaign(sessions=40, draw=plays.numbered, play=plays.paper, keep_going=True)
    console = Console(file=out, force_terminal=True, width=160)
    with CampaignScreen(console, campaign) as screen:
        result = run_campaign(campaign, progress=screen.told)
    with CampaignScreen(console, campaign) as screen:
        screen.shrinking(SHORT, 12)
    for words in ("40/40", "sessions/s", "2 of 9 states", "2 violated", "shrinking", "12/300", "2 steps, 80 s"):
        assert words in out.getvalue(), words
    quiet = io.StringIO()
    with CampaignScreen(Console(file=quiet, force_terminal=False), campaign) as screen:
        screen.told(result.tally, result.wall)
    assert quiet.getvalue() == ""


def test_what_never_happened_and_what_was_never_taken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    made = Campaign(sessions=1000, draw=plays.numbered, play=plays.paper, keep_going=True)
    monkeypatch.setattr("relive.testing.simulation.checks.MUST_HAPPEN", ("it snowed",))
    show_result(Console(file=out, width=200), run_campaign(made))
    assert "never happened, and must: it snowed" in out.getvalue()
    assert "never taken: ACTIVE → DRAINING on GoAwayReceived" in out.getvalue()
    assert "it rained" in out.getvalue()
