"""The pytest plugin: tests in virtual time, plans, and a Live server with a client of the SDK.

- ``@pytest.mark.virtual_time`` runs an async test, and its fixtures, on a `SimLoop`: an hour of sleep takes no time.
  Needs pytest-asyncio, and stands for its marker as well. Arguments are the loop's, by name; ``max_time`` is a day if
  not given: a test that waits for what never comes ends with a `TimeLimit` that says where it waits. All examples of a
  Hypothesis test are run on one loop, one after the other. What cannot be run so is refused, and not run in real time.
- ``sim(plan)`` plays a plan on our own simulation and fails with an explanation if a promise is not kept; ``sim()``
  draws one. ``--relive-seed N`` is the seed of all of them, ``--relive-replay FILE`` a plan that is played instead.
- ``live_server`` is a `FakeLiveServer` behind a websocket: in memory if the test is in virtual time, else over TLS on
  the loopback interface. ``live_client`` is a `google.genai.Client` that finds it. A fixture ``live_script`` of your
  own returns another `ServerScript` for it.

pytest loads this module in every run of every project that has relive installed: it imports next to nothing.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import pytest

if TYPE_CHECKING:
    from relive.testing.server_script import ServerScript
    from relive.testing.simulation.outcome import Level, Outcome
    from relive.testing.simulation.plan import Plan

MARK: Final = "virtual_time"
_ASYNCIO: Final = "asyncio"
_DAY: Final = 86_400.0
_LIMITS: Final = ("max_time", "max_steps")
_LOOPS: Final = "relive-loops"
_PLAN: Final = pytest.StashKey["Plan | None"]()


class Sim(Protocol):
    """What the fixture `sim` is."""

    def __call__(self, plan: Plan | None = None, *, level: Level = "runtime") -> Outcome:
        """Play a plan (or the next one of the seed), and insist that every promise was kept."""
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("relive")
    group.addoption(
        "--relive-seed", type=int, metavar="N", help="seed of every plan that the fixture sim plays, and of live_server"
    )
    group.addoption(
        "--relive-replay",
        metavar="FILE",
        help="play the plan in this file (JSON) in place of every plan of the fixture sim",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare our marker, read the plan that is to be replayed, and offer the fixtures that need pytest-asyncio."""
    config.addinivalue_line(
        "markers", f"{MARK}(max_time=86400.0): run this async test on relive's loop with virtual time"
    )
    name: str | None = config.getoption("--relive-replay")
    config.stash[_PLAN] = _read(name) if name is not None else None
    if config.pluginmanager.hasplugin(_ASYNCIO):
        from relive.testing import plugin_live

        config.pluginmanager.register(plugin_live, "relive-live")


def _read(name: str) -> Plan:
    from pathlib import Path

    from relive.testing.simulation.plan import Plan, PlanError

    try:
        return Plan.from_json(Path(name).read_bytes())
    except OSError as error:
        raise pytest.UsageError(f"--relive-replay: cannot read {name}: {error.strerror}") from error
    except PlanError as error:
        raise pytest.UsageError(f"--relive-replay: {name}: {error}") from error


class _Loops:
    """Chooses loops, as pytest-asyncio asks for it. Registered when a test is first marked: not before."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_asyncio_loop_factories(self, item: pytest.Item) -> Generator[None, Any, Mapping[str, Any]]:
        """Run marked tests in virtual time, and leave the others to whoever else chooses, or to asyncio."""
        chosen = yield
        mark = item.get_closest_marker(MARK)
        if mark is not None:
            from relive.testing.loop import SimLoop

            return {MARK: partial(SimLoop, **{"max_time": _DAY, **mark.kwargs})}
        if chosen is None:
            import asyncio

            return {_ASYNCIO: asyncio.new_event_loop}
        return chosen


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Have pytest-asyncio run an async test that has our marker, whatever its mode is."""
    if issubclass(type(obj), type):  # no more is asked of what may be anything: a lazy object would be made by that
        _refuse_a_loop_of_its_own(collector, cast("type", obj))
        return
    if not collector.istestfunction(obj, name):
        return
    test = getattr(obj, "__func__", obj)  # of a static method
    marks = [*_own_marks(test), *collector.iter_markers(MARK)]
    if not (marks and _is_async(collector, name, test)):
        return
    plugins = collector.config.pluginmanager
    if not hasattr(collector.config.hook, "pytest_asyncio_loop_factories"):
        raise collector.CollectError(_needs_asyncio(f"the marker {MARK}"))
    for mark in marks:
        _check(mark, collector)
    if not plugins.hasplugin(_LOOPS):
        plugins.register(_Loops(), _LOOPS)
    if not any(mark.name == _ASYNCIO for mark in getattr(test, "pytestmark", ())):
        pytest.mark.asyncio(test)


def _own_marks(obj: object) -> list[pytest.Mark]:
    return [mark for mark in getattr(obj, "pytestmark", ()) if mark.name == MARK]


def _is_async(collector: pytest.Module | pytest.Class, name: str, test: Any) -> bool:
    """Whether pytest-asyncio can run it. Refuses what would be run without it, although it asks for virtual time.

    Others may stand beside async tests in a class, or a module, that has the marker.
    """
    # Hypothesis puts a plain function around an async test, and has whoever runs it replace what is inside.
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    if inspect.iscoroutinefunction(inner):
        return True
    if _own_marks(test) or inspect.iscoroutinefunction(inspect.unwrap(inner)):
        raise collector.CollectError(
            f"{MARK}: {name} is no async function, or a decorator has made another of it: it would run in real time"
        )
    return False


def _refuse_a_loop_of_its_own(collector: pytest.Module | pytest.Class, case: type) -> None:
    """Refuse a class of unittest's that runs its tests on loops of its own."""
    unittest: Any = sys.modules.get("unittest.async_case")  # not there: nobody has such a class
    if unittest is None or not issubclass(case, unittest.IsolatedAsyncioTestCase):
        return
    tests = filter(inspect.isfunction, vars(case).values())
    if any(collector.iter_markers(MARK)) or any(map(_own_marks, (case, *tests))):
        raise collector.CollectError(f"{MARK}: {case.__name__} has a loop of its own: it would run in real time")


def _check(mark: pytest.Mark, collector: pytest.Collector) -> None:
    """Refuse what the loop does not understand: it would be ignored, or be an error in the middle of a run."""
    from relive.testing.loop import SimLoop

    if mark.args:
        args = ", ".join(map(repr, mark.args))
        raise collector.CollectError(
            f"{MARK}({args}): arguments are given by name, as in {MARK}(max_time={mark.args[0]!r})"
        )
    known = inspect.signature(SimLoop).parameters
    for name, value in mark.kwargs.items():
        if name not in known:
            raise collector.CollectError(f"{MARK}({name}=…): there is no such argument; there are {', '.join(known)}")
        if name in _LIMITS and not (isinstance(value, (int, float)) and value > 0):
            raise collector.CollectError(f"{MARK}({name}={value!r}): it must be a number above 0")


def _needs_asyncio(who: str) -> str:
    from relive.errors import MissingExtra

    return str(MissingExtra(who, "pytest-asyncio 1.4 or newer (which is not there, or not active)", extra="testing"))


def _needs_asyncio_fixture(request: pytest.FixtureRequest) -> None:
    """Stands where a fixture would be that needs pytest-asyncio."""
    pytest.fail(_needs_asyncio(f"the fixture {request.fixturename}"), pytrace=False)


live_server = pytest.fixture(name="live_server")(_needs_asyncio_fixture)
live_client = pytest.fixture(name="live_client")(_needs_asyncio_fixture)


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Sim:
    """Play a plan: see the module's docstring."""
    drawn = 0
    seed: int | None = request.config.getoption("--relive-seed")
    replayed = request.config.stash[_PLAN]

    def play(plan: Plan | None = None, *, level: Level = "runtime") -> Outcome:
        import attrs

        from relive.testing.simulation.draw import draw
        from relive.testing.simulation.hold import hold
        from relive.testing.simulation.surroundings import insist_on_a_plan

        nonlocal drawn
        if replayed is not None:
            return hold(replayed, level=level)
        if plan is None:
            plan = draw(seed or 0, drawn)
            drawn += 1
        elif seed is not None:
            insist_on_a_plan(plan)
            plan = attrs.evolve(plan, seed=seed)
        return hold(plan, level=level)

    return play


@pytest.fixture
def live_script() -> ServerScript:
    """How `live_server` behaves: well. Override it for anything else."""
    from relive.testing.server_script import ServerScript

    return ServerScript()
