"""Where simulations are played: not inside an event loop, and in quiet unless somebody wants to read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from threading import Barrier, Event, Thread
from typing import Any

import attrs
import pytest
from tests.testing import agents

import relive
import relive.session as session_module
from relive.runtime import Channel, Runtime
from relive.testing.host_tls import TlsHost
from relive.testing.loop import run as run_in_virtual_time
from relive.testing.server import FakeLiveServer
from relive.testing.simulation.campaign import Campaign, run
from relive.testing.simulation.embedding import hold_agent, make_client, play_agent
from relive.testing.simulation.faults import Close, ResetPeer
from relive.testing.simulation.hold import hold
from relive.testing.simulation.plan import Plan, Step
from relive.testing.simulation.simulate import simulate
from relive.testing.simulation.surroundings import LoopIsRunning, quiet

pytestmark = pytest.mark.own_log

PLAN = Plan(seconds=80.0, steps=(Step(fault=ResetPeer(), at=2.0), Step(fault=Close("bad_key"), at=10.0)))


@pytest.mark.parametrize(
    ("call", "who"),
    [
        (lambda: hold(PLAN), "hold"),
        (lambda: simulate(PLAN, "session"), "simulate"),
        (lambda: simulate(PLAN, "sockets"), "simulate"),
        (lambda: play_agent(agents.steady, PLAN), "play_agent"),
        (lambda: hold_agent(agents.steady, PLAN, twice=True), "hold_agent"),
        (lambda: run(Campaign(sessions=1)), "simulate"),
    ],
    ids=["hold", "session", "sockets", "play_agent", "hold_agent", "campaign"],
)
async def test_inside_an_event_loop_it_says_what_to_do_instead(call: Callable[[], Any], who: str) -> None:
    with pytest.raises(LoopIsRunning, match=rf"`{who}` runs an event loop .* `await asyncio.to_thread\({who}, …\)`"):
        call()


async def test_what_it_says_helps_and_the_pure_core_needs_no_loop() -> None:
    assert (await asyncio.to_thread(hold, PLAN)).faults["ResetPeer"] == 1
    assert hold(PLAN, level="core").faults["ResetPeer"] == 1


def test_it_helps_in_virtual_time_as_well() -> None:
    async def main() -> int:
        return (await asyncio.to_thread(hold, PLAN)).faults["ResetPeer"]

    assert run_in_virtual_time(main) == 1


def test_applications_may_be_played_in_several_threads_at_a_time() -> None:
    plans = [attrs.evolve(PLAN, seed=seed, steps=PLAN.steps[:1]) for seed in range(6)]
    alone = [hold_agent(agents.steady, plan).lines() for plan in plans]
    with ThreadPoolExecutor(len(plans)) as threads:
        played = list(threads.map(hold_agent, repeat(agents.steady), plans))
    assert [history.lines() for history in played] == alone
    assert vars(session_module)["Runtime"] is Runtime
    assert vars(session_module)["Channel"] is Channel


async def test_a_session_of_somebody_else_s_is_left_alone_meanwhile() -> None:
    under_way, over = Event(), Event()

    async def waits(client: Any) -> None:
        async with relive.connect(client, model="m"):
            under_way.set()
            over.wait()  # time stands still here, and only here

    async with TlsHost(FakeLiveServer()) as host:
        playing = asyncio.ensure_future(asyncio.to_thread(hold_agent, waits, PLAN))
        await asyncio.to_thread(under_way.wait)
        try:
            async with relive.connect(make_client(host), model="m") as session:
                assert type(vars(session)["_runtime"]) is Runtime
        finally:
            over.set()
        assert len((await playing).clients) == 1


@pytest.mark.parametrize("written", ['{"version": 1}', {"version": 1}, None])
def test_what_is_no_plan_is_refused(written: Any) -> None:
    for play in hold, partial(hold_agent, agents.steady), partial(play_agent, agents.steady):
        with pytest.raises(TypeError, match=rf"a Plan is needed, .* a {type(written).__name__}: Plan\.from_json"):
            play(written)


@pytest.fixture(params=["hold", "simulate", "hold_agent", "run"])
def play(request: pytest.FixtureRequest) -> Callable[[], object]:
    """Something that plays a plan in which there is much to log."""
    return {
        "hold": lambda: hold(PLAN),
        "simulate": lambda: simulate(PLAN),
        "hold_agent": lambda: hold_agent(agents.steady, Plan(steps=(Step(fault=ResetPeer(), at=0.2),))),
        "run": lambda: run(Campaign(draw=lambda *_, **__: PLAN, sessions=1)),
    }[request.param]


def of_relive(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.name == "relive" for record in caplog.records)


def test_what_relive_logs_is_left_out(play: Callable[[], object], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    play()
    assert of_relive(caplog) == 0
    assert logging.getLogger("relive").level == logging.NOTSET


def test_whoever_wants_to_read_it_sets_a_level(play: Callable[[], object], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="relive")
    play()
    assert of_relive(caplog) > 0
    assert logging.getLogger("relive").level == logging.DEBUG


def test_it_stays_quiet_until_the_last_who_wants_it_so() -> None:
    logger, first, second = logging.getLogger("relive"), Barrier(2), Barrier(2)

    def other() -> None:
        with quiet():
            first.wait()
            second.wait()

    thread = Thread(target=other, daemon=True)
    with quiet():
        thread.start()
        first.wait()
    assert not logger.isEnabledFor(logging.CRITICAL)
    second.wait()
    thread.join()
    assert logger.isEnabledFor(logging.CRITICAL)
