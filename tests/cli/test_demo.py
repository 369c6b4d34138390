"""`relive demo`: the real client, real sockets, everything goes wrong and nothing is lost. And it would say so."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from rich.console import Console
from tests.cli.processes import Ended, end, interrupt, run, start
from typer.testing import CliRunner

import relive
from relive.cli.app import app
from relive.cli.plan import Fault, make_plan
from relive.cli.screen import RichScreen

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

BREAKS = {
    "nothing is sent again": "from relive.core.journal import Journal; Journal.rewind = lambda self, replay: None",
    "handles cover nothing": "from relive.core.journal import Journal; Journal.trim = lambda self, covered: None",
    "an answer is given twice": (
        "import attrs; from relive.cli import demo; demo.POLICY = attrs.evolve(demo.POLICY, withhold_repeats=False)"
    ),
    "a chunk of an answer is dropped": (
        "from itertools import count; from relive.runtime.inbox import Inbox; chunks, put = count(1), Inbox.put\n"
        "Inbox.put = lambda self, frame: (b'modelTurn' not in frame or next(chunks) % 50 != 0) and put(self, frame)"
    ),
}
DEMO = ("-m", "relive", "demo")


def broken(how: str) -> tuple[str, ...]:
    """The demo of a relive that is broken in this way."""
    return ("-c", f"{BREAKS[how]}\nfrom relive.cli import main; main()", "demo", "--json")


@pytest.fixture(scope="module")
def runs() -> dict[str, Ended]:
    """All demos of this module: they take their time, so they take it together."""
    started = {
        "seed 5": start(*DEMO, "--json", "--seed", "5"),
        "seed 5 again": start(*DEMO, "--json", "--seed", "5"),
        "shown": start(*DEMO),
        "developer": start(*DEMO, "--json", "--backend", "developer"),
        **{how: start(*broken(how)) for how in BREAKS},
    }
    return {name: end(process) for name, process in started.items()}


def summary(run: Ended) -> dict[str, Any]:
    """What it says about itself."""
    return json.loads(run.out)


def test_nothing_is_lost_or_doubled_in_either_direction(runs: dict[str, Ended]) -> None:
    said = summary(runs["seed 5"])
    counts = {name: count for name, count in said.items() if name.endswith(("_lost", "_doubled", "_out_of_order"))}
    assert counts == {
        "frames_lost": 0,
        "frames_doubled": 0,
        "frames_out_of_order": 0,
        "output_lost": 0,
        "output_doubled": 0,
        "output_out_of_order": 0,
    }
    assert runs["seed 5"].code == 0


def test_everything_that_is_promised_goes_wrong(runs: dict[str, Ended]) -> None:
    said = summary(runs["seed 5"])
    assert said["turns"] == 8
    assert said["connections"] >= 6
    assert said["openings"] == said["connections"] + 2  # one dial was refused, and one handle
    assert said["frames_sent"] > 300
    assert said["seconds"] < 30
    assert len(said["faults"]) == 6
    assert "not_restored(rejected)" in said["verdicts"]
    assert said["verdicts"].count("resumed") == said["connections"] - 2
    visited = {step["to"] for step in said["transitions"]}
    assert visited == {"CONNECTING", "ACTIVE", "DRAINING", "RESUMING", "WAITING", "HANDLE_EXPIRED", "CLOSED"}


def test_the_same_seed_gives_the_same_faults_turns_and_transitions(runs: dict[str, Ended]) -> None:
    one, other = summary(runs["seed 5"]), summary(runs["seed 5 again"])
    for name in ("seed", "faults", "turns", "transitions", "verdicts", "connections", "openings"):
        assert one[name] == other[name]


def test_it_shows_states_turns_faults_and_a_summary(runs: dict[str, Ended]) -> None:
    shown = runs["shown"]
    assert (shown.code, shown.err) == (0, "")
    for word in ("turn 1 ", "turn 8 ", "HANDLE_EXPIRED", "connection 1, fresh", "GoAway, no time left", "TCP reset"):
        assert word in shown.out
    assert shown.out.rstrip().endswith("Nothing was lost.")
    assert "\x1b" not in shown.out  # not a terminal


def test_without_message_indices_frames_are_doubled_within_the_margin_and_none_is_lost(runs: dict[str, Ended]) -> None:
    said = summary(runs["developer"])
    assert runs["developer"].code == 0
    assert (said["frames_lost"], said["output_lost"], said["backend"]) == (0, 0, "developer")
    assert 0 < said["frames_doubled"] <= said["frames_uncertain"]


@pytest.mark.parametrize(
    ("how", "count"),
    [
        ("nothing is sent again", "frames_lost"),
        ("handles cover nothing", "frames_doubled"),
        ("an answer is given twice", "output_doubled"),
        ("a chunk of an answer is dropped", "output_lost"),
    ],
)
def test_a_broken_relive_is_found_out(runs: dict[str, Ended], how: str, count: str) -> None:
    assert (runs[how].code, runs[how].err) == (1, "")
    assert summary(runs[how])[count] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send")
def test_ctrl_c_ends_it_without_a_traceback() -> None:
    demo = start(*DEMO)
    assert demo.stdout is not None
    assert demo.stdout.readline()
    ended = interrupt(demo)
    assert (ended.code, ended.err) == (130, "interrupted\n")


def test_without_the_extra_it_says_what_to_install() -> None:
    ended = run("-c", "import sys; sys.modules['typer'] = None; from relive.cli import main; main()", "demo")
    assert (ended.code, ended.out) == (2, "")
    assert "pip install 'relive[cli]'" in ended.err


def test_the_command_line_needs_no_test_tools() -> None:
    code = "import sys, relive.cli.app; print({'pytest', 'hypothesis'} & set(sys.modules))"
    assert run("-c", code).out == "set()\n"


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"relive {relive.__version__}\n")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["demo", "--seed", "x"], "--seed"),
        (["demo", "--backend", "other"], "--backend"),
        (["demo", "--live"], "GEMINI_API_KEY"),
        (["demo", "--live", "--backend", "vertex"], "--backend"),
        (["demo", "--loud"], "--loud"),
        (["play"], "play"),
    ],
)
def test_a_wrong_call_is_named(words: list[str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert named in done.output


def test_the_help_says_that_the_real_service_was_not_tried() -> None:
    assert "not been tried" in " ".join(CliRunner().invoke(app, ["demo", "--help"]).output.replace("│", " ").split())


def test_in_a_terminal_a_bar_follows_the_conversation() -> None:
    out = io.StringIO()
    plan = make_plan(0)
    with RichScreen(Console(file=out, force_terminal=True, width=100), len(plan.turns)) as screen:
        screen.turn_began(plan.turns[0])
        screen.transition(relive.Transition("IDLE", "CONNECTING", "ConnectRequested", 0.0, 1))
        screen.struck(Fault("reset", "answer", 3, refused=True))
        screen.chunk(7)
        screen.interrupted(7)
        screen.notice(relive.Notice("reader_stalled", "42 bytes wait", 0.0, 1))
        screen.turn_ended(0)
    shown = out.getvalue()
    for word in ("CONNECTING", "then 503 at the dial", "7/", "reader_stalled", "1/8"):
        assert word in shown
