"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from relive.testing.simulation import faults as f
from relive.testing.simulation.plan import Plan, Step

pytest_plugins = ["pytester"]

PLUGIN = "relive.testing.plugin"
INSTALLED = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
CONFIG = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"


def run(pytester: pytest.Pytester, source: str, *args: str) -> pytest.RunResult:
    pytester.makeini(CONFIG)
    pytester.makepyfile(source)
    loaded = () if INSTALLED else ("-p", PLUGIN)
    return pytester.runpytest_subprocess("-q", "-W", "error", "-p", "no:cacheprovider", *loaded, *args, timeout=60)


LIVE = """
import asyncio, pytest, relive

async def talk(session):
    await session.send_client_content(turns={"role": "user", "parts": [{"text": "hi"}]})
    return "".join([message.text or "" async for message in session.receive()])
"""


def test_a_marked_test_takes_no_time_and_talks_to_a_server_in_memory(pytester: pytest.Pytester) -> None:
    run(pytester, LIVE + """
@pytest.mark.virtual_time
async def test_virtual(live_client, live_server):
    await asyncio.sleep(3600)
    async with live_client.aio.live.connect(model="m") as session:
        assert await talk(session) == "turn 1: hi"
    async with relive.connect(live_client, model="m") as session:
        assert await talk(session) == "turn 1: hi"
        live_server.go_away(5.0)
        await session.wait_for("RESUMING")
        assert await talk(session) == "turn 2: hi"
        await session.wait_for("ACTIVE")
        live_server.freeze(live_server.newest)
        assert await talk(session) == "turn 3: hi"
        await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() > 7200
""").assert_outcomes(passed=1)  # fmt: skip


def test_others_run_in_real_time_and_talk_over_tls(pytester: pytest.Pytester) -> None:
    run(pytester, LIVE + """
from relive.testing import ServerScript, SimLoop

@pytest.fixture
def live_script():
    return ServerScript(setup_delay=0.01)

@pytest.mark.virtual_time
class TestVirtual:
    async def test_method(self, live_server):
        assert isinstance(asyncio.get_running_loop(), SimLoop)
        assert live_server.server.script.setup_delay == 0.01

@pytest.mark.asyncio
async def test_real(live_client):
    assert not isinstance(asyncio.get_running_loop(), SimLoop)
    async with live_client.aio.live.connect(model="m") as session:
        assert await talk(session) == "turn 1: hi"
""").assert_outcomes(passed=2)  # fmt: skip


def test_a_marked_test_that_waits_for_ever_is_told_where(pytester: pytest.Pytester) -> None:
    result = run(pytester, """
import asyncio, pytest

@pytest.mark.virtual_time(max_time=60.0)
async def test_patient():
    while True:
        await asyncio.sleep(1.0)
""")  # fmt: skip
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*TimeLimit: *max_time=60*"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("10", "virtual_time(10): arguments are given by name, as in virtual_time(max_time=10)"),
        ("maxtime=10", "virtual_time(maxtime=…): there is no such argument; there are epoch, wall_epoch, max_time, *"),
        ("max_time=float('nan')", "virtual_time(max_time=nan): it must be a number above 0"),
    ],
)
def test_arguments_of_the_marker_that_would_be_ignored_are_refused(
    pytester: pytest.Pytester, arguments: str, said: str
) -> None:
    mark = f"@pytest.mark.virtual_time({arguments})"
    pytester.makepyfile(test_outer=f"import pytest\n{mark}\nclass TestVirtual:\n    async def test_virtual(self): pass")
    result = run(pytester, f"import pytest\n{mark}\nasync def test_virtual(): pass")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([said, "*", said])


def test_examples_of_hypothesis_and_static_methods_take_no_time_either(pytester: pytest.Pytester) -> None:
    run(pytester, """
import asyncio, pytest
from hypothesis import given, strategies as st

async def an_hour():
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.sleep(3600)
    assert (type(loop).__name__, loop.time() - before) == ("SimLoop", 3600)

@pytest.mark.virtual_time(max_time=4000)
@given(st.booleans())
async def test_outside(flag):
    await an_hour()

class TestInside:
    @given(flag=st.booleans())
    @pytest.mark.virtual_time(max_time=4000)
    async def test_inside(self, flag):
        await an_hour()

    @pytest.mark.virtual_time
    @staticmethod
    async def test_static():
        await an_hour()
""").assert_outcomes(passed=3)  # fmt: skip


UNFIT = """
import functools, pytest, unittest
from hypothesis import given, strategies as st

def plain(test):
    @functools.wraps(test)
    def run(*args, **options):
        return test(*args, **options)
    return run

mark = pytest.mark.virtual_time
"""


def test_what_would_run_in_real_time_all_the_same_is_refused(pytester: pytest.Pytester) -> None:
    tests = (
        "@mark\ndef test_it(): pass",
        "@mark\n@given(st.booleans())\ndef test_it(flag): pass",
        "@mark\n@plain\nasync def test_it(): pass",
        "@mark\n@given(st.booleans())\n@plain\nasync def test_it(flag): pass",
        "@mark\nclass TestMarked:\n    @plain\n    async def test_it(self): pass",
        "@mark\nasync def test_it(): yield",
        "@mark\nclass Case(unittest.IsolatedAsyncioTestCase):\n    async def test_it(self): pass",
        "class Case(unittest.IsolatedAsyncioTestCase):\n    @mark\n    async def test_it(self): pass",
    )
    pytester.makepyfile(**{f"test_{number}": UNFIT + test for number, test in enumerate(tests)})
    result = run(pytester, "")
    result.assert_outcomes(errors=len(tests))
    for said in ("test_it is no async function, *", "Case has a loop of its own"):
        result.stdout.fnmatch_lines([f"virtual_time: {said}: it would run in real time"])


def test_what_is_no_async_test_may_stand_beside_those_that_are_marked(pytester: pytest.Pytester) -> None:
    run(pytester, """
import asyncio, pytest, unittest
from unittest.mock import call
from hypothesis import given, strategies as st

pytestmark = pytest.mark.virtual_time

class Lazy:
    @property
    def __class__(self):
        raise RuntimeError("too early")

lazy = Lazy()

async def helper():
    return type(asyncio.get_running_loop()).__name__

async def test_async():
    assert await helper() == "SimLoop"

def test_plain():
    assert not hasattr(helper, "pytestmark")

@given(st.booleans())
def test_drawn(flag):
    pass

class Case(unittest.TestCase):
    def test_it(self):
        pass
""").assert_outcomes(passed=4)  # fmt: skip


def test_factories_of_a_suite_of_its_own_stay_in_charge_of_what_is_not_marked(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
import asyncio

class Own(asyncio.SelectorEventLoop):
    pass

def pytest_asyncio_loop_factories(config, item):
    return {"own": Own}
""")
    run(pytester, """
import asyncio, pytest

@pytest.mark.virtual_time
async def test_virtual():
    assert type(asyncio.get_running_loop()).__name__ == "SimLoop"

@pytest.mark.asyncio
async def test_own():
    assert type(asyncio.get_running_loop()).__name__.endswith("Own")
""").assert_outcomes(passed=2)  # fmt: skip


SIM = """
from relive.testing.simulation.plan import Plan

def test_plan(sim):
    outcome = sim(Plan(seconds=70.0, seed=4))
    print("seed", outcome.plan.seed, "steps", len(outcome.plan.steps))
"""


def test_sim_plays_plans_with_the_seed_of_the_run(pytester: pytest.Pytester) -> None:
    run(pytester, SIM, "-s").stdout.fnmatch_lines(["*seed 4 steps 0*"])
    run(pytester, SIM, "-s", "--relive-seed", "7").stdout.fnmatch_lines(["*seed 7 steps 0*"])


def test_sim_refuses_what_is_no_plan(pytester: pytest.Pytester) -> None:
    for options in [], ["--relive-seed", "7"]:
        said = run(pytester, "def test_plan(sim): sim('{}')", *options).stdout
        said.fnmatch_lines(["*TypeError: a Plan is needed, and this is a str: Plan.from_json*"])


def test_sim_plays_the_plan_of_a_file_instead(pytester: pytest.Pytester) -> None:
    plan = Plan(seconds=70.0, seed=9, steps=(Step(fault=f.ResetPeer(), at=3.0),))
    pytester.makefile(".json", plan=plan.to_json())
    run(pytester, SIM, "-s", "--relive-replay", "plan.json").stdout.fnmatch_lines(["*seed 9 steps 1*"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "*cannot read plan.json: No such file*"),
        ("{", "*it is not JSON*(at $)*"),
        (
            '{"version": 1, "steps": [{"fault": {"fault": "Flood"}}]}',
            "*no fault 'Flood'*(at $.steps[[]0].fault.fault)*",
        ),
        ('{"version": 99}', "*of version 99*(at $.version)*"),
    ],
)
def test_a_plan_that_cannot_be_read_is_a_usage_error(pytester: pytest.Pytester, text: str | None, said: str) -> None:
    if text is not None:
        pytester.makefile(".json", plan=text)
    result = run(pytester, SIM, "--relive-replay", "plan.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--relive-replay: " + said.removeprefix("*") if text is None else said])


def test_a_promise_that_is_not_kept_fails_the_test_and_says_how_to_see_it_again(pytester: pytest.Pytester) -> None:
    result = run(pytester, """
from collections import Counter
from relive.testing.simulation import hold
from relive.testing.simulation.outcome import Outcome, Violation
from relive.testing.simulation.plan import Plan

def test_broken(sim, monkeypatch):
    wrong = Violation("P13", "a frame is missing", 1.0)
    nothing = Counter()
    monkeypatch.setattr(hold, "simulate", lambda plan, level: Outcome(
        plan, level, 1.0, (wrong,), nothing, nothing, nothing, 1, 1, 1, ""))
    sim(Plan())
""")  # fmt: skip
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*P13 at 1.000 s: a frame is missing*", "*relive simulate*--replay*", "*@example(*"])


def test_without_pytest_asyncio_suites_run_and_the_marker_says_what_it_needs(pytester: pytest.Pytester) -> None:
    args = ("-p", "no:asyncio", "-p", "no:looptime_plugin")  # looptime cannot be without it
    pytester.makeini("[pytest]\n")
    loaded = () if INSTALLED else ("-p", PLUGIN)
    pytester.makepyfile(test_plain="def test_plain(sim): pass")
    pytester.runpytest_subprocess("-q", *loaded, *args).assert_outcomes(passed=1)
    pytester.makepyfile(test_marked="import pytest\n@pytest.mark.virtual_time\nasync def test_it(): pass")
    result = pytester.runpytest_subprocess("-q", *loaded, *args, "test_marked.py")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["the marker virtual_time needs pytest-asyncio 1.4 *pip install 'relive[[]testing]'"])
    pytester.makepyfile(test_live="def test_live(live_server): pass\ndef test_client(live_client): pass")
    result = pytester.runpytest_subprocess("-q", *loaded, *args, "test_live.py")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            f"the fixture live_{what} needs pytest-asyncio 1.4 *pip install 'relive[[]testing]'"
            for what in ("server", "client")
        ]
    )


def test_loading_it_imports_next_to_nothing() -> None:
    program = "import sys, pytest; old = set(sys.modules); import relive.testing.plugin; print(*set(sys.modules) - old)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert set(done.stdout.split()) <= {"relive", "relive.testing", "relive.testing.plugin"}
